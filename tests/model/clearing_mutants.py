"""The rules of the clearinghouse, each broken in one way: a mutation takes a house and changes it."""

from exchange.clearing import allocation, estates, liquidation, substitution, waterfall
from exchange.clearing.ledger import Purse
from exchange.clearing.meters import Meter
from exchange.clearing.words import Cause, Kind, Stage


def charge_no_premium(house, patch):
    patch.setattr(house.failures, "_premium", lambda case, bill: [])


def charge_no_surcharge(house, patch):
    premium = house.failures._premium
    patch.setattr(
        house.failures, "_premium",
        lambda case, bill: [one for one in premium(case, bill) if one.cause is not Cause.SURCHARGE],
    )  # fmt: skip


def refund_the_wrong_buyer(house, patch):
    post = house.state.ledger.post

    def wrong(cause, payer, payee, micros, **more):
        if cause is Cause.REFUND and payee.kind is Kind.COLLATERAL:
            payee = Purse(Kind.COLLATERAL, 2)
        post(cause, payer, payee, micros, **more)

    patch.setattr(house.state.ledger, "post", wrong)


def pay_escrow_twice(house, patch):
    post = house.state.ledger.post

    def twice(cause, payer, payee, micros, **more):
        post(cause, payer, payee, micros, **more)
        if cause is Cause.SETTLEMENT:
            post(cause, payer, payee, min(micros, house.state.ledger.balance(payer)), **more)

    patch.setattr(house.state.ledger, "post", twice)


def let_anybody_be_a_substitute(house, patch):
    patch.setattr(house.failures.substitution.market, "excluded", lambda defaulter, buyers: set())


def split_gangs(house, patch):
    def divisible(supply, demands):
        return allocation.allocate(supply, [allocation.Demand(one.key, one.lots, False, one.seq) for one in demands])

    patch.setattr(substitution, "allocate", divisible)


def swap_the_first_layers(house, patch):
    rows = dict(waterfall.SENIORITY)
    swapped = {layer: rows[layer] for layer in sorted(rows, key=lambda layer: {1: 2, 2: 1}.get(layer, layer))}
    patch.setattr(waterfall, "SENIORITY", swapped)


def let_survivors_pay_before_the_venue(house, patch):
    rows = dict(waterfall.SENIORITY)
    moved = {layer: rows[layer] for layer in sorted(rows, key=lambda layer: {6: 0}.get(layer, layer))}
    patch.setattr(waterfall, "SENIORITY", moved)


def move_the_mark(house, patch):
    """A trade of the house with a resting order sets the mark."""
    core = house.state.core._core
    hit = core.hit

    def hit_and_mark(oid, lots, account, fee_ppm, price=-1, at_mark=False):
        before = {one.handle: core.position(account, one.handle)[0] for one in house.state.catalogue.instruments}
        done = hit(oid, lots, account, fee_ppm, price, at_mark)
        for handle, held in before.items():
            mark = core.mark(handle)
            if core.position(account, handle)[0] != held and mark is not None:
                core.set_mark(handle, mark + 1)
        return done

    patch.setattr(core, "hit", hit_and_mark)


def compensate_without_a_cap(house, patch):
    patch.setattr(house.failures.deliveries, "cover_cap", lambda delivery, lots: 1 << 50)


def liquidate_the_other_way(house, patch):
    slice_of = estates.trade_slice
    for module in (estates, liquidation):
        patch.setattr(module, "trade_slice", lambda state, handle, account, lots, at_any_price=False: slice_of(
            state, handle, account, -lots, at_any_price))  # fmt: skip


def forget_the_estates_losses(house, patch):
    patch.setattr(house.estates, "mark_moved", lambda moves, gains: None)


def keep_what_an_estate_has_left(house, patch):
    patch.setattr(house.cases, "recover", lambda case, micros, cause: None)


def let_the_buyer_pay_all(house, patch):
    values = house.failures.substitution._values

    def all_of_it(*arguments):
        value, _ = values(*arguments)
        return value, value

    patch.setattr(house.failures.substitution, "_values", all_of_it)


def pay_for_everything_metered(house, patch):
    """Nobody looks at what was delivered, and at which rating."""
    full = 3_600 * 1_000_000
    patch.setattr(Meter, "sum_effective", lambda meter, runs: full * sum(count for _, count in runs))


def forgive_hedges(house, patch):
    """Relief of all that the scan says, without the floor."""
    demanded = house.margining._demanded

    def without_a_floor(account, scanned, *rest):
        return demanded(account, (scanned[0] // 2, scanned[1]), *rest)

    patch.setattr(house.margining, "_demanded", without_a_floor)


def count_repeated_readings(house, patch):
    reading = house.watch.reading

    def again(meter, run, interval, intervals, *rest):
        meter.readings.clear()
        meter.read_until[:] = 0
        return reading(meter, run, interval, intervals, *rest)

    patch.setattr(house.watch, "reading", again)


def serve_less_than_was_lost(house, patch):
    """Each substitute stands for one more of the buyer's lots than it does the work of."""
    engage = house.failures.substitution._engage

    def one_more(case, need, piece, handle, stage, *rest):
        if stage is not Stage.CURE:
            piece = piece._replace(stands_for=piece.stands_for + 1)
        engage(case, need, piece, handle, stage, *rest)

    patch.setattr(house.failures.substitution, "_engage", one_more)


MUTANTS = {  # What breaks, and the invariants that may notice it.
    charge_no_premium: "I16 hold",
    charge_no_surcharge: "I16",
    refund_the_wrong_buyer: "I15",
    pay_escrow_twice: "I13 I15 hold",
    let_anybody_be_a_substitute: "I12",
    split_gangs: "I12",
    swap_the_first_layers: "I10",
    let_survivors_pay_before_the_venue: "I10",
    move_the_mark: "I18",
    compensate_without_a_cap: "I14",
    liquidate_the_other_way: "I17",
    forget_the_estates_losses: "I2",
    keep_what_an_estate_has_left: "I3",
    let_the_buyer_pay_all: "I13 I19",
    pay_for_everything_metered: "I13",
    forgive_hedges: "I5",
    count_repeated_readings: "I9",
    serve_less_than_was_lost: "I12 I13 I19",
}
