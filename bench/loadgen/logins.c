#include "report.h"
#include "scenarios.h"
#include "session.h"

static uint64_t begun_ns, logged_out, refused;
static histogram latency;

static void ready(session *s) {
    (void)s;
    histogram_add(&latency, now_ns() - begun_ns);
}

static void message(session *s, const frame *f) { (void)s, (void)f; }

static void ended(session *s) {
    refused += s->was_refused;
    logged_out += s->close_code == 1000;
}

void run_logins(void) {
    static const scenario logins = {.ready = ready, .message = message, .ended = ended};
    static const uint8_t logout[] = {0x93, 2, 1, 0};
    double slowest = 0, sum = 0;
    sessions_begin(&logins);
    say_ready_and_wait();
    for (int cycle = 0; cycle < given.cycles; cycle++) {
        ended_count = 0;
        begun_ns = now_ns();
        sessions_open();
        while (ready_count + ended_count < given.sessions) poll_once(UINT64_MAX);
        double seconds = (double)(now_ns() - begun_ns) / 1e9;
        sum += seconds;
        if (seconds > slowest) slowest = seconds;
        for (int i = 0; i < given.sessions; i++)
            if (sessions[i].state == READY) session_send(&sessions[i], logout, sizeof logout);
        while (ended_count < given.sessions) poll_once(UINT64_MAX);
    }
    report_begin();
    report_count("logins", latency.total);
    report_count("refused", refused);
    report_count("logged_out", logged_out);
    report_number("seconds", sum / given.cycles);
    report_number("seconds_max", slowest);
    report_latency("", &latency);
    report_end();
}
