# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The leaf book. Layout and interface are in book.pxd, the trie of levels in levels.pxd."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ext.queues cimport (
    acquire_order, append_to_level, enter_level, leave_level, leave_queue, next_level, release_order, retire_level,
    set_best, settle_levels, shrink_order, take_from_level,
)
from ext.types cimport (
    FILL_STP_CANCEL, FILL_STP_DECREMENT, FILL_TRADE, LOTS_MAX, O_ICEBERG, O_REDUCE_ONLY, STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING, STP_CANCEL_RESTING, STP_DECREMENT, Side,
)


cdef enum:
    NODES_PER_LEVEL = 6         # Worst case: no two levels share a node below the root.
    LEVELS_SPARE = 64           # Levels emptied by the present command are given back at its end; slot 0 is not used.
    CHILDREN_BYTES = 256        # Of one trie node.
    DIRTY_SPARE = 64


cdef int reserve(Books *self, uint32_t orders_max, uint32_t books_max, uint32_t fills_max) noexcept nogil:
    """Take address space for everything; 0 when there is none."""
    cdef size_t levels = <size_t>orders_max + LEVELS_SPARE
    memset(self, 0, sizeof(Books))
    self.orders = <Order *>arena_reserve(orders_max * sizeof(Order))
    self.terms = <Terms *>arena_reserve(orders_max * sizeof(Terms))
    self.levels = <Level *>arena_reserve(levels * sizeof(Level))
    self.bitmaps = <uint64_t *>arena_reserve(levels * NODES_PER_LEVEL * sizeof(uint64_t))
    self.children = <uint32_t *>arena_reserve(levels * NODES_PER_LEVEL * CHILDREN_BYTES)
    self.books = <Book *>arena_reserve(books_max * sizeof(Book))
    self.dirty = <uint32_t *>arena_reserve((levels + DIRTY_SPARE) * sizeof(uint32_t))
    self.fills = <Fill *>arena_reserve(fills_max * sizeof(Fill))
    self.orders_max = orders_max
    self.books_max = books_max
    self.fills_max = fills_max
    self.free_order = NIL
    self.free_level = NIL
    self.free_node = NIL
    self.levels_used = 1
    self.nodes_used = 1
    return (self.orders != NULL and self.terms != NULL and self.levels != NULL and self.bitmaps != NULL
            and self.children != NULL and self.books != NULL and self.dirty != NULL and self.fills != NULL)


cdef int books_open(Books *self, uint32_t orders_max, uint32_t books_max, uint32_t fills_max) except -1:
    """Reserve the arenas; a book can be used once `open_book` has been called for it."""
    if not reserve(self, orders_max, books_max, fills_max):
        books_close(self)
        raise MemoryError(f"no address space for {orders_max} orders and {books_max} books")
    return 0


cdef void open_book(Books *self, uint32_t book) noexcept nogil:
    cdef int side
    for side in range(2):
        self.books[book].side[side].root = NIL
        set_best(&self.books[book].side[side], side, NIL, 0)


cdef void books_close(Books *self) noexcept nogil:
    cdef size_t levels = <size_t>self.orders_max + LEVELS_SPARE
    arena_release(self.orders, self.orders_max * sizeof(Order))
    arena_release(self.terms, self.orders_max * sizeof(Terms))
    arena_release(self.levels, levels * sizeof(Level))
    arena_release(self.bitmaps, levels * NODES_PER_LEVEL * sizeof(uint64_t))
    arena_release(self.children, levels * NODES_PER_LEVEL * CHILDREN_BYTES)
    arena_release(self.books, self.books_max * sizeof(Book))
    arena_release(self.dirty, (levels + DIRTY_SPARE) * sizeof(uint32_t))
    arena_release(self.fills, self.fills_max * sizeof(Fill))
    memset(self, 0, sizeof(Books))


# --- Matching ------------------------------------------------------------------------------------------------------

cdef inline Fill *add_fill(Books *self, uint32_t slot, int32_t price, int32_t lots, uint32_t kind) noexcept nogil:
    cdef Fill *fill = &self.fills[self.fills_count]
    self.fills_count += 1
    fill.maker = handle_of(self, slot)
    fill.price = price
    fill.lots = lots
    fill.kind = kind
    fill.owner = self.orders[slot].owner
    return fill


