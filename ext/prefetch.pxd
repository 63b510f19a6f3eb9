"""Fetching memory ahead of the commands that will need it, in four stages a few records apart.

A stage only reads what the stage before it has asked for. Every address is a guess: a wrong one costs a cache line,
never a result.
"""

from ext.book cimport prefetch
from ext.idmap cimport map_find, map_place, ref_hash
from ext.lanes cimport find_lane
from ext.state cimport State
from ext.types cimport (
    C_CANCEL, C_CANCEL_REF, C_PLACE, C_QUOTE, C_REPLACE, C_REPLACE_REF, NIL, SLOT_MASK, Command, Node, Order, Side,
    Terms, uint32_t, uint64_t,
)


cdef enum:                      # Records ahead.
    PREFETCH_FAR = 16
    PREFETCH_MIDDLE = 10
    PREFETCH_NEAR = 6
    PREFETCH_LAST = 3


cdef inline uint64_t *index_place(State *self, const Command *command) noexcept nogil:
    """Where the ref index would look for the command's target, or for the place of its new order."""
    cdef uint32_t lane = find_lane(self, command.account, command.lane)
    cdef uint64_t ref = command.ref if command.type == C_PLACE else command.target
    return &self.refs.places[ref_hash(&self.refs, lane, ref) & self.refs.mask]


cdef inline uint32_t likely_slot(State *self, const Command *command) noexcept nogil:
    """The order that a cancel or replace will probably find, or NIL."""
    cdef uint32_t slot
    if command.type == C_CANCEL or command.type == C_REPLACE:
        slot = <uint32_t>(command.target & SLOT_MASK)
    elif command.type == C_CANCEL_REF or command.type == C_REPLACE_REF:
        slot = <uint32_t>index_place(self, command)[0]
    else:
        return NIL
    return slot if slot < self.books.orders_used else NIL


cdef inline int enters(State *self, const Command *command) noexcept nogil:
    return (command.type == C_PLACE or command.type == C_QUOTE) and command.instrument < self.instruments_count


cdef inline uint64_t position_key(const Command *command) noexcept nogil:
    return (<uint64_t>command.account << 32) | command.instrument


cdef inline void prefetch_indexes(State *self, const Command *command) noexcept nogil:
    """First: the tables that lead to an order, a position, a book."""
    if enters(self, command):
        prefetch(map_place(&self.position_map, position_key(command)))
        prefetch(&self.instruments[command.instrument])
        prefetch(<char *>&self.instruments[command.instrument] + 63)
        prefetch(&self.books.books[command.instrument])
    if command.type == C_CANCEL_REF or command.type == C_REPLACE_REF or command.type == C_PLACE:
        prefetch(index_place(self, command))


cdef inline void prefetch_targets(State *self, const Command *command) noexcept nogil:
    """Second: the order itself, or the position, the best prices and the root of the trie."""
    cdef uint32_t slot = likely_slot(self, command)
    cdef Side *sides
    if slot != NIL:
        prefetch(&self.books.orders[slot])
        prefetch(&self.books.terms[slot])
    elif enters(self, command):
        slot = map_find(&self.position_map, position_key(command))
        if slot != NIL:
            prefetch(&self.positions[slot])
        sides = self.books.books[command.instrument].side
        prefetch(&self.books.levels[sides[0].best & SLOT_MASK])
        prefetch(&self.books.levels[sides[1].best & SLOT_MASK])
        prefetch(&self.books.nodes[sides[command.side & 1].root & SLOT_MASK])


cdef inline Node *leaf_node(State *self, const Command *command) noexcept nogil:
    """The lowest node of the trie over the price of a place, or NULL where the walk leaves the trie."""
    cdef Side *top = &self.books.books[command.instrument].side[command.side & 1]
    cdef uint64_t key = <uint32_t>command.price
    cdef int height
    cdef Node *node
    if top.root == NIL or (key >> (6 * top.height)) != top.prefix:
        return NULL
    node = &self.books.nodes[top.root]
    for height in range(<int>top.height - 1, 0, -1):
        if not (node.bitmap >> ((key >> (6 * height)) & 63)) & 1:
            return NULL
        node = &self.books.nodes[node.child[(key >> (6 * height)) & 63]]
    return node


cdef inline void prefetch_paths(State *self, const Command *command) noexcept nogil:
    """Third: what hangs on them: the order's neighbours and level, or the last node of the trie."""
    cdef uint32_t slot = likely_slot(self, command)
    cdef Order *order
    cdef Terms *terms
    cdef Node *node
    if slot != NIL:
        order = &self.books.orders[slot]
        terms = &self.books.terms[slot]
        prefetch(&self.books.orders[order.prev & SLOT_MASK])        # NIL gives an address nobody reads.
        prefetch(&self.books.orders[order.next & SLOT_MASK])
        prefetch(&self.books.terms[terms.mine_prev & SLOT_MASK])
        prefetch(&self.books.terms[terms.mine_next & SLOT_MASK])
        prefetch(&self.books.levels[order.level & SLOT_MASK])
        prefetch(&self.positions[terms.position])
        if command.type == C_CANCEL:
            prefetch(&self.refs.places[ref_hash(&self.refs, terms.lane, terms.ref) & self.refs.mask])
    elif enters(self, command) and command.type == C_PLACE:
        node = leaf_node(self, command)
        if node != NULL:
            prefetch(node)
            prefetch(&node.child[command.price & 63])


cdef inline void prefetch_levels(State *self, const Command *command) noexcept nogil:
    """Fourth: the level a new order will join, and the order it will stand behind."""
    cdef Node *node
    cdef uint32_t level, slot
    if not enters(self, command) or command.type != C_PLACE:
        return
    slot = map_find(&self.position_map, position_key(command))
    if slot != NIL:
        prefetch(&self.books.terms[self.positions[slot].tail & SLOT_MASK])
    node = leaf_node(self, command)
    if node != NULL and (node.bitmap >> (command.price & 63)) & 1:
        level = node.child[command.price & 63]
        prefetch(&self.books.levels[level])
