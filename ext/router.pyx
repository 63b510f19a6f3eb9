# cython: boundscheck=False, wraparound=False, cdivision=True
"""Durable events -> the connections that may hear them.

For one batch: answers go to the session that asked, what happened to an account's orders to all its sessions with the
account's next `pseq`, and then, in `flush`, the public news of each touched instrument to its subscribers. Messages
are only queued on the links; `flush` writes each link once.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ext.by_order cimport OrderRows
from ext.encoder cimport is_private, put_answer, put_notice, put_private, put_response
from ext.frames cimport Buffer
from ext.history cimport History, frame_head
from ext.link cimport Link
from ext.market cimport CHANNELS, Market
from ext.reasons cimport D_QUOTE, D_USER
from ext.streams cimport AccountStream, CopyStream
from ext.tape cimport CandleClock
from ext.types cimport (
    E_ACK, E_AUCTION, E_DONE, E_FILL, E_INDEX, E_INDICATIVE, E_INSTRUMENT, E_LAYER, E_LEVEL, E_LOT_STATE, E_MARK,
    E_NOTICE, E_PERISHED, E_REJECT, E_REPLACED, E_SESSION, E_STATUS, E_TRADE, S_FIRED, V_BALANCE, V_BLOCK, V_DUPLICATE,
    V_QUOTE,
    V_SELL, Event,
)
from ext.views cimport Outbox

from ext.history import HALF_BYTES

cdef enum:
    LAYERS = 9                  # Of the waterfall, counted from 1 (exchange/clearing/waterfall.py).
    COD_FLAGGED = 2             # exchange/records.py: SessionNote.
    NODE_FAILED = 2             # exchange/clearing/detection.py


cdef class Router:
    """Routes event records to links."""

    cdef list accounts              # By account number.
    cdef list markets               # By instrument handle.
    cdef Market latest              # The one that was looked for last: mostly it is looked for again.
    cdef OrderRows orders           # Of all of them.
    cdef uint32_t command           # Offset in its batch of the command whose events are being read.
    cdef Outbox box
    cdef CandleClock clock
    cdef Py_ssize_t book_depth_max
    cdef uint64_t outright_match    # The last match with a resting order for one window.
    cdef list touched               # Markets with news in this batch.
    cdef list everything            # By channel: who follows what is to be listed: conflation in us by (link, variant).
    cdef Buffer news
    cdef Link asker                 # Who sent the command whose events are being read, and its ref.
    cdef uint64_t asked_gseq
    cdef uint64_t asked_ref
    cdef readonly uint64_t gseq     # Of the last command routed.
    cdef readonly int64_t events_routed
    cdef readonly int64_t answers_sent
    cdef readonly Py_ssize_t history_bytes  # Frames kept of each account are at least so many bytes.
    cdef readonly dict modes        # (mode, grace in ns) of cancel on disconnect by (account, lane), as journalled.
    cdef readonly dict switches     # Timeouts in ns of dead-man switches by (account, lane, scope), likewise.
    cdef public object on_account   # Called with an account number that is met for the first time.
    cdef dict requests              # Who waits for the answer to an administrative command: (link, ref), by gseq.
    cdef readonly int64_t failed_lots   # Lots in delivery that have failed since the journal's beginning.
    cdef int64_t layer_micros[LAYERS]   # Taken from each layer of the waterfall since then.

    def __cinit__(self, Py_ssize_t book_depth_max=1000, Py_ssize_t history_bytes=HALF_BYTES):
        self.history_bytes = history_bytes
        self.accounts = []
        self.markets = []
        self.orders = OrderRows()
        self.box = Outbox()
        self.clock = CandleClock()
        self.book_depth_max = book_depth_max
        self.touched = []
        self.everything = [{} for _ in range(CHANNELS)]
        self.news = Buffer()
        self.requests = {}
        self.modes = {}
        self.switches = {}

    # Who listens.

    cdef AccountStream account(self, uint32_t number):
        while <uint32_t>len(self.accounts) <= number:
            self.accounts.append(AccountStream(self.history_bytes))
            if self.on_account is not None:
                self.on_account(len(self.accounts) - 1)
        return <AccountStream>self.accounts[number]

    def market(self, uint32_t instrument):
        """Return the market of an instrument, made at first use."""
        return self.find_market(instrument)

    cdef Market find_market(self, uint32_t instrument):
        if self.latest is not None and self.latest.instrument == instrument:
            return self.latest
        while <uint32_t>len(self.markets) <= instrument:
            self.markets.append(Market(<uint32_t>len(self.markets), self.book_depth_max, self.orders))
        self.latest = <Market>self.markets[instrument]
        return self.latest

    def attach(self, Link link not None):
        """Send the account's private stream to an opened link."""
        self.account(link.account).links.append(link)

    def detach(self, Link link not None):
        """Send nothing more to a link."""
        links = self.account(link.account).links
        if link in links:
            links.remove(link)
        if link.requests_waiting:
            self.requests = {gseq: asked for gseq, asked in self.requests.items() if asked[0] is not link}
            link.requests_waiting = 0

    def expect(self, uint64_t gseq, Link link not None, uint64_t ref):
        """Answer a link's request when the administrative command with this sequence number is told."""
        self.requests[gseq] = link, ref
        link.requests_waiting += 1

    def forget(self, uint64_t gseq):
        """Expect no such command: it was not taken."""
        asked = self.requests.pop(gseq)
        (<Link>asked[0]).requests_waiting -= 1

    def layers_used(self):
        """Return the micro-dollars taken from each layer of the waterfall, the first one's first."""
        return [self.layer_micros[layer] for layer in range(1, LAYERS)]

    def subscribe(self, int channel, uint32_t instrument, Link link not None, int64_t variant=0,
                  int64_t conflate_us=0):
        """Send a link a channel of an instrument, once. O(1).

        `variant` is a depth in the channel l2 (0: all), an interval in seconds in candles. With `conflate_us` it gets
        at most one message in that time, of the channels l1 and l2.
        """
        self.find_market(instrument).subscribe(channel, link, variant, conflate_us, self.box.now_us)

    def subscribe_later(self, int channel, uint32_t instrument, Link link not None, int64_t variant=0,
                        int64_t conflate_us=0):
        """Subscribe to l2 or l3; the snapshot follows as the link reads. O(1)."""
        self.find_market(instrument).subscribe_later(channel, link, variant, conflate_us, self.box)

    def unsubscribe(self, int channel, uint32_t instrument, Link link not None, int64_t variant=0):
        """Send a link nothing more of it, also not what it is owed. O(1)."""
        self.find_market(instrument).unsubscribe(channel, link, variant, self.box)

    def follow_listings(self, int channel, Link link not None, int64_t variant=0, int64_t conflate_us=0):
        """Subscribe a link, once, to a channel of every instrument that will be listed."""
        self.everything[channel][link, variant] = conflate_us

    def unfollow_listings(self, int channel, Link link not None, int64_t variant=0):
        """Subscribe a link to no further instruments."""
        self.everything[channel].pop((link, variant), None)

    def pseq(self, uint32_t account):
        """Return the sequence number of the account's last private message."""
        return self.account(account).pseq

    def set_pseq(self, uint32_t account, int64_t pseq):
        """Start an account's private sequence where a snapshot left it."""
        self.account(account).pseq = pseq

    def oldest_pseq(self, uint32_t account):
        """Return the number of the oldest private message that can be told again; 0: there is none."""
        return self.account(account).history.oldest()

    def frames(self, uint32_t account, int64_t first, int64_t last):
        """Return private messages as frames, end to end; None where the first ones are not kept."""
        return self.account(account).history.since(first, last)

    def replay(self, Link link not None, int64_t first, int64_t last):
        """Queue the private messages from `first` to `last` once more.

        Returns 0, or the number of the oldest one there is where the first ones asked for are gone.
        """
        cdef History history = self.account(link.account).history
        frames = history.since(first, last)
        if frames is None:
            return history.oldest()
        link.out.append(<const uint8_t *>PyBytes_AS_STRING(frames), PyBytes_GET_SIZE(frames))
        return 0

    def copy_stream(self, list numbers):
        """Return a new stream of all private messages of some accounts."""
        cdef CopyStream stream = CopyStream(self.history_bytes)
        for number in numbers:
            self.join(stream, number)
        return stream

    def join(self, CopyStream stream not None, uint32_t number):
        """Have a stream tell an account's messages from now on."""
        cdef AccountStream account = self.account(number)
        if stream not in account.copies:
            account.copies.append(stream)
            stream.numbers.append(number)
            stream.seq += account.pseq

    def pseqs(self):
        """Return the last private sequence number of every account, by number, for a snapshot."""
        return [(<AccountStream>account).pseq for account in self.accounts]

    # What happens.

    def route(self, uint64_t first_seq, int64_t ts_ns, events):
        """Queue the private messages of a batch's events, and gather the public news.

        Returns [(type, instrument, phase, reason, next moment in ns), ...] of STATUS and INSTRUMENT events, and
        (type, instrument or class, price, 0, amount) of MARK and INDEX events.
        """
        cdef Py_buffer view
        cdef Py_ssize_t i, count
        cdef const Event *event
        cdef list rare = []
        self.box.now_us = ts_ns // 1000
        self.clock.close_due(self.box.now_us)
        PyObject_GetBuffer(events, &view, PyBUF_SIMPLE)
        try:
            if view.len % sizeof(Event):
                raise ValueError(f"events must be whole records of {sizeof(Event)} bytes, was {view.len} bytes")
            count = view.len // <Py_ssize_t>sizeof(Event)
            for i in range(count):
                event = <const Event *>view.buf + i
                if event.command != self.command:
                    if self.orders.entering_count:
                        self.orders.settle()
                    self.command = event.command
                self.gseq = first_seq + event.command
                self.route_event(event, ts_ns // 1000, rare)
            self.orders.settle()
            self.events_routed += count
        finally:
            PyBuffer_Release(&view)
        self.asker = None
        return rare

    cdef int route_event(self, const Event *event, int64_t ts_us, list rare) except -1:
        cdef Market market
        if event.type == E_LEVEL:
            market = self.find_market(event.instrument)
            market.apply_level(event)
            self.touch(market, ts_us)
        elif event.type == E_ACK or event.type == E_REJECT:
            if event.leaves:
                if event.instrument >= self.orders.count:
                    self.find_market(event.instrument)
                self.orders.take(event, self.gseq)
            self.route_answer(event, ts_us)
        elif is_private(event):
            if event.type == E_FILL or event.type == E_DONE or event.type == E_REPLACED:
                self.orders.take(event, self.gseq)
            if event.type == E_FILL and not event.flags & (V_BLOCK | V_BALANCE):
                self.outright_match = event.match_id
            self.count(event)
            if not (event.type == E_DONE and is_of_requote(event)):
                self.route_private(event, ts_us)
        elif event.type == E_TRADE:
            market = self.find_market(event.instrument)
            market.apply_trade(event, ts_us, self.forms_price(event), self.clock)
            self.touch(market, ts_us)
        elif event.type == E_STATUS or event.type == E_INDICATIVE or event.type == E_PERISHED:
            market = self.find_market(event.instrument)
            market.apply_state(event, ts_us)
            self.touch(market, ts_us)
            if event.type == E_STATUS:
                rare.append((event.type, event.instrument, event.lots, event.reason, event.amount))
        elif event.type == E_INSTRUMENT:
            self.list_market(event.instrument)
            rare.append((event.type, event.instrument, event.cum, 0, 0))
        elif event.type == E_MARK or event.type == E_AUCTION:
            market = self.find_market(event.instrument)
            market.apply_mark(event, ts_us)
            self.touch(market, ts_us)
            if event.type == E_MARK:
                rare.append((event.type, event.instrument, event.price, 0, 0))
        elif event.type == E_INDEX:
            rare.append((event.type, event.lots, 0, 0, event.amount))
        elif event.type == E_NOTICE:
            self.route_notice(event, ts_us)
        elif event.type == E_SESSION:
            self.note_session(event, ts_us)
        elif event.type == E_LAYER:         # Of the venue's own money.
            self.count(event)
        return 0

    cdef int note_session(self, const Event *event, int64_t ts_us) except -1:
        """Remember what sessions have asked for, for the next start; tell an account that its switch has fired."""
        if event.reason == S_FIRED:
            return self.route_notice(event, ts_us)
        cdef object mode = None
        if event.reason:
            mode = event.reason, event.amount
        if event.reason > COD_FLAGGED:
            keep(self.switches, (event.account, event.lane, event.reason), event.amount)
        else:
            keep(self.modes, (event.account, event.lane), mode)
        return 0

    cdef int count(self, const Event *event) noexcept:
        """Add up what the metrics tell of defaults; each lot counts once, as its buyer hears it."""
        if event.type == E_LAYER and 0 < event.price < LAYERS:
            self.layer_micros[event.price] += event.amount
        elif event.type == E_LOT_STATE and event.reason == NODE_FAILED and not event.flags & V_SELL:
            self.failed_lots += event.lots
        return 0

    cdef bint forms_price(self, const Event *event) noexcept:
        """Whether a TRADE was at a price that somebody offered for this window openly (MKD-020).

        Not what the clearinghouse buys, and not what two blocks trade directly, at shares of a total: there both sides
        are fills of blocks. A leg that took a resting order is; that order's fill came before it.
        """
        return not event.flags & V_BALANCE and (not event.flags & V_BLOCK or event.match_id == self.outright_match)

    cdef int touch(self, Market market, int64_t ts_us) except -1:
        market.ts_us = ts_us
        if not market.is_touched:
            market.is_touched = True
            self.touched.append(market)
        return 0

    cdef int list_market(self, uint32_t instrument) except -1:
        """Give a new instrument its subscribers before anything happens in it."""
        cdef Market market = self.find_market(instrument)
        cdef int channel
        for channel in range(CHANNELS):
            for (link, variant), conflate_us in self.everything[channel].items():
                market.subscribe(channel, link, variant, conflate_us, self.box.now_us)
        return 0

    cdef int route_answer(self, const Event *event, int64_t ts_us) except -1:
        """An ACK or REJECT, to the session of (account, lane)."""
        cdef AccountStream account
        if event.flags & V_QUOTE:
            # About an order of a quote: the event carries the quote's set, not the lane. Its own command's answer
            # came just before, and was for the session that must hear this.
            if event.type == E_REJECT and self.asker is not None and self.asked_gseq == self.gseq:
                self.answer(self.asker, event, self.asked_ref, ts_us, self.account(event.account).pseq)
            return 0
        self.asker = None
        if event.ref == 0:                      # An administrative command.
            if self.requests:
                self.route_response(event)
            return 0
        account = self.account(event.account)
        for item in account.links:
            if (<Link>item).lane == event.lane and not (<Link>item).is_listener:
                self.asker = <Link>item
        if self.asker is None:
            return 0
        self.asked_gseq = self.gseq
        self.asked_ref = event.ref
        if not self.is_later_leg(event):
            self.answer(self.asker, event, event.ref, ts_us, account.pseq)
        self.asker.answered_ref = event.ref
        return 0

    cdef int route_response(self, const Event *event) except -1:
        """The answer to a request that a session sent, before what else came of it."""
        asked = self.requests.pop(self.gseq, None)
        if asked is None:
            return 0
        cdef Link link = <Link>asked[0]
        link.requests_waiting -= 1
        if event.type == E_REJECT:
            put_response(link.out, asked[1], event.reason, 0)
        else:
            put_response(link.out, asked[1], 0, event.lots)
        return self.mark(link)

    cdef bint is_later_leg(self, const Event *event) noexcept:
        """True for an answer to a leg of a quote that the answer to its first leg has spoken for.

        A ref gets one answer of its own, so a second one is a later leg's. A refused leg is always told.
        """
        return event.type == E_ACK and event.ref == self.asker.answered_ref and not event.flags & V_DUPLICATE

    cdef int answer(self, Link link, const Event *event, uint64_t ref, int64_t ts_us, int64_t pseq) except -1:
        put_answer(link.out, event, ref, ts_us, self.gseq, pseq)
        self.answers_sent += 1
        return self.mark(link)

    cdef int route_private(self, const Event *event, int64_t ts_us) except -1:
        """What happened to an account's orders or holdings, to every session of the account."""
        cdef AccountStream account = self.account(event.account)
        account.pseq += 1
        cdef Py_ssize_t start = account.history.begin(account.pseq)
        cdef Buffer frames = account.history.recent
        put_private(frames, event, ts_us, self.gseq, account.pseq)
        for item in account.links:
            (<Link>item).out.append(frames.data + start, frames.size - start)
            self.mark(<Link>item)
        if account.copies:
            self.copy(account, event.account, frames, start)
        return 0

    cdef int copy(self, AccountStream account, uint32_t number, Buffer frames, Py_ssize_t start) except -1:
        """Tell the firms of an account; the message begins after its frame's head."""
        cdef Py_ssize_t message = start + frame_head(frames.data + start)
        cdef CopyStream stream
        for item in account.copies:
            stream = <CopyStream>item
            stream.tell(number, frames.data + message, frames.size - message)
            for link in stream.links:
                self.mark(<Link>link)
        return 0

    cdef int route_notice(self, const Event *event, int64_t ts_us) except -1:
        """A NOTICE, to every session of the account."""
        for item in self.account(event.account).links:
            put_notice((<Link>item).out, event, ts_us)
            self.mark(<Link>item)
        return 0

    def touched_instruments(self):
        """Return the handles of the instruments with public news since the last flush."""
        return [(<Market>market).instrument for market in self.touched]

    cdef int publish_news(self) except -1:
        """Queue what is new of every touched instrument, then the candles, then what somebody was owed."""
        cdef Market market
        for item in self.touched:
            market = <Market>item
            market.is_touched = False
            market.publish(self.news, self.box)
        self.touched.clear()
        self.clock.tell(self.box)
        return self.box.pay()

    def send_to_all(self, list links, bytes payload):
        """Queue one message for each of the links."""
        for item in links:
            (<Link>item).send(payload)
            self.mark(<Link>item)

    cdef int mark(self, Link link) except -1:
        return self.box.mark(link)

    def pay(self):
        """Send those who have read meanwhile what they are owed, between two batches."""
        if self.box.owing:
            self.box.pay()
            self.write_links()

    def flush(self):
        """Queue the public news, and write every link that has something queued, once."""
        self.publish_news()
        self.write_links()

    cdef int write_links(self) except -1:
        cdef list links = self.box.dirty
        self.box.dirty = []
        for item in links:
            (<Link>item).write_out()
        return 0


cdef int keep(dict notes, tuple key, value) except -1:
    """Note a value, or forget it where it is 0."""
    if value:
        notes[key] = value
    else:
        notes.pop(key, None)
    return 0


cdef bint is_of_requote(const Event *event) noexcept:
    """An order of a quote that its owner's next quote ended: he knows, and no message tells him again."""
    return event.flags & V_QUOTE and (event.reason == D_USER or event.reason == D_QUOTE)
