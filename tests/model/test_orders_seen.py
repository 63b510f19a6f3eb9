"""Who follows the orders one by one has the core's books, whatever happens to them."""

import pytest
from by_order import Told
from clearing_flow import ClearingFlow
from flow import Flow
from market_flow import MarketFlow
from twin import TINY, run_flow

from exchange.reference import ReferenceCore

ROOMY = {"orders_max": 1 << 16}


@pytest.mark.parametrize("limits", [ROOMY, TINY], ids=["roomy", "tiny"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_orders_of_a_flow_are_the_cores_mkd_040_mkd_041(seed, limits):
    told = Told(ReferenceCore(**limits))
    run_flow(told, Flow(seed, margined=seed == 2), batches=300, count=20)
    assert told.follower.ops == {0, 1, 2, 3}
    assert sum(book.gaps for book in told.slow.orders.values()) > 0


@pytest.mark.parametrize("seed", range(6))
def test_orders_of_the_window_market_are_the_cores_mkd_040_mkd_041(seed):
    """With calls, blocks that take resting orders, icebergs, quotes, gates and halts."""
    told = Told(ReferenceCore(**ROOMY))
    run_flow(told, MarketFlow(seed, margined=seed % 2 == 0, swarm=seed % 3 == 2), batches=300, count=15)
    assert told.follower.ops == {0, 1, 2, 3}


def test_orders_are_right_after_every_single_command_mkd_040():
    told = Told(ReferenceCore(**ROOMY))
    run_flow(told, MarketFlow(11), batches=1_500, count=1)
    assert told.follower.messages > 300


@pytest.mark.parametrize("seed", range(2))
def test_orders_are_right_whatever_the_clearinghouse_takes_mkd_040(seed):
    told, flow = Told(ReferenceCore(**ROOMY)), MarketFlow(seed)
    steps = ClearingFlow(seed, flow.accounts + len(flow.providers))
    flow.learn(told.apply(flow.opening(), flow.now_ns))
    for _ in range(250):
        flow.learn(told.apply(*flow.batch(10)))
        events, _ = told.clear(steps.steps(told.plain.core, flow.instruments), flow.now_ns)
        flow.learn(events)
    assert told.follower.ops == {0, 1, 2, 3}
