"""Nothing grows: engines that are dropped give their memory back, and a warm engine takes none for its commands.

Each kind of work is done in a process of its own until it is warm, and then for several times as long; by how much the
resident memory grew meanwhile is what counts. The bounds are a few pages: a byte for each command would be more.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from leak_probes import KIB, PROBES, STATM

HERE = Path(__file__).parent
PATHS = (HERE.parent.parent, HERE, HERE.parent)

pytestmark = [
    pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc"),
    pytest.mark.usefixtures("compiled_core"),
]


def growth_bytes(name):
    result = subprocess.run(
        [sys.executable, str(HERE / "leak_probes.py"), name], capture_output=True, text=True, timeout=60, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PATHS))},
    )  # fmt: skip
    return int(result.stdout)


@pytest.mark.parametrize("name", [name for name in PROBES if name != "leak"])
def test_memory_does_not_grow(name):
    assert growth_bytes(name) < 256 * KIB


def test_growth_is_noticed():
    assert growth_bytes("leak") > 2_000 * KIB
