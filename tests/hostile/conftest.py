"""A venue of its own process that all attacks are made on, one after the other."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent / name) for name in ("fault", "unit")]

from attacked import Attacked  # noqa: E402 - the path must be there first.


@pytest.fixture(scope="session")
def attacked(tmp_path_factory):
    """The venue; it must live, and stop in order, after all that was done to it."""
    venue = Attacked(tmp_path_factory.mktemp("attacked"))
    yield venue
    venue.stop()
