#include "tls.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Constants of OpenSSL's stable interface. */
#define ERROR_WANT_READ 2
#define ERROR_WANT_WRITE 3
#define ERROR_ZERO_RETURN 6
#define CTRL_MODE 33
#define MODE_PARTIAL_WRITE 1L
#define MODE_MOVING_BUFFER 2L

typedef long (*ctrl_function)(void *, int, long, void *);

static void *context;
static void *(*ssl_new)(void *);
static void (*ssl_free)(void *);
static int (*ssl_set_fd)(void *, int);
static int (*ssl_connect)(void *);
static int (*ssl_read)(void *, void *, int);
static int (*ssl_write)(void *, const void *, int);
static int (*ssl_error)(const void *, int);
static void (*error_clear)(void);

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "OpenSSL has no %s\n", name);
        exit(2);
    }
    return found;
}

void tls_begin(void) {
    static const char *const names[] = {"libssl.so.3", "libssl.so.1.1", "libssl.so"};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++) library = dlopen(names[i], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "TLS needs OpenSSL's libssl, which cannot be loaded\n");
        exit(2);
    }
    void *(*method)(void) = (void *(*)(void))symbol(library, "TLS_client_method");
    void *(*context_new)(void *) = (void *(*)(void *))symbol(library, "SSL_CTX_new");
    ctrl_function context_ctrl = (ctrl_function)symbol(library, "SSL_CTX_ctrl");
    ssl_new = (void *(*)(void *))symbol(library, "SSL_new");
    ssl_free = (void (*)(void *))symbol(library, "SSL_free");
    ssl_set_fd = (int (*)(void *, int))symbol(library, "SSL_set_fd");
    ssl_connect = (int (*)(void *))symbol(library, "SSL_connect");
    ssl_read = (int (*)(void *, void *, int))symbol(library, "SSL_read");
    ssl_write = (int (*)(void *, const void *, int))symbol(library, "SSL_write");
    ssl_error = (int (*)(const void *, int))symbol(library, "SSL_get_error");
    error_clear = (void (*)(void))symbol(library, "ERR_clear_error");
    context = context_new(method());
    context_ctrl(context, CTRL_MODE, MODE_PARTIAL_WRITE | MODE_MOVING_BUFFER, NULL);
}

void *tls_new(int fd) {
    void *tls = ssl_new(context);
    ssl_set_fd(tls, fd);
    return tls;
}

void tls_free(void *tls) { ssl_free(tls); }

int tls_handshake(void *tls, bool *wants_write) {
    error_clear();
    int done = ssl_connect(tls), why = done == 1 ? 0 : ssl_error(tls, done);
    *wants_write = why == ERROR_WANT_WRITE;
    return done == 1 ? 1 : why == ERROR_WANT_READ || why == ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t outcome(void *tls, int done) {
    if (done > 0) return done;
    int why = ssl_error(tls, done);
    if (why == ERROR_ZERO_RETURN) return 0;
    errno = why == ERROR_WANT_READ || why == ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t tls_read(void *tls, void *data, size_t size) {
    error_clear();
    return outcome(tls, ssl_read(tls, data, (int)size));
}

ssize_t tls_write(void *tls, const void *data, size_t size) {
    error_clear();
    return outcome(tls, ssl_write(tls, data, (int)size));
}
