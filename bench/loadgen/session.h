/* Sessions: connected, upgraded, logged in and subscribed without blocking, then handed to a scenario. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frames.h"
#include "options.h"

typedef enum { IDLE, CONNECTING, SECURING, UPGRADING, GREETING, LOGGING_IN, SUBSCRIBING, READY, ENDED } state;

typedef struct session {
    int fd, number;
    state state;
    void *tls;
    uint8_t *rest;              /* Read, and not yet a whole frame. */
    size_t rest_size, rest_room;
    bool waits_to_write;        /* The system's buffer is full. */
    bool was_refused;           /* Ended before it was ready. */
    int close_code;             /* What the server's close frame said, or 0. */
    int subscribed;             /* Channels asked for and answered. */
    /* The scenario's own. */
    const script *script;
    size_t written;             /* Bytes of the script. */
    uint32_t allowed, finished; /* Frames that may be sent; that are answered. */
    uint32_t answers;           /* Of the oldest frame without all its answers. */
    uint64_t *sent_ns;          /* By frame: when it was sent, or should have been. */
    uint64_t received;          /* Messages that the scenario counts. */
} session;

typedef struct {
    uint64_t messages, bytes, by_type[256];
} tally;

/* What a scenario does with its sessions. */
typedef struct {
    void (*ready)(session *);                   /* The session can be used. */
    void (*message)(session *, const frame *);  /* Something came for it, after it was ready. */
    void (*after_read)(session *);              /* All of one read has been told. */
    void (*writable)(session *);                /* The system takes bytes again. */
    void (*ended)(session *);                   /* The connection is over. */
} scenario;

extern options given;
extern session *sessions;
extern tally received;          /* Since the last `tally_clear`. */
extern int ready_count, ended_count, told_count; /* told: lines that came from standard input. */

uint64_t now_ns(void);
void sessions_begin(const scenario *what);
/* Begin to open sessions that are IDLE, up to `at_once` at a time; `poll_once` goes on with the others. */
void sessions_open(void);
/* Wait for events up to a time, 0 for none, UINT64_MAX without end, and do what they ask for. */
void poll_once(uint64_t until_ns);
/* As send: bytes taken, 0 when the system takes none now; its writability is then told. */
size_t session_write(session *s, const void *data, size_t size);
void session_send(session *s, const void *message, size_t size);
void session_stop_reading(session *s);
void session_close(session *s);
void tally_clear(void);
/* Ends the program with a message. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
