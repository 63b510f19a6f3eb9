#define _GNU_SOURCE
#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "login.h"
#include "tls.h"

#define READ_BYTES 262144
#define EVENTS 512
/* The nonce is always the same, so what must answer it is, too. */
#define UPGRADE "GET /ws/v1 HTTP/1.1\r\nHost: loadgen\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
#define ACCEPT "ICX+Yqv66kxgM0FcWaLWlFLwTAI="

options given;
session *sessions;
tally received;
int ready_count, ended_count, told_count;
static const scenario *scene;
static int poller, opening, next_idle;

void die(const char *format, ...) {
    va_list more;
    va_start(more, format);
    vfprintf(stderr, format, more);
    va_end(more);
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void tally_clear(void) { memset(&received, 0, sizeof received); }

static void watch(session *s, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = s};
    if (epoll_ctl(poller, operation, s->fd, &event)) die("epoll_ctl: %s", strerror(errno));
}

void sessions_begin(const scenario *what) {
    struct epoll_event standard_input = {.events = EPOLLIN, .data.ptr = NULL};
    scene = what;
    poller = epoll_create1(0);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &standard_input);
    sessions = calloc((size_t)given.sessions, sizeof *sessions);
    for (int i = 0; i < given.sessions; i++) sessions[i].fd = -1, sessions[i].number = given.first + i;
    if (given.tls) tls_begin();
}

static void open_one(session *s) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given.port)};
    int on = 1;
    if (inet_pton(AF_INET, given.host, &to.sin_addr) != 1) die("%s is no IPv4 address", given.host);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0) die("session %d: no socket: %s", s->number, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (given.rcvbuf) setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &given.rcvbuf, sizeof given.rcvbuf);
    if (connect(s->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        die("session %d cannot connect: %s", s->number, strerror(errno));
    s->state = CONNECTING;
    s->rest_size = 0, s->close_code = 0, s->subscribed = 0, s->was_refused = s->waits_to_write = false;
    opening++;
    watch(s, EPOLL_CTL_ADD, EPOLLOUT);
}

void sessions_open(void) {
    next_idle = 0;
    while (next_idle < given.sessions && opening < given.at_once) open_one(&sessions[next_idle++]);
}

static void opened(void) {
    opening--;
    if (next_idle < given.sessions) open_one(&sessions[next_idle++]);
}

void session_close(session *s) {
    if (s->fd < 0) return;
    if (s->tls) tls_free(s->tls);
    close(s->fd);
    s->fd = -1, s->tls = NULL;
    if (s->state == READY) ready_count--;
    else s->was_refused = true, opened();
    s->state = ENDED;
    ended_count++;
    if (scene->ended) scene->ended(s);
}

size_t session_write(session *s, const void *data, size_t size) {
    ssize_t done = s->tls ? tls_write(s->tls, data, size) : send(s->fd, data, size, MSG_NOSIGNAL);
    bool blocked = done < (ssize_t)size && (done >= 0 || errno == EAGAIN);
    if (done < 0 && !blocked) return 0;                 /* The next read will tell that it is over. */
    if (blocked != s->waits_to_write) {
        s->waits_to_write = blocked;
        watch(s, EPOLL_CTL_MOD, EPOLLIN | (blocked ? EPOLLOUT : 0));
    }
    return done < 0 ? 0 : (size_t)done;
}

void session_send(session *s, const void *message, size_t size) {
    uint8_t bytes[1024];
    size_t length = frame_write(bytes, message, size);
    if (session_write(s, bytes, length) != length) die("session %d cannot send", s->number);
}

void session_stop_reading(session *s) { epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL); }

/* From a new connection to a session that is ready. */

static void now_ready(session *s) {
    s->state = READY;
    ready_count++;
    opened();
    if (scene->ready) scene->ready(s);
}

static void subscribe_next(session *s) {
    int channel = given.channel + s->subscribed, end = given.channels_end ? given.channels_end : given.channel + 1;
    bool is_sender = given.messages && s == sessions;   /* In a fan-out the first one hears nothing. */
    if (!given.channel || channel >= end || is_sender) {
        now_ready(s);
        return;
    }
    uint8_t message[] = {0x94, 4, (uint8_t)(1 + s->subscribed), (uint8_t)channel, 0xc0};
    s->state = SUBSCRIBING;
    session_send(s, message, sizeof message);
}

static void log_in(session *s, const frame *hello) {
    uint8_t message[LOGIN_BYTES_MAX];
    size_t size = login_message(message, hello, &given, s->number);
    if (!size) die("session %d: the server's first message is not hello", s->number);
    s->state = LOGGING_IN;
    session_send(s, message, size);
}

static void on_setup(session *s, const frame *f) {
    int type = message_type(f);
    if (s->state == GREETING) {
        log_in(s, f);
    } else if (s->state == LOGGING_IN && type == 67) {
        subscribe_next(s);
    } else if (s->state == SUBSCRIBING && type == 66) {
        if (f->payload[3]) die("session %d: subscription refused: %d", s->number, f->payload[3]);
        s->subscribed++;
        subscribe_next(s);
    }
}

