#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *word) {
    fprintf(stderr, "loadgen SCENARIO name=value ...: %s is not an option\n", word);
    exit(2);
}

static void read_secret(options *o, const char *hex) {
    for (; hex[0] && hex[1] && o->secret_size < sizeof o->secret; hex += 2) {
        unsigned byte;
        if (sscanf(hex, "%2x", &byte) != 1) fail("secret");
        o->secret[o->secret_size++] = (uint8_t)byte;
    }
}

static void read_one(options *o, const char *word) {
    const char *value = strchr(word, '=');
    if (!value) fail(word);
    size_t size = (size_t)(value++ - word);
    int number = atoi(value);
    struct { const char *name; int *at; } numbers[] = {
        {"port", &o->port}, {"sessions", &o->sessions}, {"first", &o->first}, {"lane", &o->lane},
        {"at_once", &o->at_once}, {"in_flight", &o->in_flight}, {"channel", &o->channel},
        {"channels_end", &o->channels_end}, {"public_type", &o->public_type}, {"messages", &o->messages},
        {"cycles", &o->cycles}, {"rcvbuf", &o->rcvbuf},
    };
    struct { const char *name; bool *at; } switches[] = {{"login", &o->login}, {"tls", &o->tls}, {"reads", &o->reads},
                                                        {"each", &o->each}};
    struct { const char *name; double *at; } reals[] = {{"rate", &o->rate}, {"drain_s", &o->drain_s}};
    struct { const char *name; const char **at; } texts[] = {
        {"host", &o->host}, {"frames", &o->frames}, {"prefix", &o->prefix},
    };
#define FIND(table, assign) \
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) \
        if (strlen(table[i].name) == size && !memcmp(table[i].name, word, size)) { \
            *table[i].at = assign; \
            return; \
        }
    FIND(numbers, number)
    FIND(switches, number != 0)
    FIND(reals, atof(value))
    FIND(texts, value)
    if (size != 6 || memcmp(word, "secret", 6)) fail(word);
    read_secret(o, value);
}

options options_read(int count, char **words) {
    options o = {.scenario = count > 1 ? words[1] : "", .host = "127.0.0.1", .sessions = 1, .first = 1, .login = true,
                 .at_once = 256, .in_flight = 1, .drain_s = 10, .prefix = "bench-", .cycles = 1, .reads = true};
    for (int i = 2; i < count; i++) read_one(&o, words[i]);
    if (o.sessions < 1 || o.in_flight < 1 || o.at_once < 1) fail("a number below 1");
    return o;
}
