"""`hourglass serve`: the venue itself. Recovers the journal, then wires engine, sequencer, publisher and server."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import uvloop

from exchange import commands
from exchange.commands import RECORD
from exchange.engine import Engine
from exchange.records import CommandType, EventType
from exchange.replay import replay
from exchange.units import SEED_MAX
from gateway.admin import SETUP_COMMANDS, SOCKET_NAME, AdminSocket, Tap
from gateway.clearing_run import ClearingRunner
from gateway.commands_keys import load_keys
from gateway.failures import CONFIGURATION, MISMATCH, MISSING, Failure, as_failure
from gateway.journal.writer import Journal
from gateway.jsonlines import CommandReader, parse_line
from gateway.jsonlines_fields import LineError
from gateway.rolling import Roller
from gateway.sequencer import SUBMIT_BYTES_MAX, Publisher, Sequencer
from gateway.tls import server_context

DEFAULTS: dict[str, Any] = {
    "journal": None,
    "host": "127.0.0.1",
    "port": 8080,
    "keys": None,
    "setup": None,
    "durability": "disk",
    "tls_certificate": None,
    "tls_key": None,
}


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML file with any option of this command."
)
@click.option("--journal", help="Directory of the journal; made when missing.")
@click.option("--host", help=f"Address to listen on. [default: {DEFAULTS['host']}]")
@click.option("--port", type=click.IntRange(0, 65_535), help=f"0: the system chooses. [default: {DEFAULTS['port']}]")
@click.option("--keys", help="Key file made by `hourglass keys`; without one nobody can log in.")
@click.option(
    "--setup", help="Administrative JSON lines, carried out once, on a journal without products and accounts."
)
@click.option(
    "--durability",
    type=click.Choice(["disk", "memory"]),
    help="disk: told when flushed; memory: survives this process, not the machine. [default: disk]",
)
@click.option("--tls-certificate", help="PEM file of the certificate, its chain included; then only TLS is spoken.")
@click.option("--tls-key", help="PEM file of the certificate's private key, not encrypted.")
def serve(config_path: Path | None, **given: Any) -> None:
    """Run the venue until SIGTERM or SIGINT.

    The journal is replayed and checked first. Products with rolling_hours get their windows as the hours go by, and the
    clearinghouse, if there is one, does every second what is due. A new
    journal begins with a seed of the gates' random ends, unless the setup has one. An option on the command line goes
    before the same one in the configuration file, which may hold the gateway's limits too, in a table [limits].

    \b
    Examples:
      hourglass serve --journal ./journal --keys keys.json --setup venue.jsonl
      hourglass serve --config hourglass.toml --port 9000
      hourglass serve --journal ./journal --keys keys.json --tls-certificate venue.pem --tls-key venue.key
    """  # noqa: D301
    options, limits = read_config(config_path)
    options |= {name: value for name, value in given.items() if value is not None}
    if options["journal"] is None:
        raise click.UsageError("serve needs --journal, or a configuration file that names one")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, limits, Engine()))


def read_config(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options and the limits of a configuration file, defaults filled in. Raises Failure."""
    options = dict(DEFAULTS)
    if path is None:
        return options, {}
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", MISSING) from error
    except ValueError as error:
        raise Failure(f"{path} is not TOML: {error}", CONFIGURATION) from error
    limits = content.pop("limits", {})
    for name, value in content.items():
        kind = int if name == "port" else str
        if name not in options or type(value) is not kind:
            raise Failure(f"{path}: {name} must be one of {', '.join(options)}, with the right type", CONFIGURATION)
    if content.get("durability", "disk") not in ("disk", "memory"):
        raise Failure(f"{path}: durability must be disk or memory, was {content['durability']}", CONFIGURATION)
    return options | content, limits


