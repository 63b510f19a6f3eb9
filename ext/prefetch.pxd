"""Fetching memory ahead of the commands that will need it, in four stages a few records apart.

A stage only reads what the stage before it has asked for. Every address is a guess: a wrong one costs a cache line,
never a result.
"""

from ext.book cimport prefetch
from ext.idmap cimport map_find, map_place, ref_hash
from ext.lanes cimport find_lane
from ext.levels cimport child_at
from ext.state cimport AHEAD_RECORDS, Ahead, State
from ext.types cimport (
    C_CANCEL, C_CANCEL_REF, C_PLACE, C_QUOTE, C_REPLACE, C_REPLACE_REF, NIL, SLOT_MASK, Command, Order, Side,
    Terms, uint32_t, uint64_t,
)


cdef enum:                      # Records ahead.
    PREFETCH_FAR = 16
    PREFETCH_MIDDLE = 10
    PREFETCH_NEAR = 6
    PREFETCH_LAST = 3
    PREFETCH_ORDERS_MIN = 1 << 15
    ROW_BYTES = 64


cdef inline Ahead *seen(State *self, size_t offset) noexcept nogil:
    """What earlier stages have found out about the record at a byte offset of the batch."""
    return &self.ahead[(offset >> 6) & (AHEAD_RECORDS - 1)]


cdef inline int by_ref(const Command *command) noexcept nogil:
    return command.type == C_CANCEL_REF or command.type == C_REPLACE_REF


cdef inline int by_handle(const Command *command) noexcept nogil:
    return command.type == C_CANCEL or command.type == C_REPLACE


cdef inline int enters(State *self, const Command *command) noexcept nogil:
    return (command.type == C_PLACE or command.type == C_QUOTE) and command.instrument < self.instruments_count


cdef inline uint64_t position_key(const Command *command) noexcept nogil:
    return (<uint64_t>command.account << 32) | command.instrument


cdef inline void prefetch_indexes(State *self, const Command *command, Ahead *ahead) noexcept nogil:
    """First: the tables that lead to an order, a position, a book."""
    cdef uint32_t lane
    if enters(self, command):
        prefetch(map_place(&self.position_map, position_key(command)))
        prefetch(&self.instruments[command.instrument])
        prefetch(<char *>&self.instruments[command.instrument] + 63)
        prefetch(&self.books.books[command.instrument])
    if by_ref(command) or command.type == C_PLACE:
        lane = find_lane(self, command.account, command.lane)
        ahead.hashed = ref_hash(&self.refs, lane, command.ref if command.type == C_PLACE else command.target)
        prefetch(&self.refs.places[ahead.hashed & self.refs.mask])


cdef inline uint32_t *root_child(State *self, const Command *command) noexcept nogil:
    """Where the walk through the trie begins."""
    cdef Side *top = &self.books.books[command.instrument].side[command.side & 1]
    return child_at(&self.books, top.root & SLOT_MASK, (<uint64_t>command.price) >> ((top.shift - 6) & 63))


cdef inline void prefetch_targets(State *self, const Command *command, Ahead *ahead) noexcept nogil:
    """Second: the order itself, or the position, the best prices and the root of the trie."""
    cdef uint32_t slot
    cdef Side *sides
    ahead.slot = NIL
    if by_ref(command) or by_handle(command):
        slot = <uint32_t>(command.target & SLOT_MASK)
        if by_ref(command):
            slot = <uint32_t>self.refs.places[ahead.hashed & self.refs.mask]
        if slot < self.books.orders_used:
            ahead.slot = slot
            prefetch(&self.books.orders[slot])
            prefetch(&self.books.terms[slot])
    elif enters(self, command):
        ahead.slot = map_find(&self.position_map, position_key(command))
        if ahead.slot != NIL:
            prefetch(&self.positions[ahead.slot])
        sides = self.books.books[command.instrument].side
        prefetch(&self.books.levels[sides[0].best & SLOT_MASK])
        prefetch(&self.books.levels[sides[1].best & SLOT_MASK])
        prefetch(root_child(self, command))


