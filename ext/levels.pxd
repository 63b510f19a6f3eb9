"""The trie that finds a price level: 64 children a node, as high as the live prices of one side need.

The root covers the smallest aligned range that holds every live level, so a book whose prices lie close together is
one or two nodes high whatever the prices are, and empty ticks cost nothing. Every operation is O(height), height <= 6.
"""

from ext.book cimport Books
from ext.types cimport NIL, Level, Node, Side, int32_t, uint32_t, uint64_t


cdef extern from *:
    int ctz "__builtin_ctzll"(unsigned long long) nogil
    int clz "__builtin_clzll"(unsigned long long) nogil


cdef inline uint32_t acquire_node(Books *books) noexcept nogil:
    cdef uint32_t slot = books.free_node
    if slot != NIL:
        books.free_node = books.nodes[slot].next_free
    else:
        slot = books.nodes_used
        books.nodes_used += 1
    books.nodes[slot].bitmap = 0
    return slot


cdef inline void release_node(Books *books, uint32_t slot) noexcept nogil:
    books.nodes[slot].next_free = books.free_node
    books.free_node = slot


cdef inline uint32_t acquire_level(Books *books, uint32_t book, int side, int32_t price) noexcept nogil:
    cdef uint32_t slot = books.free_level
    if slot != NIL:
        books.free_level = books.levels[slot].next_free
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


cdef inline uint32_t find_or_add_level(Books *books, uint32_t book, int side, int32_t price) noexcept nogil:
    """The level at `price`, made if there is none."""
    cdef Side *top = &books.books[book].side[side]
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node, child, index
    cdef int height
    cdef Node *nodes = books.nodes
    if top.root == NIL:
        top.root = acquire_node(books)
        top.height = 1
        top.prefix = key >> 6
    while (key >> (6 * top.height)) != top.prefix:      # At height 6 every key shares the empty prefix.
        node = acquire_node(books)
        index = top.prefix & 63
        nodes[node].bitmap = (<uint64_t>1) << index
        nodes[node].child[index] = top.root
        top.root = node
        top.height += 1
        top.prefix = top.prefix >> 6
    node = top.root
    height = top.height - 1
    while height > 0:
        index = (key >> (6 * height)) & 63
        if not (nodes[node].bitmap >> index) & 1:
            child = acquire_node(books)
            nodes[node].bitmap |= (<uint64_t>1) << index
            nodes[node].child[index] = child
        node = nodes[node].child[index]
        height -= 1
    index = key & 63
    if not (nodes[node].bitmap >> index) & 1:
        nodes[node].bitmap |= (<uint64_t>1) << index
        nodes[node].child[index] = acquire_level(books, book, side, price)
    return nodes[node].child[index]


cdef inline void remove_level(Books *books, Side *top, int32_t price) noexcept nogil:
    """Take the level at `price` out of the trie and give back the nodes that are empty then."""
    cdef uint32_t path[6]
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node = top.root, index
    cdef int height = top.height - 1
    cdef Node *nodes = books.nodes
    while height > 0:
        path[height] = node
        node = nodes[node].child[(key >> (6 * height)) & 63]
        height -= 1
    nodes[node].bitmap &= ~((<uint64_t>1) << (key & 63))
    while nodes[node].bitmap == 0:
        release_node(books, node)
        height += 1
        if height == <int>top.height:
            top.root = NIL
            return
        node = path[height]
        nodes[node].bitmap &= ~((<uint64_t>1) << ((key >> (6 * height)) & 63))
    while top.height > 1 and nodes[top.root].bitmap & (nodes[top.root].bitmap - 1) == 0:    # One child: narrower.
        node = top.root
        index = ctz(nodes[node].bitmap)
        top.root = nodes[node].child[index]
        top.prefix = (top.prefix << 6) | index
        top.height -= 1
        release_node(books, node)


cdef inline uint32_t neighbour_level(Books *books, Side *top, int32_t price, int upwards) noexcept nogil:
    """The nearest level above (or below) the existing level at `price`, or NIL."""
    cdef uint64_t key = <uint32_t>price
    cdef uint32_t node = top.root, found = NIL, index
    cdef int height = top.height - 1, found_height = 0
    cdef uint64_t bits, found_bits = 0
    cdef Node *nodes = books.nodes
    while True:
        index = (key >> (6 * height)) & 63
        if upwards:
            bits = nodes[node].bitmap & ((~<uint64_t>1) << index)
        else:
            bits = nodes[node].bitmap & (((<uint64_t>1) << index) - 1)
        if bits:
            found = node
            found_bits = bits
            found_height = height
        if height == 0:
            break
        node = nodes[node].child[index]
        height -= 1
    if found == NIL:
        return found
    node = found
    bits = found_bits
    height = found_height
    while True:
        index = ctz(bits) if upwards else 63 - clz(bits)
        node = nodes[node].child[index]
        if height == 0:
            return node
        height -= 1
        bits = nodes[node].bitmap
