"""What a session is subscribed to. The caller's numbers stay; the server's change with every connection."""

import itertools
from dataclasses import dataclass
from typing import Any

from exchange.reasons import RejectReason
from gateway.client.errors import ConnectionClosed, RequestLost, RequestRefused
from gateway.client.requests import OpenRequest, Requests, fail
from gateway.protocol import MessageType

Terms = tuple[Any, ...]  # Channel, handles or None, options: as they are sent.


@dataclass(slots=True)
class Subscription:
    """One subscription, and the request that has made it on the present connection."""

    terms: Terms
    server_number: int = 0
    request: OpenRequest | None = None


class Subscriptions:
    """All subscriptions of a session, in their order."""

    def __init__(self) -> None:
        self._subscribed: dict[int, Subscription] = {}
        self._numbers = itertools.count(1)

    def add(self, terms: Terms, server_number: int) -> int:
        """Note a subscription that the server has accepted; return its number for the caller."""
        number = next(self._numbers)
        self._subscribed[number] = Subscription(terms, server_number)
        return number

    async def remove(self, number: int) -> int:
        """Forget a subscription; return the server's number of it.

        Raises:
            RequestRefused: there is none of this number.
            RequestLost: the server does not know it either, for the connection was lost.

        """
        gone = self._subscribed.pop(number, None)
        if gone is None:
            raise RequestRefused(RejectReason.MALFORMED)
        return gone.server_number if gone.request is None else await gone.request.answer

    def lose(self, requests: Requests, ending: ConnectionClosed) -> None:
        """Forget what was asked for on a connection that is gone."""
        for subscription in self._subscribed.values():
            if subscription.request is not None:
                requests.forget(subscription.request)
                fail(subscription.request.answer, RequestLost(ending.code, ending.reason))
                subscription.request = None

    def again(self, requests: Requests) -> list[tuple[Any, ...]]:
        """Return the messages that take all of them up on a new connection."""
        messages = []
        for subscription in self._subscribed.values():
            request = requests.add(MessageType.SUBSCRIBE, *subscription.terms)
            subscription.request = request
            messages.append(request.message)
        return messages