cdef inline uint32_t *leaf_child(State *self, const Command *command) noexcept nogil:
    """Where the trie keeps the level at the price of a place, or NULL where the walk leaves the trie."""
    cdef Side *top = &self.books.books[command.instrument].side[command.side & 1]
    cdef uint64_t key = <uint32_t>command.price
    cdef uint32_t node = top.root
    cdef int shift
    if node == NIL or key >> top.shift != top.prefix:
        return NULL
    for shift in range(<int>top.shift - 6, 0, -6):
        node = child_at(&self.books, node, key >> shift)[0]
        if node == 0:
            return NULL
    return child_at(&self.books, node, key)


cdef inline void prefetch_paths(State *self, const Command *command, Ahead *ahead) noexcept nogil:
    """Third: what hangs on them: the order's neighbours and level, or the last node of the trie."""
    cdef Order *order
    cdef Terms *terms
    cdef uint32_t *child
    if command.type == C_PLACE and enters(self, command):
        child = leaf_child(self, command)
        if child != NULL:
            prefetch(child)
    elif (by_ref(command) or by_handle(command)) and ahead.slot < self.books.orders_used:
        order = &self.books.orders[ahead.slot]
        terms = &self.books.terms[ahead.slot]
        prefetch(&self.books.orders[order.prev & SLOT_MASK])        # NIL gives an address nobody reads.
        prefetch(&self.books.orders[order.next & SLOT_MASK])
        prefetch(&self.books.terms[terms.mine_prev & SLOT_MASK])
        prefetch(&self.books.terms[terms.mine_next & SLOT_MASK])
        prefetch(&self.books.levels[order.level & SLOT_MASK])
        prefetch(&self.positions[terms.position])
        if by_handle(command):
            prefetch(&self.refs.places[ref_hash(&self.refs, terms.lane, terms.ref) & self.refs.mask])


cdef inline void prefetch_levels(State *self, const Command *command, Ahead *ahead) noexcept nogil:
    """Fourth: the level a new order will join, and the account's last order there, which it will follow."""
    cdef uint32_t *child
    if command.type != C_PLACE or not enters(self, command):
        return
    if ahead.slot < self.positions_count:
        prefetch(&self.books.terms[self.positions[ahead.slot].tail & SLOT_MASK])
    child = leaf_child(self, command)
    if child != NULL and child[0] != 0:
        prefetch(&self.books.levels[child[0]])


cdef inline void look_ahead(State *self, const char *data, size_t offset, size_t size) noexcept nogil:
    """All stages, each for its own record behind the one at `offset`.

    Records are nearly always one row; where one has a payload, its rows are guessed wrong, at the cost of cache lines.
    """
    cdef size_t ahead = offset + PREFETCH_FAR * ROW_BYTES
    if ahead < size:
        prefetch_indexes(self, <const Command *>(data + ahead), seen(self, ahead))
    ahead = offset + PREFETCH_MIDDLE * ROW_BYTES
    if ahead < size:
        prefetch_targets(self, <const Command *>(data + ahead), seen(self, ahead))
    ahead = offset + PREFETCH_NEAR * ROW_BYTES
    if ahead < size:
        prefetch_paths(self, <const Command *>(data + ahead), seen(self, ahead))
    ahead = offset + PREFETCH_LAST * ROW_BYTES
    if ahead < size:
        prefetch_levels(self, <const Command *>(data + ahead), seen(self, ahead))


cdef inline void look_at_first(State *self, const char *data, size_t offset, size_t size) noexcept nogil:
    """The first records of a batch have nobody before them: take them through the stages together."""
    cdef size_t ahead
    cdef int row
    for row in range(PREFETCH_FAR):
        ahead = offset + <size_t>row * ROW_BYTES
        if ahead < size:
            prefetch_indexes(self, <const Command *>(data + ahead), seen(self, ahead))
    for row in range(PREFETCH_MIDDLE):
        ahead = offset + <size_t>row * ROW_BYTES
        if ahead < size:
            prefetch_targets(self, <const Command *>(data + ahead), seen(self, ahead))
    for row in range(PREFETCH_NEAR):
        ahead = offset + <size_t>row * ROW_BYTES
        if ahead < size:
            prefetch_paths(self, <const Command *>(data + ahead), seen(self, ahead))
    for row in range(PREFETCH_LAST):
        ahead = offset + <size_t>row * ROW_BYTES
        if ahead < size:
            prefetch_levels(self, <const Command *>(data + ahead), seen(self, ahead))
