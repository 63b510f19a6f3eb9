/* Memory that is reserved once and touched as it is needed: pointers never move, pages follow use. */
#ifndef HOURGLASS_ARENA_H
#define HOURGLASS_ARENA_H

#include <stddef.h>
#include <sys/mman.h>

#define HG_HUGE_BYTES ((size_t)1 << 25) /* Below this a huge page would be mostly waste. */

/* Zeroed address space of `bytes`, or NULL. Physical memory is taken page by page on first touch. */
static inline void *arena_reserve(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    if (bytes >= HG_HUGE_BYTES) madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static inline void arena_release(void *memory, size_t bytes) {
    if (memory) munmap(memory, bytes);
}

/* Asks for a cache line. The empty asm keeps compilers from dropping functions that do nothing but ask. */
static inline void prefetch(const void *address) {
    __builtin_prefetch(address);
    __asm__ volatile("" : : "r"(address));
}

/* The same for a line about to be written: stores wait in order, so each asks for its line as early as it can. */
static inline void prefetch_write(const void *address) {
#ifdef __x86_64__
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
    __asm__ volatile("" : : "r"(address));
#endif
}

#endif
