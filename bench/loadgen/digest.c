#include "digest.h"

#include <assert.h>
#include <string.h>

#define BLOCK_BYTES 64
#define MESSAGE_BYTES_MAX 256

typedef void (*compress_function)(uint32_t *state, const uint8_t *block);

static uint32_t left(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }
static uint32_t right(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

static uint32_t big32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Both hashes pad alike: a one bit, zeros, the length in bits. */
static void run(compress_function compress, uint32_t *state, int words, const uint8_t *data, size_t size,
                uint8_t *out) {
    uint8_t last[2 * BLOCK_BYTES] = {0};
    size_t whole = size / BLOCK_BYTES * BLOCK_BYTES, rest = size - whole;
    size_t end = rest + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    for (size_t at = 0; at < whole; at += BLOCK_BYTES) compress(state, data + at);
    if (rest) memcpy(last, data + whole, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++) last[end - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
    for (size_t at = 0; at < end; at += BLOCK_BYTES) compress(state, last + at);
    for (int i = 0; i < 4 * words; i++) out[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}

static void sha1_block(uint32_t *state, const uint8_t *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++) w[i] = big32(block + 4 * i);
    for (int i = 16; i < 80; i++) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) f = (b & c) | (~b & d), k = 0x5a827999;
        else if (i < 40) f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t next = left(a, 5) + f + e + k + w[i];
        e = d, d = c, c = left(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_block(uint32_t *state, const uint8_t *block) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = big32(block + 4 * i);
            continue;
        }
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (right(x, 7) ^ right(x, 18) ^ x >> 3) + (right(y, 17) ^ right(y, 19) ^ y >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = right(s[4], 6) ^ right(s[4], 11) ^ right(s[4], 25);
        uint32_t big0 = right(s[0], 2) ^ right(s[0], 13) ^ right(s[0], 22);
        uint32_t t1 = s[7] + big1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
        uint32_t t2 = big0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[0] = t1 + t2;
        s[4] += t1;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

void sha1(const void *data, size_t size, uint8_t out[SHA1_BYTES]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    run(sha1_block, state, 5, data, size, out);
}

void sha256(const void *data, size_t size, uint8_t out[SHA256_BYTES]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    run(sha256_block, state, 8, data, size, out);
}

void hmac_sha256(const uint8_t *key, size_t key_size, const void *data, size_t size, uint8_t out[SHA256_BYTES]) {
    uint8_t inner[BLOCK_BYTES + MESSAGE_BYTES_MAX] = {0}, outer[BLOCK_BYTES + SHA256_BYTES] = {0};
    assert(key_size <= BLOCK_BYTES && size <= MESSAGE_BYTES_MAX);
    memcpy(inner, key, key_size);
    memcpy(outer, key, key_size);
    for (int i = 0; i < BLOCK_BYTES; i++) inner[i] ^= 0x36, outer[i] ^= 0x5c;
    memcpy(inner + BLOCK_BYTES, data, size);
    sha256(inner, BLOCK_BYTES + size, outer + BLOCK_BYTES);
    sha256(outer, sizeof outer, out);
}

void base64(const uint8_t *data, size_t size, char *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        uint32_t bits = (uint32_t)data[at] << 16;
        if (at + 1 < size) bits |= (uint32_t)data[at + 1] << 8;
        if (at + 2 < size) bits |= data[at + 2];
        for (int i = 0; i < 4; i++) *out++ = at + i <= size ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
    *out = 0;
}
