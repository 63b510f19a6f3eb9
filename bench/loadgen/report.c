#include "report.h"

#include <stdio.h>

#include "session.h"

#define NS_PER_MS 1e6

static const char *comma;

static void name_it(const char *prefix, const char *name) {
    printf("%s\"%s%s\": ", comma, prefix, name);
    comma = ", ";
}

void report_begin(void) {
    comma = "";
    putchar('{');
}

void report_number(const char *name, double value) {
    name_it("", name);
    printf("%.6f", value);
}

void report_count(const char *name, uint64_t value) {
    name_it("", name);
    printf("%llu", (unsigned long long)value);
}

void report_latency(const char *prefix, const histogram *h) {
    static const struct { const char *name; double part; } parts[] = {
        {"p50_ms", 0.5}, {"p99_ms", 0.99}, {"p999_ms", 0.999}, {"max_ms", 1},
    };
    for (int i = 0; i < 4; i++) {
        name_it(prefix, parts[i].name);
        printf("%.4f", (double)histogram_at(h, parts[i].part) / NS_PER_MS);
    }
    name_it(prefix, "mean_ms");
    printf("%.4f", h->total ? h->sum / (double)h->total / NS_PER_MS : 0.0);
}

void report_curve(const char *name, const histogram *h) {
    name_it("", name);
    putchar('[');
    double left = 1;                            /* Each point halves what is slower: even steps on a plot of nines. */
    for (int i = 0; i <= 24 && left * (double)h->total >= 0.5; i++, left /= 2)
        printf("%s[%.8f, %.4f]", i ? ", " : "", 1 - left, (double)histogram_at(h, 1 - left) / NS_PER_MS);
    putchar(']');
}

void report_types(const uint64_t by_type[256]) {
    const char *between = "";
    name_it("", "by_type");
    putchar('{');
    for (int i = 0; i < 256; i++) {
        if (!by_type[i]) continue;
        printf("%s\"%d\": %llu", between, i, (unsigned long long)by_type[i]);
        between = ", ";
    }
    putchar('}');
}

void report_end(void) {
    puts("}");
    fflush(stdout);
}

void say_ready_and_wait(void) {
    int before = told_count;
    puts("ready");
    fflush(stdout);
    while (told_count == before) poll_once(UINT64_MAX);
}

void open_all(void) {
    sessions_open();
    while (ready_count < given.sessions) {
        poll_once(UINT64_MAX);
        if (ended_count) die("%d of %d sessions were closed at once", ended_count, given.sessions);
    }
}

void open_and_wait(void) {
    open_all();
    say_ready_and_wait();
}
