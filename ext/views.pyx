# cython: boundscheck=False, wraparound=False, cdivision=True
"""Who follows what of an instrument, what each was sent last, and what each is still owed.

Whoever keeps up gets a copy of every message, encoded once. A link with too much unread is behind: from then on its
views only note what it was sent last. When enough of that was read, each view puts together what it missed
(docs/spec/marketdata.md). One that asked for conflation is owed in the same way, until its time has come.
"""

from ext.encoder cimport T_GAP, put_row

cdef int64_t NEVER = 1 << 62


cdef int put_gap(Buffer out, View view, uint64_t sent, int64_t interval_s) except -1:
    """Append the gap frame that says what a follower was not, and will not be, sent."""
    cdef int64_t[6] row = [
        T_GAP, view.channel, view.instrument, <int64_t>sent + 1, <int64_t>view.seq, interval_s,
    ]
    return put_row(out, row, 6)


cdef class Outbox:
    """The links that have something to write, and those that are owed something."""

    def __cinit__(self):
        self.dirty = []
        self.owing = {}

    cdef int mark(self, Link link) except -1:
        """Have a link written at the end of the batch."""
        if not link.is_dirty:
            link.is_dirty = True
            self.dirty.append(link)
        return 0

    cdef int owe(self, Follower follower) except -1:
        """Note that a follower has missed something."""
        cdef Link link = follower.link
        follower.is_owed = True
        follower.view.owed += 1
        if link.owed is None:
            link.owed = {}
        if not link.owed:
            self.owing[link] = None
            link.due_us = NEVER
        link.owed[follower] = None
        link.due_us = min(link.due_us, follower.due_us)
        return 0

    cdef int forgive(self, Follower follower) except -1:
        """Note that a follower is owed nothing any more."""
        cdef Link link = follower.link
        follower.is_owed = False
        follower.view.owed -= 1
        del link.owed[follower]
        if not link.owed:
            self.owing.pop(link, None)
        return 0

    cdef int pay(self) except -1:
        """Queue what is owed and due, for every link that is not, or no longer, behind."""
        cdef Link link
        for item in list(self.owing):
            link = <Link>item
            if link.is_behind:
                if link.unread() > link.conflate_low_bytes:
                    continue
                link.is_behind = False
            elif link.due_us > self.now_us:
                continue
            self.pay_link(link)
        return 0

    cdef int pay_link(self, Link link) except -1:
        """Queue what a link is owed, as far as it may have unread bytes; the rest stays owed."""
        cdef Py_ssize_t room = link.conflate_bytes_max - link.unread()
        cdef Follower follower
        cdef int64_t due_us = NEVER
        for item in list(link.owed):
            follower = <Follower>item
            if link.out.size > room:
                link.is_behind = True
                break
            if follower.due_us > self.now_us:
                due_us = min(due_us, follower.due_us)
                continue
            if follower.is_new:
                follower.is_new = False
                follower.view.put_start(link.out)
            else:
                follower.view.put_missed(link.out, follower.sent)
            self.forgive(follower)
            if follower.conflate_us:
                follower.due_us = self.now_us + follower.conflate_us
            else:
                follower.view.followers[link] = None
        link.due_us = due_us
        return self.mark(link)


cdef class Follower:
    """A link that is not sent every message of a view at once."""


cdef class View:
    """One sequence of messages about an instrument; of this plain kind every message goes out at once."""

    def __cinit__(self, int channel, uint32_t instrument, *args):
        self.channel = channel
        self.instrument = instrument
        self.followers = {}

    cdef int add(self, Link link, int64_t conflate_us, int64_t now_us) except -1:
        """Add a follower, once. O(1)."""
        cdef Follower follower = None
        if link in self.followers:
            return 0
        if conflate_us:
            follower = Follower()
            follower.view = self
            follower.link = link
            follower.conflate_us = conflate_us
            follower.due_us = now_us + conflate_us
        self.followers[link] = follower
        return 0

    cdef int add_later(self, Link link, int64_t conflate_us, Outbox box) except -1:
        """Add a follower who is told how things stand when it has read what it was sent before. O(1)."""
        cdef Follower follower
        found = self.followers.get(link)
        if found is None:
            follower = Follower()
            follower.view = self
            follower.link = link
            follower.conflate_us = conflate_us
            follower.due_us = box.now_us
            self.followers[link] = follower
        else:
            follower = <Follower>found
        follower.is_new = True
        return 0 if follower.is_owed else box.owe(follower)

    cdef int drop(self, Link link, Outbox box) except -1:
        """Take a follower off, if it is one. O(1)."""
        found = self.followers.pop(link, None)
        if found is not None and (<Follower>found).is_owed:
            box.forgive(<Follower>found)
        return 0

    cdef int publish(self, Buffer frames, uint64_t seq, Outbox box) except -1:
        """Queue frames, the last of which has this seq, for every follower; empty the buffer.

        Awaits nothing and asks no transport: a follower that is behind costs no more than the others.
        """
        cdef uint64_t before = self.seq
        cdef Follower follower
        cdef Link link
        self.seq = seq
        for item, found in self.followers.items():
            link = <Link>item
            if not self.may_wait or (found is None and not link.is_behind and link.out.size < link.conflate_bytes_max):
                link.out.append(frames.data, frames.size)
                box.mark(link)
                continue
            if found is None:
                follower = Follower()
                follower.view = self
                follower.link = link
                self.followers[link] = follower     # A new value for a key that is there: the walk goes on.
            else:
                follower = <Follower>found
                if follower.is_owed:
                    continue
            if follower.conflate_us and follower.due_us <= box.now_us and not link.is_behind:
                follower.due_us = box.now_us + follower.conflate_us
                link.out.append(frames.data, frames.size)
                box.mark(link)
                continue
            follower.sent = before
            box.owe(follower)
        frames.size = 0
        return 0

    cdef int put_missed(self, Buffer out, uint64_t sent) except -1:
        """Append what a follower missed after the message `sent`; those that missed the same get the same bytes."""
        if self.missed is None:
            self.missed = Buffer()
        if not self.missed.size or self.missed_since != sent or self.missed_until != self.seq:
            self.missed.size = 0
            self.encode_missed(self.missed, sent)
            self.missed_since = sent
            self.missed_until = self.seq
        out.append(self.missed.data, self.missed.size)
        if self.owed == 1:
            self.missed = None
        return 0

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        """Append what stands for the messages after `sent`."""
        raise NotImplementedError

    cdef int put_start(self, Buffer out) except -1:
        """Append what says how things stand now."""
        raise NotImplementedError

    def links(self):
        """Return the followers."""
        return list(self.followers)


cdef class GapView(View):
    """Messages that cannot be merged: who missed some is told which."""

    def __cinit__(self, *args):
        self.may_wait = True

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        return put_gap(out, self, sent, 0)


cdef class LatestView(View):
    """Messages of which the last one says all."""

    def __cinit__(self, *args):
        self.may_wait = True
        self.latest = Buffer()

    cdef int publish(self, Buffer frames, uint64_t seq, Outbox box) except -1:
        self.latest.size = 0
        self.latest.append(frames.data, frames.size)
        return View.publish(self, frames, seq, box)

    cdef int encode_missed(self, Buffer out, uint64_t sent) except -1:
        return out.append(self.latest.data, self.latest.size)
