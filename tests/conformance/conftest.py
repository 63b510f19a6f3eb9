"""The helpers that write and read frames live with the unit tests of the parser."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))
