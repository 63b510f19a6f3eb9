#include <poll.h>
#include <sys/socket.h>

#include "report.h"
#include "scenarios.h"
#include "session.h"

static void ready(session *s) {
    if (!given.reads) session_stop_reading(s);
}

static void message(session *s, const frame *f) { (void)s, (void)f; }

#define QUIET_MS 300
#define SETTLED_NS 50000000u

/* A connection that is not read tells that the server has given it up only behind all that was on its way. */
static bool is_cut(session *s) {
    static char rest[1 << 16];
    struct pollfd wanted = {.fd = s->fd, .events = POLLIN};
    while (poll(&wanted, 1, QUIET_MS) > 0)
        if (recv(s->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) return true;
    return false;
}

void run_hold(void) {
    static const scenario hold = {.ready = ready, .message = message};
    sessions_begin(&hold);
    open_and_wait();
    for (uint64_t before = UINT64_MAX; before != received.messages;) {
        before = received.messages;
        poll_once(now_ns() + SETTLED_NS);
    }
    uint64_t cut = (uint64_t)ended_count;
    for (int i = 0; i < given.sessions && !given.reads; i++) cut += sessions[i].fd >= 0 && is_cut(&sessions[i]);
    report_begin();
    report_count("sessions", (uint64_t)given.sessions);
    report_count("cut", cut);
    report_count("messages", received.messages);
    report_end();
}
