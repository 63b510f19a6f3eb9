#include <errno.h>
#include <sys/socket.h>

#include "report.h"
#include "scenarios.h"
#include "session.h"

static void ready(session *s) {
    if (!given.reads) session_stop_reading(s);
}

static void message(session *s, const frame *f) { (void)s, (void)f; }

/* A connection that is not read tells only now that the server has given it up. */
static bool is_cut(session *s) {
    static char rest[1 << 16];
    ssize_t size;
    do size = recv(s->fd, rest, sizeof rest, MSG_DONTWAIT);
    while (size > 0);
    return size == 0 || errno != EAGAIN;
}

void run_hold(void) {
    static const scenario hold = {.ready = ready, .message = message};
    sessions_begin(&hold);
    open_and_wait();
    uint64_t cut = (uint64_t)ended_count;
    for (int i = 0; i < given.sessions && !given.reads; i++) cut += sessions[i].fd >= 0 && is_cut(&sessions[i]);
    report_begin();
    report_count("sessions", (uint64_t)given.sessions);
    report_count("cut", cut);
    report_count("messages", received.messages);
    report_end();
}
