/* SPDX-License-Identifier: MIT
 * Load: the clients of bindings/bench/peers/run.py, the same for every server.
 *
 *     load port sse|websocket plain|tls get|post
 *
 * Each line on the standard input is a command, answered with one line of names and numbers:
 *
 *     open COUNT               opens connections until there are so many, and waits until the head of each has come
 *     slow                     opens one more, which never reads
 *     publish COUNT BYTES MS   asks the server for so many messages of so many bytes, and receives until every
 *                              connection has them all, at most for MS milliseconds
 *
 * A message ends with MARK, which nothing else contains; what is counted is marks. With get, one request asks for all
 * messages (GET /publish?n=COUNT&bytes=BYTES); with post, each message is the body of a request (POST /publish).
 *
 * One thread with epoll, which never sleeps while it receives: waking it would cost the server more than a send does.
 * So its own load is the share of time in which it found something to do; near 1 the server waited for it. It ends
 * with its standard input. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "bench.h"
#include "peers.h"

#define UNDER_WAY 64          /* connections that are being opened at a time: less than the backlog of any server */
#define ANSWER_NS 1000000000u /* that the publisher waits for the answer to its last request */
#define OPENING_NS 300000000000u
#define SEGMENT 1460 /* of the one that never reads: what Ethernet carries, where loopback has 65,483 */
#define LINE 128

enum state {
    HANDSHAKE,
    HEAD,
    HELD,
    CLOSED
};

struct member {
    int fd;
    SSL *ssl;               /* NULL: in clear */
    uint8_t state, matched; /* matched: bytes of the head's end */
    bool begun;             /* the head's first bytes have come */
};

struct load {
    uint16_t port;
    bool websocket, post;
    SSL_CTX *tls; /* NULL: in clear */
    int epoll;
    struct member *members, control;
    long opened, held, closed, size;
    uint64_t marks, first_ns, last_ns, gap_ns; /* since the last publish */
    uint64_t idle_ns;
};

/* ---- A connection. ---- */

static void start_member(const struct load *load, struct member *member)
{
    *member = (struct member){.fd = bench_connect(load->port), .state = load->tls == NULL ? HEAD : HANDSHAKE};
    if (load->tls == NULL)
        return;
    member->ssl = SSL_new(load->tls);
    if (member->ssl == NULL || SSL_set_fd(member->ssl, member->fd) != 1)
        bench_die("out of memory for TLS");
}

static void end_member(struct member *member)
{
    SSL_free(member->ssl);
    close(member->fd);
    *member = (struct member){.fd = -1, .state = CLOSED};
}

