/* SPDX-License-Identifier: MIT
 * Plain: the loop of send() that every peer is measured by. An array of sockets, and nothing else.
 *
 *     plain port
 *
 * GET /sse and GET /ws are held; GET /publish?n=COUNT&bytes=BYTES sends so many messages to all, in one send() for each
 * connection, and is answered. One thread with epoll. It is not a server to be used: a head must come in one piece, and
 * a send that is not taken whole ends the program. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "peers.h"

#define MOST_MESSAGES 16u
#define FRAME 16u /* bytes that a message has around it, at most */

struct member {
    int fd;
    bool websocket;
};

struct plain {
    int listener, epoll;
    struct member *members;
    size_t count, size;
};

/* One message as it goes over the wire. */
static size_t encode(char *out, bool websocket, unsigned bytes)
{
    size_t len = 0;
    if (!websocket) {
        memcpy(out, "data: ", len = 6);
    } else {
        out[len++] = '\x81';
        out[len++] = bytes < 126 ? (char)bytes : 126;
        if (bytes >= 126) {
            out[len++] = (char)(bytes >> 8);
            out[len++] = (char)bytes;
        }
    }
    peers_message(out + len, bytes);
    len += bytes;
    if (!websocket) {
        memcpy(out + len, "\n\n", 2);
        len += 2;
    }
    return len;
}

static void publish(struct plain *plain, unsigned count, unsigned bytes)
{
    static char data[2][MOST_MESSAGES * (PEERS_MOST_BYTES + FRAME)];
    size_t len[2] = {0, 0};
    if (count < 1 || count > MOST_MESSAGES || bytes < 1 || bytes > PEERS_MOST_BYTES)
        bench_die("publish: expected 1 to %u messages of 1 to %u bytes", MOST_MESSAGES, PEERS_MOST_BYTES);
    for (int websocket = 0; websocket < 2; ++websocket)
        for (unsigned i = 0; i < count; ++i)
            len[websocket] += encode(data[websocket] + len[websocket], websocket != 0, bytes);
    for (size_t i = 0; i < plain->count;) {
        const struct member *member = &plain->members[i];
        const size_t all = len[member->websocket];
        ssize_t n = send(member->fd, data[member->websocket], all, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t)all) {
            ++i;
        } else if (n < 0 && errno != EAGAIN) { /* it has left; the last one takes its place */
            close(member->fd);
            plain->members[i] = plain->members[--plain->count];
        } else {
            bench_die("a send of %zu bytes was not taken at once", all);
        }
    }
}

static void hold(struct plain *plain, int fd, bool websocket)
{
    static const char sse[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: " PEERS_ACCEPT "\r\n\r\n";
    bench_send_all(fd, websocket ? upgraded : sse, (websocket ? sizeof upgraded : sizeof sse) - 1);
    if (plain->count == plain->size)
        bench_die("more than %zu connections", plain->size);
    plain->members[plain->count++] = (struct member){.fd = fd, .websocket = websocket};
}

/* What a connection sends that is not held yet, or never is. */
static void readable(struct plain *plain, int fd)
{
    static const char done[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char head[1024];
    unsigned count, bytes;
    ssize_t n = recv(fd, head, sizeof head - 1, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    head[n] = '\0';
    if (sscanf(head, "GET /publish?n=%u&bytes=%u", &count, &bytes) == 2) {
        publish(plain, count, bytes);
        bench_send_all(fd, done, sizeof done - 1);
        return;
    }
    epoll_ctl(plain->epoll, EPOLL_CTL_DEL, fd, NULL); /* nobody asks what it sends from now on */
    hold(plain, fd, strncmp(head, "GET /ws ", 8) == 0);
}

static void watch(const struct plain *plain, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(plain->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)bench_argument(argc, argv, 1, "port", 0, 1, 65535);
    struct plain plain = {.epoll = epoll_create1(EPOLL_CLOEXEC), .size = (size_t)bench_raise_descriptor_limit()};
    plain.listener = bench_listen_at(port);
    plain.members = calloc(plain.size, sizeof *plain.members);
    if (plain.members == NULL || plain.epoll < 0)
        bench_die("out of memory or descriptors");
    watch(&plain, plain.listener);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(plain.epoll, events, 64, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == plain.listener)
                watch(&plain, bench_accept(plain.listener));
            else
                readable(&plain, events[i].data.fd);
        }
    }
}
