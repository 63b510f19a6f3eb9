"""The clearinghouse on the compiled core beside the reference: every event, and the whole state at intervals."""

import pytest
from clearing_sim import run_one
from clearing_venue import ClearedVenue
from twin import TwinsDiffer

from exchange.reference import ReferenceCore


@pytest.mark.parametrize("seed", range(500, 509))
def test_cleared_twins_agree(compiled_core, seed):
    assert run_one(seed, 3_000, compiled_core) >= 3_000


def test_cleared_twins_notice_a_difference():
    venue = ClearedVenue([ReferenceCore(orders_max=1 << 14), ReferenceCore(orders_max=1 << 14)])
    venue.engines[1].house.state.ledger.tell = lambda *arguments, **more: None
    with pytest.raises(TwinsDiffer):
        venue.transfer("p1", "coll", "bond", 1)
