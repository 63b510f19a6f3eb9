"""Both cores from outside: one interface, the same errors, and structs that are what the NumPy dtypes say."""

import inspect

import pytest

from exchange import commands
from exchange.records import COMMAND, EVENT
from exchange.reference import ReferenceCore


def public_names(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def parameters_of(kind, name):
    """Names and kinds of a method's parameters."""
    return [(one.name, one.kind) for one in inspect.signature(getattr(kind, name)).parameters.values()]


def test_both_cores_offer_the_same_names(compiled_core):
    assert public_names(compiled_core) == public_names(ReferenceCore)


def test_methods_take_the_same_parameters(compiled_core):
    names = [name for name in sorted(public_names(ReferenceCore)) if inspect.isfunction(vars(ReferenceCore)[name])]
    assert len(names) > 15
    for name in names:
        assert parameters_of(compiled_core, name) == parameters_of(ReferenceCore, name), name


def test_properties_begin_alike(compiled_core):
    core, plain = compiled_core(orders_max=8), ReferenceCore(orders_max=8)
    names = [name for name in sorted(public_names(ReferenceCore)) if isinstance(vars(ReferenceCore)[name], property)]
    assert len(names) > 4
    assert [getattr(core, name) for name in names] == [getattr(plain, name) for name in names]


@pytest.mark.parametrize(("name", "dtype"), [("command", COMMAND), ("event", EVENT)])
def test_structs_are_laid_out_as_the_dtypes_say(compiled_core, name, dtype):
    size, offsets = inspect.getmodule(compiled_core).record_layouts()[name]
    assert size == dtype.itemsize
    assert offsets == {field: dtype.fields[field][1] for field in dtype.names}


def test_last_ref_is_the_highest_ref_of_the_lane_ord_002(core):
    made = core()
    made.add_account(1, 1, False)
    assert made.last_ref(1, 0) == 0
    made.apply(commands.cancel(1, 7, 1) + commands.cancel(1, 5, 1) + commands.cancel(1, 9, 1, lane=3), 1)
    assert [made.last_ref(1, lane) for lane in (0, 3, 4)] == [7, 9, 0]
    assert made.last_ref(2, 0) == 0


def test_apply_runs_a_batch_and_counts_its_events(core):
    made = core()
    assert made.apply(commands.time(5) + commands.deposit(1, 5), 9) == 1
    assert (made.seq, made.now_ns, made.event_count) == (2, 9, 1)


def test_apply_leaves_payloads_to_the_engine(core):
    with pytest.raises(ValueError, match="records with a payload, and gates with holders, must go through the engine"):
        core().apply(commands.add_account("ann"), 1)


def test_time_does_not_go_back_eng_002(core):
    made = core()
    made.begin(5)
    with pytest.raises(AssertionError):
        made.begin(4)


@pytest.mark.parametrize(
    "look",
    [
        lambda core: core.balance(1),
        lambda core: core.requirement_sum(1),
        lambda core: core.best(1, 0),
        lambda core: core.depth(1, 0, 5),
        lambda core: core.set_mark(1, 5),
        lambda core: core.set_rates(1, 5, 5),
        lambda core: core.add_account(2, 1, False),
        lambda core: core.add_product(2, 1),
        lambda core: core.add_product(1, 65),
        lambda core: core.phase(1),
        lambda core: core.mark(1),
        lambda core: core.is_balancing(1),
        lambda core: core.holdings(1),
        lambda core: core.sells(1),
        lambda core: core.group(1),
        lambda core: core.certify(1, 1, 5),
        lambda core: core.halt(1),
        lambda core: core.resume(1),
        lambda core: core.resting(1, 0),
        lambda core: core.pay(1, 5),
        lambda core: core.set_margin(1, 0, 0, 0),
        lambda core: core.margin_terms(1),
        lambda core: core.set_prepaid(1, True),
        lambda core: core.is_prepaid(1),
        lambda core: core.clear_mark(1),
        lambda core: core.move_lots(1, 0, 1, 5),
        lambda core: core.end_orders(1, 13),
        lambda core: core.end_orders(0, 13, 1),
        lambda core: core.add_instrument(2, 1, 0, 1, 1, 0, 0, 0, 0, 0, [(0, 1)]),
    ],
)
def test_what_is_not_there_is_refused(core, look):
    with pytest.raises(ValueError, match=r"must be (from|below)? ?\d"):
        look(core())


def test_position_of_nobody_is_empty(core):
    assert core().position(7, 7) == (0, 0, 0, 0)
