"""Numbers and words of the clearinghouse's events. They are the wire's and never change."""

import enum


class Kind(enum.IntEnum):
    """Kinds of account in the ledger, and whose each is (CLR-LED-001)."""

    COLLATERAL = 1  # Of a participant: his balance in the core.
    BOND = 2  # Of a participant: backs delivery, never trades.
    FUND = 3  # Of a participant: his share of the default fund.
    ESCROW = 4  # Of an instrument: what buyers have paid for a delivery.
    ESTATE = 5  # Of a default: what was gathered and is not handed on yet.
    SITG = 6  # The venue's own capital: skin in the game.
    POOL = 7  # Of a hardware class: premiums of those who chose cover.
    STANDBY = 8  # What standby capacity is paid from.
    FEE = 9
    EXTERNAL = 10


class Cause(enum.IntEnum):
    """Why money moved."""

    DEPOSIT = 1
    TRANSFER = 2
    FUNDING = 3
    VARIATION = 4
    ESCROW = 5
    FEE = 6
    LEVY = 7
    GANG = 8
    COVER = 9
    STANDBY = 10
    SETTLEMENT = 11  # Delivered hours.
    PREMIUM = 12  # What substitutes cost above the buyer's price.
    REFUND = 13  # Hours that were not delivered.
    WATERFALL = 14  # Taken from a layer for a claim.
    SURCHARGE = 15
    COMPENSATION = 16
    RELEASE = 17  # Gathered and not needed: back to those who paid.
    RECOVERY = 18
    REFILL = 19
    ESTATE = 20  # Gain or loss of positions an estate holds.
    AWARD = 21  # Of an auction.
    SHIFT = 22  # Difference of marks of a delivery that was moved in time.
    EXERCISE = 23  # Of an option.


class Level(enum.IntEnum):
    """How an account stands to its margin (CLR-CALL)."""

    GOOD = 0
    CALLED = 1
    LIQUIDATING = 2
    DEFAULTED = 3


class CaseKind(enum.IntEnum):
    """What a default is about."""

    UNIT = 1  # Some nodes failed.
    PROVIDER = 2  # A provider failed altogether.
    MARGIN = 3  # A participant could not meet his margin.
    PAYMENT = 4  # A buyer could not pay for a delivery.
    DECLARED = 5  # An operator has declared it: insolvency.


class Stage(enum.IntEnum):
    """Where a substitute came from (CLR-REAL)."""

    CURE = 0
    FABRIC = 1
    CLASS = 2
    EQUIVALENT = 3
    LATER = 4
    CASH = 5
    CALL = 6  # The call auction for large failures.
