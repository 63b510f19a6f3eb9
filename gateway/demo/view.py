"""The demonstration on a terminal: a live screen, or plain lines where there is none."""

import datetime
from collections import deque

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from exchange.records import CALLS, Phase
from exchange.units import NS_PER_SECOND, price_text
from gateway.demo.figures import Figures
from gateway.demo.products import PRODUCTS, STOCK
from gateway.demo.venue import Venue

HOURS_SHOWN = (0, 1, 10)  # From the hour that is being delivered.
NEWS_SHOWN = 8
NEWS_PRINTED = 14  # Lines of news for each line of figures.


def amount(value: float) -> str:
    """Write a number as people read it."""
    return f"{value:,.0f}"


def shown_symbols(venue: Venue) -> list[str]:
    """Return the instruments on the screen: some hours of each product, the one that is being delivered first."""
    symbols = [product.symbol(venue.hour + hour) for product in PRODUCTS for hour in HOURS_SHOWN]
    return [*symbols, STOCK.symbol(venue.tape_window)] if venue.with_stock else symbols


class View:
    """Draws the figures; keeps what it needs to turn counters into rates."""

    def __init__(self, venue: Venue, figures: Figures, seconds: float) -> None:
        self._venue = venue
        self._figures = figures
        self._rates = (0.0, 0.0)
        self._before = (0.0, 0, 0)
        self._news: deque[str] = deque(maxlen=NEWS_SHOWN)
        self._progress = Progress(TextColumn("{task.description}"), BarColumn(bar_width=None), TimeRemainingColumn())
        self._task = self._progress.add_task("running", total=seconds)

    def measure(self) -> float:
        """Take the rates since the last call; return the seconds since the start."""
        now_s, figures = self._figures.elapsed_s, self._figures
        then_s, orders, trades = self._before
        if now_s > then_s:
            self._rates = ((figures.orders - orders) / (now_s - then_s), (figures.trades - trades) / (now_s - then_s))
        self._before = (now_s, figures.orders, figures.trades)
        self._progress.update(self._task, completed=now_s)
        return now_s

    # Plain lines.

    def lines(self, *, at_end: bool = False) -> list[str]:
        """Write the news, then the figures in one line."""
        news = self._figures.take_news(at_end=at_end)
        kept = pick(news, NEWS_PRINTED)
        more = [f"  ... and {len(news) - len(kept)} more"] if len(news) > len(kept) else []
        return [*(f"  {line}" for line in kept), *more, self._line()]

    def _line(self) -> str:
        figures, (orders, trades) = self._figures, self._rates
        return (
            f"{figures.elapsed_s:5.1f} s  market {self._time()}  {self._next_gate()}  {amount(orders)} orders/s  "
            f"{amount(trades)} trades/s  answer p50 {figures.latency_ms(0.5):.1f} ms p99 "
            f"{figures.latency_ms(0.99):.1f} ms  durable seq {self._venue.sequencer.durable_seq:,}"
        )

    def _time(self) -> str:
        seconds = self._venue.clock() // NS_PER_SECOND
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%a %H:%M:%S")

    def _next_gate(self) -> str:
        symbol = PRODUCTS[0].symbol(self._venue.next_window)
        return f"{symbol[-3:]} {self._phase(symbol)}"

    def _phase(self, symbol: str) -> str:
        """Write the phase of an instrument, in a call with what it would come to now."""
        handle = self._venue.engine.catalogue.handle_of_symbol(symbol)
        status = None if handle is None else self._figures.statuses.get(handle)
        if handle is None or status is None:
            return ""
        name = Phase(status.state).name
        indicative = self._figures.indicatives.get(handle)
        if status.state not in CALLS or indicative is None or not indicative.qty:
            return name
        instrument = self._venue.engine.catalogue.instrument(handle)
        assert instrument is not None
        return f"{name} {price_text(indicative.px, instrument.product.tick_micros)} x {indicative.qty}"

    # The screen.

    def screen(self) -> RenderableType:
        """Draw the whole screen."""
        self._news.extend(self._figures.take_news())
        return Group(
            Panel(self._numbers(), title=f"Hourglass, market time {self._time()}"), self._books(), self._told(),
            self._trades(), self._progress,
        )  # fmt: skip

    def _numbers(self) -> Table:
        figures, (orders, trades) = self._figures, self._rates
        table = Table.grid(expand=True)
        for _ in range(4):
            table.add_column(justify="left")
        blocks = sum(figures.block_fills.values())
        rows = [
            (f"orders/s  [bold]{amount(orders)}[/]", f"trades/s  [bold]{amount(trades)}[/]",
             f"answer p50  [bold]{figures.latency_ms(0.5):.2f} ms[/]",
             f"p99  [bold]{figures.latency_ms(0.99):.2f} ms[/]"),
            (f"orders  {amount(figures.orders)}", f"trades  {amount(figures.trades)}",
             f"jobs  {amount(figures.jobs)}, {amount(figures.hours_wanted)} hours",
             f"blocks  {blocks} fills of {figures.blocks_placed} placed"),
            (f"gates closed  {figures.windows_gated}", f"nodes assigned  {figures.nodes_assigned}",
             f"lots perished  {amount(figures.lots_perished)}", f"bought in  {figures.lots_bought_in} lots"),
            (f"refused  {amount(figures.refused)}", f"tape  {amount(figures.tape_messages)}",
             f"durable seq  {self._venue.sequencer.durable_seq:,}", f"backlog  {self._venue.sequencer.backlog}"),
        ]  # fmt: skip
        for row in rows:
            table.add_row(*row)
        return table

    def _books(self) -> Table:
        table = Table("window", "phase", "bid lots", "bid", "ask", "ask lots", title="$/SCU-hour", expand=True)
        catalogue = self._venue.engine.catalogue
        for symbol in shown_symbols(self._venue):
            handle = catalogue.handle_of_symbol(symbol)
            instrument = None if handle is None else catalogue.instrument(handle)
            if handle is None or instrument is None:
                table.add_row(symbol, "", "", "", "", "")
                continue
            tick_micros = instrument.product.tick_micros
            bid, bid_lots, ask, ask_lots = self._figures.best.get(handle, (0, 0, 0, 0))
            table.add_row(
                symbol, self._phase(symbol), str(bid_lots or ""),
                f"[green]{bid * tick_micros / 1e6:.4f}" if bid_lots else "",
                f"[red]{ask * tick_micros / 1e6:.4f}" if ask_lots else "", str(ask_lots or ""),
            )  # fmt: skip
        return table

    def _told(self) -> Panel:
        return Panel(Text("\n".join(self._news) or "none yet", overflow="ellipsis", no_wrap=True), title="news")

    def _trades(self) -> Panel:
        return Panel("\n".join(self._figures.recent) or "none yet", title="last trades (ticks)")


def pick(news: list[str], most: int) -> list[str]:
    """Return some of the news, in order, the blocks before all others."""
    first = sorted(range(len(news)), key=lambda index: (not news[index].startswith("block"), index))
    return [news[index] for index in sorted(first[:most])]