def read_setup(path: Path, engine: Engine, ts_ns: int) -> bytes:
    """Return the records of a setup file, after trying all of it on ``engine``, which is thrown away.

    They are journalled as one batch, so that a venue is never half set up. Raises Failure with the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", MISSING) from error
    reader, batch = CommandReader(engine.catalogue), b""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            command = parse_line(line)
            if command.get("t") not in SETUP_COMMANDS:
                raise LineError(f"t must be one of {', '.join(SETUP_COMMANDS)}, was {command.get('t')!r}")
            records = reader.convert(command)
        except LineError as error:
            raise Failure(f"{path} line {number}: {error}", CONFIGURATION) from error
        refused = [event for event in engine.apply(records, ts_ns) if event["type"] == EventType.REJECT]
        if refused:
            raise Failure(f"{path} line {number}: refused, {_reason(refused[0])}", CONFIGURATION)
        batch += records
    if len(batch) > SUBMIT_BYTES_MAX:
        raise Failure(f"{path} must be at most {SUBMIT_BYTES_MAX} bytes of commands, was {len(batch)}", CONFIGURATION)
    return batch


def first_records(path: str | None, engine: Engine) -> bytes:
    """Return what a venue begins with: the seed of an empty journal, and the setup of one that has none yet."""
    from exchange.reference.core import ReferenceCore

    trial, is_empty = Engine(ReferenceCore()), engine.seq == 0
    if engine.catalogue.seed:
        trial.apply_count(commands.set_seed(engine.catalogue.seed), 0)
    is_new = not engine.catalogue.products and not engine.catalogue.accounts
    batch = read_setup(Path(path), trial, time.time_ns()) if path and is_new else b""
    if is_empty and not has_command(batch, CommandType.SET_SEED):
        batch = commands.set_seed(int.from_bytes(os.urandom(8)) & SEED_MAX) + batch
    return batch


def has_command(records: bytes, kind: CommandType) -> bool:
    """Whether a command of a type is among some records."""
    offset = 0
    while offset < len(records):
        length, command_type = RECORD.unpack_from(records, offset)[:2]
        if command_type == kind:
            return True
        offset += length
    return False


def _reason(event: Any) -> str:
    from exchange.reasons import RejectReason

    return RejectReason(int(event["reason"])).name


def recover(journal: Journal, engine: Engine, publisher: Any) -> None:
    """Bring engine and publisher to where the journal ends. Raises Failure when a noted state hash does not match."""
    result = replay(engine, journal.recover(), tell=publisher.recover)
    if result.mismatch is not None:
        seq, expected, found = result.mismatch
        raise Failure(f"the state after command {seq} must have the hash {expected}, was {found}", MISMATCH)
    if journal.torn is not None:
        click.echo(f"an unfinished write, never told to anyone, was moved to {journal.torn}", err=True)


async def _serve(options: dict[str, Any], limits: dict[str, Any], engine: Engine) -> None:
    from gateway.archive import Archive
    from gateway.auth import KeyStore
    from gateway.publisher import Publisher as GatewayPublisher
    from gateway.server import Server

    keys = load_keys(Path(options["keys"])) if options["keys"] else KeyStore()
    config = _limits(limits)
    tls = server_context(options["tls_certificate"], options["tls_key"])
    journal = Journal(options["journal"], durability=options["durability"])
    try:
        publisher = GatewayPublisher(
            engine.catalogue,
            book_depth_max=config.book_depth_max,
            private_history_bytes=config.history_bytes,
        )
        recover(journal, engine, publisher)
        ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        tap = Tap(publisher)
        sequencer = _sequencer(engine, journal, tap, ended)
        server = Server(engine, sequencer, publisher, keys, config, Archive(options["journal"]))
        _end_on_signal(ended)
        await _set_up(options["setup"], engine, sequencer, ended)
        try:
            await server.start(options["host"], options["port"], tls=tls)
        except OSError as error:
            raise Failure(f"{options['host']}:{options['port']} cannot be used: {error}", CONFIGURATION) from error
        admin = AdminSocket(Path(options["journal"], SOCKET_NAME), engine.catalogue, sequencer, tap)
        async with _regular(engine, sequencer, ended), _administered(admin):
            click.echo(_banner(options, server.port, sequencer))
            failure = await ended
        if failure is None:
            await server.stop()
            await sequencer.stop()
            failure = sequencer.failure
        if failure is not None:
            raise as_failure(failure) or failure
        click.echo(f"stopped at seq {sequencer.durable_seq}, state hash {engine.state_hash()}")
    finally:
        journal.close()


def _limits(limits: dict[str, Any]) -> Any:
    from gateway.config import GatewayConfig

    known = [field.name for field in dataclasses.fields(GatewayConfig)]
    for name, value in limits.items():
        if name not in known or type(value) is not int:
            raise Failure(f"limits.{name} must be a whole number and one of {', '.join(known)}", CONFIGURATION)
    try:
        return GatewayConfig(**limits)
    except ValueError as error:
        raise Failure(f"limits: {error}", CONFIGURATION) from error


def _sequencer(
    engine: Engine, journal: Journal, publisher: Publisher, ended: "asyncio.Future[BaseException | None]"
) -> Sequencer:
    def failed(error: BaseException) -> None:
        if not ended.done():
            ended.set_result(error)

    return Sequencer(engine, journal, publisher, time.time_ns, on_failure=failed)


@contextlib.asynccontextmanager
async def _regular(
    engine: Engine, sequencer: Sequencer, ended: "asyncio.Future[BaseException | None]"
) -> AsyncIterator[None]:
    """List the windows of rolling listings, now and at each new hour, and run the clearinghouse every second."""

    def done(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and not ended.done():
            ended.set_result(task.exception())

    def warn(text: str) -> None:
        click.echo(f"hourglass: {text}", err=True)

    roller = Roller(engine.catalogue, sequencer.submit, time.time_ns, warn=warn)
    roller.roll()
    await sequencer.settle()
    tasks = [asyncio.create_task(roller.run()), asyncio.create_task(ClearingRunner(engine, sequencer).run())]
    for task in tasks:
        task.add_done_callback(done)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def _administered(admin: AdminSocket) -> AsyncIterator[None]:
    """Take administrative commands; a venue whose path is too long for a socket runs without them."""
    try:
        await admin.start()
    except OSError as error:
        click.echo(f"hourglass: {admin.path} cannot be listened on, there is no administration: {error}", err=True)
    try:
        yield
    finally:
        await admin.stop()


def _end_on_signal(ended: "asyncio.Future[BaseException | None]") -> None:
    def stop() -> None:
        if not ended.done():
            ended.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def _set_up(
    path: str | None, engine: Engine, sequencer: Sequencer, ended: "asyncio.Future[BaseException | None]"
) -> None:
    """Start the sequencer; on a venue without products and accounts carry out the setup file first."""
    batch = first_records(path, engine)
    sequencer.start()
    if batch and not sequencer.submit(batch):
        raise Failure(f"{path} must be at most what the backlog takes at once", CONFIGURATION)
    await sequencer.settle()
    if ended.done() and (failure := ended.result()) is not None:
        raise as_failure(failure) or failure


def _banner(options: dict[str, Any], port: int, sequencer: Sequencer) -> str:
    meaning = {
        "disk": "nothing is told before it is on disk",
        "memory": "ACKNOWLEDGED ORDERS SURVIVE THIS PROCESS, NOT THE MACHINE",
    }
    scheme, journal = "https" if options["tls_certificate"] else "http", options["journal"]
    return (
        f"hourglass serves {scheme}://{options['host']}:{port} from {journal} at seq {sequencer.durable_seq}; "
        f"durability {sequencer.durability}: {meaning[sequencer.durability]}"
    )
