"""Money, marks and fees (ACC and FEE rules of docs/spec/accounts.md)."""

import pytest
from venue import NUMBER, Venue

from exchange import commands
from exchange.units import AMOUNT_MAX, MONEY_MAX


def all_money(venue):
    return sum(venue.core.balance(number) for number in range(len(NUMBER) + 1)) + venue.core.external_balance()


def test_money_sums_to_zero_with_fees_on_account_0_acc_001(core):
    venue = Venue(core(), maker_fee_ppm=10_000, taker_fee_ppm=20_000)
    venue.deposit("ann", 1_000_000)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert (venue.core.balance(0), venue.balance("ann"), venue.balance("bob")) == (15, 999_995, -10)
    assert venue.core.external_balance() == -1_000_000
    assert all_money(venue) == 0


def test_deposit_and_withdrawal_are_answered_acc_002(venue):
    assert venue.deposit("ann", 500) == ["ack ann", "account ann amount=500"]
    assert venue.do(commands.withdraw(1, 200)) == ["ack ann", "account ann amount=300"]
    assert venue.core.external_balance() == -300


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1])
def test_amounts_out_of_range_are_malformed_acc_002(venue, amount):
    assert venue.do(commands.deposit(1, amount)) == ["reject ann MALFORMED"]
    assert venue.do(commands.withdraw(1, amount)) == ["reject ann MALFORMED"]


def test_unknown_accounts_get_and_give_nothing_acc_002(venue):
    assert venue.do(commands.deposit(0, 5), commands.withdraw(0, 5)) == ["reject NO_ACCOUNT"] * 2
    (event,) = venue.run(commands.deposit(99, 5))
    assert (event["account"], event["reason"]) == (99, 113)


def test_balance_has_a_limit_acc_002(venue):
    times = MONEY_MAX // AMOUNT_MAX
    venue.run(*(commands.deposit(1, AMOUNT_MAX) for _ in range(times)))
    room = MONEY_MAX - times * AMOUNT_MAX
    assert venue.deposit("ann", room + 1) == ["reject ann BALANCE"]
    assert venue.deposit("bob", room + 1) == ["reject bob BALANCE"]  # EXT has come to its limit.
    assert venue.deposit("ann", room) == ["ack ann", f"account ann amount={MONEY_MAX}"]
    assert venue.deposit("bob", 1) == ["reject bob BALANCE"]


def test_withdrawal_leaves_the_requirements_acc_002(venue):
    venue.deposit("ann", 500)
    venue.rates(50, 50)
    venue.buy("ann", 6, 100)
    assert venue.do(commands.withdraw(1, 201)) == ["reject ann BALANCE"]
    assert venue.do(commands.withdraw(1, 200)) == ["ack ann", "account ann amount=300"]


def test_first_deposit_makes_an_account_margined_acc_002(venue):
    venue.sell("bob", 5, 90)
    venue.buy("cat", 5, 90)  # Sets the mark.
    venue.sell("bob", 5, 110)
    assert venue.buy("ann", 1, 110)[0].startswith("ack")
    venue.deposit("ann", 19)
    assert venue.buy("ann", 1, 110) == ["reject ann #2 MARGIN"]
    venue.deposit("ann", 21)  # Twenty were lost with the first lot, carried at 90.
    assert venue.buy("ann", 1, 110)[0].startswith("ack")


def test_fill_is_carried_at_the_mark_acc_003(core):
    venue = Venue(core(), lot_scu=8, tick_micros=1_000)
    venue.sell("ann", 5, 100)
    assert venue.core.balance(1) == 0
    venue.buy("bob", 2, 100)  # The first trade gives the mark: nothing to pay.
    assert (venue.balance("ann"), venue.balance("bob")) == (0, 0)
    venue.sell("cat", 3, 90)
    venue.buy("bob", 3, 95)
    assert (venue.balance("cat"), venue.balance("bob")) == (-10 * 3 * 8_000, 10 * 3 * 8_000)
    assert [venue.position(name)[0] for name in ("ann", "bob", "cat")] == [-2, 5, -3]


def test_mark_pays_the_move_to_each_holder_acc_004(core):
    venue = Venue(core(), lot_scu=8, tick_micros=1_000)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    venue.mark(103)
    assert (venue.balance("ann"), venue.balance("bob")) == (-3 * 5 * 8_000, 3 * 5 * 8_000)
    venue.mark(100)
    assert (venue.balance("ann"), venue.balance("bob")) == (0, 0)


def test_first_mark_pays_nothing_acc_004(venue):
    venue.mark(70)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert (venue.balance("ann"), venue.balance("bob")) == (150, -150)  # Carried at 70.


def test_first_mark_after_a_trade_is_a_second_mark_acc_004(venue):
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    venue.mark(70)
    assert (venue.balance("ann"), venue.balance("bob")) == (150, -150)


@pytest.mark.parametrize(("ppm", "fee"), [(0, 0), (1, 1), (2_000, 1), (2_001, 2), (1_000_000, 500)])
def test_fee_is_rounded_up_fee_001(core, ppm, fee):
    venue = Venue(core(), maker_fee_ppm=ppm)
    venue.sell("ann", 5, 100)
    venue.buy("bob", 5, 100)
    assert (venue.core.balance(0), venue.balance("ann"), venue.balance("bob")) == (fee, -fee, 0)


def test_each_fill_is_rounded_by_itself_fee_001(core):
    venue = Venue(core(), taker_fee_ppm=1)
    venue.sell("ann", 5, 100, display=1)
    venue.buy("bob", 5, 100)
    assert venue.balance("bob") == -5
