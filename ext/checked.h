/* Integer arithmetic that cannot overflow unseen. Money is int64 micro-dollars, intermediate products are 128 bits wide. */
#ifndef HOURGLASS_CHECKED_H
#define HOURGLASS_CHECKED_H

#include <stdint.h>

typedef __int128 wide_t;

#define MONEY_MAX ((int64_t)1 << 62)

/* a * b * c for non-negative factors, at most MONEY_MAX. Three factors below 2^42 fit 128 bits. */
static inline int64_t money_of(int64_t ticks, int64_t lots, int64_t lot_micros) {
    wide_t product = (wide_t)ticks * lots; /* below 2^30 * 2^32 */
    if (product > MONEY_MAX) return MONEY_MAX;
    product *= lot_micros;
    return product > MONEY_MAX ? MONEY_MAX : (int64_t)product;
}

static inline int money_fits(int64_t ticks, int64_t lots, int64_t lot_micros) {
    return (wide_t)ticks * lots * lot_micros <= MONEY_MAX;
}

/* ceil(value * ppm / 1e6): rounded up, against the payer (FEE-001). */
static inline int64_t fee_of(int64_t value_micros, uint32_t ppm) {
    if (ppm == 0) return 0;
    return (int64_t)(((wide_t)value_micros * ppm + 999999) / 1000000);
}

/* Balances are 128 bits wide: 2^100 for the largest fill there can be, 2^127 for their sum. */
static inline int64_t wide_high(wide_t value) { return (int64_t)(value >> 64); }
static inline uint64_t wide_low(wide_t value) { return (uint64_t)value; }

/* A balance as an event tells it: at most MONEY_MAX either way. */
static inline int64_t told_of(wide_t value) {
    return value > MONEY_MAX ? MONEY_MAX : value < -MONEY_MAX ? -MONEY_MAX : (int64_t)value;
}

#endif