cdef inline void pop_front(Books *self, uint32_t found, uint32_t slot) noexcept nogil:
    """The front order of a level is gone: filled or prevented. Its slot stays taken until the caller has told it."""
    take_from_level(self.orders, &self.levels[found], slot)
    leave_level(self, found)


cdef int prevent_self_match(Books *self, uint32_t found, uint32_t slot, int32_t *leaves, int stp) noexcept nogil:
    """An own order is next (STP-001 to STP-004). Returns whether the aggressor ends."""
    cdef Order *order = &self.orders[slot]
    cdef Level *level = &self.levels[found]
    cdef Fill *fill
    cdef int32_t lots = order.leaves
    if stp == STP_CANCEL_INCOMING:
        return 1
    touch_level(self, found)
    if stp == STP_DECREMENT:
        lots = min(lots, leaves[0])
        leaves[0] -= lots
        fill = add_fill(self, slot, level.price, lots, FILL_STP_DECREMENT)
        fill.maker_leaves = order.leaves - lots
        fill.taker_leaves = leaves[0]
        if lots < order.leaves:
            shrink_order(self, slot, order.leaves - lots)
            return 0
    else:
        fill = add_fill(self, slot, level.price, lots, FILL_STP_CANCEL)
        fill.maker_leaves = 0
        fill.taker_leaves = leaves[0]
    level.shown -= order.shown
    level.total -= order.leaves
    order.leaves = 0
    pop_front(self, found, slot)
    return stp == STP_CANCEL_BOTH


cdef inline void fill_front(Books *self, uint32_t found, uint32_t slot, int32_t *leaves) noexcept nogil:
    """Trade with the front order of a level (MAT-001, MAT-002, MAT-008)."""
    cdef Order *order = &self.orders[slot]
    cdef Level *level = &self.levels[found]
    cdef int32_t lots = order.shown if order.shown < leaves[0] else leaves[0]
    cdef Fill *fill = add_fill(self, slot, level.price, lots, FILL_TRADE)
    leaves[0] -= lots
    order.shown -= lots
    order.leaves -= lots
    order.cum += lots
    level.shown -= lots
    level.total -= lots
    fill.maker_leaves = order.leaves
    fill.taker_leaves = leaves[0]
    if order.leaves == 0:
        pop_front(self, found, slot)
    elif order.shown == 0:                              # The next part of an iceberg goes to the back.
        order.shown = min(self.terms[slot].display, order.leaves)
        level.shown += order.shown
        take_from_level(self.orders, level, slot)
        append_to_level(self.orders, level, slot)


cdef int match_order(Books *self, uint32_t book, int side, int32_t limit, int32_t *leaves, uint32_t owner, int stp,
                     uint32_t pass_slot) noexcept nogil:
    """Trade an aggressor of `side` against the opposite side until it is done, appending to `fills`.

    Orders that are filled or prevented have left the book, but keep their slot until `release_order`.
    `owner` 0 switches self-match prevention off. O(1) a fill, O(height) a level.
    """
    cdef Side *top = &self.books[book].side[1 - side]
    cdef uint32_t found, slot
    cdef Level *level
    cdef Order *order
    while leaves[0] > 0:
        found = top.best
        if found == NIL or not reaches(side, limit, top.best_price):
            return MATCH_DONE
        if self.fills_count == self.fills_max:
            return MATCH_FULL
        level = &self.levels[found]
        slot = level.head
        order = &self.orders[slot]
        prefetch(&self.orders[order.next if order.next != NIL else slot])
        if self.lives != NULL and self.lives[slot] == 0:
            return MATCH_STALE
        if order.owner == owner and owner != 0:
            if prevent_self_match(self, found, slot, leaves, stp):
                return MATCH_SELF
            continue
        if order.meta & O_REDUCE_ONLY and slot != pass_slot:
            return MATCH_HELD
        pass_slot = NIL                         # Let in for one fill: the position may have changed by the next.
        touch_level(self, found)
        fill_front(self, found, slot, leaves)
    return MATCH_DONE


cdef int count_level(Books *self, uint32_t found, uint32_t owner, int stp, int64_t wanted,
                     int64_t *lots) noexcept nogil:
    """Lots a fill-or-kill order gets at one price; 1 when an own order stops it there.

    In front of an own order only shown lots count: the hidden ones would be shown behind it.
    """
    cdef uint32_t slot = self.levels[found].head
    cdef Order *order
    cdef int64_t shown = 0
    lots[0] = 0
    while slot != NIL and shown < wanted:
        order = &self.orders[slot]
        if order.owner == owner and owner != 0:
            if stp != STP_CANCEL_RESTING:
                lots[0] = shown
                return 1
        elif not order.meta & O_REDUCE_ONLY:
            lots[0] += order.leaves
            shown += order.shown
        slot = order.next
    return 0


