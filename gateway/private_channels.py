"""What a session hears of its account, or of its firm, beyond the private stream: state, drop copies, and replays."""

from collections.abc import Callable
from dataclasses import dataclass

from exchange.reasons import RejectReason
from ext.link import Link
from gateway.account_view import AccountView, ReadEngine
from gateway.archive import Archive, Wanted
from gateway.auth import ApiKey
from gateway.protocol import Channel, MessageType, Replay, RequestError, Snapshot, Stream, Subscribe, pack
from gateway.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it comes from."""

    engine: ReadEngine
    publisher: Publisher
    archive: Archive | None
    durable_seq: Callable[[], int]
    wall_us: Callable[[], int]


class PrivateChannels:
    """The private side of one live session."""

    def __init__(self, sources: Sources, link: Link, key: ApiKey, account: int) -> None:
        self._sources = sources
        self._link = link
        self._key = key
        self._account = account
        self._view = AccountView(sources.engine, account)

    def check(self, ref: int, channel: Channel) -> None:
        """Raise RequestError where the key may not hear a channel."""
        if not (self._key.firm if channel is Channel.COPY else self._key.is_private):
            raise RequestError(ref, RejectReason.SCOPE)

    def begin(self, request: Subscribe, now_ns: int) -> list[bytes]:
        """Note a subscription; return what can be told at once of the account's state: it must be durable."""
        if request.chan is not Channel.ACCOUNT:
            return []
        self._view.follow(request.opts.conflate_ms, now_ns)
        return self.due(now_ns)

    def leave(self, channel: Channel) -> None:
        """Note that nothing covers a channel any more."""
        if channel is Channel.ACCOUNT:
            self._view.leave()

    def snapshot(self, request: Snapshot, now_ns: int) -> list[bytes]:
        """Return the answer; the account's state follows it when it is durable."""
        self.check(request.ref, request.chan)
        answer = pack(MessageType.RESP, request.ref, 0, 0)
        if request.chan is Channel.COPY:
            return [answer, self._sources.publisher.copies.head(self._key.firm)]
        self._view.ask()
        return [answer, *self.due(now_ns)]

    def due(self, now_ns: int) -> list[bytes]:
        """Return what may be told by now."""
        return self._view.due(now_ns, self._sources.durable_seq(), self._sources.wall_us())

    def replay(self, request: Replay) -> list[bytes]:
        """Tell messages once more, from memory or, the older ones, from the journal (SES-063, SES-074)."""
        is_copy = request.stream is Stream.COPY
        self.check(request.ref, Channel.COPY if is_copy else Channel.ACCOUNT)
        router, copies = self._sources.publisher.router, self._sources.publisher.copies
        stream = copies.open(self._key.firm) if is_copy else None
        newest = stream.seq if stream else router.pseq(self._account)
        oldest = (stream.oldest_seq if stream else router.oldest_pseq(self._account)) or newest + 1
        last = newest if request.last is None else min(request.last, newest)
        if request.first < oldest and request.first <= last:
            return self._from_journal(request, last, oldest)
        frames = stream.since(request.first, last) if stream else router.frames(self._account, request.first, last)
        self._link.send(pack(MessageType.RESP, request.ref, 0, max(0, last - request.first + 1)))
        self._link.send_frames(frames or b"")
        return []

    def _from_journal(self, request: Replay, last: int, oldest: int) -> list[bytes]:
        archive = self._sources.archive
        if archive is None:
            return [pack(MessageType.RESP, request.ref, int(RejectReason.REPLAY_TOO_OLD), oldest)]
        is_copy = request.stream is Stream.COPY
        accounts = self._sources.publisher.copies.numbers(self._key.firm) if is_copy else [self._account]
        if not archive.ask(Wanted(self._link, request.ref, accounts, is_copy, request.first, last)):
            raise RequestError(request.ref, RejectReason.OVERLOAD)
        return []
