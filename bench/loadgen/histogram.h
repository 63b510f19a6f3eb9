/* Counts of values in buckets that are never wider than a thousandth of their value: three significant digits.
 *
 * Below 2,048 each value has its own bucket; above, every doubling is cut into 1,024 equal parts. Adding is O(1) and
 * allocates nothing, so it can stand in a measured loop.
 */
#pragma once
#include <stdint.h>

#define SUB_BITS 10
#define BUCKETS ((65 - SUB_BITS) << SUB_BITS)

typedef struct {
    uint64_t total, max;
    double sum;
    uint64_t count[BUCKETS];
} histogram;

void histogram_add(histogram *h, uint64_t value);
/* The largest value of the bucket in which the given part (0 to 1) of all values is reached; the exact one at 1. */
uint64_t histogram_at(const histogram *h, double part);
