"""The server: an aiohttp application whose WebSockets are handed to our own parser. Run it on uvloop.

Belongs to one event loop, the sequencer's.
"""

import asyncio
import secrets
import ssl
import time
from collections import Counter
from typing import Any, Protocol

from aiohttp import web

from exchange.catalogue import Catalogue
from exchange.clearing.house import ClearingHouse
from exchange.engine import Core
from exchange.reasons import RejectReason
from exchange.records import NoticeKind
from gateway.account_api import AccountApi
from gateway.archive import Archive
from gateway.auth import KeyStore, LoginGuard
from gateway.config import GatewayConfig
from gateway.connection import Connection, Upgrade
from gateway.entrance import Lobby
from gateway.http_api import routes
from gateway.lanes import Lanes
from gateway.market_data import NS_PER_US, seconds
from gateway.metrics import ClearingReading, Metrics, Reading, read_clearing
from gateway.private_channels import Sources
from gateway.protocol import NONCE_BYTES, CloseCode, MessageType, pack
from gateway.publisher import Publisher
from gateway.session import Session, Venue
from gateway.switches import Switches
from gateway.tls import tls_arguments

NS_PER_SECOND = 1_000_000_000
TICK_S = 0.05
LISTEN_BACKLOG = 1_024  # TCP connections the system holds till they are accepted.
STOP_ATTEMPTS = 100  # How often the last cancels are offered to a sequencer that has no room.


class ServedEngine(Protocol):
    """What the server needs of the engine."""

    catalogue: Catalogue
    core: Core
    house: ClearingHouse

    @property
    def seq(self) -> int:
        """Sequence number of the last command applied."""


class ServedSequencer(Protocol):
    """What the server needs of the sequencer."""

    @property
    def seq(self) -> int:
        """Newest sequence number given out."""

    @property
    def next_seq(self) -> int:
        """Sequence number that the first command of the next `submit` will have."""

    @property
    def durable_seq(self) -> int:
        """Newest sequence number that is durable."""

    @property
    def durability(self) -> str:
        """``disk`` or ``memory``: what an acknowledged order survives."""

    def submit(self, records: bytes) -> bool:
        """Queue command records; False when there is no room for them."""


