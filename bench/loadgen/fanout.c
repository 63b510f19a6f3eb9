#include "report.h"
#include "scenarios.h"
#include "session.h"

#define QUIET_NS 250000000u     /* Longer than the system puts off an acknowledgement. */

static uint64_t round_number, subscribers_done, sent_ns, surplus, delivered;
static histogram latency;

static void message(session *s, const frame *f) {
    int type = message_type(f);
    if (s == sessions || !round_number) return;     /* The sender's answers are in the tally. */
    if (given.public_type && type != given.public_type) return;
    s->received++;
    delivered++;
    uint64_t wanted = round_number * (uint64_t)given.messages;
    surplus += s->received > wanted;
    if (s->received != wanted) return;
    subscribers_done++;
    histogram_add(&latency, now_ns() - sent_ns);
}

static void ended(session *s) { die("session %d was closed by the server, code %d", s->number, s->close_code); }

/* A connection that has just asked for something acknowledges every other message it gets, one that only listens each
 * of them, and pays for it. Where one logs in and the other does not, both must have been silent to be the same. */
static void fall_silent(void) {
    uint64_t until_ns = now_ns() + QUIET_NS;
    while (now_ns() < until_ns) poll_once(until_ns);
}

void run_fanout(void) {
    static const scenario fanout = {.message = message, .ended = ended};
    uint32_t scripts;
    sessions_begin(&fanout);
    const script *frames = scripts_read(given.frames, &scripts);
    uint64_t subscribers = (uint64_t)given.sessions - 1;
    open_all();
    fall_silent();
    say_ready_and_wait();
    tally_clear();
    uint64_t first_ns = now_ns();
    for (uint32_t i = 0; i < frames->count; i++) {
        size_t from = frames->offset[i], size = frames->offset[i + 1] - from;
        round_number++, subscribers_done = 0, sent_ns = now_ns();
        if (session_write(sessions, frames->bytes + from, size) != size) die("the sender cannot send");
        while (subscribers_done < subscribers) poll_once(UINT64_MAX);
    }
    double seconds = (double)(now_ns() - first_ns) / 1e9;
    poll_once(now_ns() + 20000000u);                /* What comes now is too much. */
    report_begin();
    report_count("rounds", frames->count);
    report_count("subscribers", subscribers);
    report_count("delivered", delivered);
    report_count("surplus", surplus);
    report_count("messages", received.messages);
    report_count("bytes", received.bytes);
    report_number("seconds", seconds);
    report_latency("", &latency);
    report_types(received.by_type);
    report_end();
}
