"""Drop copies: every private message of all accounts of a firm in one stream, for those who watch over a desk."""

from collections.abc import Iterable

from exchange.catalogue import Catalogue
from ext.link import Link
from ext.router import Router
from ext.streams import CopyStream
from gateway.protocol import MessageType, pack

Firm = tuple[str, ...]  # Names of accounts, sorted.


class Copies:
    """The streams of a venue's firms. An account that is named before there is one joins when it is met."""

    def __init__(self, catalogue: Catalogue, router: Router) -> None:
        self._catalogue = catalogue
        self._router = router
        self._streams: dict[Firm, CopyStream] = {}
        router.on_account = self._met

    def open(self, firm: Firm) -> CopyStream:
        """Return the stream of a firm, which begins when it is asked for first. O(accounts)."""
        stream = self._streams.get(firm)
        if stream is None:
            stream = self._streams[firm] = self._router.copy_stream([])
            for number in self.numbers(firm):
                self._router.join(stream, number)
        return stream

    def numbers(self, firm: Iterable[str]) -> list[int]:
        """Return the numbers of a firm's accounts, as far as there are such accounts."""
        numbers = (self._catalogue.account_number(name) for name in firm)
        return [number for number in numbers if number is not None]

    def subscribe(self, link: Link) -> list[bytes]:
        """Send a firm's stream to a link that may hear it; return what it begins with."""
        assert link.firm is not None
        self.open(link.firm).attach(link)
        return [self.head(link.firm)]

    def head(self, firm: Firm) -> bytes:
        """Return the message that says where a firm's stream stands."""
        stream = self.open(firm)
        names = [self._catalogue.account_name(number) for number in stream.accounts]
        return pack(MessageType.COPY_HEAD, stream.seq, stream.accounts, names)

    def unsubscribe(self, link: Link) -> None:
        """Send it no more."""
        if link.firm:
            self.open(link.firm).detach(link)

    def _met(self, number: int) -> None:
        name = self._catalogue.account_name(number)
        for firm, stream in self._streams.items():
            if name in firm:
                self._router.join(stream, number)