cdef int64_t reachable_lots(Books *self, uint32_t book, int side, int32_t limit, int64_t wanted, uint32_t owner,
                            int stp) noexcept nogil:
    """How many lots, at most `wanted` and a little more, a fill-or-kill order would certainly get (MAT-006)."""
    cdef uint32_t found = self.books[book].side[1 - side].best
    cdef int64_t lots = 0, bound = 0, held = 0
    cdef uint32_t first = found
    cdef int stopped
    while found != NIL and bound < wanted and reaches(side, limit, self.levels[found].price):
        bound += self.levels[found].total
        found = next_level(self, book, 1 - side, self.levels[found].price)
    if bound < wanted:                                  # Not even by level totals: no need to look at orders.
        return bound
    found = first
    while found != NIL and lots < wanted and reaches(side, limit, self.levels[found].price):
        stopped = count_level(self, found, owner, stp, wanted - lots, &held)
        lots += held
        if stopped:
            break
        found = next_level(self, book, 1 - side, self.levels[found].price)
    return lots


# --- The C interface to a single book ------------------------------------------------------------------------------

cdef enum:
    FILLS_MAX_LEAF = 1 << 24    # Fills of one call; more are matched, in steps, but only the last step can be read.


cdef enum:
    PENDING_MAX = 16            # Cancelled orders still in their queues. A power of two.
    FETCH_AFTER = 4             # This many cancels later an order's own line has come: ask for its neighbours' lines.


cdef struct Leaf:
    # A cancel needs the order, its neighbours and its level, which in a deep book are far away. So it is answered from
    # `lives`, which is small, and the order leaves its queue when its lines have come, before anybody could notice.
    Books books
    uint32_t pending[PENDING_MAX]
    uint64_t cancelled          # Counts the orders cancelled, and those of them that have left their queues.
    uint64_t taken_out


cdef hg_book hg_book_create(uint32_t orders_max) noexcept nogil:
    """A book for up to `orders_max` resting orders, or NULL. Memory is taken as orders rest."""
    if orders_max == 0 or orders_max > SLOT_MASK:
        return NULL
    cdef Leaf *self = <Leaf *>calloc(1, sizeof(Leaf))
    if self == NULL:
        return NULL
    cdef int reserved = reserve(&self.books, orders_max, 1, FILLS_MAX_LEAF)
    self.books.lives = <uint32_t *>arena_reserve(orders_max * sizeof(uint32_t))
    if not reserved or self.books.lives == NULL:
        hg_book_destroy(<hg_book>self)
        return NULL
    open_book(&self.books, 0)
    return <hg_book>self


cdef void hg_book_destroy(hg_book book) noexcept nogil:
    """Give everything back. NULL is allowed."""
    cdef Leaf *self = <Leaf *>book
    if self != NULL:
        arena_release(self.books.lives, self.books.orders_max * sizeof(uint32_t))
        books_close(&self.books)
        free(self)


cdef inline uint32_t live_slot(Leaf *self, uint64_t handle) noexcept nogil:
    """The slot of a live handle, or NIL. The order itself is not read: it may be far away."""
    cdef uint32_t slot = <uint32_t>(handle & SLOT_MASK)
    cdef uint64_t generation = handle >> SLOT_BITS
    return slot if slot < self.books.orders_used and self.books.lives[slot] == generation and generation else NIL


cdef inline uint32_t pending_at(Leaf *self, uint64_t count) noexcept nogil:
    return self.pending[count & (PENDING_MAX - 1)]


cdef void leave_price(Leaf *self, uint32_t slot) noexcept nogil:
    """An order leaves its queue; a level it leaves empty goes too, unless the present command has touched it."""
    cdef uint32_t found = leave_queue(&self.books, slot)
    if self.books.levels[found].orders == 0 and not self.books.levels[found].dirty:
        retire_level(&self.books, found)


cdef inline void take_out(Leaf *self, uint32_t slot) noexcept nogil:
    """A cancelled order leaves its queue and gives its slot back."""
    leave_price(self, slot)
    release_order(&self.books, slot)


