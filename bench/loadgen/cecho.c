/* The floor: what a WebSocket server must do at least, in C and epoll. Read, unmask, write; nothing is decoded.
 *
 * cecho echo BYTES             each message is answered by BYTES bytes, all of one read by one write
 * cecho broadcast BYTES COUNT  each message goes to all others as COUNT frames of BYTES bytes, in one write each
 *
 * BYTES includes the frame's head. Prints its port; ends, with an empty line, when its standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "digest.h"

#define READ_BYTES 262144
#define BLOB_BYTES (1 << 20)
#define EVENTS 512
#define ANSWER_BYTES_MAX 65539
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY "sec-websocket-key:"

typedef struct peer {
    int fd;
    bool is_open, waits_to_write;
    uint8_t *rest;
    size_t rest_size, rest_room;
    size_t owed;                /* Bytes of answers that are not written yet. */
    struct peer *next;
} peer;

static int poller;
static peer *peers;
static uint8_t *blob;           /* Answers, one after another. */
static size_t answer_bytes, blob_bytes, joined;
static bool is_broadcast;

static void watch(peer *p, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = p};
    epoll_ctl(poller, operation, p->fd, &event);
}

/* A frame of exactly so many bytes. */
static void fill_answer(uint8_t *at, size_t bytes) {
    memset(at, 0xc0, bytes);
    at[0] = 0x82;
    if (bytes < 128) at[1] = (uint8_t)(bytes - 2);
    else at[1] = 126, at[2] = (uint8_t)((bytes - 4) >> 8), at[3] = (uint8_t)(bytes - 4);
}

static void make_blob(void) {
    size_t copies = BLOB_BYTES / answer_bytes;
    blob_bytes = copies * answer_bytes;
    blob = malloc(blob_bytes);
    for (size_t i = 0; i < copies; i++) fill_answer(blob + i * answer_bytes, answer_bytes);
}

static void drop(peer *p) {
    for (peer **at = &peers; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    close(p->fd);
    free(p->rest);
    free(p);
}

/* Answers are all alike: what is owed tells where in the blob to go on. */
static void pay(peer *p) {
    while (p->owed) {
        size_t from = (answer_bytes - p->owed % answer_bytes) % answer_bytes;
        size_t part = p->owed < blob_bytes - from ? p->owed : blob_bytes - from;
        ssize_t done = send(p->fd, blob + from, part, MSG_NOSIGNAL);
        if (done < 0) break;
        p->owed -= (size_t)done;
        if ((size_t)done < part) break;
    }
    if ((p->owed != 0) == p->waits_to_write) return;
    p->waits_to_write = p->owed != 0;
    watch(p, EPOLL_CTL_MOD, EPOLLIN | (p->waits_to_write ? EPOLLOUT : 0));
}

static void answer(peer *sender, size_t messages) {
    if (!is_broadcast) {
        sender->owed += messages * answer_bytes;
        pay(sender);
        return;
    }
    for (size_t i = 0; i < messages; i++)
        for (peer *p = peers; p; p = p->next)
            if (p->is_open && p != sender) {
                p->owed += joined * answer_bytes;
                pay(p);
            }
}

static void unmask(uint8_t *data, size_t size, const uint8_t key[4]) {
    uint64_t wide, word;
    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, data + at, 8);
        word ^= wide;
        memcpy(data + at, &word, 8);
    }
    for (; at < size; at++) data[at] ^= key[at & 3];
}

/* The bytes of a whole client's frame, unmasked in place; 0 when it is not there. */
static size_t take_frame(uint8_t *data, size_t size) {
    if (size < 6) return 0;
    size_t head = 2, length = data[1] & 127;
    if (length == 126) head = 4, length = (size_t)data[2] << 8 | data[3];
    if (length == 127) exit(3);                         /* Longer than any message of the protocol. */
    if (size < head + 4 + length) return 0;
    unmask(data + head + 4, length, data + head);
    return head + 4 + length;
}

static size_t shake_hands(peer *p, const uint8_t *data, size_t size) {
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    char request[2048] = "", text[128], accept[32], reply[256];
    uint8_t digest[SHA1_BYTES];
    if (!end || (size_t)(end - (const char *)data) >= sizeof request) return 0;
    memcpy(request, data, (size_t)(end - (const char *)data));
    const char *key = strcasestr(request, KEY);
    if (!key) exit(3);
    key += strlen(KEY);
    key += strspn(key, " ");
    int length = snprintf(text, sizeof text, "%.*s" GUID, (int)strcspn(key, "\r "), key);
    sha1(text, (size_t)length, digest);
    base64(digest, sizeof digest, accept);
    length = snprintf(reply, sizeof reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    if (send(p->fd, reply, (size_t)length, MSG_NOSIGNAL) != length) exit(3);
    p->is_open = true;
    return (size_t)(end + 4 - (const char *)data);
}

static bool read_once(peer *p) {
    static uint8_t buffer[READ_BYTES];
    size_t before = p->rest_size, at = 0, used, messages = 0;
    if (before) memcpy(buffer, p->rest, before);
    ssize_t done = recv(p->fd, buffer + before, sizeof buffer - before, 0);
    if (done <= 0) return done < 0 && errno == EAGAIN;
    size_t size = before + (size_t)done;
    if (!p->is_open) at = shake_hands(p, buffer, size);
    while (p->is_open && (used = take_frame(buffer + at, size - at))) {
        if ((buffer[at] & 15) == 8) return false;       /* A close frame. */
        at += used;
        messages++;
    }
    p->rest_size = size - at;
    if (p->rest_size > p->rest_room) p->rest = realloc(p->rest, p->rest_room = p->rest_size);
    if (p->rest_size) memcpy(p->rest, buffer + at, p->rest_size);
    if (messages) answer(p, messages);
    return true;
}

static void greet(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        peer *p = calloc(1, sizeof *p);
        p->fd = fd, p->next = peers;
        peers = p;
        watch(p, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_anywhere(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) exit(3);
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return listener;
}

/* Serve until standard input ends. */
static void serve(int listener) {
    static struct epoll_event events[EVENTS];
    static int markers[2];
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = &markers[0]};
    struct epoll_event ending = {.events = EPOLLIN, .data.ptr = &markers[1]};
    poller = epoll_create1(0);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &ending);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            char line[64];
            if (what == &markers[0]) greet(listener);
            else if (what == &markers[1]) {
                if (read(0, line, sizeof line) <= 0) return;
            } else {
                peer *p = what;
                if (events[i].events & EPOLLOUT) pay(p);
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_once(p)) drop(p);
            }
        }
    }
}

int main(int count, char **words) {
    struct rlimit files;
    is_broadcast = count == 4 && !strcmp(words[1], "broadcast");
    answer_bytes = count > 2 ? strtoul(words[2], NULL, 10) : 0;
    joined = is_broadcast ? strtoul(words[3], NULL, 10) : 1;
    bool has_frames = answer_bytes >= 2 && answer_bytes <= ANSWER_BYTES_MAX && answer_bytes / 2 != 64;
    if (!has_frames || !joined || (!is_broadcast && strcmp(words[1], "echo"))) {
        fprintf(stderr, "cecho echo BYTES, or cecho broadcast BYTES COUNT; BYTES 2 to 65539, but not 128 or 129\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    make_blob();
    serve(listen_anywhere());
    puts("");
    return 0;
}
