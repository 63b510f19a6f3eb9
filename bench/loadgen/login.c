#include "login.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "digest.h"

#define NONCE_BYTES 16
#define HELLO 64

/* Bytes of a msgpack unsigned integer. */
static size_t integer_bytes(uint8_t head) {
    return head < 0x80 ? 1 : head == 0xcc ? 2 : head == 0xcd ? 3 : head == 0xce ? 5 : head == 0xcf ? 9 : 0;
}

/* [64, [1, 0], epoch, nonce, ...] */
static const uint8_t *nonce_of(const frame *hello) {
    size_t at = 5;
    if (hello->size < 32 || hello->payload[1] != HELLO || hello->payload[2] != 0x92) return NULL;
    size_t epoch = integer_bytes(hello->payload[at]);
    at += epoch;
    int is_nonce = epoch && hello->payload[at] == 0xc4 && hello->payload[at + 1] == NONCE_BYTES;
    return is_nonce && hello->size >= at + 2 + NONCE_BYTES ? hello->payload + at + 2 : NULL;
}

/* [1, 0, key, ts, sig, lane, 0, 0, 0, 0] */
size_t login_message(uint8_t out[LOGIN_BYTES_MAX], const frame *hello, const options *o, int number) {
    const uint8_t *nonce = nonce_of(hello);
    struct timespec now;
    char key[32], signed_text[128];
    if (!nonce) return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ts = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    int key_size = snprintf(key, sizeof key, "%.16s%d", o->prefix, number);
    memcpy(signed_text, nonce, NONCE_BYTES);
    int size = snprintf(signed_text + NONCE_BYTES, sizeof signed_text - NONCE_BYTES, "%s%llu", key,
                        (unsigned long long)ts);
    uint8_t *at = out;
    *at++ = 0x9a, *at++ = 1, *at++ = 0, *at++ = (uint8_t)(0xa0 | key_size);
    memcpy(at, key, (size_t)key_size);
    at += key_size;
    *at++ = 0xcf;
    for (int i = 7; i >= 0; i--) *at++ = (uint8_t)(ts >> 8 * i);
    *at++ = 0xc4, *at++ = SHA256_BYTES;
    hmac_sha256(o->secret, o->secret_size, signed_text, NONCE_BYTES + (size_t)size, at);
    at += SHA256_BYTES;
    *at++ = (uint8_t)0xcc, *at++ = (uint8_t)o->lane;
    for (int i = 0; i < 4; i++) *at++ = 0;
    return (size_t)(at - out);
}
