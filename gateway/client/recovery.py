"""The way in, and back after a lost connection: which losses are worth it, and how long to wait between attempts."""

import asyncio
import itertools
import random
import time
from typing import NamedTuple

import aiohttp

from exchange.reasons import RejectReason
from gateway.client.errors import ConnectionClosed, HourglassError, LoginRefused, RequestRefused, StateLost
from gateway.client.reader import check_room
from gateway.client.wire import Dialer, Welcome, Wire
from gateway.protocol import CloseCode

RECONNECT_FIRST_MS = 100  # Before the second attempt; doubles with each one, and is drawn from its upper half.
RECONNECT_DELAY_MAX_MS = 5_000
RECONNECT_S_MAX = 60  # From the loss to the last attempt.
MS_PER_SECOND = 1_000
GOING_AWAY, NO_CLOSE_FRAME = 1001, 1006
NEVER_PASSES = (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError)
COMES_BACK = frozenset(
    {
        GOING_AWAY, NO_CLOSE_FRAME, CloseCode.LOGIN_TIMEOUT, CloseCode.SLOW, CloseCode.PRIVATE_BACKLOG,
        CloseCode.HEARTBEAT, CloseCode.DRAINING,
    }
)  # fmt: skip


class Return(NamedTuple):
    """A new connection on the old lane."""

    wire: Wire
    welcome: Welcome
    away_ms: int
    attempts: int


class Recovery:
    """Brings a session back. With `for_s` 0 it never tries."""

    def __init__(self, dialer: Dialer, for_s: float) -> None:
        self.for_s = for_s
        self.dialer = dialer
        self._attempt = 0
        self._returned_s = 0.0
        self._not_before_s = 0.0

    def is_worth_it(self, ending: ConnectionClosed) -> bool:
        """Whether a lost connection may be replaced by another; not when the server does not want this session."""
        return self.for_s > 0 and ending.code in COMES_BACK

    def stay_away(self, wait_ms: int) -> None:
        """Note that the server will stop, and wants nobody before so many milliseconds."""
        self._not_before_s = time.monotonic() + wait_ms / MS_PER_SECOND

    async def come_back(self, ending: ConnectionClosed, epoch: int, last_pseq: int) -> Return:
        """Log in again.

        Raises:
            LoginRefused: the server does not accept the login any more.
            ConnectionClosed: there was no way back in time.

        """
        lost_s = time.monotonic()
        if lost_s - self._returned_s > RECONNECT_DELAY_MAX_MS / MS_PER_SECOND:
            self._attempt = 0  # The last connection held; one that broke at once goes on with longer waits.
        attempts = 0
        while True:
            await asyncio.sleep(max(self._delay_s(), self._not_before_s - time.monotonic()))
            attempts += 1
            try:
                wire, welcome = await self.dialer.dial(epoch, last_pseq)
            except (OSError, aiohttp.ClientError) as error:
                if is_final(error):
                    raise
                if time.monotonic() - lost_s >= self.for_s:
                    reason = f"{ending.reason or 'lost'}; no way back in {self.for_s} s: {error}"
                    raise ConnectionClosed(ending.code, reason) from error
                continue
            self._returned_s = time.monotonic()
            return Return(wire, welcome, round((self._returned_s - lost_s) * MS_PER_SECOND), attempts)

    def _delay_s(self) -> float:
        """Return how long to wait: nothing the first time, then twice as long each time."""
        attempt, self._attempt = self._attempt, self._attempt + 1
        return delay_ms(attempt) / MS_PER_SECOND


async def first_connection(dialer: Dialer, for_s: float, resume: tuple[int, int] | None) -> tuple[Wire, Welcome]:
    """Log in for the first time; try for so many seconds. What was told after `resume` follows welcome (SES-062).

    Raises:
        LoginRefused: the server does not accept the login.
        StateLost, EventsOverrun, RequestRefused: `resume` cannot be, see `check_resumed`.
        OSError: there was no connection in time.
        aiohttp.ClientError: there was something else, or a server that takes no connections.

    """
    begun_s, epoch_and_pseq = time.monotonic(), resume or (0, 0)
    for attempt in itertools.count():
        try:
            wire, welcome = await dialer.dial(*epoch_and_pseq)
        except (OSError, aiohttp.ClientError) as error:
            if isinstance(error, NEVER_PASSES) or is_final(error) or time.monotonic() - begun_s >= for_s:
                raise
            await asyncio.sleep(delay_ms(attempt) / MS_PER_SECOND)
            continue
        try:
            if resume is not None:
                check_resumed(*resume, wire.epoch, welcome)
        except HourglassError:
            await wire.hang_up()
            raise
        return wire, welcome
    raise AssertionError


def check_resumed(epoch: int, pseq: int, epoch_now: int, welcome: Welcome) -> None:
    """Look whether a session can go on after a private message.

    Raises:
        RequestRefused: the key hears nothing private.
        StateLost: the venue has begun another journal, or forgotten messages that it had told.
        EventsOverrun: more were missed than can wait to be read.

    """
    if not welcome.hears_private:
        raise RequestRefused(RejectReason.SCOPE)
    if epoch != epoch_now:
        raise StateLost("the venue has begun another journal")
    if pseq > welcome.pseq:
        raise StateLost("the venue has forgotten private messages that it has told")
    check_room(welcome.pseq - pseq)


def delay_ms(attempt: int) -> float:
    """Return the wait before an attempt, the first being 0: half drawn, so that clients do not come all at once."""
    if attempt == 0:
        return random.uniform(0, RECONNECT_FIRST_MS)
    longest = min(RECONNECT_FIRST_MS * 2 ** min(attempt - 1, 32), RECONNECT_DELAY_MAX_MS)
    return random.uniform(longest / 2, longest)


def is_final(error: Exception) -> bool:
    """Whether a login was refused for good; that too many came from one address passes."""
    if not isinstance(error, LoginRefused) or error.code in COMES_BACK:
        return False
    return not error.reason.startswith(str(int(RejectReason.RATE)))
