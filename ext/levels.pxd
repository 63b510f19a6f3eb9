"""The trie that finds a price level: 64 children a node, as high as the live prices of one side need.

The root covers the smallest aligned range that holds every live level, so a book whose prices lie close together is
one or two nodes high whatever the prices are, and empty ticks cost nothing. Every operation is O(height), height <= 6.

Slots of nodes and levels start at 1, so that fresh memory, which is zero, means "no child"; a free node has none.
"""

from ext.book cimport Books
from ext.types cimport NIL, Level, Side, int32_t, uint32_t, uint64_t


cdef extern from *:
    int ctz "__builtin_ctzll"(unsigned long long) nogil
    int clz "__builtin_clzll"(unsigned long long) nogil


cdef inline uint32_t *child_at(Books *books, uint32_t node, uint64_t index) noexcept nogil:
    return &books.children[(<uint64_t>node << 6) | (index & 63)]


cdef inline uint32_t acquire_node(Books *books) noexcept nogil:
    cdef uint32_t slot = books.free_node
    if slot != NIL:
        books.free_node = <uint32_t>books.bitmaps[slot]
    else:
        slot = books.nodes_used
        books.nodes_used += 1
    books.bitmaps[slot] = 0
    return slot


cdef inline void release_node(Books *books, uint32_t slot) noexcept nogil:
    books.bitmaps[slot] = books.free_node
    books.free_node = slot


cdef inline void add_child(Books *books, uint32_t node, uint64_t index, uint32_t child) noexcept nogil:
    books.bitmaps[node] |= (<uint64_t>1) << (index & 63)
    child_at(books, node, index)[0] = child


cdef inline void remove_child(Books *books, uint32_t node, uint64_t index) noexcept nogil:
    books.bitmaps[node] &= ~((<uint64_t>1) << (index & 63))
    child_at(books, node, index)[0] = 0


cdef inline uint32_t acquire_level(Books *books, uint32_t book, int side, int32_t price) noexcept nogil:
    cdef uint32_t slot = books.free_level
    if slot != NIL:
        books.free_level = books.levels[slot].head
    else:
        slot = books.levels_used
        books.levels_used += 1
    cdef Level *level = &books.levels[slot]
    level.head = NIL
    level.tail = NIL
    level.price = price
    level.orders = 0
    level.shown = 0
    level.total = 0
    level.book = book
    level.side = side
    level.dirty = 0
    return slot


cdef inline uint32_t find_level(Books *books, Side *top, int32_t price) noexcept nogil:
    """The level at `price`, or 0."""
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t found = top.root
    cdef int shift = top.shift
    if found == NIL or key >> shift != top.prefix:
        return 0
    while shift > 0 and found != 0:
        shift -= 6
        found = child_at(books, found, key >> shift)[0]
    return found


cdef inline void widen(Books *books, Side *top, uint64_t key) noexcept nogil:
    """Put nodes above the root until it covers the key. At height 6 every key shares the empty prefix."""
    cdef uint32_t node
    if top.root == NIL:
        top.root = acquire_node(books)
        top.shift = 6
        top.prefix = key >> 6
    while key >> top.shift != top.prefix:
        node = acquire_node(books)
        add_child(books, node, top.prefix, top.root)
        top.root = node
        top.shift += 6
        top.prefix = top.prefix >> 6


cdef inline uint32_t add_level(Books *books, uint32_t book, int side, int32_t price) noexcept nogil:
    """A new level at `price`, where there is none."""
    cdef Side *top = &books.books[book].side[side]
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node, level
    cdef int shift
    widen(books, top, key)
    node = top.root
    for shift in range(<int>top.shift - 6, 0, -6):
        if child_at(books, node, key >> shift)[0] == 0:
            add_child(books, node, key >> shift, acquire_node(books))
        node = child_at(books, node, key >> shift)[0]
    level = acquire_level(books, book, side, price)
    add_child(books, node, key, level)
    return level


cdef inline void narrow(Books *books, Side *top) noexcept nogil:
    """Take roots away that have one child, so that the trie is as low as its prices allow."""
    cdef uint32_t node = top.root
    cdef int index
    while top.shift > 6 and books.bitmaps[node] & (books.bitmaps[node] - 1) == 0:
        index = ctz(books.bitmaps[node])
        top.root = child_at(books, node, index)[0]
        top.prefix = (top.prefix << 6) | index
        top.shift -= 6
        remove_child(books, node, index)
        release_node(books, node)
        node = top.root


cdef inline void remove_level(Books *books, Side *top, int32_t price) noexcept nogil:
    """Take the level at `price` out of the trie and give back the nodes that are empty then."""
    cdef uint32_t path[6]
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node = top.root
    cdef int shift = top.shift - 6, height = 0
    while shift > 0:
        path[height] = node
        height += 1
        node = child_at(books, node, key >> shift)[0]
        shift -= 6
    remove_child(books, node, key)
    while books.bitmaps[node] == 0:
        release_node(books, node)
        if height == 0:
            top.root = NIL
            return
        height -= 1
        shift += 6
        node = path[height]
        remove_child(books, node, key >> shift)
    narrow(books, top)


cdef inline uint32_t neighbour_level(Books *books, Side *top, int32_t price, int upwards) noexcept nogil:
    """The nearest level above (or below) the existing level at `price`, or NIL."""
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node = top.root, found = NIL
    cdef int shift = top.shift - 6, found_shift = 0
    cdef uint64_t bits, found_bits = 0, index
    while True:
        index = (key >> shift) & 63
        if upwards:
            bits = books.bitmaps[node] & ((~<uint64_t>1) << index)
        else:
            bits = books.bitmaps[node] & (((<uint64_t>1) << index) - 1)
        if bits:
            found = node
            found_bits = bits
            found_shift = shift
        if shift == 0:
            break
        node = child_at(books, node, index)[0]
        shift -= 6
    if found == NIL:
        return found
    node = found
    bits = found_bits
    shift = found_shift
    while True:
        index = ctz(bits) if upwards else 63 - clz(bits)
        node = child_at(books, node, index)[0]
        if shift == 0:
            return node
        shift -= 6
        bits = books.bitmaps[node]
