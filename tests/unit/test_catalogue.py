"""The registry: products, instruments, accounts, symbols, and the table of hardware classes."""

import pytest

from exchange.catalogue import HARDWARE_CLASSES, Catalogue, Product, format_symbol, parse_symbol
from exchange.catalogue.products import check_name
from exchange.errors import CatalogueError, SymbolError
from exchange.reasons import RejectReason
from exchange.units import HOUR_NS, NS_PER_SECOND, window_id

SYMBOL = "H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14"


@pytest.fixture
def catalogue():
    catalogue = Catalogue()
    catalogue.add_product(Product("H100-SXM.IB400.cuda12.T1", 8, 1_000, ("use1-f01", "use1-f03")))
    catalogue.add_product(Product("L40S", 1, 500, ("eu",), gate_lead_s=0))
    catalogue.list_windows(2, 100, 1)
    catalogue.list_windows(1, window_id("2026-11-24T13"), 2)
    return catalogue


def test_fabric_is_what_follows_the_last_dot():
    assert parse_symbol(SYMBOL) == ("H100-SXM.IB400.cuda12.T1", "use1-f03", window_id("2026-11-24T14"))
    assert format_symbol(*parse_symbol(SYMBOL)) == SYMBOL


@pytest.mark.parametrize(
    "symbol", ["", "A.b", "A@2026-11-24T14", ".b@2026-11-24T14", "A.@2026-11-24T14", "A.b@", "A.b@x@2026-11-24T14"]
)
def test_text_that_is_no_symbol(symbol):
    with pytest.raises(SymbolError):
        parse_symbol(symbol)


def test_symbols_and_handles_name_each_other(catalogue):
    assert [catalogue.handle_of_symbol(catalogue.symbol(handle)) for handle in range(1, 6)] == [1, 2, 3, 4, 5]
    assert catalogue.symbol(5) == SYMBOL
    assert catalogue.handle("H100-SXM.IB400.cuda12.T1", "use1-f01", window_id("2026-11-24T14")) == 4


@pytest.mark.parametrize(
    "symbol",
    ["H100-SXM.IB400.cuda12.T1.use1-f02@2026-11-24T14", "H200.use1-f03@2026-11-24T14",
     "H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T15", "nonsense"],
)  # fmt: skip
def test_what_is_not_listed_has_no_handle(catalogue, symbol):
    assert catalogue.handle_of_symbol(symbol) is None


@pytest.mark.parametrize("handle", [-1, 0, 6])
def test_handles_of_nothing(catalogue, handle):
    assert catalogue.instrument(handle) is None
    assert catalogue.symbol(handle) is None


def test_instrument_knows_its_parts(catalogue):
    one = catalogue.instrument(5)
    assert (one.product_number, one.product.name, one.fabric, one.fabric_index) == (
        1,
        "H100-SXM.IB400.cuda12.T1",
        "use1-f03",
        1,
    )


def test_windows_come_sorted(catalogue):
    catalogue.list_windows(2, 50, 2)
    assert catalogue.windows(2) == [50, 51, 100]


def test_handles_of_a_range(catalogue):
    start = window_id("2026-11-24T13")
    assert catalogue.handles(1, start, 2, None) == [2, 3, 4, 5]
    assert catalogue.handles(1, start, 2, "use1-f03") == [3, 5]
    with pytest.raises(CatalogueError, match="is not listed"):
        catalogue.handles(1, start, 3, None)


def test_listing_needs_an_open_gate(catalogue):
    gate = 200 * HOUR_NS - 900 * NS_PER_SECOND
    catalogue.check_listing(1, 200, 1, gate - 1, 100)
    with pytest.raises(CatalogueError) as caught:
        catalogue.check_listing(1, 200, 1, gate, 100)
    assert caught.value.reason == RejectReason.WINDOW_CLOSED


def test_listing_has_room_for_all_or_none(catalogue):
    catalogue.check_listing(1, 200, 2, 0, 9)
    with pytest.raises(CatalogueError) as caught:
        catalogue.check_listing(1, 200, 2, 0, 8)
    assert caught.value.reason == RejectReason.OPEN_LIMIT


def test_product_numbers(catalogue):
    assert catalogue.product_number("L40S") == 2
    assert catalogue.product(2).name == "L40S"
    with pytest.raises(CatalogueError) as caught:
        catalogue.product_number("L40")
    assert caught.value.reason == RejectReason.NO_PRODUCT


def test_accounts_and_groups_by_name_and_number(catalogue):
    assert catalogue.add_account("ann", "desk") == (1, 1)
    assert catalogue.add_account("bob", "desk") == (2, 1)
    assert [catalogue.account_number(name) for name in ("ann", "bob", "cat")] == [1, 2, None]
    assert [catalogue.account_name(number) for number in (0, 1, 2, 3)] == [None, "ann", "bob", None]
    assert (catalogue.group_number("desk"), catalogue.group_number("ann")) == (1, None)
    assert [catalogue.group_name(number) for number in (0, 1, 2)] == [None, "desk", None]


def test_canonical_bytes_name_everything_in_order(catalogue):
    catalogue.add_account("ann", "desk")
    assert catalogue.canonical().decode() == (
        "product H100-SXM.IB400.cuda12.T1 8 1000 0 0 900 use1-f01 use1-f03;  0 0 0 0 0 4500 120 0 0 5000 0\n"
        "product L40S 1 500 0 0 0 eu;  0 0 0 0 0 4500 120 0 0 5000 0\n"
        "instrument 2 0 100\n"
        "instrument 1 0 498757\ninstrument 1 1 498757\ninstrument 1 0 498758\ninstrument 1 1 498758\n"
        "group desk\naccount ann 1\n"
    )


@pytest.mark.parametrize("name", ["a", "A-1._z", "x" * 64])
def test_names_that_are_good(name):
    check_name("name", name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a@b", "a\n", "é", "a/b"])
def test_names_that_are_not(name):
    with pytest.raises(CatalogueError) as caught:
        check_name("name", name)
    assert caught.value.reason == RejectReason.MALFORMED


def test_hardware_classes_make_products():
    assert {
        "A100-80", "H100-SXM", "H200-SXM", "B200-SXM", "B300-SXM", "GB200-NVL72", "MI300X", "L40S", "RTX5090",
    } == set(HARDWARE_CLASSES)  # fmt: skip
    for name, entry in HARDWARE_CLASSES.items():
        assert entry.name == name
        product = Product(f"{name}.x", entry.lot_scu, entry.tick_micros, ("f",))
        assert product.lot_micros == entry.lot_scu * entry.tick_micros
        assert 2017 <= entry.generation <= 2030
