/* CRC-32C (Castagnoli, reflected, as in iSCSI): by the processor where it can, else by tables of eight bytes a step. */
#ifndef HOURGLASS_CRC32C_H
#define HOURGLASS_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u

static uint32_t crc32c_table[8][256];
static int crc32c_by_processor = 0;

/* Must run once, with one thread, before anything else here. */
static void crc32c_prepare(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (CRC32C_POLYNOMIAL & (0u - (crc & 1u)));
        crc32c_table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int step = 1; step < 8; step++) {
            uint32_t before = crc32c_table[step - 1][byte];
            crc32c_table[step][byte] = (before >> 8) ^ crc32c_table[0][before & 255u];
        }
#if defined(__x86_64__)
    __builtin_cpu_init();
    crc32c_by_processor = __builtin_cpu_supports("sse4.2");
#endif
}

static uint32_t crc32c_tables(uint32_t crc, const uint8_t *data, size_t length)
{
    crc = ~crc;
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = crc32c_table[7][word & 255] ^ crc32c_table[6][(word >> 8) & 255] ^ crc32c_table[5][(word >> 16) & 255]
            ^ crc32c_table[4][(word >> 24) & 255] ^ crc32c_table[3][(word >> 32) & 255]
            ^ crc32c_table[2][(word >> 40) & 255] ^ crc32c_table[1][(word >> 48) & 255] ^ crc32c_table[0][word >> 56];
    }
    for (; length; data++, length--)
        crc = (crc >> 8) ^ crc32c_table[0][(crc ^ *data) & 255u];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t crc32c_processor(uint32_t crc, const uint8_t *data, size_t length)
{
    uint64_t wide = (uint32_t)~crc;
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; length; data++, length--)
        crc = __builtin_ia32_crc32qi(crc, *data);
    return ~crc;
}
#endif

/* Continues `crc` (0 to begin) over `length` bytes. */
static inline uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t length)
{
#if defined(__x86_64__)
    if (crc32c_by_processor)
        return crc32c_processor(crc, data, length);
#endif
    return crc32c_tables(crc, data, length);
}

#endif
