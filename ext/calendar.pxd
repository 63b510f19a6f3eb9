"""Binary heaps of what is due when: by time, then by sequence number or handle."""

from libc.stdlib cimport realloc

from ext.types cimport Expiry, int64_t, uint32_t, uint64_t


cdef inline int sooner(const Expiry *one, const Expiry *other) noexcept nogil:
    return one.expiry_ns < other.expiry_ns or (one.expiry_ns == other.expiry_ns and one.seq < other.seq)


cdef inline void sift_up(Expiry *heap, uint32_t index) noexcept nogil:
    cdef Expiry entry = heap[index]
    while index and sooner(&entry, &heap[(index - 1) // 2]):
        heap[index] = heap[(index - 1) // 2]
        index = (index - 1) // 2
    heap[index] = entry


cdef inline int heap_push(Expiry **heap, uint32_t *count, uint32_t *capacity, int64_t due_ns, uint64_t seq,
                          uint64_t what) noexcept nogil:
    """Add an entry. O(log n); 0 when memory ran out."""
    cdef Expiry *grown
    cdef uint32_t wanted
    if count[0] == capacity[0]:
        wanted = capacity[0] * 2 + 1024
        grown = <Expiry *>realloc(heap[0], wanted * sizeof(Expiry))
        if grown == NULL:
            return 0
        heap[0] = grown
        capacity[0] = wanted
    heap[0][count[0]].expiry_ns = due_ns
    heap[0][count[0]].seq = seq
    heap[0][count[0]].oid = what
    count[0] += 1
    sift_up(heap[0], count[0] - 1)
    return 1


cdef inline void heap_pop(Expiry *heap, uint32_t *count) noexcept nogil:
    """Remove the soonest entry. O(log n)."""
    cdef uint32_t left = count[0] - 1
    cdef uint32_t index = 0, child
    cdef Expiry entry = heap[left]
    count[0] = left
    while 2 * index + 1 < left:
        child = 2 * index + 1
        if child + 1 < left and sooner(&heap[child + 1], &heap[child]):
            child += 1
        if not sooner(&heap[child], &entry):
            break
        heap[index] = heap[child]
        index = child
    heap[index] = entry
