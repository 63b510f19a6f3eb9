/* SHA-256 (FIPS 180-4) without Python objects, so that the journal's thread can chain frames without the interpreter.
   By the processor's SHA instructions where it has them, else in plain C. */
#ifndef HOURGLASS_SHA256_H
#define HOURGLASS_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

typedef struct {
    uint32_t state[8];
    uint64_t length;            /* Bytes taken so far. */
    int plain;                  /* 1: plain C even where the processor could. */
    uint8_t block[64];          /* The part of a block that waits for more. */
} sha256_t;

static int sha256_by_processor = 0;

static const uint32_t sha256_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* Must run once, with one thread, before anything else here. */
static void sha256_prepare(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    int has_sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c >> 19 & 1) && (c >> 9 & 1);
    sha256_by_processor = has_sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
#endif
}

static inline uint32_t sha256_rotate(uint32_t word, int by)
{
    return word >> by | word << (32 - by);
}

static void sha256_plain(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks; blocks--, data += 64) {
        uint32_t w[64];
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)data[4 * i] << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 | data[4 * i + 3];
        for (int i = 16; i < 64; i++) {
            uint32_t early = w[i - 15], late = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (sha256_rotate(early, 7) ^ sha256_rotate(early, 18) ^ early >> 3)
                 + (sha256_rotate(late, 17) ^ sha256_rotate(late, 19) ^ late >> 10);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 64; i++) {
            uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
            uint32_t first = h + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) + choice
                           + sha256_constants[i] + w[i];
            uint32_t second = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) + majority;
            h = g, g = f, f = e, e = d + first;
            d = c, c = b, b = a, a = first + second;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
__attribute__((target("sha,sse4.1,ssse3")))
static void sha256_processor(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    const __m128i *constants = (const __m128i *)sha256_constants;
    /* The instructions want the eight words as (a b e f) and (c d g h). */
    __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(dcba, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);

    for (; blocks; blocks--, data += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {              /* Four rounds a step. */
            if (i < 4) {
                w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), big_endian);
            } else {
                __m128i last = w[(i + 3) & 3];
                __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]),
                                            _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(sum, last);
            }
            __m128i keyed = _mm_add_epi32(w[i & 3], _mm_load_si128(constants + i));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

static inline void sha256_blocks(sha256_t *sha, const uint8_t *data, size_t blocks)
{
#if defined(__x86_64__)
    if (sha256_by_processor && !sha->plain) {
        sha256_processor(sha->state, data, blocks);
        return;
    }
#endif
    sha256_plain(sha->state, data, blocks);
}

static void sha256_begin(sha256_t *sha, int plain)
{
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(sha->state, start, 32);
    sha->length = 0;
    sha->plain = plain;
}

static void sha256_add(sha256_t *sha, const uint8_t *data, size_t length)
{
    size_t waiting = sha->length & 63;
    sha->length += length;
    if (waiting) {
        size_t taken = length < 64 - waiting ? length : 64 - waiting;
        memcpy(sha->block + waiting, data, taken);
        data += taken;
        length -= taken;
        if (waiting + taken < 64)
            return;
        sha256_blocks(sha, sha->block, 1);
    }
    sha256_blocks(sha, data, length / 64);
    memcpy(sha->block, data + (length & ~(size_t)63), length & 63);
}

static void sha256_end(sha256_t *sha, uint8_t digest[32])
{
    uint64_t bits = sha->length * 8;
    uint8_t tail[72] = {0x80};
    size_t zeros = (119 - (sha->length & 63)) & 63;
    for (int i = 0; i < 8; i++)
        tail[1 + zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(sha, tail, 1 + zeros + 8);
    for (int i = 0; i < 32; i++)
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i & 3)));
}

#endif
