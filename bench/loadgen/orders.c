#include <stdlib.h>

#include "report.h"
#include "scenarios.h"
#include "session.h"

#define ACK 33
#define REJECT 34

static uint64_t frames_all, frames_finished, frames_written, acks, first_ns, last_ns;
static histogram latency, lateness;

/* Send what is allowed and not yet written. */
static void push(session *s) {
    size_t end = s->script->offset[s->allowed];
    if (s->state != READY || s->waits_to_write || s->written == end) return;
    s->written += session_write(s, s->script->bytes + s->written, end - s->written);
}

static void allow(session *s, uint64_t when_ns) {
    s->sent_ns[s->allowed++] = when_ns;
    frames_written++;
}

static void message(session *s, const frame *f) {
    int type = message_type(f);
    uint64_t now;
    if (given.login && type != ACK && type != REJECT) return;
    acks++;
    if (s->finished == s->allowed) die("session %d: an answer to nothing", s->number);
    uint32_t wanted = given.login ? s->script->answers[s->finished] : 1;
    if (++s->answers < wanted) return;
    now = now_ns();
    histogram_add(&latency, now - s->sent_ns[s->finished]);
    s->answers = 0;
    s->finished++;
    frames_finished++;
    last_ns = now;
}

static void after_read(session *s) {
    if (given.rate > 0 || s->state != READY || !first_ns) return;
    uint32_t before = s->allowed;
    uint64_t now = now_ns();
    while (s->allowed < s->script->count && s->allowed - s->finished < (uint32_t)given.in_flight) {
        allow(s, now);
        if (given.each) push(s);
    }
    if (s->allowed != before) push(s);
}

static void ended(session *s) {
    if (given.rate <= 0) die("session %d was closed by the server, code %d", s->number, s->close_code);
}

static void closed_loop(void) {
    first_ns = now_ns();
    for (int i = 0; i < given.sessions; i++) after_read(&sessions[i]);
    while (frames_finished < frames_all) poll_once(UINT64_MAX);
}

/* Frame k is due at k / rate, from session k modulo sessions, and its latency counts from then: a stall of the server,
 * or of this program, shows in every frame that should have been sent meanwhile. */
static void open_loop(void) {
    double period_ns = 1e9 / given.rate;
    uint64_t next = 0;
    first_ns = now_ns();
    while (next < frames_all) {
        uint64_t now = now_ns(), from = next, due;
        while (next < frames_all && (due = first_ns + (uint64_t)(period_ns * (double)next)) <= now) {
            allow(&sessions[next++ % (uint64_t)given.sessions], due);
            histogram_add(&lateness, now - due);
        }
        uint64_t touched = next - from < (uint64_t)given.sessions ? next - from : (uint64_t)given.sessions;
        for (uint64_t k = next - touched; k < next; k++) push(&sessions[k % (uint64_t)given.sessions]);
        poll_once(next < frames_all ? first_ns + (uint64_t)(period_ns * (double)next) : 0);
    }
    uint64_t end_ns = now_ns() + (uint64_t)(given.drain_s * 1e9);
    while (frames_finished < frames_all && now_ns() < end_ns) poll_once(end_ns);
}

static void give_scripts(void) {
    uint32_t count;
    script *scripts = scripts_read(given.frames, &count);
    for (int i = 0; i < given.sessions; i++) {
        session *s = &sessions[i];
        s->script = &scripts[(uint32_t)i % count];
        s->sent_ns = calloc(s->script->count + 1, sizeof *s->sent_ns);
        frames_all += s->script->count;
        if (given.rate > 0 && s->script->count != scripts[0].count) die("an open loop needs scripts of one length");
    }
}

void run_orders(void) {
    static const scenario orders = {
        .message = message, .after_read = after_read, .writable = push, .ended = ended,
    };
    sessions_begin(&orders);
    give_scripts();
    open_and_wait();
    tally_clear();
    if (given.rate > 0) open_loop();
    else closed_loop();
    report_begin();
    report_count("frames", frames_all);
    report_count("answered", frames_finished);
    report_count("lost", frames_all - frames_finished);
    report_count("answers", acks);
    report_count("rejects", given.login ? received.by_type[REJECT] : 0);
    report_count("messages", received.messages);
    report_count("bytes", received.bytes);
    report_number("seconds", (double)(last_ns - first_ns) / 1e9);
    report_latency("", &latency);
    if (given.rate > 0) {
        report_latency("late_", &lateness);
        report_curve("curve", &latency);
    }
    report_types(received.by_type);
    report_end();
}
