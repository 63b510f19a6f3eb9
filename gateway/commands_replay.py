"""`hourglass replay`: from a journal to a state and its hash."""

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.replay import ReplayResult
from exchange.replay import replay as replay_frames
from gateway.commands_apply import new_engine
from gateway.failures import MISMATCH, Failure
from gateway.journal.reader import Reader

NS_PER_SECOND = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A sequence number, or a UTC time such as 2026-11-24T14:00 as nanoseconds."""

    name = "SEQ|TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, int | None]:
        """Return (seq, None) or (None, ns)."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        if text.isdecimal():
            return int(text), None
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"must be a sequence number or a time such as 2026-11-24T14:00, was {text!r}", param, ctx)
        return None, nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC))


def nanoseconds(moment: datetime.datetime) -> int:
    """Return a time as nanoseconds since 1970, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * 1_000


def utc_text(ts_ns: int) -> str:
    """Return nanoseconds since 1970 as a UTC time with all digits."""
    seconds, rest = divmod(ts_ns, NS_PER_SECOND)
    moment = _EPOCH + datetime.timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--until", type=Moment(), help="Last command, or last moment (UTC), to apply.")
@click.option("--verify", is_flag=True, help="Compare the state with every hash noted in the journal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--reference", is_flag=True, help="Use the plain reference engine instead of the compiled one.")
def replay(
    directory: Path,
    until: tuple[int | None, int | None] | None,
    verify: bool,
    as_json: bool,
    reference: bool,
) -> None:
    """Replay the journal in DIRECTORY from its first command and print the final state hash.

    The whole journal is checked on the way; nothing in it is changed. With --verify the exit code is 1 when a noted
    state hash does not match.

    \b
    Examples:
      hourglass replay ./journal --verify
      hourglass replay ./journal --until 120000
      hourglass replay ./journal --until 2026-11-24T14:00 --json
    """  # noqa: D301
    until_seq, until_ns = until or (None, None)
    engine = new_engine(reference)
    total = sum(int(frames["count"].sum()) for frames, _ in Reader(directory, live=True).arrays())
    reader = Reader(directory, live=True)
    started = time.perf_counter()
    with _progress(min(total, until_seq or total)) as (bar, progress):
        result = replay_frames(engine, reader, until_seq=until_seq, until_ns=until_ns, verify=verify, progress=progress)
        bar.update(bar.task_ids[0], completed=result.commands)
    seconds = time.perf_counter() - started
    report = _report(result, engine.seq, engine.now_ns, engine.state_hash(), seconds)
    click.echo(json.dumps(report) if as_json else _text(report, verify))
    if reader.tail is not None and reader.tail.torn_end > reader.tail.offset:
        click.echo(
            f"note: {reader.tail.segment.name} ends in an unfinished write that was never told to anyone", err=True
        )
    if result.mismatch is not None:
        seq, expected, found = result.mismatch
        raise Failure(f"the state after command {seq} must have the hash {expected}, was {found}", MISMATCH)


class _progress:
    """A progress bar on stderr, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._bar = Progress(
            TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("commands"), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.disable = not self._bar.console.is_terminal
        self._task = self._bar.add_task("replay", total=total)

    def __enter__(self) -> tuple[Progress, Callable[[ReplayResult], None]]:
        self._bar.start()
        return self._bar, lambda result: self._bar.update(self._task, completed=result.commands)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _report(result: ReplayResult, seq: int, now_ns: int, state_hash: str, seconds: float) -> dict[str, object]:
    mismatch = result.mismatch
    return {
        "seq": seq,
        "ts_ns": now_ns,
        "commands": result.commands,
        "events": result.events,
        "frames": result.frames,
        "state_hash": state_hash,
        "hashes_verified": result.hashes_verified,
        "mismatch": None if mismatch is None else dict(zip(mismatch._fields, mismatch, strict=True)),
        "commands_per_s": round(result.commands / seconds) if seconds else 0,
    }


def _text(report: dict[str, object], verify: bool) -> str:
    lines = [
        f"replayed    {report['commands']:,} commands, {report['events']:,} events, {report['frames']:,} frames"
        f" ({report['commands_per_s']:,} commands/s)",
        f"stands at   seq {report['seq']}, {utc_text(int(str(report['ts_ns'])))}",
        f"state hash  {report['state_hash']}",
    ]
    if verify:
        verdict = (
            "MISMATCH" if report["mismatch"] else "all match" if report["hashes_verified"] else "none noted so far"
        )
        lines.append(f"verified    {report['hashes_verified']} noted hashes: {verdict}")
    return "\n".join(lines)
