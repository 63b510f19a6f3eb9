"""A running exchange for the clients of other people."""

import pytest
from exchange_process import ExchangeProcess


@pytest.fixture
def exchange(tmp_path):
    """A venue on a free port, for one test."""
    with ExchangeProcess(tmp_path) as running:
        yield running
