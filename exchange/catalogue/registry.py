"""The registry: numbers for names. Everything in it came by a sequenced command, so it is part of the state.

Handles, product, account and group numbers count up from 1 and never change or vanish.
"""

from dataclasses import dataclass

from sortedcontainers import SortedDict

from exchange.catalogue.products import Product, check_name, check_range
from exchange.catalogue.symbols import format_symbol, parse_symbol
from exchange.errors import CatalogueError, SymbolError
from exchange.reasons import RejectReason
from exchange.units import HOUR_NS, PRODUCTS_MAX, WINDOW_MAX, WINDOWS_PER_COMMAND_MAX


@dataclass(frozen=True, slots=True)
class Instrument:
    """One order book: a product's delivery in one fabric for one window."""

    handle: int
    product_number: int
    product: Product
    fabric_index: int
    window: int

    @property
    def fabric(self) -> str:
        """Name of the fabric."""
        return self.product.fabrics[self.fabric_index]

    @property
    def symbol(self) -> str:
        """Text form, such as ``H100-SXM.IB400.cuda12.T1.use1-f03@2026-11-24T14``."""
        return format_symbol(self.product.name, self.fabric, self.window)


class Catalogue:
    """Products, instruments, accounts and groups. Methods that add either do all or raise and change nothing."""

    def __init__(self) -> None:
        self.products: list[Product] = []  # Number n is at n - 1; the same for the other lists.
        self.instruments: list[Instrument] = []
        self.accounts: list[tuple[str, int]] = []  # Name and group number.
        self.groups: list[str] = []
        self.seed = 0  # Of the random ends (MKT-003).
        self._seed_is_set = False
        self._product_numbers: dict[str, int] = {}
        self._calendars: list[SortedDict] = []  # Per product: window -> handle of its first fabric.
        self._account_numbers: dict[str, int] = {}
        self._group_numbers: dict[str, int] = {}

    # Products.

    def add_product(self, product: Product) -> int:
        """Register a product and return its number.

        Raises:
            CatalogueError: OPEN_LIMIT or NAME_IN_USE, in this order.

        """
        if len(self.products) >= PRODUCTS_MAX:
            raise CatalogueError(RejectReason.OPEN_LIMIT, f"products must be at most {PRODUCTS_MAX}")
        if product.name in self._product_numbers:
            raise CatalogueError(RejectReason.NAME_IN_USE, f"product {product.name!r} exists already")
        self.products.append(product)
        self._calendars.append(SortedDict())
        self._product_numbers[product.name] = len(self.products)
        return len(self.products)

    def product_number(self, name: str) -> int:
        """Return the number of a product.

        Raises:
            CatalogueError: NO_PRODUCT.

        """
        number = self._product_numbers.get(name)
        if number is None:
            raise CatalogueError(RejectReason.NO_PRODUCT, f"there is no product {name!r}")
        return number

    def product(self, number: int) -> Product:
        """Return a product by its number, which must exist."""
        return self.products[number - 1]

    def windows(self, product_number: int) -> list[int]:
        """Return the listed windows of a product, earliest first."""
        return list(self._calendars[product_number - 1])

    def set_seed(self, seed: int) -> None:
        """Set the journal's seed, once and before anything is listed.

        Raises:
            CatalogueError: ALREADY_LISTED.

        """
        if self._seed_is_set or self.instruments:
            raise CatalogueError(RejectReason.ALREADY_LISTED, "the seed must be set once, before the first listing")
        self.seed, self._seed_is_set = seed, True

    def missing_windows(self, product_number: int, now_ns: int) -> list[tuple[int, int]]:
        """Return the windows that the product's rolling listing lacks, as ranges of start and count (MKT-009)."""
        product = self.product(product_number)
        calendar = self._calendars[product_number - 1]
        ranges: list[tuple[int, int]] = []
        hour, step = now_ns // HOUR_NS, product.window_hours
        first = -(-hour // step) * step
        for window in range(first, min(hour + product.rolling_hours, WINDOW_MAX + 1), step):
            if window in calendar or product.gate_ns(window) <= now_ns:
                continue
            if ranges and ranges[-1][0] + ranges[-1][1] * step == window:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
            else:
                ranges.append((window, 1))
        return ranges

    # Instruments.

    def check_listing(self, product_number: int, start: int, count: int, now_ns: int, instruments_max: int) -> None:
        """Refuse a listing of ``count`` windows from ``start`` that cannot be made.

        Raises:
            CatalogueError: MALFORMED, WINDOW_CLOSED, ALREADY_LISTED or OPEN_LIMIT, in this order.

        """
        product = self.product(product_number)
        windows = product.windows(start, count)
        if product.gate_ns(start) <= now_ns:  # The earliest window's gate closes first.
            raise CatalogueError(RejectReason.WINDOW_CLOSED, f"the gate of window {start} has closed")
        listed = next(self._calendars[product_number - 1].irange(start, windows[-1]), None)
        if listed is not None:
            raise CatalogueError(RejectReason.ALREADY_LISTED, f"window {listed} is listed already")
        if len(self.instruments) + count * len(product.fabrics) > instruments_max:
            raise CatalogueError(RejectReason.OPEN_LIMIT, f"instruments must be at most {instruments_max}")

    def list_windows(self, product_number: int, start: int, count: int) -> list[Instrument]:
        """List windows that check_listing has let pass; return the instruments by window, then fabric (ADM-002)."""
        product = self.product(product_number)
        first = len(self.instruments)
        for window in product.windows(start, count):
            self._calendars[product_number - 1][window] = len(self.instruments) + 1
            for index in range(len(product.fabrics)):
                handle = len(self.instruments) + 1
                self.instruments.append(Instrument(handle, product_number, product, index, window))
        return self.instruments[first:]

    def instrument(self, handle: int) -> Instrument | None:
        """Return the instrument of a handle, or None."""
        return self.instruments[handle - 1] if 1 <= handle <= len(self.instruments) else None

    def handle(self, product: str, fabric: str, window: int) -> int | None:
        """Return the handle of (product, fabric, window), or None where that is not listed."""
        number = self._product_numbers.get(product)
        if number is None or fabric not in self.products[number - 1].fabrics:
            return None
        first = self._calendars[number - 1].get(window)
        return None if first is None else first + self.products[number - 1].fabrics.index(fabric)

    def handles(self, product_number: int, start: int, count: int, fabric: str | None) -> list[int]:
        """Return the handles of ``count`` windows from ``start``, of one fabric or (None) of all.

        Raises:
            CatalogueError: MALFORMED, NO_FABRIC, or NO_INSTRUMENT where one of the windows is not listed.

        """
        windows = self.product(product_number).windows(start, count)
        fabrics = self.product(product_number).fabrics
        if fabric is not None and fabric not in fabrics:
            raise CatalogueError(RejectReason.NO_FABRIC, f"the product has no fabric {fabric!r}")
        indices = range(len(fabrics)) if fabric is None else [fabrics.index(fabric)]
        found: list[int] = []
        for window in windows:
            first = self._calendars[product_number - 1].get(window)
            if first is None:
                raise CatalogueError(RejectReason.NO_INSTRUMENT, f"window {window} is not listed")
            found.extend(first + index for index in indices)
        return found

    def symbol(self, handle: int) -> str | None:
        """Return the symbol of a handle, or None."""
        instrument = self.instrument(handle)
        return None if instrument is None else instrument.symbol

    def handle_of_symbol(self, symbol: str) -> int | None:
        """Return the handle of a symbol, or None where the text is no symbol or nothing of that name is listed."""
        try:
            return self.handle(*parse_symbol(symbol))
        except SymbolError:
            return None

    # Accounts and groups.

    def check_account(self, name: str, group: str, accounts_max: int) -> None:
        """Refuse an account that cannot be added. ``accounts_max`` counts the venue's account 0 too.

        Raises:
            CatalogueError: MALFORMED, OPEN_LIMIT or NAME_IN_USE, in this order.

        """
        check_name("account", name)
        check_name("group", group)
        if len(self.accounts) + 1 >= accounts_max:
            raise CatalogueError(RejectReason.OPEN_LIMIT, f"accounts must be fewer than {accounts_max}")
        if name in self._account_numbers:
            raise CatalogueError(RejectReason.NAME_IN_USE, f"account {name!r} exists already")

    def add_account(self, name: str, group: str) -> tuple[int, int]:
        """Add an account that check_account has let pass; return its number and its group's."""
        if group not in self._group_numbers:
            self.groups.append(group)
            self._group_numbers[group] = len(self.groups)
        self.accounts.append((name, self._group_numbers[group]))
        self._account_numbers[name] = len(self.accounts)
        return len(self.accounts), self._group_numbers[group]

    def account_number(self, name: str) -> int | None:
        """Return the number of an account, or None."""
        return self._account_numbers.get(name)

    def account_name(self, number: int) -> str | None:
        """Return the name of an account number from 1 up, or None."""
        return self.accounts[number - 1][0] if 1 <= number <= len(self.accounts) else None

    def group_number(self, name: str) -> int | None:
        """Return the number of an owner group, or None."""
        return self._group_numbers.get(name)

    def group_name(self, number: int) -> str | None:
        """Return the name of a group number from 1 up, or None."""
        return self.groups[number - 1] if 1 <= number <= len(self.groups) else None

    def canonical(self) -> bytes:
        """Return the catalogue as text, one line an entry in order of number. Names hold no blanks, so it is unique."""
        lines = [f"seed {self.seed}\n"] if self._seed_is_set else []
        lines += [
            f"product {product.name} {product.lot_scu} {product.tick_micros} {product.maker_fee_ppm} "
            f"{product.taker_fee_ppm} {product.gate_lead_s} {' '.join(product.fabrics)}; {product.zone} "
            f"{product.open_lead_s} {product.open_call_s} {product.preclose_s} {product.random_end_s} "
            f"{product.balancing_s} {product.settle_s} {product.volatility_call_s} {product.band_static_bps} "
            f"{product.band_dynamic_bps} {product.buyin_bps} {product.rolling_hours}"
            f"{f' {product.window_hours}' if product.window_hours != 1 else ''}\n"
            for product in self.products
        ]
        lines += [f"instrument {one.product_number} {one.fabric_index} {one.window}\n" for one in self.instruments]
        lines += [f"group {name}\n" for name in self.groups]
        lines += [f"account {name} {group}\n" for name, group in self.accounts]
        return "".join(lines).encode("ascii")


def check_windows(start: int, count: int) -> None:
    """Refuse a range of windows that is empty, too long or outside the calendar.

    Raises:
        CatalogueError: MALFORMED.

    """
    check_range("count", count, 1, WINDOWS_PER_COMMAND_MAX)
    check_range("start", start, 0, WINDOW_MAX - count + 1)