static void begin_upgrade(session *s) {
    s->state = UPGRADING;
    watch(s, EPOLL_CTL_MOD, EPOLLIN);
    if (session_write(s, UPGRADE, sizeof UPGRADE - 1) != sizeof UPGRADE - 1) die("session %d cannot send", s->number);
}

static void secure(session *s) {
    bool wants_write;
    int done = tls_handshake(s->tls, &wants_write);
    if (done < 0) session_close(s);
    else if (done) begin_upgrade(s);
    else watch(s, EPOLL_CTL_MOD, wants_write ? EPOLLOUT : EPOLLIN);
}

static void connected(session *s) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) die("session %d cannot connect: %s", s->number, strerror(error));
    if (!given.tls) {
        begin_upgrade(s);
        return;
    }
    s->tls = tls_new(s->fd);
    s->state = SECURING;
    secure(s);
}

/* The bytes of the answer to the upgrade, 0 when it is not there whole. */
static size_t upgraded(session *s, const uint8_t *data, size_t size) {
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(data, "HTTP/1.1 101", 12) || !memmem(data, size, ACCEPT, sizeof ACCEPT - 1))
        die("session %d was not upgraded: %.*s", s->number, (int)(end - data), (const char *)data);
    s->state = GREETING;
    if (!given.login) now_ready(s);
    return (size_t)(end + 4 - data);
}

/* Reading. */

static void take(session *s, const frame *f) {
    if (f->opcode == CLOSE) {
        s->close_code = f->size >= 2 ? f->payload[0] << 8 | f->payload[1] : 1005;
        session_close(s);                               /* The server waits for no more than that. */
        return;
    }
    if (s->state != READY) {
        on_setup(s, f);
        return;
    }
    int type = message_type(f);
    received.messages++;
    if (type >= 0) received.by_type[type]++;
    scene->message(s, f);
}

/* Take the whole frames of some bytes; how many bytes that were. */
static size_t understand(session *s, const uint8_t *data, size_t size) {
    size_t at = 0, used;
    frame f;
    if (s->state == UPGRADING) at = upgraded(s, data, size);
    if (s->state == UPGRADING) return 0;
    while (s->fd >= 0 && (used = frame_read(data + at, size - at, &f))) {
        take(s, &f);
        at += used;
    }
    return at;
}

/* Most reads end with a whole frame, so all sessions share one buffer, and keep only what is left of it. */
static void keep(session *s, const uint8_t *rest, size_t size) {
    if (size > s->rest_room) s->rest = realloc(s->rest, s->rest_room = size);
    if (size) memcpy(s->rest, rest, size);
    s->rest_size = size;
}

static void read_all(session *s) {
    static uint8_t buffer[READ_BYTES];
    ssize_t done;
    size_t room;
    do {
        size_t before = s->rest_size;
        if (before) memcpy(buffer, s->rest, before);
        room = sizeof buffer - before;
        done = s->tls ? tls_read(s->tls, buffer + before, room) : recv(s->fd, buffer + before, room, 0);
        if (done < 0 && errno == EAGAIN) break;
        if (done <= 0) {
            session_close(s);
            return;
        }
        if (s->state == READY) received.bytes += (uint64_t)done;
        size_t size = before + (size_t)done, used = understand(s, buffer, size);
        if (s->fd < 0) return;
        if (!used && size == sizeof buffer) die("session %d: a message is longer than %zu bytes", s->number, size);
        keep(s, buffer + used, size - used);
    } while (s->tls || (size_t)done == room);
    if (s->state == READY && scene->after_read) scene->after_read(s);
}

static void told(void) {
    char line[256];
    ssize_t size = read(0, line, sizeof line);
    if (size <= 0) exit(1);                             /* Whoever started this is gone. */
    for (ssize_t i = 0; i < size; i++) told_count += line[i] == '\n';
}

static void handle(session *s, uint32_t events) {
    if (s->state == CONNECTING) {
        connected(s);
    } else if (s->state == SECURING) {
        secure(s);
    } else {
        if (events & EPOLLOUT) {
            s->waits_to_write = false;
            watch(s, EPOLL_CTL_MOD, EPOLLIN);
            if (scene->writable) scene->writable(s);
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_all(s);
    }
}

void poll_once(uint64_t until_ns) {
    static struct epoll_event events[EVENTS];
    struct timespec wait = {0};
    uint64_t now = until_ns && until_ns != UINT64_MAX ? now_ns() : 0;
    if (until_ns > now) {
        wait.tv_sec = (time_t)((until_ns - now) / 1000000000u);
        wait.tv_nsec = (long)((until_ns - now) % 1000000000u);
    }
    int count = epoll_pwait2(poller, events, EVENTS, until_ns == UINT64_MAX ? NULL : &wait, NULL);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {     /* Where it is not offered: in milliseconds. */
        int ms = (int)(wait.tv_sec * 1000 + wait.tv_nsec / 1000000);
        count = epoll_wait(poller, events, EVENTS, until_ns == UINT64_MAX ? -1 : ms);
    }
    if (count < 0 && errno != EINTR) die("epoll_pwait2: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        session *s = events[i].data.ptr;
        if (!s) told();
        else if (s->fd >= 0) handle(s, events[i].events);
    }
}
