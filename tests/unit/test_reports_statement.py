"""The statement of an account: every movement, and a balance that is the core's at every command."""

import json

import pytest
from reports_venue import (
    BOND,
    FLAT,
    MONEY,
    RecordedHouse,
    frames_of_e7,
    move,
    run,
    seq_of,
    write_journal,
)

from exchange import commands
from exchange.engine import Engine
from exchange.replay import Frame
from gateway.journal import Journal
from gateway.journal.layout import segment_paths
from gateway.reports.movements import Movements
from gateway.reports.playback import Playback
from gateway.reports.statement import Disagreement, Statement

pytestmark = pytest.mark.usefixtures("compiled_core")
VERDICT = seq_of("run_clearing", 3)


@pytest.fixture(scope="module")
def e7(tmp_path_factory, compiled_core):
    frames, engine = frames_of_e7()
    return write_journal(tmp_path_factory.mktemp("e7") / "journal", frames, engine)


def statement(directory, *arguments):
    result = run("statement", directory, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def amounts(report):
    return [(one["cause"], one["micros"]) for one in report["movements"]]


def test_statement_of_the_provider_who_failed(e7):
    report = statement(e7, "prov")
    assert amounts(report) == [
        ("deposit", MONEY), ("transfer", -BOND),
        # 32, 20 and 12 of 64 lots for a quarter of the window, at 2,350,000 x 8 a lot.
        ("settlement", 150_400_000), ("settlement", 94_000_000), ("settlement", 56_400_000),
        # C2 154,641,671 less the bond; restart; rollback.
        ("waterfall", -106_052_845), ("waterfall", -4_230_000), ("waterfall", -53_266_666),
    ]  # fmt: skip
    assert [one["balance"] for one in report["movements"]][-1] == report["balance"] == 5_088_661_663
    last = report["movements"][-1]
    assert (last["seq"], last["case"]) == (VERDICT, 1)
    assert report["movements"][2]["product"] == "H100-8H"
    assert "case" not in report["movements"][2]


def test_statement_of_purses_that_are_no_balances_of_the_core(e7):
    assert amounts(statement(e7, "prov", "--purse", "bond")) == [("transfer", BOND), ("waterfall", -BOND)]
    estate = statement(e7, "1", "--purse", "estate")
    assert estate["balance"] == 0
    assert sum(one["micros"] for one in estate["movements"] if one["micros"] > 0) == 212_138_337
    assert [one["micros"] for one in estate["movements"] if one["cause"] == "premium"] == [
        -46_666_668, -7_291_668, -4_375_000, -20_416_667, -12_250_000, -22_458_334, -27_125_000,
    ]  # fmt: skip
    escrow = statement(e7, "1", "--purse", "escrow")
    assert sum(one["micros"] for one in escrow["movements"] if one["cause"] == "escrow") == 1_203_200_000
    assert escrow["balance"] == 0
    assert amounts(statement(e7, "--purse", "standby")) == [("surcharge", 14_058_334)]
    assert statement(e7, "--purse", "ext")["balance"] == -7 * MONEY
    assert amounts(statement(e7, "--purse", "sitg")) == []


def test_every_micro_is_on_one_statement(e7):
    names = ("prov", "ann", "bob", "cat", "s1", "s2", "s3", "clearinghouse")
    purses = [(name, purse) for name in names for purse in ("coll", "bond", "fund")]
    purses += [("1", "estate"), ("2", "estate"), ("1", "escrow"), ("1", "pool"), ("2", "pool")]
    total = sum(statement(e7, owner, "--purse", purse)["balance"] for owner, purse in purses)
    total += sum(statement(e7, "--purse", purse)["balance"] for purse in ("fee", "ext", "sitg", "standby"))
    assert total == 0


def test_limits_of_what_is_printed_leave_the_balance_as_it_is(e7):
    whole = statement(e7, "prov")
    part = statement(e7, "prov", "--from", VERDICT, "--to", VERDICT)
    assert part["movements"] == [one for one in whole["movements"] if one["seq"] == VERDICT]
    assert part["movements"] == whole["movements"][2:]
    assert part["balance"] == whole["balance"]
    assert statement(e7, "prov", "--to", 1)["movements"] == []


def test_statement_as_text(e7):
    lines = run("statement", e7, "prov", "--purse", "bond").output.splitlines()
    assert lines[0] == "bond prov"
    assert lines[1].split() == ["seq", "time", "(UTC)", "cause", "window", "case", "amount", "balance", "details"]
    assert lines[3].split() == [str(VERDICT), "2026-11-24T02:02:30Z", "waterfall", "1", "-48,588,826", "0"]
    assert lines[-1].startswith("balance 0 micro-dollars at command 62; compared with the core's at ")


def test_nothing_is_changed(e7):
    before = [(path.name, path.read_bytes()) for path in sorted(e7.iterdir())]
    for arguments in (("statement", e7, "ann"), ("margin", e7, "ann"), ("default", e7), ("default", e7, "1")):
        assert run(*arguments).exit_code == 0
    assert run("default", e7, "1", "--what-if", "cap_bps=12000").exit_code == 0
    assert [(path.name, path.read_bytes()) for path in sorted(e7.iterdir())] == before


def test_journal_in_use_can_be_read(tmp_path):
    log = Journal(tmp_path, segment_bytes=64 * 1024)
    log.start()
    log.append(1, 0, 2, commands.add_account("ann") + commands.deposit(1, 70))
    assert log.fileno() >= 0
    while not log.completed():
        pass
    assert statement(tmp_path, "ann")["balance"] == 70
    log.close()


# Fills, fees and marks, by hand: one tick on one lot is 8 micro-dollars, taker 1 %, maker 0.5 %.


def market():
    """(records, what they move in ann's and bob's balances, fees not counted, and their fees)."""
    return [
        (commands.add_product("A", 8, 1, ["f"], taker_fee_ppm=10_000, maker_fee_ppm=5_000), []),
        (commands.add_account("ann") + commands.add_account("bob") + commands.list_window("A", 14), []),
        (commands.deposit(1, 50_000) + commands.deposit(2, 60_000), []),
        (commands.place(1, 1, 1, 1, 100, 10), []),
        # The first trade gives the mark: no money but 1 % and 0.5 % of 2 x 100 x 8.
        (commands.place(2, 1, 1, 0, 100, 2), [("ann", "trading fee", -8), ("bob", "trading fee", -16)]),
        (commands.place(1, 2, 1, 1, 110, 3), []),
        # Bob buys 8 at 100, at the mark, and 3 at 110: he pays 10 x 3 x 8 at once, and 64 + 26.4 up in fees.
        (
            commands.place(2, 2, 1, 0, 110, 11),
            [("ann", "trading fee", -32), ("ann", "trade", 240), ("ann", "trading fee", -14),
             ("bob", "trading fee", -64), ("bob", "trade", -240), ("bob", "trading fee", -27)],
        ),
        # 13 lots gain 5 ticks.
        (commands.set_mark("A", 14, px=105), [("ann", "variation", -520), ("bob", "variation", 520)]),
        (commands.withdraw(2, 1_000), [("bob", "withdrawal", -1_000)]),
        # Back at 90: the one who sells loses 15 ticks on each of 3 lots against the mark.
        (commands.place(1, 3, 1, 0, 90, 3), []),
        (
            commands.place(2, 3, 1, 1, 90, 3),
            [("ann", "trade", 360), ("ann", "trading fee", -11), ("bob", "trade", -360), ("bob", "trading fee", -22)],
        ),
    ]  # fmt: skip


def frames_of(steps):
    engine, frames = Engine(), []
    for number, (body, _) in enumerate(steps):
        first = engine.seq + 1
        engine.apply_count(body, number)
        frames.append(Frame(first, number, engine.seq - first + 1, body))
    return frames


def made(name, frames, purse="coll"):
    one = Statement(Playback(), purse, name)
    return one, list(one.lines(frames))


def test_fills_marks_and_fees_by_hand():
    steps = market()
    told = [line for _, expected in steps for line in expected]
    for name, deposit in (("ann", 50_000), ("bob", 60_000)):
        one, lines = made(name, frames_of(steps))
        expected = sorted((cause, micros) for who, cause, micros in told if who == name)
        assert sorted((line.cause, line.micros) for line in lines) == sorted([("deposit", deposit), *expected])
        assert one.balance == deposit + sum(micros for _, micros in expected)
    fees = sum(-micros for _, cause, micros in told if cause == "trading fee")
    assert made("", frames_of(steps), "fee")[0].balance == fees == 194
    assert made("", frames_of(steps), "ext")[0].balance == -109_000


def test_substitutes_move_no_money_even_where_there_is_a_mark():
    """f2 has a mark of 1,000; sub's lots there go at it, not at his 1,100."""
    house = RecordedHouse(None, people=("prov", "ann", "sub"), money=1_000_000_000)
    house.certify("prov", 10)
    house.certify("sub", 10, fabric="f2")
    house.wish("ann", other_fabric=True)
    house.trade("prov", "ann", 10, 1_000)
    house.send(commands.set_mark("P", 1_000, px=1_000, fabric="f2"))
    house.at(-60)
    house.standby("sub", 10, 1_100, fabric="f2")
    house.at(0)
    house.at(300)
    assert [row[1] for row in house.substitutes()] == ["CLASS"]
    assert house.core.mark(house.handle(fabric="f2")) == 1_000
    _, lines = made("sub", house.frames)
    assert [(line.cause, line.micros) for line in lines] == [("deposit", 1_000_000_000)]
    house.at(3_900)
    assert made("clearinghouse", house.frames)[0].balance == 0


def test_a_mark_that_moves_in_the_command_of_a_trade():
    """The run marks ann's lots down to 744 and sells one of them at 743: one micro-dollar, and not 169."""
    house = RecordedHouse(
        None, people=("ann", "bob", "mm"), money=1_000_000_000, house={"mark_interval_s": 1}, risk=FLAT
    )
    move(house, 1_000)
    house.sell("bob", 100, 1_000)
    house.buy("ann", 100, 1_000)
    house.send(commands.withdraw(house.number("ann"), house.money("ann") - 40_000))
    house.run()
    move(house, 912)
    move(house, 744)
    _, lines = made("ann", house.frames)
    assert [line.micros for line in lines if line.cause == "variation"] == [-8_800, -16_800]
    assert [(line.cause, line.micros) for line in lines][-1] == ("waterfall", -1)
    _, lines = made("clearinghouse", house.frames)
    assert [(line.cause, line.micros, line.detail) for line in lines] == [
        ("trade", -1, "sold 1 at 743, mark 744"), ("estate", 1, ""),
    ]  # fmt: skip


def test_a_purchase_after_the_mark_has_ended_gives_a_new_one():
    """The delivery has begun, so its mark of 1,000 is over: 2 lots at 1,200 move nothing, 3 at 1,300 move 300."""
    house = RecordedHouse(None, people=("prov", "ann", "bob", "sub"), money=1_000_000_000)
    house.certify("prov", 10)
    house.certify("sub", 10)
    house.trade("prov", "ann", 10, 1_000)
    house.at(-60)
    house.standby("sub", 2, 1_200)
    house.standby("sub", 3, 1_300)
    house.at(0)
    assert house.core.mark(house.handle()) is None
    house.send(commands.balance("bob", "P", "f1", 1_000, lots=5, px=1_300))
    for name, gain in (("bob", -300), ("sub", 300)):
        _, lines = made(name, house.frames)
        assert [(line.cause, line.micros) for line in lines if line.cause != "deposit"] == [("trade", gain)]


def test_details_of_fills():
    _, lines = made("bob", frames_of(market()))
    assert [line.detail for line in lines if line.cause == "trade"] == [
        "bought 3 at 110, mark 100", "sold 3 at 90, mark 105",
    ]  # fmt: skip


@pytest.mark.parametrize("forgotten", ["trade", "trading fee", "variation", "withdrawal"])
def test_a_movement_that_is_missing_is_found(forgotten, monkeypatch):
    real = Movements.of
    monkeypatch.setattr(Movements, "of", lambda self, step: [one for one in real(self, step) if one.cause != forgotten])
    with pytest.raises(Disagreement, match="the movements add up to"):
        made("bob", frames_of(market()))


def test_a_disagreement_exits_1(e7, monkeypatch):
    monkeypatch.setattr(Movements, "of", lambda *_: [])
    result = run("statement", e7, "ann")
    assert result.exit_code == 1
    assert result.output == (
        "hourglass: after command 19 the movements add up to 0, the balance is 5000000000\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("eve",), "there is no account 'eve' in this journal"),
        ((), "coll needs the name of an account"),
        (("--purse", "escrow"), "escrow needs a number in the place of ACCOUNT, was ''"),
        (("ann", "--purse", "sitg"), "sitg is the venue's own and has no owner, was 'ann'"),
    ],
)
def test_wrong_usage_exits_2(e7, arguments, text):
    result = run("statement", e7, *arguments)
    assert (result.exit_code, result.output) == (2, f"hourglass: {text}\n")


def test_missing_journal_exits_66(tmp_path):
    for arguments in (("statement", tmp_path, "ann"), ("margin", tmp_path, "ann"), ("default", tmp_path)):
        assert run(*arguments).exit_code == 66


def test_recording_has_what_was_applied(e7):
    _, engine = frames_of_e7()
    assert segment_paths(e7)
    result = run("replay", e7, "--verify", "--json")
    report = json.loads(result.output)
    assert (report["seq"], report["state_hash"], report["hashes_verified"]) == (62, engine.state_hash(), 1)
