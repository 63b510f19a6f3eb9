/* SHA-1 for the WebSocket handshake, SHA-256 and HMAC for the login; and base64. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20
#define SHA256_BYTES 32

void sha1(const void *data, size_t size, uint8_t out[SHA1_BYTES]);
void sha256(const void *data, size_t size, uint8_t out[SHA256_BYTES]);
/* A key of at most 64 bytes, data of at most 256. */
void hmac_sha256(const uint8_t *key, size_t key_size, const void *data, size_t size, uint8_t out[SHA256_BYTES]);
/* Writes 4 characters for each 3 bytes or part of them, and a zero. */
void base64(const uint8_t *data, size_t size, char *out);
