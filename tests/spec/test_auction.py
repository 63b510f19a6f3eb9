"""Items, bids and awards of an estate's auction (CLR-AUC rules of docs/spec/default.md)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.auction import Award, Bid, Item, award, juniorised, latest, runs_of
from exchange.errors import CatalogueError
from exchange.reasons import RejectReason

LONG, SHORT = Item(0, 0, 100, 8, 10), Item(0, 1, 100, 8, -10)


def test_runs_of_equal_lots_in_one_fabric_clr_auc_001():
    positions = {
        (0, 0, 12): 5, (0, 0, 10): 5, (0, 0, 11): 5,  # A run, in any order.
        (0, 0, 13): 6,  # Other lots.
        (0, 0, 15): 6,  # A gap.
        (0, 0, 16): -6,  # The other side.
        (0, 1, 17): -6,  # Another fabric.
        (0, 1, 18): 0, (0, 1, 19): -6,  # Nothing between.
        (1, 1, 20): -6,  # Another product.
    }  # fmt: skip
    assert runs_of(positions) == [
        Item(0, 0, 10, 3, 5), Item(0, 0, 13, 1, 6), Item(0, 0, 15, 1, 6), Item(0, 0, 16, 1, -6),
        Item(0, 1, 17, 1, -6), Item(0, 1, 19, 1, -6), Item(1, 1, 20, 1, -6),
    ]  # fmt: skip
    assert runs_of({}) == []


def test_a_long_run_becomes_several_clr_auc_001():
    positions = {(0, 0, window): 1 for window in range(400)}
    assert [(item.first, item.windows) for item in runs_of(positions)] == [(0, 168), (168, 168), (336, 64)]
    assert len(runs_of(positions, windows_max=1)) == 400
    with pytest.raises(ValueError, match="windows_max must be at least 1, was 0"):
        runs_of(positions, windows_max=0)


@given(st.dictionaries(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 9)), st.integers(-2, 2)),
       st.integers(1, 9))  # fmt: skip
def test_items_are_the_positions_clr_auc_001(positions, windows_max):
    items = runs_of(positions, windows_max)
    again = {
        (item.product, item.fabric, item.first + offset): item.lots for item in items for offset in range(item.windows)
    }
    assert again == {key: lots for key, lots in positions.items() if lots}
    assert sum(item.windows for item in items) == len(again)
    assert items == sorted(items)
    for one, two in pairwise(items):  # No two could be one.
        is_next = two == (one.product, one.fabric, one.first + one.windows, two.windows, one.lots)
        assert one.windows <= windows_max
        assert not is_next or one.windows == windows_max


def test_the_later_bid_of_an_account_counts_clr_auc_002():
    bids = [Bid(1, 0, 4, 70, 3), Bid(2, 0, 4, 60, 2), Bid(1, 0, 4, 90, 1), Bid(1, 1, 4, 90, 4)]
    assert latest(bids) == [bids[1], bids[0], bids[3]]
    # It stands where the later one came: behind account 2 at the same price.
    result = award([LONG], [Bid(1, 0, 8, 50, 1), Bid(2, 0, 8, 60, 2), Bid(1, 0, 8, 60, 3)])
    assert result.awards == [Award(0, 2, 8, 60), Award(0, 1, 2, 60)]


@pytest.mark.parametrize(("lots", "price"), [(0, 1), (-1, 1), (1 << 31, 1), (1, -1), (1, 1 << 53)])
def test_malformed_bids_are_refused_clr_auc_002(lots, price):
    with pytest.raises(CatalogueError, match="must be from") as caught:
        Bid(1, 0, lots, price, 1)
    assert caught.value.reason == RejectReason.MALFORMED


@pytest.mark.parametrize("item", [-1, 1])
def test_a_bid_is_for_an_item_clr_auc_002(item):
    with pytest.raises(ValueError, match=f"item of a bid must be from 0 to 0, was {item}"):
        award([LONG], [Bid(1, item, 1, 1, 1)])


BIDS = [Bid(1, 0, 4, 50, 1), Bid(2, 0, 4, 70, 2), Bid(3, 0, 4, 60, 3), Bid(4, 0, 4, 0, 4)]


@pytest.mark.parametrize(
    ("item", "limit", "awards", "left"),
    [
        (LONG, None, [(2, 4, 70), (3, 4, 60), (1, 2, 50)], 0),
        (LONG, 60, [(2, 4, 70), (3, 4, 60)], 2),
        (LONG, 71, [], 10),
        (LONG._replace(lots=20), None, [(2, 4, 70), (3, 4, 60), (1, 4, 50), (4, 4, 0)], 4),
        (SHORT, None, [(4, 4, 0), (1, 4, 50), (3, 2, 60)], 0),
        (SHORT, 50, [(4, 4, 0), (1, 4, 50)], -2),
        (SHORT, 0, [(4, 4, 0)], -6),
        (SHORT._replace(lots=-20), None, [(4, 4, 0), (1, 4, 50), (3, 4, 60), (2, 4, 70)], -4),
    ],
)
def test_best_price_first_each_at_his_own_clr_auc_003_clr_auc_004_clr_auc_005(item, limit, awards, left):
    result = award([item], BIDS, [limit])
    assert result.awards == [Award(0, *parts) for parts in awards]
    assert result.left == [left]


@pytest.mark.parametrize("item", [LONG, SHORT])
def test_of_equal_prices_the_earlier_clr_auc_004(item):
    result = award([item], [Bid(1, 0, 6, 5, 9), Bid(2, 0, 6, 5, 7), Bid(3, 0, 6, 5, 8)])
    assert result.awards == [Award(0, 2, 6, 5), Award(0, 3, 4, 5)]
    assert [won.amount for won in result.awards] == [30, 20]


def test_items_are_awarded_one_by_one_clr_auc_005():
    result = award([SHORT, LONG, LONG], [Bid(1, 1, 9, 5, 1), Bid(1, 0, 9, 5, 2)])
    assert result == ([Award(0, 1, 9, 5), Award(1, 1, 9, 5)], [-1, 1, 10])
    assert award([], []) == ([], [])
    with pytest.raises(ValueError, match="zip"):
        award([LONG], [], [1, 2])


bid_lists = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(1, 6), st.integers(0, 5)), max_size=12)


@settings(max_examples=200)
@given(st.lists(st.integers(-8, 8).filter(bool), min_size=3, max_size=3), bid_lists)
def test_lot_by_lot_nobody_better_was_passed_over_clr_auc_003_clr_auc_004_clr_auc_005(lots, parts):
    items = [Item(0, index, 0, 1, each) for index, each in enumerate(lots)]
    bids = [Bid(*part, seq) for seq, part in enumerate(parts)]
    result = award(items, bids)
    for index, item in enumerate(items):
        last = {bid.account: bid for bid in bids if bid.item == index}  # Sequences rise.
        sign = -1 if item.lots > 0 else 1
        queue = [(sign * bid.price, bid.seq, bid.account) for bid in last.values() for _ in range(bid.lots)]
        taken = sorted(queue)[: abs(item.lots)]
        won = {account: sum(1 for lot in taken if lot[2] == account) for _, _, account in taken}
        assert {each.account: each.lots for each in result.awards if each.item == index} == won
        assert all(each.price == last[each.account].price for each in result.awards if each.item == index)
        assert result.left[index] == item.lots + sign * len(taken)


def test_members_who_did_not_bid_are_juniorised_clr_auc_006():
    assert juniorised([5, 3, 4, 1], {4, 9}) == (1, 3, 5)
    assert juniorised([5], [5]) == ()
