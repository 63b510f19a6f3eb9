"""Two open-addressing tables: small keys to slots (only ever added to), and (lane, ref) to live orders.

Neither is ever walked, so their order can not leak into results; the seed only moves entries about.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from ext.types cimport NIL, Terms


cdef struct Pair:
    uint64_t key                # 0 is an empty place; keys are stored plus one.
    uint64_t value


cdef struct Map:
    Pair *pairs
    uint64_t mask
    uint64_t used


cdef struct RefIndex:
    uint64_t *places            # hash << 32 | slot; all ones when empty.
    uint64_t mask
    uint64_t used
    uint64_t seed


cdef extern from *:
    enum: EMPTY "UINT64_MAX"


cdef inline uint64_t mix(uint64_t key) noexcept nogil:
    """Spread a key over 64 bits (the finaliser of SplitMix64)."""
    key = (key ^ (key >> 30)) * <uint64_t>0xBF58476D1CE4E5B9ULL
    key = (key ^ (key >> 27)) * <uint64_t>0x94D049BB133111EBULL
    return key ^ (key >> 31)


cdef inline int map_open(Map *self, uint64_t capacity) noexcept nogil:
    self.pairs = <Pair *>calloc(capacity, sizeof(Pair))
    self.mask = capacity - 1
    self.used = 0
    return self.pairs != NULL


cdef inline void map_close(Map *self) noexcept nogil:
    free(self.pairs)


cdef inline const Pair *map_place(Map *self, uint64_t key) noexcept nogil:
    """Where a search for `key` begins."""
    return &self.pairs[mix(key) & self.mask]


cdef inline uint32_t map_find(Map *self, uint64_t key) noexcept nogil:
    """The value of `key`, or NIL."""
    cdef uint64_t place = mix(key) & self.mask
    while self.pairs[place].key != 0:
        if self.pairs[place].key == key + 1:
            return <uint32_t>self.pairs[place].value
        place = (place + 1) & self.mask
    return NIL


cdef inline int map_add(Map *self, uint64_t key, uint32_t value) noexcept nogil:
    """Add a key that is not there. Returns 0 when memory ran out."""
    cdef Map old
    cdef uint64_t place
    if self.used * 2 > self.mask:
        old = self[0]
        if not map_open(self, (old.mask + 1) * 2):
            self[0] = old
            return 0
        for place in range(old.mask + 1):
            if old.pairs[place].key != 0:
                map_add(self, old.pairs[place].key - 1, <uint32_t>old.pairs[place].value)
        map_close(&old)
    place = mix(key) & self.mask
    while self.pairs[place].key != 0:
        place = (place + 1) & self.mask
    self.pairs[place].key = key + 1
    self.pairs[place].value = value
    self.used += 1
    return 1


cdef inline int refs_open(RefIndex *self, uint64_t capacity, uint64_t seed) noexcept nogil:
    self.places = <uint64_t *>malloc(capacity * sizeof(uint64_t))
    self.mask = capacity - 1
    self.used = 0
    self.seed = seed
    if self.places == NULL:
        return 0
    memset(self.places, 0xFF, capacity * sizeof(uint64_t))
    return 1


cdef inline uint64_t ref_hash(RefIndex *self, uint32_t lane, uint64_t ref) noexcept nogil:
    """32 bits that depend on a seed the clients do not know: they choose their refs, not the collisions."""
    return mix(ref + self.seed + lane * <uint64_t>0x9E3779B97F4A7C15ULL) >> 32


cdef inline uint32_t refs_find(RefIndex *self, Terms *terms, uint32_t lane, uint64_t ref) noexcept nogil:
    """The slot of the live order that this lane placed with this ref, or NIL."""
    cdef uint64_t hashed = ref_hash(self, lane, ref)
    cdef uint64_t place = hashed & self.mask
    cdef uint32_t slot
    while self.places[place] != EMPTY:
        if self.places[place] >> 32 == hashed:
            slot = <uint32_t>self.places[place]
            if terms[slot].ref == ref and terms[slot].lane == lane:
                return slot
        place = (place + 1) & self.mask
    return NIL


cdef inline void refs_put(RefIndex *self, uint64_t entry) noexcept nogil:
    cdef uint64_t place = (entry >> 32) & self.mask
    while self.places[place] != EMPTY:
        place = (place + 1) & self.mask
    self.places[place] = entry
    self.used += 1


cdef inline int refs_add(RefIndex *self, uint32_t lane, uint64_t ref, uint32_t slot) noexcept nogil:
    """Add a live order. Returns 0 when memory ran out."""
    cdef RefIndex old
    cdef uint64_t place
    if self.used * 2 > self.mask:
        old = self[0]
        if not refs_open(self, (old.mask + 1) * 2, old.seed):
            self[0] = old
            return 0
        for place in range(old.mask + 1):
            if old.places[place] != EMPTY:
                refs_put(self, old.places[place])
        free(old.places)
    refs_put(self, (ref_hash(self, lane, ref) << 32) | slot)
    return 1


cdef inline void refs_remove(RefIndex *self, uint32_t lane, uint64_t ref, uint32_t slot) noexcept nogil:
    """Remove an order that is there; later entries of the run move up, so no tombstones pile up."""
    cdef uint64_t entry = (ref_hash(self, lane, ref) << 32) | slot
    cdef uint64_t hole = (entry >> 32) & self.mask
    cdef uint64_t place, home
    while self.places[hole] != entry:
        hole = (hole + 1) & self.mask
    place = hole
    while True:
        place = (place + 1) & self.mask
        if self.places[place] == EMPTY:
            break
        home = (self.places[place] >> 32) & self.mask
        if ((place - home) & self.mask) >= ((place - hole) & self.mask):
            self.places[hole] = self.places[place]
            hole = place
    self.places[hole] = EMPTY
    self.used -= 1
