# cython: boundscheck=False, wraparound=False, cdivision=True
"""The public side of one instrument: visible depth, sequence numbers, subscribers.

Depth follows LEVEL events, whoever listens; messages are made only for channels that have subscribers, and their
sequence numbers count those messages.
"""

from libc.string cimport memcpy

from ext.depth_view cimport put_book
from ext.encoder cimport T_L1, how_it_came_about, put_row
from ext.tape cimport Series, TradeRow
from ext.types cimport E_AUCTION, E_INDICATIVE, E_MARK, E_PERISHED, E_STATUS, E_TRADE, V_CALL, V_SELL
from ext.views cimport GapView, LatestView

cdef int NO_AGGRESSOR = 2
cdef tuple INTERVALS_S = (60, 300, 3600)


cdef class Market:
    """The public side of one instrument."""

    def __cinit__(self, uint32_t instrument, Py_ssize_t book_depth_max=1000, OrderRows orders=None):
        self.instrument = instrument
        self.by_order = OrderBoard(OrderRows() if orders is None else orders, instrument)
        self.book_depth_max = book_depth_max
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.views = [None] * CHANNELS
        self.depth_views = []
        self.trades = Buffer()
        self.states = Buffer()
        self.marks = Buffer()
        self.mark = -1
        self.auctions = {}
        self.indicated_at = -1

    # Who listens.

    cdef View view(self, int channel):
        """Return the view of a channel that has one, made at first use."""
        cdef View view
        if self.views[channel] is None:
            if channel == CHANNEL_L1:
                view = LatestView(channel, self.instrument)
            elif channel == CHANNEL_TRADES:
                view = GapView(channel, self.instrument)
            elif channel == CHANNEL_L3:
                view = self.by_order.open_view(channel)
            else:
                view = View(channel, self.instrument)
            view.seq = self.seq[channel]
            self.views[channel] = view
        return <View>self.views[channel]

    cdef DepthView depth_view(self, Py_ssize_t depth):
        """Return the view of a depth, made for its first follower."""
        cdef DepthView view
        for item in self.depth_views:
            if (<DepthView>item).depth == depth:
                return <DepthView>item
        view = DepthView(CHANNEL_L2, self.instrument, self.bids, self.asks, depth, self.book_depth_max)
        view.load(self.seq[CHANNEL_L2], self.ts_us)
        self.depth_views.append(view)
        return view

    cdef list candles(self):
        """Return the candles of each interval, made at first use."""
        if self.series is None:
            self.series = [Series(CHANNEL_CANDLES, self.instrument, interval_s) for interval_s in INTERVALS_S]
        return self.series

    cdef bint is_heard(self, int channel) noexcept:
        return self.views[channel] is not None and len((<View>self.views[channel]).followers) > 0

    cdef int subscribe(self, int channel, Link link, int64_t variant, int64_t conflate_us, int64_t now_us) except -1:
        """Add a follower, once. `variant` is a depth in the channel l2, seconds in candles."""
        if channel == CHANNEL_L2:
            return self.depth_view(variant).add(link, conflate_us, now_us)
        if channel == CHANNEL_CANDLES:
            return (<Series>self.candles()[INTERVALS_S.index(variant)]).add(link, 0, now_us)
        self.view(channel).add(link, conflate_us, now_us)
        return self.by_order.note_followers() if channel == CHANNEL_L3 else 0

    cdef int subscribe_later(self, int channel, Link link, int64_t variant, int64_t conflate_us, Outbox box) except -1:
        """Add a follower of l2 or l3 who gets its snapshot when it has read what it was sent before."""
        if channel == CHANNEL_L2:
            return self.depth_view(variant).add_later(link, conflate_us, box)
        self.view(CHANNEL_L3).add_later(link, 0, box)
        return self.by_order.note_followers()

    cdef int unsubscribe(self, int channel, Link link, int64_t variant, Outbox box) except -1:
        """Take a follower off, if it is one."""
        cdef DepthView depth_view
        if channel == CHANNEL_L2:
            for item in self.depth_views:
                depth_view = <DepthView>item
                if depth_view.depth == variant:
                    depth_view.drop(link, box)
                    if not depth_view.followers:
                        self.depth_views.remove(depth_view)
                    break
        elif channel == CHANNEL_CANDLES:
            if self.series is not None:
                (<Series>self.series[INTERVALS_S.index(variant)]).drop(link, box)
        elif self.views[channel] is not None:
            (<View>self.views[channel]).drop(link, box)
            if channel == CHANNEL_L3:
                self.by_order.note_followers()
        return 0

    def subscribed(self, int channel):
        """Return the followers of a channel, at whatever depth or interval."""
        if channel == CHANNEL_L2:
            views = self.depth_views
        elif channel == CHANNEL_CANDLES:
            views = self.series or ()
        else:
            views = () if self.views[channel] is None else (self.views[channel],)
        return [link for view in views for link in (<View>view).followers]

    def depth_of(self, Link link not None):
        """Return the depth at which a link follows the book; 0, the whole, if it does not."""
        for item in self.depth_views:
            if link in (<DepthView>item).followers:
                return (<DepthView>item).depth
        return 0

    def intervals_of(self, Link link not None):
        """Return the intervals in seconds whose candles a link follows."""
        return [
            interval_s
            for interval_s, series in zip(INTERVALS_S, self.series or ())
            if link in (<Series>series).followers
        ]

    # What is told.

    cdef int publish(self, Buffer news, Outbox box) except -1:
        """Queue what a batch has changed, encoded once and copied to each follower.

        Trades come first, then orders, then depth, then best prices, then the phase: what was traded at the end of a
        call is told before the phase that follows it.
        """
        if self.trades.size:
            self.view(CHANNEL_TRADES).publish(self.trades, self.seq[CHANNEL_TRADES], box)
        self.by_order.ts_us = self.ts_us
        self.by_order.publish(box)
        if self.depth_views and (self.bids.touched.count or self.asks.touched.count):
            self.bids.touched.settle()
            self.asks.touched.settle()
            self.seq[CHANNEL_L2] += 1
            for item in self.depth_views:
                (<DepthView>item).publish_changes(news, self.seq[CHANNEL_L2], self.ts_us, box)
        self.bids.touched.count = self.asks.touched.count = 0
        if self.is_heard(CHANNEL_L1) and self.read_best(self.best):
            self.seq[CHANNEL_L1] += 1
            self.put_l1(news)
            self.view(CHANNEL_L1).publish(news, self.seq[CHANNEL_L1], box)
        if self.states.size:
            self.view(CHANNEL_STATUS).publish(self.states, self.seq[CHANNEL_STATUS], box)
        if self.marks.size:
            self.view(CHANNEL_MARKS).publish(self.marks, self.seq[CHANNEL_MARKS], box)
        self.indicated_at = -1
        return 0

    def next_seq(self, int channel):
        """Count one more message of a channel."""
        self.seq[channel] += 1
        return self.seq[channel]

    def last_seq(self, int channel):
        """Return the sequence number of a channel's last message."""
        return self.by_order.seq() if channel == CHANNEL_L3 else self.seq[channel]

    def load(self, list bids, list asks):
        """Set the depth from [(price, lots), ...] of each side, as when the server starts."""
        self.bids.load(bids)
        self.asks.load(asks)

    def l1_snapshot(self):
        """Return the message that says the best bid and ask now."""
        self.read_best(self.best)
        cdef Buffer out = Buffer()
        self.put_l1(out)
        return out.take()[2:]

    def l2_snapshot(self, Py_ssize_t depth=0):
        """Return an l2_snap message of the best `depth` levels of each side; 0: of as many as a snapshot has."""
        cdef Buffer out = Buffer()
        cdef Py_ssize_t levels = min(depth, self.book_depth_max) if depth else self.book_depth_max
        put_book(out, self.instrument, self.seq[CHANNEL_L2], self.ts_us, self.bids, self.asks, levels)
        return out.take()

    def l3_snapshot(self):
        """Return the l3_snap messages that tell the orders one by one. O(n log n) in them."""
        messages = []
        self.by_order.put_snapshot(None, messages)
        return messages

    def candle_snapshot(self, int64_t interval_s):
        """Return the message that says how the candle of an interval stands, or None before the first trade."""
        return self.candles()[INTERVALS_S.index(interval_s)].snapshot()

    def candle_history(self, int64_t interval_s, int64_t from_us, int64_t to_us, Py_ssize_t limit):
        """Return the last candles of an interval with from <= t0 < to: rows as of `Series.history`."""
        if self.series is None:
            return []
        return self.series[INTERVALS_S.index(interval_s)].history(from_us, to_us, limit)

    def last_trades(self, Py_ssize_t limit):
        """Return the last trades, the oldest first: rows as of `RecentTrades.last`."""
        return [] if self.recent is None else self.recent.last(limit)

    cdef int apply_level(self, const Event *event) except -1:
        cdef Ladder ladder = self.asks if event.flags & V_SELL else self.bids
        ladder.set(event.price, event.amount)
        if self.depth_views:
            ladder.touched.push(<int64_t>event.price * ladder.sign)
        return 0

    cdef int apply_trade(self, const Event *event, int64_t ts_us, bint forms_price, CandleClock clock) except -1:
        """A TRADE; one that does not form the price is in no candle."""
        cdef TradeRow kept
        cdef int64_t[9] row
        self.seq[CHANNEL_TRADES] += 1           # Also of those that nobody hears: who comes back sees what is missing.
        kept.seq = self.seq[CHANNEL_TRADES]
        kept.ts_us = ts_us
        kept.match_id = event.match_id
        kept.price = event.price
        kept.lots = event.lots
        kept.aggressor = NO_AGGRESSOR if event.flags & V_CALL else 1 if event.flags & V_SELL else 0
        kept.flags = how_it_came_about(event)
        if self.recent is None:
            self.recent = RecentTrades()
        self.recent.add(&kept)
        if forms_price:
            for series in self.candles():
                (<Series>series).add_trade(event.price, event.lots, ts_us, clock)
        if not self.is_heard(CHANNEL_TRADES):
            if self.views[CHANNEL_TRADES] is not None:
                (<View>self.views[CHANNEL_TRADES]).seq = kept.seq
            return 0
        row = [
            E_TRADE, self.instrument, <int64_t>kept.seq, ts_us, <int64_t>event.match_id, event.price, event.lots,
            kept.aggressor, kept.flags,
        ]
        return put_row(self.trades, row, 9)

    cdef int apply_state(self, const Event *event, int64_t ts_us) except -1:
        """A STATUS, PERISHED or INDICATIVE. Of indicatives in a row the last one of a batch is told."""
        cdef int64_t[7] status
        cdef int64_t[6] perished
        cdef bint again = event.type == E_INDICATIVE and self.indicated_at >= 0
        if event.type == E_INDICATIVE:
            self.indicative[0] = event.price
            self.indicative[1] = event.amount
            self.indicative[2] = 1 if event.flags & V_SELL else 0
            self.indicative[3] = <int64_t>event.match_id
        elif event.type == E_STATUS:
            self.indicative[0] = self.indicative[1] = self.indicative[2] = self.indicative[3] = 0
        if not self.is_heard(CHANNEL_STATUS):
            return 0
        if again:
            self.states.size = self.indicated_at
        else:
            self.seq[CHANNEL_STATUS] += 1
        self.indicated_at = self.states.size if event.type == E_INDICATIVE else -1
        if event.type == E_INDICATIVE:
            return self.put_indicative(self.states, ts_us)
        if event.type == E_PERISHED:
            perished = [
                E_PERISHED, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, event.amount,
                <int64_t>event.match_id,
            ]
            return put_row(self.states, perished, 6)
        status = [
            E_STATUS, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, event.lots, event.reason,
            event.amount // 1000,
        ]
        return put_row(self.states, status, 7)

    cdef int apply_mark(self, const Event *event, int64_t ts_us) except -1:
        """A MARK, or an AUCTION: something of an estate that bids are taken for."""
        cdef bint is_mark = event.type == E_MARK
        cdef tuple place = (event.match_id, event.price)
        if is_mark:
            self.mark = event.price
        else:
            self.auctions = {key: row for key, row in self.auctions.items() if row[3] > ts_us}
            self.auctions[place] = (1 if event.flags & V_SELL else 0, event.lots, event.cum, event.amount // 1000)
        if self.is_heard(CHANNEL_MARKS):
            self.seq[CHANNEL_MARKS] += 1
            if is_mark:
                self.put_mark(self.marks, ts_us)
            else:
                self.put_auction(self.marks, ts_us, place)
        return 0

    cdef int put_mark(self, Buffer out, int64_t ts_us) except -1:
        """Append the mark frame."""
        cdef int64_t[5] row = [E_MARK, self.instrument, <int64_t>self.seq[CHANNEL_MARKS], ts_us, self.mark]
        return put_row(out, row, 5)

    cdef int put_auction(self, Buffer out, int64_t ts_us, tuple place) except -1:
        """Append the auction frame of an item."""
        side, lots, windows, until_us = self.auctions[place]
        cdef int64_t[10] row = [
            E_AUCTION, self.instrument, <int64_t>self.seq[CHANNEL_MARKS], ts_us, place[0], place[1], side, lots,
            windows, until_us,
        ]
        return put_row(out, row, 10)

    def marks_snapshot(self, int64_t ts_us):
        """Return the messages that say the mark, if there is one, and the auctions under way."""
        cdef Buffer out
        messages = []
        if self.mark >= 0:
            out = Buffer()
            self.put_mark(out, ts_us)
            messages.append(out.take()[2:])
        for place, row in self.auctions.items():
            if row[3] > ts_us:
                out = Buffer()
                self.put_auction(out, ts_us, place)
                messages.append(out.take()[2:])
        return messages

    cdef int put_indicative(self, Buffer out, int64_t ts_us) except -1:
        """Append the indicative frame of `indicative`."""
        cdef int64_t[8] row = [
            E_INDICATIVE, self.instrument, <int64_t>self.seq[CHANNEL_STATUS], ts_us, self.indicative[0],
            self.indicative[1], self.indicative[2], self.indicative[3],
        ]
        return put_row(out, row, 8)

    def indicative_snapshot(self):
        """Return the message that says what the call under way would come to now."""
        cdef Buffer out = Buffer()
        self.put_indicative(out, self.ts_us)
        return out.take()[2:]

    def best_prices(self):
        """Return (bid, lots, ask, lots) of the visible book, 0 and 0 where there is none."""
        cdef int64_t best[4]
        self.read_best(best)
        return best[0], best[1], best[2], best[3]

    cdef bint read_best(self, int64_t *best) noexcept:
        """Look up best bid and ask, 0 and 0 where there is none; True if they are not what `best` held."""
        cdef int64_t now[4]
        cdef bint changed
        now[0] = now[1] = now[2] = now[3] = 0
        if self.bids.count:
            now[0] = self.bids.rows[self.bids.count - 1].key
            now[1] = self.bids.rows[self.bids.count - 1].lots
        if self.asks.count:
            now[2] = -self.asks.rows[self.asks.count - 1].key
            now[3] = self.asks.rows[self.asks.count - 1].lots
        changed = now[0] != best[0] or now[1] != best[1] or now[2] != best[2] or now[3] != best[3]
        memcpy(best, now, sizeof(now))
        return changed

    cdef int put_l1(self, Buffer out) except -1:
        """Append the l1 frame of `best`."""
        cdef int64_t[8] row = [
            T_L1, self.instrument, <int64_t>self.seq[CHANNEL_L1], self.ts_us, self.best[0], self.best[1], self.best[2],
            self.best[3],
        ]
        return put_row(out, row, 8)
