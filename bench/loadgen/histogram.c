#include "histogram.h"

#include <math.h>

static int bucket_of(uint64_t value) {
    if (value < 2u << SUB_BITS) return (int)value;
    int shift = 63 - __builtin_clzll(value) - SUB_BITS;
    return (shift << SUB_BITS) + (int)(value >> shift);
}

static uint64_t highest_of(int bucket) {
    if (bucket < 2 << SUB_BITS) return (uint64_t)bucket;
    int shift = (bucket >> SUB_BITS) - 1;
    uint64_t part = (uint64_t)(bucket & ((1 << SUB_BITS) - 1)) | 1u << SUB_BITS;
    return ((part + 1) << shift) - 1;
}

void histogram_add(histogram *h, uint64_t value) {
    h->count[bucket_of(value)]++;
    h->total++;
    h->sum += (double)value;
    if (value > h->max) h->max = value;
}

uint64_t histogram_at(const histogram *h, double part) {
    uint64_t wanted = (uint64_t)ceil(part * (double)h->total), seen = 0;
    if (wanted == 0) wanted = 1;
    for (int i = 0; i < BUCKETS; i++) {
        seen += h->count[i];
        if (seen >= wanted) return highest_of(i) < h->max ? highest_of(i) : h->max;
    }
    return h->max;
}