/* As recv: 0 at the end, -1 with EAGAIN when nothing is there. */
static ssize_t receive_bytes(const struct member *member, char *buffer, size_t size)
{
    if (member->ssl == NULL)
        return recv(member->fd, buffer, size, MSG_DONTWAIT);
    ERR_clear_error();
    int n = SSL_read(member->ssl, buffer, (int)size);
    if (n > 0)
        return n;
    errno = EAGAIN;
    return SSL_get_error(member->ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void send_bytes(const struct member *member, const char *data, size_t len)
{
    if (member->ssl == NULL)
        bench_send_all(member->fd, data, len);
    else if (SSL_write(member->ssl, data, (int)len) != (int)len)
        bench_die("sending %zu bytes over TLS failed", len);
}

static void ask_to_be_held(const struct load *load, const struct member *member)
{
    static const char sse[] = "GET /sse HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    static const char websocket[] = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade"
                                    "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " PEERS_KEY "\r\n\r\n";
    send_bytes(member, load->websocket ? websocket : sse, (load->websocket ? sizeof websocket : sizeof sse) - 1);
}

/* Whether the handshake is over. */
static bool shake_hands(const struct member *member)
{
    ERR_clear_error();
    int rc = SSL_connect(member->ssl);
    if (rc != 1 && SSL_get_error(member->ssl, rc) != SSL_ERROR_WANT_READ)
        bench_die("a TLS handshake failed: %s", ERR_reason_error_string(ERR_peek_last_error()));
    return rc == 1;
}

/* ---- Members. ---- */

static void open_one(struct load *load)
{
    struct member *member = &load->members[load->opened];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)load->opened++};
    start_member(load, member);
    bench_nonblocking(member->fd);
    if (member->ssl == NULL)
        ask_to_be_held(load, member);
    else
        shake_hands(member);
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, member->fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

/* Skips what belongs to the head, and returns where the rest begins. */
static size_t take_head(struct load *load, struct member *member, const char *data, size_t len)
{
    static const char end[] = "\r\n\r\n";
    if (!member->begun && (len < 12 || memcmp(data + 9, load->websocket ? "101" : "200", 3) != 0))
        bench_die("expected an answer with status %d, got: %.*s", load->websocket ? 101 : 200, (int)len, data);
    member->begun = true;
    for (size_t i = 0; i < len; ++i) {
        member->matched = data[i] == end[member->matched] ? (uint8_t)(member->matched + 1) : data[i] == '\r';
        if (member->matched == 4) {
            member->state = HELD;
            ++load->held;
            return i + 1;
        }
    }
    return len;
}

static void count_marks(struct load *load, const char *data, size_t len, uint64_t now)
{
    uint64_t before = load->marks;
    for (const char *at = data, *end = data + len; (at = memchr(at, PEERS_MARK, (size_t)(end - at))) != NULL; ++at)
        ++load->marks;
    if (load->marks == before)
        return;
    uint64_t gap = now - load->last_ns;
    load->gap_ns = gap > load->gap_ns ? gap : load->gap_ns;
    load->first_ns = load->first_ns == 0 ? now : load->first_ns;
    load->last_ns = now;
}

static void take(struct load *load, struct member *member, uint64_t now)
{
    static char buffer[65536];
    ssize_t n;
    if (member->state == HANDSHAKE) {
        if (!shake_hands(member))
            return;
        member->state = HEAD;
        ask_to_be_held(load, member);
    }
    while ((n = receive_bytes(member, buffer, sizeof buffer)) > 0) {
        size_t at = member->state == HEAD ? take_head(load, member, buffer, (size_t)n) : 0;
        count_marks(load, buffer + at, (size_t)n - at, now);
        if (member->ssl == NULL && (size_t)n < sizeof buffer)
            return;
    }
    if (n < 0 && errno == EAGAIN)
        return;
    load->held -= member->state == HELD;
    ++load->closed;
    end_member(member);
}

static void receive(struct load *load)
{
    static struct epoll_event events[512];
    uint64_t start = bench_now();
    int n = epoll_wait(load->epoll, events, 512, 0);
    uint64_t now = bench_now();
    if (n <= 0)
        load->idle_ns += now - start;
    for (int i = 0; i < n; ++i)
        take(load, &load->members[events[i].data.u64], i % 16 == 0 ? now = bench_now() : now);
}

static double own_load(const struct load *load, uint64_t start)
{
    return 1 - (double)load->idle_ns / (double)(bench_now() - start);
}

static void open_until(struct load *load, long count)
{
    uint64_t start = bench_now(), end = start + OPENING_NS;
    count = count > load->size ? load->size : count;
    load->idle_ns = 0;
    while (load->held + load->closed < count && bench_now() < end) {
        while (load->opened < count && load->opened - load->held - load->closed < UNDER_WAY)
            open_one(load);
        receive(load);
    }
    printf("held %ld closed %ld ns %llu load %.2f\n", load->held, load->closed,
           (unsigned long long)(bench_now() - start), own_load(load, start));
}

/* Its receive buffer is the smallest; that its head has come is seen without reading. */
static void open_slow(const struct load *load)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load->port)};
    struct member member = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int bytes = 4096, segment = SEGMENT;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(member.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(member.fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    if (member.fd < 0 || connect(member.fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_die("connecting to 127.0.0.1:%d: %s", load->port, strerror(errno));
    ask_to_be_held(load, &member);
    struct pollfd head = {.fd = member.fd, .events = POLLIN};
    printf("slow %d\n", poll(&head, 1, 20000));
}

/* ---- The publisher's connection, which is kept while the server keeps it. ---- */

/* Takes what was answered to the last request, which a server may do after everybody has the messages. */
static bool control_is_open(const struct load *load)
{
    char buffer[4097];
    bool answered = false, keep = true;
    struct pollfd readable = {.fd = load->control.fd, .events = POLLIN};
    for (uint64_t end = bench_now() + ANSWER_NS; load->control.state == HELD && bench_now() < end;) {
        ssize_t n = receive_bytes(&load->control, buffer, sizeof buffer - 1);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        if (n < 0 && answered)
            return keep;
        if (n < 0) /* over TLS, what was readable may be none of the answer */
            poll(&readable, 1, 10);
        buffer[n > 0 ? n : 0] = '\0';
        answered = answered || n > 0;
        keep = keep && strcasestr(buffer, "connection: close") == NULL;
    }
    return false;
}

static void open_control(struct load *load)
{
    if (load->control.state == HELD)
        end_member(&load->control);
    start_member(load, &load->control);
    if (load->control.ssl != NULL && !shake_hands(&load->control))
        bench_die("a TLS handshake failed");
    bench_nonblocking(load->control.fd);
    load->control.state = HELD;
}

static size_t write_request(char *out, size_t size, const struct load *load, unsigned count, unsigned bytes)
{
    size_t len = 0;
    if (!load->post)
        return (size_t)snprintf(out, size, "GET /publish?n=%u&bytes=%u HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", count,
                                bytes);
    for (unsigned i = 0; i < count && size - len > LINE + bytes; ++i) {
        len += (size_t)snprintf(out + len, size - len,
                                "POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
                                "Content-Length: %u\r\n\r\n",
                                bytes);
        peers_message(out + len, bytes);
        len += bytes;
    }
    return len;
}

static void publish(struct load *load, unsigned count, unsigned bytes, uint64_t patience_ms)
{
    static char request[1 << 20];
    size_t len = write_request(request, sizeof request, load, count, bytes);
    if (!control_is_open(load))
        open_control(load);
    uint64_t start = bench_now(), expected, now = start;
    load->marks = load->first_ns = load->gap_ns = load->idle_ns = 0;
    load->last_ns = start;
    send_bytes(&load->control, request, len);
    do {
        receive(load);
        expected = (uint64_t)load->held * count;
        now = bench_now();
    } while (load->marks < expected && now - start < patience_ms * 1000000);
    if (load->marks < expected && now - load->last_ns > load->gap_ns)
        load->gap_ns = now - load->last_ns; /* nothing came any more */
    printf("marks %llu expected %llu closed %ld first_ns %llu last_ns %llu gap_ns %llu load %.2f\n",
           (unsigned long long)load->marks, (unsigned long long)expected, load->closed,
           (unsigned long long)(load->first_ns == 0 ? 0 : load->first_ns - start),
           (unsigned long long)(load->last_ns - start), (unsigned long long)load->gap_ns, own_load(load, start));
}

static bool is(int argc, char **argv, int index, const char *yes, const char *no)
{
    const char *word = index < argc ? argv[index] : "";
    if (strcmp(word, yes) != 0 && strcmp(word, no) != 0)
        bench_die("argument %d: expected %s or %s (got \"%s\")", index, yes, no, word);
    return strcmp(word, yes) == 0;
}

int main(int argc, char **argv)
{
    struct load load = {.epoll = epoll_create1(EPOLL_CLOEXEC), .control.state = CLOSED};
    char line[LINE];
    long many;
    unsigned count, bytes, patience_ms;
    load.port = (uint16_t)bench_argument(argc, argv, 1, "port", 0, 1, 65535);
    load.websocket = is(argc, argv, 2, "websocket", "sse");
    load.tls = is(argc, argv, 3, "tls", "plain") ? SSL_CTX_new(TLS_client_method()) : NULL;
    load.post = is(argc, argv, 4, "post", "get");
    setvbuf(stdout, NULL, _IOLBF, 0);
    load.size = bench_raise_descriptor_limit();
    load.members = calloc((size_t)load.size, sizeof *load.members);
    if (load.members == NULL || load.epoll < 0)
        bench_die("out of memory or descriptors");
    if (load.tls != NULL)
        SSL_CTX_set_mode(load.tls, SSL_MODE_RELEASE_BUFFERS);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "open %ld", &many) == 1)
            open_until(&load, many);
        else if (sscanf(line, "publish %u %u %u", &count, &bytes, &patience_ms) == 3 && bytes <= PEERS_MOST_BYTES)
            publish(&load, count, bytes, patience_ms);
        else if (strcmp(line, "slow\n") == 0)
            open_slow(&load);
        else
            bench_die("unknown command: %s", line);
    }
    return 0; /* the kernel closes them all */
}
