"""Rolling listing: what is sent at the start and at each new hour, and nothing twice."""

import pytest

from exchange import commands
from exchange.engine import Engine
from exchange.records import CommandType, EventType
from exchange.reference.core import ReferenceCore
from exchange.units import HOUR_NS, NS_PER_SECOND
from gateway.commands_serve import first_records, has_command
from gateway.failures import Failure
from gateway.rolling import Roller

START = 500_000
ROLLED, FIXED = "H100", "L40S"


class Venue:
    """An engine that is told at once, and a clock that stands."""

    def __init__(self, **options):
        self.now_ns = START * HOUR_NS
        self.has_room = True
        self.sent = []
        self.engine = Engine(ReferenceCore())
        self.submit(
            commands.add_product(ROLLED, 8, 1000, ["f1", "f2"], rolling_hours=24, preclose_s=300)
            + commands.add_product(FIXED, 8, 1000, ["f1"])
        )
        self.sent.clear()
        self.roller = self.restarted(**options)

    def restarted(self, **options):
        return Roller(self.engine.catalogue, self.submit, lambda: self.now_ns, **options)

    def submit(self, records):
        if self.has_room:
            self.sent.append(records)
            events = self.engine.apply(records, self.now_ns)
            assert EventType.REJECT not in events["type"]
        return self.has_room

    def windows(self):
        return [self.engine.catalogue.windows(number) for number in (1, 2)]


def test_windows_are_listed_at_the_start_and_at_each_new_hour_mkt_009():
    venue = Venue()
    venue.roller.roll()
    assert venue.windows() == [list(range(START + 1, START + 24)), []]
    for _ in range(3):
        venue.now_ns += 1_000 * NS_PER_SECOND
        venue.roller.roll()
    assert venue.sent == [commands.roll_windows(ROLLED)]
    venue.now_ns += 600 * NS_PER_SECOND
    venue.roller.roll()
    assert venue.windows()[0][-1] == START + 24
    venue.now_ns += 3 * HOUR_NS
    venue.roller.roll()
    assert venue.windows()[0] == list(range(START + 1, START + 28))
    assert len(venue.sent) == 3


def test_nothing_is_sent_after_a_restart_in_the_same_hour_mkt_009():
    venue = Venue()
    venue.roller.roll()
    again = venue.restarted()
    again.roll()
    assert len(venue.sent) == 1
    venue.now_ns += HOUR_NS
    again.roll()
    assert len(venue.sent) == 2


def test_listing_is_tried_again_when_there_was_no_room():
    venue = Venue()
    venue.has_room = False
    venue.roller.roll()
    assert venue.windows()[0] == []
    venue.has_room = True
    venue.roller.roll()
    assert len(venue.windows()[0]) == 23


def test_what_follows_a_listing_goes_with_it():
    told = []

    def then(product, ranges):
        told.append((product.name, ranges))
        [(start, count)] = ranges
        return commands.set_mark(product.name, start, count=count, px=7)

    venue = Venue(then=then)
    venue.roller.roll()
    venue.now_ns += HOUR_NS
    venue.roller.roll()
    assert told == [(ROLLED, [(START + 1, 23)]), (ROLLED, [(START + 24, 1)])]
    assert [venue.engine.core.mark(handle) for handle in (1, 48)] == [7, 7]


def test_windows_that_could_not_be_listed_are_told_of_an_hour_later():
    warnings = []
    venue = Venue(warn=warnings.append)
    venue.now_ns += 3_000 * NS_PER_SECOND  # The next window's gate has closed: it is not missing.
    venue.roller.roll()
    venue.now_ns += HOUR_NS
    venue.submit = lambda records: True  # Taken in, and refused by the engine.
    venue.roller = venue.restarted(warn=warnings.append)
    venue.roller.roll()
    assert warnings == []
    venue.now_ns += HOUR_NS
    venue.roller.roll()
    assert warnings == [f"1 windows of {ROLLED} could not be listed: no room"]


def test_empty_journal_begins_with_a_seed_and_others_do_not(tmp_path):
    setup = tmp_path / "setup.jsonl"
    setup.write_text('{"t":"add_account","account":"ann"}\n')
    engine = Engine(ReferenceCore())
    first, second = first_records(str(setup), engine), first_records(None, engine)
    assert has_command(first, CommandType.SET_SEED)
    assert has_command(first, CommandType.ADD_ACCOUNT)
    assert not has_command(second, CommandType.ADD_ACCOUNT)
    assert first[:128] != second[:128], "each journal has a seed of its own"
    engine.apply_count(second, 0)
    assert engine.catalogue.seed > 0
    assert first_records(None, engine) == b""
    assert not has_command(first_records(str(setup), engine), CommandType.SET_SEED)


def test_seed_of_the_setup_goes_before_a_drawn_one(tmp_path):
    setup = tmp_path / "setup.jsonl"
    setup.write_text('{"t":"set_seed","seed":5}\n{"t":"add_account","account":"ann"}\n')
    engine = Engine(ReferenceCore())
    engine.apply_count(first_records(str(setup), engine), 0)
    assert engine.catalogue.seed == 5
    begun = Engine(ReferenceCore())
    begun.apply_count(commands.set_seed(6), 0)
    with pytest.raises(Failure, match="line 1: refused, ALREADY_LISTED"):
        first_records(str(setup), begun)