cdef inline void fetch_neighbours(Leaf *self, uint32_t slot) noexcept nogil:
    cdef Order *order = &self.books.orders[slot]
    prefetch(&self.books.orders[order.prev & SLOT_MASK])
    prefetch(&self.books.orders[order.next & SLOT_MASK])
    prefetch(&self.books.levels[order.level])


cdef void take_out_all(Leaf *self) noexcept nogil:
    """Bring the queues up to date: before matching, and before anybody looks."""
    cdef uint64_t count
    for count in range(self.taken_out, self.cancelled):
        fetch_neighbours(self, pending_at(self, count))
    for count in range(self.taken_out, self.cancelled):
        take_out(self, pending_at(self, count))
    self.taken_out = self.cancelled


cdef void release_filled(Leaf *self) noexcept nogil:
    """Give back the slots of makers that are gone; their handles stay readable in the fills."""
    cdef uint32_t index, slot
    for index in range(self.books.fills_count):
        if self.books.fills[index].maker_leaves == 0:
            slot = <uint32_t>(self.books.fills[index].maker & SLOT_MASK)
            self.books.lives[slot] = 0
            release_order(&self.books, slot)


cdef int32_t aggress(Leaf *self, int side, int32_t price, int32_t lots, uint32_t owner, int stp) noexcept nogil:
    """Match and release; returns the leaves, 0 when self-match prevention ended the aggressor."""
    cdef int32_t leaves = lots
    cdef int status = match_order(&self.books, 0, side, price, &leaves, owner, stp, NIL)
    while status == MATCH_FULL or status == MATCH_STALE:
        if status == MATCH_STALE:
            take_out_all(self)
        else:
            release_filled(self)
            self.books.fills_count = 0
        status = match_order(&self.books, 0, side, price, &leaves, owner, stp, NIL)
    release_filled(self)
    settle_levels(&self.books)
    return 0 if status == MATCH_SELF else leaves


cdef inline int meets(Leaf *self, int side, int32_t price) noexcept nogil:
    """Whether an order may trade. The best price may be that of a cancelled order, never worse than the true one."""
    return reaches(side, price, self.books.books[0].side[1 - side].best_price)


cdef int add_taking(Leaf *self, int side, int32_t price, int32_t *lots, uint32_t owner, int flags) noexcept nogil:
    """The part of an add that meets the other side. `*lots` is what then has to rest."""
    cdef int stp = (flags >> HG_STP_SHIFT) & 3
    if flags & (HG_POST_ONLY | HG_FOK):                 # They must know before they match.
        take_out_all(self)
    if flags & HG_POST_ONLY and meets(self, side, price):
        return HG_WOULD_TAKE
    if flags & HG_FOK and reachable_lots(&self.books, 0, side, price, lots[0], owner, stp) < lots[0]:
        return HG_UNFILLED
    lots[0] = aggress(self, side, price, lots[0], owner, stp)
    if flags & (HG_IOC | HG_FOK):
        lots[0] = 0
    return HG_OK


cdef int hg_book_add(hg_book book, int side, int32_t price, int32_t lots, uint32_t owner, int flags, int32_t display,
                     uint64_t *handle) noexcept nogil:
    """Match, then rest what is left. `*handle` is the resting order's, 0 if nothing rests. O(1) a fill."""
    cdef Leaf *self = <Leaf *>book
    cdef int status
    cdef uint32_t slot
    cdef Order *order
    self.books.fills_count = 0
    handle[0] = 0
    if side & ~1 or price < 0 or display < 0 or lots <= 0 or lots > LOTS_MAX:
        return HG_BAD_ARGUMENT
    if meets(self, side, price):
        status = add_taking(self, side, price, &lots, owner, flags)
        if status != HG_OK or lots == 0:
            return status
    elif flags & (HG_IOC | HG_FOK):
        return HG_UNFILLED if flags & HG_FOK else HG_OK
    slot = acquire_order(&self.books)
    if slot == NIL:
        take_out_all(self)
        slot = acquire_order(&self.books)
        if slot == NIL:
            return HG_BOOK_FULL
    order = &self.books.orders[slot]
    order.leaves = lots
    order.cum = 0
    order.owner = owner
    if display > 0:
        order.meta |= O_ICEBERG
        self.books.terms[slot].display = display
    self.books.lives[slot] = order.meta >> META_BITS
    handle[0] = handle_of(&self.books, slot)
    enter_level(&self.books, 0, side, slot, price)
    return HG_OK


