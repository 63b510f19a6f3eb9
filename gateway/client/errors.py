"""What can go wrong for a client.

HourglassError
 +-- ConnectionClosed     the connection is over; carries the close code
 |    +-- LoginRefused    it ended because the login was not accepted
 |    +-- StateLost       it is back, but what was missed is not to be had any more: begin anew
 |    +-- RequestLost     it was lost while a request was under way that must not be made twice
 +-- RequestRefused       a subscription or other request was refused
 |    +-- OrderRejected   an order message was refused
 +-- EventsOverrun        events were not read fast enough
 +-- TooManyUnanswered    more commands wait for answers than could be sent again for certain
 +-- UnexpectedMessage    the server said what cannot be
"""

from exchange.reasons import REJECT_TEXT, RejectReason


class HourglassError(Exception):
    """Base of all errors of the client."""


class ConnectionClosed(HourglassError, ConnectionError):
    """The connection is over, and was not replaced; whether orders in flight were taken in shows after a login."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the connection was closed with code {code}: {reason or 'no reason given'}")
        self.code = code
        self.reason = reason


class LoginRefused(ConnectionClosed):
    """Key, signature, clock or account were not accepted."""


class StateLost(ConnectionClosed):
    """The session came back, but not its private stream: orders and positions must be built anew.

    Of a reader of drop copies: it has lost its stream, and its session goes on.

    The venue has begun another journal, or does not keep the messages any more that were missed. Log in again, cancel
    what may be open (`mass_cancel`), and ask the venue what you hold (`track_positions`). `code` is 0.
    """

    def __init__(self, reason: str) -> None:
        HourglassError.__init__(self, f"the state of the session is lost: {reason}")
        self.code = 0
        self.reason = reason


class RequestLost(ConnectionClosed):
    """The connection was lost before the answer to a request that must not be made twice, such as a transfer.

    Whether it was done shows in what it causes. Orders are not concerned: they are sent again with their refs.
    """


class RequestRefused(HourglassError):
    """A request was answered with a reason why not."""

    def __init__(self, reason: RejectReason | int, arg: int = 0) -> None:
        known = reason if isinstance(reason, RejectReason) else None
        super().__init__(f"{known.name}: {REJECT_TEXT.get(known, '')}" if known else f"reason {int(reason)}")
        self.reason = reason
        self.arg = arg

    @property
    def name(self) -> str:
        """Name of the reason, such as ``MARGIN``."""
        return self.reason.name if isinstance(self.reason, RejectReason) else str(self.reason)

    @property
    def text(self) -> str:
        """The reason in words."""
        return REJECT_TEXT.get(self.reason, "") if isinstance(self.reason, RejectReason) else ""


class OrderRejected(RequestRefused):
    """An order message was refused; `arg` is the instrument, or for RATE the microseconds to wait."""


class EventsOverrun(HourglassError):
    """More events waited for their reader than it allowed."""


class TooManyUnanswered(HourglassError):
    """More commands wait for their answers than the venue remembers answers of a lane: wait for some first."""


class UnexpectedMessage(HourglassError):
    """The server said something that does not follow from what it said before."""


def reason_of(number: int) -> RejectReason | int:
    """Return the reason of a number; one this client does not know stays a number."""
    try:
        return RejectReason(number)
    except ValueError:
        return number
