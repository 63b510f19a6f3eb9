/* What the generator is told on its command line: `loadgen SCENARIO name=value ...`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *scenario;
    const char *host;
    int port;
    int sessions;       /* Connections. */
    int first;          /* Number of the first one's account; the others follow. */
    int lane;
    bool login;         /* false: the server speaks no protocol, each frame is an answer. */
    bool tls;
    int at_once;        /* Connections that are being opened at a time. */
    int in_flight;      /* Frames of a session without an answer. */
    bool each;          /* A write for each frame, as most clients send; false: one for all that may be sent. */
    double rate;        /* Frames a second of all sessions together; 0: as fast as the answers come. */
    double drain_s;     /* How long an open loop waits for its last answers. */
    const char *frames; /* File of frames to send. */
    const char *prefix; /* A key is the prefix and the account's number. */
    uint8_t secret[64];
    size_t secret_size;
    int channel;        /* Subscribed to after the login, for all instruments; 0: none. */
    int channels_end;   /* Subscribed to up to, not with, this one. */
    int public_type;    /* Of the messages that fan-out counts; 0: all. */
    int messages;       /* Of them in a round, to each subscriber. */
    int cycles;         /* How often the logins are done. */
    bool reads;         /* false: once subscribed, never. */
    int rcvbuf;         /* Bytes of the system's buffer of a connection; 0: its default. */
} options;

/* Ends the program, saying why, when a word is not an option. */
options options_read(int count, char **words);
