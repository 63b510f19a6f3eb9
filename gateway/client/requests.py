"""Requests that wait for their answers, and which of them may be made again on another connection."""

import asyncio
import itertools
from typing import Any, NamedTuple

from gateway.client.errors import ConnectionClosed, RequestLost, RequestRefused, reason_of
from gateway.protocol import MessageType

# To ask these twice is the same as once; a heartbeat or reading that is told again changes nothing.
ASKED_AGAIN = frozenset(
    {
        MessageType.PING, MessageType.SUBSCRIBE, MessageType.SNAPSHOT, MessageType.DEADMAN,
        MessageType.NODE_HEARTBEAT, MessageType.METER, MessageType.CHECKPOINT,
    }
)  # fmt: skip


class OpenRequest(NamedTuple):
    """A request without an answer."""

    message: tuple[Any, ...]
    answer: "asyncio.Future[int]"

    @property
    def may_repeat(self) -> bool:
        """Whether it may be made again on another connection."""
        return self.message[0] in ASKED_AGAIN


class Requests:
    """The requests of a session without an answer, by number."""

    def __init__(self) -> None:
        self.open: dict[int, OpenRequest] = {}
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """Take a number for a request."""
        return next(self._numbers)

    def add(self, kind: MessageType, *fields: Any) -> OpenRequest:
        """Give a request a number, and note that it waits."""
        number = self.number()
        request = OpenRequest((kind, number, *fields), asyncio.get_running_loop().create_future())
        self.open[number] = request
        return request

    def forget(self, request: OpenRequest) -> None:
        """Wait for it no more."""
        self.open.pop(request.message[1], None)

    def take_answer(self, number: int, code: int, arg: int) -> None:
        """Give an answer to the one who waits for it."""
        request = self.open.get(number)
        if request is None:
            return
        if code:
            fail(request.answer, RequestRefused(reason_of(code), arg))
        else:
            succeed(request.answer, arg)

    def lose(self, ending: ConnectionClosed) -> None:
        """Give up those that must not be made again: whether they were done is not known."""
        for request in self.open.values():
            if not request.may_repeat:
                fail(request.answer, RequestLost(ending.code, ending.reason))

    def again(self) -> list[tuple[Any, ...]]:
        """Return what to ask again, in its order."""
        return [request.message for request in self.open.values() if not request.answer.done()]


def succeed(future: "asyncio.Future[Any]", value: Any) -> None:
    """Set a result, unless the one who waited has gone."""
    if not future.done():
        future.set_result(value)


def fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Set an exception, unless the one who waited has gone; nobody is blamed for not asking."""
    if not future.done():
        future.set_exception(error)
        future.exception()
