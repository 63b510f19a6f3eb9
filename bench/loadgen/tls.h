/* TLS for the client's side, by the system's OpenSSL, found when the program runs: no headers are needed to build. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Loads the library and makes the context; ends the program when there is none. The certificate is not checked. */
void tls_begin(void);
void *tls_new(int fd);
void tls_free(void *tls);
/* 1 done, 0 not yet, -1 failed; `wants_write` tells what it waits for. */
int tls_handshake(void *tls, bool *wants_write);
/* As recv and send on a non-blocking socket: -1 with EAGAIN when there is nothing to do. */
ssize_t tls_read(void *tls, void *data, size_t size);
ssize_t tls_write(void *tls, const void *data, size_t size);
