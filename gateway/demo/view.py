"""The demonstration on a terminal: a live screen, or plain lines where there is none."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.demo.figures import Figures
from gateway.demo.venue import Venue


def amount(value: float) -> str:
    """Write a number as people read it."""
    return f"{value:,.0f}"


class View:
    """Draws the figures; keeps what it needs to turn counters into rates."""

    def __init__(self, venue: Venue, figures: Figures, shown: list[str], seconds: float) -> None:
        self._venue = venue
        self._figures = figures
        self._shown = shown
        self._rates = (0.0, 0.0)
        self._before = (0.0, 0, 0)
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

    def line(self) -> str:
        """Write the figures in one line."""
        figures, (orders, trades) = self._figures, self._rates
        return (
            f"{figures.elapsed_s:5.1f} s  {amount(orders)} orders/s  {amount(trades)} trades/s  "
            f"answer p50 {figures.latency_ms(0.5):.1f} ms p99 {figures.latency_ms(0.99):.1f} ms  "
            f"jobs {figures.jobs}  durable seq {self._venue.sequencer.durable_seq:,}"
        )

    def screen(self) -> RenderableType:
        """Draw the whole screen."""
        return Group(Panel(self._numbers(), title="Hourglass"), self._books(), self._trades(), self._progress)

    def _numbers(self) -> Table:
        figures, (orders, trades) = self._figures, self._rates
        table = Table.grid(expand=True)
        for _ in range(4):
            table.add_column(justify="left")
        table.add_row(
            f"orders/s  [bold]{amount(orders)}[/]", f"trades/s  [bold]{amount(trades)}[/]",
            f"answer p50  [bold]{figures.latency_ms(0.5):.2f} ms[/]",
            f"p99  [bold]{figures.latency_ms(0.99):.2f} ms[/]",
        )  # fmt: skip
        table.add_row(
            f"orders  {amount(figures.orders)}", f"trades  {amount(figures.trades)}",
            f"jobs  {amount(figures.jobs)}, {amount(figures.hours_wanted)} hours",
            f"lots traded  {amount(figures.lots_traded)}",
        )  # fmt: skip
        table.add_row(
            f"refused  {amount(figures.refused)}", f"tape  {amount(figures.tape_messages)}",
            f"durable seq  {self._venue.sequencer.durable_seq:,}", f"backlog  {self._venue.sequencer.backlog}",
        )  # fmt: skip
        return table

    def _books(self) -> Table:
        table = Table("window", "bid lots", "bid", "ask", "ask lots", title="best prices, $/SCU-hour", expand=True)
        catalogue = self._venue.engine.catalogue
        for symbol in self._shown:
            handle = catalogue.handle_of_symbol(symbol)
            instrument = None if handle is None else catalogue.instrument(handle)
            best = None if handle is None else self._figures.best.get(handle)
            if instrument is None or best is None:
                table.add_row(symbol, "", "", "", "")
                continue
            tick_micros = instrument.product.tick_micros
            bid, bid_lots, ask, ask_lots = best
            table.add_row(
                symbol, str(bid_lots or ""), f"[green]{bid * tick_micros / 1e6:.4f}" if bid_lots else "",
                f"[red]{ask * tick_micros / 1e6:.4f}" if ask_lots else "", str(ask_lots or ""),
            )  # fmt: skip
        return table

    def _trades(self) -> Panel:
        return Panel("\n".join(self._figures.recent) or "none yet", title="last trades (ticks)")