cdef int hg_book_cancel(hg_book book, uint64_t handle) noexcept nogil:
    """Take an order out. O(1); HG_NO_ORDER when the handle is not alive."""
    cdef Leaf *self = <Leaf *>book
    cdef uint32_t slot = live_slot(self, handle)
    self.books.fills_count = 0
    if slot == NIL:
        return HG_NO_ORDER
    self.books.lives[slot] = 0
    prefetch(&self.books.orders[slot])
    if self.cancelled - self.taken_out == PENDING_MAX:
        take_out(self, pending_at(self, self.taken_out))
        self.taken_out += 1
    self.pending[self.cancelled & (PENDING_MAX - 1)] = slot
    self.cancelled += 1
    if self.cancelled - self.taken_out > FETCH_AFTER:
        fetch_neighbours(self, pending_at(self, self.cancelled - 1 - FETCH_AFTER))
    return HG_OK


cdef int hg_book_replace(hg_book book, uint64_t handle, int32_t price, int32_t lots) noexcept nogil:
    """Give an order a new price and new leaves; a mere reduction keeps its priority. The handle stays. O(1) a fill."""
    cdef Leaf *self = <Leaf *>book
    cdef uint32_t slot = live_slot(self, handle)
    cdef Order *order
    cdef Level *level
    cdef int side
    self.books.fills_count = 0
    if slot == NIL:
        return HG_NO_ORDER
    if price < 0 or lots <= 0 or lots > LOTS_MAX:
        return HG_BAD_ARGUMENT
    order = &self.books.orders[slot]
    level = &self.books.levels[order.level]
    if price == level.price and lots <= order.leaves:
        shrink_order(&self.books, slot, lots)
        settle_levels(&self.books)
        return HG_OK
    side = level.side
    leave_price(self, slot)
    order.leaves = lots
    if meets(self, side, price):
        order.leaves = aggress(self, side, price, lots, order.owner, STP_CANCEL_RESTING)
        order.cum += lots - order.leaves
    if order.leaves:
        enter_level(&self.books, 0, side, slot, price)
    else:
        self.books.lives[slot] = 0
        release_order(&self.books, slot)
    return HG_OK


cdef int hg_book_best(hg_book book, int side, int32_t *price, int64_t *lots) noexcept nogil:
    """Best price and its shown lots; 0 when the side is empty, else 1. O(1)."""
    cdef Leaf *self = <Leaf *>book
    take_out_all(self)
    cdef uint32_t best = self.books.books[0].side[side & 1].best
    if best == NIL:
        return 0
    price[0] = self.books.levels[best].price
    lots[0] = self.books.levels[best].shown
    return 1


cdef int hg_book_depth(hg_book book, int side, int levels_max, int32_t *prices, int64_t *lots) noexcept nogil:
    """Up to `levels_max` best prices with their shown lots; returns how many. O(height) a level."""
    cdef Leaf *self = <Leaf *>book
    take_out_all(self)
    cdef uint32_t level = self.books.books[0].side[side & 1].best
    cdef int count = 0
    while level != NIL and count < levels_max:
        prices[count] = self.books.levels[level].price
        lots[count] = self.books.levels[level].shown
        count += 1
        level = next_level(&self.books, 0, side & 1, self.books.levels[level].price)
    return count


cdef uint32_t hg_book_fills(hg_book book, const Fill **fills) noexcept nogil:
    """The fills of the last add or replace, in match order; valid until the next call. O(1)."""
    fills[0] = (<Leaf *>book).books.fills
    return (<Leaf *>book).books.fills_count


cdef int64_t hg_book_leaves(hg_book book, uint64_t handle) noexcept nogil:
    """What is left of a resting order, 0 when the handle is not alive. O(1)."""
    cdef Leaf *self = <Leaf *>book
    cdef uint32_t slot = live_slot(self, handle)
    return 0 if slot == NIL else self.books.orders[slot].leaves


cdef void hg_book_prefetch(hg_book book, uint64_t handle) noexcept nogil:
    """Fetch an order into the cache, for a caller that knows its next cancels: a hint, any value is allowed. O(1)."""
    cdef Leaf *self = <Leaf *>book
    prefetch(&self.books.orders[handle & 0xFFFFFFF])
