"""The limits of the core are hit, on both cores, each with its reason; and docs/limits.md says what the code says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from venue import NUMBER, WINDOW, Venue

from exchange import commands, units
from exchange.reasons import RejectReason
from exchange.records import EventType
from exchange.units import (
    AMOUNT_MAX,
    FABRICS_MAX,
    FEE_PPM_MAX,
    GATE_LEAD_MAX_S,
    ICEBERG_REFRESHES_MAX,
    LANE_OUTCOMES_MAX,
    LOT_SCU_MAX,
    LOTS_MAX,
    MONEY_MAX,
    NAME_CHARACTERS_MAX,
    POSITION_MAX,
    PRICE_MAX_TICKS,
    SLOT_BITS,
    TICK_MICROS_MAX,
    WINDOW_MAX,
    WINDOWS_PER_COMMAND_MAX,
)
from gateway.config import GatewayConfig

ROOT = Path(__file__).parent.parent.parent
ANN, BOB = NUMBER["ann"], NUMBER["bob"]


def refused(lines):
    """The reason in the first line, or None where it is an ack."""
    kind, *words = lines[0].split()
    return None if kind == "ack" else next(word for word in words if word in RejectReason.__members__)


# Room.


def test_orders_of_the_venue_end_at_orders_max(core):
    venue = Venue(core(orders_max=8))
    for number in range(8):
        assert refused(venue.buy("ann" if number % 2 else "bob", 1, 10)) is None
    assert refused(venue.sell("cat", 1, 10)) == "OPEN_LIMIT"  # It would trade at once, and needs a slot all the same.
    assert refused(venue.quote("cat", (1, 5, 1, 20, 1))) is None
    sides = venue.quote("cat", (1, 6, 1, 20, 1))[1:]
    assert [refused([line]) for line in sides] == ["OPEN_LIMIT", "OPEN_LIMIT"]
    venue.cancel("bob", "o0")
    assert refused(venue.sell("cat", 1, 10)) is None


def test_orders_of_one_account_end_at_account_orders_max(core):
    venue = Venue(core(account_orders_max=3))
    for _ in range(2):
        assert refused(venue.buy("ann", 1, 10)) is None
    legs = venue.quote("ann", (1, 5, 1, 20, 1))
    assert [refused([line]) for line in legs] == [None, None, "OPEN_LIMIT"], "one side of the quote fits"
    assert refused(venue.buy("ann", 1, 10)) == "OPEN_LIMIT"
    assert refused(venue.buy("bob", 1, 10)) is None
    venue.cancel("ann", "o0")
    assert refused(venue.buy("ann", 1, 10)) is None


def test_accounts_end_at_accounts_max(core):
    venue = Venue(core(accounts_max=7))  # Account 0 and five people are there.
    assert venue.run(commands.add_account("sixth"))[0]["type"] == EventType.ACK
    assert venue.run(commands.add_account("seventh"))[0]["reason"] == RejectReason.OPEN_LIMIT
    assert venue.engine.catalogue.account_number("seventh") is None


def test_instruments_end_at_instruments_max(core):
    venue = Venue(core(instruments_max=4))  # Two are there.
    assert refused(venue.do(commands.list_window("P", WINDOW + 2, count=3))) == "OPEN_LIMIT"
    assert len(venue.engine.catalogue.instruments) == 2
    assert refused(venue.do(commands.list_window("P", WINDOW + 2, count=2))) is None
    assert refused(venue.buy("ann", 1, 10, instrument=4)) is None
    assert refused(venue.buy("ann", 1, 10, instrument=5)) == "NO_INSTRUMENT"


@pytest.mark.parametrize("orders_max", [0, 1 << SLOT_BITS])
def test_more_slots_than_a_handle_can_say_are_refused(compiled_core, orders_max):
    with pytest.raises(ValueError, match="orders_max must be from 1 to 268435455"):
        compiled_core(orders_max=orders_max)
    compiled_core(orders_max=(1 << SLOT_BITS) - 1)


def test_a_lane_remembers_lane_outcomes_max_answers_ord_002(core):
    venue = Venue(core())
    batch = [commands.cancel(ANN, ref, 0) for ref in range(1, LANE_OUTCOMES_MAX + 2)]
    assert len(venue.run(*batch)) == LANE_OUTCOMES_MAX + 1
    again = venue.run(*batch[:3], batch[-1])
    assert [RejectReason(event["reason"]).name for event in again] == ["STALE_REF"] + ["NO_ORDER"] * 3
    assert [int(event["flags"]) for event in again] == [0, 4, 4, 4]


# Numbers.


def test_prices_end_at_price_max_ticks(venue):
    assert refused(venue.buy("ann", 1, PRICE_MAX_TICKS)) is None
    for price in (PRICE_MAX_TICKS + 1, (1 << 31) - 1, -1, -(1 << 31)):
        assert refused(venue.buy("ann", 1, price)) == "PX_TICK"
    assert refused(venue.replace("ann", "o0", 1, PRICE_MAX_TICKS + 1)) == "PX_TICK"
    assert refused(venue.quote("ann", (1, PRICE_MAX_TICKS + 1, 1, 0, 0))) == "PX_TICK"
    assert refused(venue.do(commands.set_mark("P", WINDOW, px=PRICE_MAX_TICKS + 1))) == "PX_TICK"


def test_lots_end_at_lots_max(venue):
    assert refused(venue.buy("ann", LOTS_MAX, 1)) is None
    assert refused(venue.buy("ann", LOTS_MAX + 1, 1)) == "QTY_MAX"
    assert refused(venue.buy("ann", (1 << 31) - 1, 1)) == "QTY_MAX"
    assert refused(venue.buy("ann", 0, 1)) == refused(venue.buy("ann", -1, 1)) == "QTY_LOT"
    assert refused(venue.replace("ann", "o0", LOTS_MAX + 1, 1)) == "QTY_MAX"
    assert refused(venue.quote("bob", (1, 1, LOTS_MAX + 1, 0, 0))) == "QTY_MAX"


def test_an_iceberg_ends_at_iceberg_refreshes_max(venue):
    assert refused(venue.buy("ann", 3 * ICEBERG_REFRESHES_MAX, 1, display=3)) is None
    assert refused(venue.buy("ann", 3 * ICEBERG_REFRESHES_MAX + 1, 1, display=3)) == "QTY_MAX"
    assert refused(venue.replace("ann", "o0", 3 * ICEBERG_REFRESHES_MAX + 1, 2)) == "QTY_MAX"


def test_the_value_of_an_order_ends_at_money_max(core):
    assert PRICE_MAX_TICKS * LOTS_MAX * 4 == MONEY_MAX
    venue = Venue(core(), lot_scu=2, tick_micros=2)
    assert refused(venue.buy("ann", LOTS_MAX, PRICE_MAX_TICKS)) is None
    venue = Venue(core(), lot_scu=5)
    assert refused(venue.buy("ann", LOTS_MAX, PRICE_MAX_TICKS)) == "QTY_MAX"
    largest = MONEY_MAX // (5 * LOTS_MAX)
    assert refused(venue.buy("ann", LOTS_MAX, largest + 1)) == "QTY_MAX"
    assert refused(venue.quote("ann", (1, largest + 1, LOTS_MAX, 0, 0))) == "QTY_MAX"
    assert refused(venue.buy("ann", LOTS_MAX, largest)) is None
    assert refused(venue.replace("ann", "o0", LOTS_MAX, largest + 1)) == "QTY_MAX"


def test_a_position_ends_at_position_max(venue):
    venue.buy("ann", LOTS_MAX, 1)
    assert refused(venue.sell("ann", LOTS_MAX, 2)) == "POSITION_LIMIT"  # Both sides count.
    assert refused(venue.sell("ann", POSITION_MAX - LOTS_MAX, 2)) is None
    assert refused(venue.buy("ann", 1, 1)) == "POSITION_LIMIT"
    venue.sell("bob", LOTS_MAX, 1)
    assert venue.position("ann")[:3] == (LOTS_MAX, 0, POSITION_MAX - LOTS_MAX)
    assert refused(venue.buy("ann", 1, 1)) == "POSITION_LIMIT", "what is held counts as what is open did"
    assert refused(venue.replace("ann", "o1", POSITION_MAX - LOTS_MAX + 1, 2)) == "POSITION_LIMIT"
    assert refused(venue.buy("ann", 1, 1, instrument=2)) is None


def test_transfers_end_at_amount_max_and_balances_at_money_max(venue):
    assert refused(venue.deposit("ann", AMOUNT_MAX + 1)) == "MALFORMED"
    assert refused(venue.deposit("ann", 0)) == "MALFORMED"
    full = MONEY_MAX // AMOUNT_MAX
    venue.run(*[commands.deposit(ANN, AMOUNT_MAX)] * full)
    rest = MONEY_MAX - full * AMOUNT_MAX
    assert refused(venue.deposit("ann", rest + 1)) == "BALANCE"
    assert refused(venue.deposit("ann", rest)) is None
    assert venue.balance("ann") == MONEY_MAX
    assert refused(venue.deposit("bob", 1)) == "BALANCE", "outside there is only so much"
    assert refused(venue.do(commands.withdraw(ANN, AMOUNT_MAX + 1))) == "MALFORMED"
    assert refused(venue.do(commands.withdraw(ANN, 1))) is None
    assert refused(venue.deposit("bob", 1)) is None


def test_a_balance_never_wraps_around_by_trades_acc_005(core):
    """Unmargined accounts can lose more than 64 bits hold: balances are wider."""
    venue = Venue(core(), lot_scu=2, tick_micros=2)
    for window in (WINDOW, WINDOW + 1):
        venue.mark(0, start=window)

    def trade(instrument):
        lots = LOTS_MAX - 1  # Two of them fit one position.
        venue.sell("bob", lots, PRICE_MAX_TICKS, instrument=instrument)
        venue.buy("ann", lots, PRICE_MAX_TICKS, instrument=instrument)

    trade(1)
    trade(1)
    assert -(1 << 63) < venue.balance("ann") < -(1 << 62)
    trade(2)
    assert venue.balance("ann") == -3 * PRICE_MAX_TICKS * (LOTS_MAX - 1) * 4 < -(1 << 63)
    assert venue.balance("bob") == -venue.balance("ann")
    assert venue.deposit("ann", 1)[-1] == f"account ann amount={-MONEY_MAX}"  # As much as an event can tell.
    assert refused(venue.do(commands.withdraw(BOB, AMOUNT_MAX))) is None


def test_a_balance_never_wraps_around_by_a_mark_acc_005(core):
    venue = Venue(core(), lot_scu=LOT_SCU_MAX, tick_micros=TICK_MICROS_MAX)
    venue.sell("bob", LOTS_MAX, 0)
    venue.buy("ann", LOTS_MAX, 0)
    assert venue.position("ann")[0] == LOTS_MAX
    venue.mark(PRICE_MAX_TICKS)
    gained = PRICE_MAX_TICKS * LOTS_MAX * LOT_SCU_MAX * TICK_MICROS_MAX
    assert (venue.balance("ann"), venue.balance("bob")) == (gained, -gained)


@pytest.mark.parametrize(
    ("record", "is_within"),
    [
        (commands.add_product("Q", LOT_SCU_MAX, TICK_MICROS_MAX, ["f"]), True),
        (commands.add_product("Q", LOT_SCU_MAX + 1, 1, ["f"]), False),
        (commands.add_product("Q", 1, TICK_MICROS_MAX + 1, ["f"]), False),
        (commands.add_product("Q", 0, 1, ["f"]), False),
        (commands.add_product("Q", 1, 1, [f"f{number}" for number in range(FABRICS_MAX)]), True),
        (commands.add_product("Q", 1, 1, [f"f{number}" for number in range(FABRICS_MAX + 1)]), False),
        (commands.add_product("Q" * NAME_CHARACTERS_MAX, 1, 1, ["f"]), True),
        (commands.add_product("Q" * (NAME_CHARACTERS_MAX + 1), 1, 1, ["f"]), False),
        (commands.add_product("Q", 1, 1, ["f"], maker_fee_ppm=FEE_PPM_MAX, taker_fee_ppm=FEE_PPM_MAX), True),
        (commands.add_product("Q", 1, 1, ["f"], maker_fee_ppm=FEE_PPM_MAX + 1), False),
        (commands.add_product("Q", 1, 1, ["f"], gate_lead_s=GATE_LEAD_MAX_S), True),
        (commands.add_product("Q", 1, 1, ["f"], gate_lead_s=GATE_LEAD_MAX_S + 1), False),
        (commands.list_window("P", WINDOW_MAX), True),
        (commands.list_window("P", WINDOW_MAX + 1), False),
        (commands.list_window("P", 2_000, count=WINDOWS_PER_COMMAND_MAX), True),
        (commands.list_window("P", 2_000, count=WINDOWS_PER_COMMAND_MAX + 1), False),
        (commands.set_rates("P", WINDOW, long_micros=AMOUNT_MAX, short_micros=AMOUNT_MAX), True),
        (commands.set_rates("P", WINDOW, long_micros=AMOUNT_MAX + 1, short_micros=0), False),
    ],
)
def test_numbers_of_the_catalogue_end_where_they_should(venue, record, is_within):
    answer = venue.run(record)[0]
    assert answer["type"] == (EventType.ACK if is_within else EventType.REJECT)
    assert is_within or answer["reason"] == RejectReason.MALFORMED


# The page.

ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \| [^|]* \| `([\w./]+)` \| [^|]+ \|$", re.MULTILINE)
CONSTANT = re.compile(r"^(?:cdef \w+ | {4})?([A-Z][A-Z0-9_]*_MAX(?:_[A-Z]+)?)\b *(?:: \w+ *)?=", re.MULTILINE)
NO_LIMITS = {"R_QTY_MAX", "QTY_MAX"}  # Reasons.


def value_of(text):
    """The number that 65,536 or 2^31 - 1 means."""
    return eval(text.replace(",", "").replace("^", "**"))


def value_in(path, name):
    """The number a source file gives a name."""
    source = (ROOT / path).read_text()
    found = re.search(rf"(?:#define {name} |\b{name}(?:: int)? *= *)([^,#\n]+)", source)
    expression = re.sub(r"<\w+>|\(int64_t\)", "", found[1]).strip()
    return eval(expression, vars(units).copy())


def rows():
    return {name: (value, path) for name, value, path in ROW.findall((ROOT / "docs" / "limits.md").read_text())}


def test_page_says_what_the_code_says():
    page = rows()
    assert len(page) > 55
    for name, (value, path) in page.items():
        assert value_in(path, name) == value_of(value), f"{name} of {path}"


def test_page_has_every_limit():
    page = rows()
    sources = [path for end in ("pyx", "pxd") for path in sorted((ROOT / "ext").glob(f"*.{end}"))]
    sources += [path for package in ("exchange", "gateway") for path in sorted((ROOT / package).rglob("*.py"))]
    named = {name for path in sources if "demo" not in path.parts for name in CONSTANT.findall(path.read_text())}
    assert len(named) > 35
    assert sorted(named - page.keys() - NO_LIMITS) == []
    assert [field.name for field in fields(GatewayConfig) if field.name not in page] == []
