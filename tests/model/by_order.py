"""Followers of single orders, held against the books of a core after every batch."""

from collections import defaultdict

from feed import Reader
from twin import Alone, take_steps

from exchange.records import Side
from ext.router import Router
from gateway.client.book_by_order import BookByOrder
from gateway.client.events import OrdersChanged, OrdersSnapshot
from gateway.protocol import Channel, MessageType

SMALL = {"conflate_bytes_max": 200, "conflate_low_bytes": 50}


def new_book():
    """The book of an instrument that is listed now: nothing is in it, and nothing was told."""
    book = BookByOrder(None)
    book.load(OrdersSnapshot(0, 0, 0, 0, 0, []))
    return book


class Follower(Reader):
    """A reader of the channel l3, over a link without a socket."""

    def __init__(self, **limits):
        super().__init__(None, **limits)
        self.orders = defaultdict(new_book)
        self.ops = set()

    def read(self, most=None):
        assert most is None
        for message in self.heard():
            self.messages += 1
            book = self.orders[message[2 if message[0] == MessageType.GAP else 1]]
            if message[0] == MessageType.L3_SNAP:
                book.load(OrdersSnapshot(*message[1:]))
            elif message[0] == MessageType.L3:
                self.ops |= {change[0] for change in message[4]}
                assert book.is_current, "nothing comes between a gap and its snapshot"
                assert book.apply(OrdersChanged(*message[1:])), "messages are missing"
            elif message[0] == MessageType.GAP:
                chan, _, first, _, _ = message[1:]
                assert (chan, first) == (Channel.L3, book.seq + 1)
                book.lose()

    def check(self, core):
        """What it has is what the core has, order by order."""
        for instrument in core.state.instruments:
            book = self.orders[instrument.handle]
            for side, seen in ((Side.BUY, book.bids()), (Side.SELL, book.asks())):
                true = [(order.price, order.shown) for order in instrument.book.orders(side)]
                assert [(one.ticks, one.lots) for one in seen] == true, (instrument.handle, side)


class Told(Alone):
    """Drives one plain core, and tells one follower who reads at once and one who seldom does."""

    def __init__(self, plain_core):
        super().__init__(plain_core)
        self.router, self.seq = Router(), 1
        self.follower, self.slow = Follower(), Follower(**SMALL)
        for each in (self.follower, self.slow):
            self.router.follow_listings(Channel.L3, each.link)
        self.batches = 0

    def apply(self, records, ts_ns):
        before = self.plain.seq
        events = super().apply(records, ts_ns)
        self.tell(before + 1, events)
        return events

    def clear(self, steps, ts_ns):
        before = self.plain.seq
        events, results = take_steps(self.plain, steps, ts_ns)
        self.tell(before + 1, events)
        return events, results

    def tell(self, first_seq, events):
        self.router.route(first_seq, self.plain.now_ns, events.tobytes())
        self.router.flush()
        self.follower.read()
        self.follower.check(self.plain.core)
        self.batches += 1
        if self.batches % 7 == 0:
            self.catch_up(first_seq)
            self.slow.check(self.plain.core)

    def catch_up(self, first_seq):
        """What a slow reader is owed comes with the next batches, whatever they are of, as it reads."""
        before = -1
        while before != self.slow.messages:
            before = self.slow.messages
            self.slow.read()
            self.router.route(first_seq, self.plain.now_ns, b"")
            self.router.flush()
