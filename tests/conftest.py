"""Fixtures every test shares: both cores, and a small venue on each."""

import pytest
from venue import Venue

from exchange.reference import ReferenceCore


@pytest.fixture(scope="session")
def compiled_core():
    """The compiled core's class; tests that need it are skipped where it is not built."""
    return pytest.importorskip("ext.core", reason="ext.core is not built", exc_type=ImportError).Core


@pytest.fixture(params=["reference", "core"])
def core(request):
    """The class of a core: the reference, then the compiled one."""
    return ReferenceCore if request.param == "reference" else request.getfixturevalue("compiled_core")


@pytest.fixture
def venue(core):
    """A venue without fees, where one tick on one lot is one micro-dollar."""
    return Venue(core())