class Server:
    """The gateway of one venue.

    Args:
        engine: for names, and for the last refs of lanes at login.
        sequencer: where commands go.
        publisher: the sequencer's publisher, already fed with everything replayed at the start.
        keys: who may log in.
        config: limits.
        archive: where old private messages are found; without one there are those in memory.

    """

    def __init__(
        self,
        engine: ServedEngine,
        sequencer: ServedSequencer,
        publisher: Publisher,
        keys: KeyStore,
        config: GatewayConfig | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.config = config or GatewayConfig()
        self.publisher = publisher
        self.sequencer = sequencer
        self._house = publisher.curves.house = engine.house
        self.lanes = Lanes(self.config.orders_per_s, self.config.burst_orders)
        self.switches = Switches()
        self.port = 0
        self.is_draining = False
        self._connections: set[Connection] = set()
        self._accepted = 0
        self._closed: Counter[int] = Counter()  # WebSockets by our close code.
        self._owed: list[bytes] = []
        self._started_ns = time.monotonic_ns()
        self._metrics = Metrics(self._reading)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._lobby: Lobby | None = None
        self._ticker: asyncio.Task[None] | None = None
        guard = LoginGuard(self.config.failed_logins_max, self.config.failed_logins_s * NS_PER_SECOND)
        self._account_api = AccountApi(engine, publisher, keys, guard, self.config, self.wall_us)
        self._venue = Venue(
            config=self.config,
            keys=keys,
            publisher=publisher,
            lanes=self.lanes,
            switches=self.switches,
            guard=guard,
            wall_us=self.wall_us,
            account_number=lambda name: engine.catalogue.account_number(name),
            last_ref=lambda account, lane: engine.core.last_ref(account, lane),
            durable_seq=lambda: self.sequencer.durable_seq,
            next_seq=self._next_seq,
            submit=self._submit,
            sources=Sources(
                engine=engine,
                publisher=publisher,
                archive=archive,
                durable_seq=lambda: self.sequencer.durable_seq,
                wall_us=self.wall_us,
            ),
            owe=self._owe,
        )

    # Life.

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, with TLS when there is a context; return the port, which port 0 lets the system choose."""
        app = web.Application()
        app.add_routes([web.get("/ws/v1", self._websocket), *routes(self), *self._account_api.routes()])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        router, now_ns = self.publisher.router, time.monotonic_ns()
        self.lanes.recover(router.modes, now_ns)
        self.switches.recover(router.switches, now_ns)
        self.open_firms()
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        loop = asyncio.get_running_loop()
        self._lobby = Lobby(server, self.config)
        self._listener = await loop.create_server(
            self._lobby, host, port, backlog=LISTEN_BACKLOG, **tls_arguments(tls, self.config)
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self._ticker = loop.create_task(self._tick_for_ever())
        return self.port

    def open_firms(self) -> None:
        """Begin the drop copies of every key that may hear some, so that they can be told again."""
        for key in self._venue.keys:
            if key.firm:
                self.publisher.copies.open(key.firm)

    def drain(self) -> None:
        """Refuse new connections and new orders, and say so, once."""
        if self.is_draining:
            return
        self.is_draining = True
        for connection in self._connections:
            connection.link.gate = int(RejectReason.DRAINING)
            if connection.link.is_live:
                notice = (NoticeKind.DRAINING, self.config.drain_retry_ms, self.wall_us())
                connection.link.send(pack(MessageType.NOTICE, *notice))
                connection.link.flush()

    async def stop(self) -> None:
        """Drain, end every session (cancel-on-disconnect applies, without grace), and stop listening.

        The sequencer must still run, and be stopped afterwards.
        """
        self.drain()
        for connection in list(self._connections):
            connection.link.close(CloseCode.DRAINING, "the server is about to stop")
        if self._connections:
            await asyncio.wait(
                [connection.gone for connection in self._connections],
                timeout=2 * self.config.close_timeout_ms / 1_000,
            )
        if self._venue.sources.archive is not None:
            await self._venue.sources.archive.close()
        if self._ticker is not None:
            self._ticker.cancel()
        self._owe(self.lanes.give_up())
        for _ in range(STOP_ATTEMPTS):
            if not self._owed:
                break
            await asyncio.sleep(TICK_S)
            self._pay()
        if self._listener is not None:
            self._listener.close()
        if self._lobby is not None:
            self._lobby.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # What handlers and sessions ask.

    def wall_us(self) -> int:
        """Return microseconds since 1970."""
        return time.time_ns() // NS_PER_US

    def health(self) -> dict[str, Any]:
        """Return the state of the server."""
        return {
            "status": "draining" if self.is_draining else "ok",
            "seq": self.sequencer.seq,
            "durable_seq": self.sequencer.durable_seq,
            "durability": self.sequencer.durability,
            "uptime_s": seconds(time.monotonic_ns() - self._started_ns),
            "sessions": len(self.lanes),
            "connections": len(self._connections),
        }

    def indices(self) -> dict[str, int]:
        """Return the index of each hardware class, micro-dollars per SCU-hour."""
        return dict(self._house.state.indices)

    def metrics_text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return self._metrics.text()

    def _reading(self) -> Reading:
        router = self.publisher.router
        return Reading(
            sessions=len(self.lanes),
            connections=len(self._connections),
            connections_accepted=self._accepted,
            commands_durable=self.sequencer.durable_seq,
            commands_sequenced=self.sequencer.seq,
            events_routed=router.events_routed,
            answers_sent=router.answers_sent,
            batches=self.publisher.batches,
            is_draining=self.is_draining,
            sockets=self._lobby.door.sockets if self._lobby else 0,
            refused=self._lobby.refused if self._lobby else {},
            closed=self._closed,
            clearing=self._clearing_reading(),
        )

    def _clearing_reading(self) -> ClearingReading | None:
        state, router = self._house.state, self.publisher.router
        return read_clearing(state, router.layers_used(), router.failed_lots) if state.account else None

    # Inside.

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        form = request.query.get("format", "msgpack")
        if form not in ("msgpack", "json"):
            return web.Response(status=400, text="format must be msgpack or json")
        if self.is_draining or len(self._connections) >= self.config.connections_max:
            return web.Response(status=503, text="no connections are taken now")
        connection = Connection(self._submit, self.config, time.monotonic_ns)
        connection.link.is_text = form == "json"
        self._accepted += 1
        session = Session(
            self._venue,
            connection.link,
            number=self._accepted,
            nonce=secrets.token_bytes(NONCE_BYTES),
            address=request.remote or "",
            now_ns=time.monotonic_ns(),
        )
        response = Upgrade(connection, session)
        self._connections.add(connection)
        try:
            await response.prepare(request)
        except BaseException:
            self._forget(connection)
            raise
        # Nothing of aiohttp waits for the end of it.
        connection.gone.add_done_callback(lambda _: self._forget(connection))
        return response

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._closed[connection.link.close_code] += 1

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now_ns = time.monotonic_ns()
            for connection in list(self._connections):
                connection.tick(now_ns)
            self.publisher.router.pay()
            self._owe(self.lanes.due(now_ns) + self.switches.due(now_ns))

    def _submit(self, records: bytes) -> bool:
        """Queue a session's records, behind all that is owed: what ends a lane's orders must not find later ones."""
        self._pay()
        return not self._owed and self.sequencer.submit(records)

    def _next_seq(self) -> int:
        """Return the sequence number that the first command of the next `_submit` will have."""
        self._pay()
        return self.sequencer.next_seq

    def _owe(self, records: bytes) -> None:
        """Submit records that must not be lost, after any that found no room before."""
        if records:
            self._owed.append(records)
        self._pay()

    def _pay(self) -> None:
        while self._owed and self.sequencer.submit(self._owed[0]):
            self._owed.pop(0)
