/* The result as one JSON object on standard output, and the conversation with whoever started the generator. */
#pragma once
#include <stdint.h>

#include "histogram.h"

void report_begin(void);
void report_number(const char *name, double value);
void report_count(const char *name, uint64_t value);
/* p50_ms, p99_ms, p999_ms, max_ms and mean_ms of nanoseconds, each name after a prefix. */
void report_latency(const char *prefix, const histogram *h);
/* Curve of the distribution: [[part of all, milliseconds], ...]. */
void report_curve(const char *name, const histogram *h);
/* How many messages of each type came. */
void report_types(const uint64_t by_type[256]);
void report_end(void);

/* Opens all sessions, and returns when they can be used. */
void open_all(void);
/* The same, says "ready", and waits for the next line. */
void open_and_wait(void);
void say_ready_and_wait(void);
