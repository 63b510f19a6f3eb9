"""The whole process on a disk that fails: it ends with its code and one line, and starts again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.journal import Reader

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def test_venue_ends_with_75_when_a_flush_fails_jrn_016(tmp_path):
    pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError)
    result = subprocess.run(
        [sys.executable, str(HERE / "serve_on_failing_disk.py"), "serve", "--journal", str(tmp_path), "--port", "0"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert result.returncode == 75
    assert result.stderr == "hourglass: journal fdatasync failed, EIO: Input/output error\n"
    assert [frame.first_seq for frame in Reader(tmp_path)] == [1, 3, 4]  # The third was written, and never told.
