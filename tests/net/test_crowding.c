/* SPDX-License-Identifier: MIT
 *
 * Option connections_per_address. Loopback is never counted, so that the whole program runs in a network of its own,
 * which has further addresses; where the system does not permit one, it is skipped.
 */
#include "support/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPT_PER_ADDRESS "connections_per_address"
#define A "10.11.0.1"
#define B "10.11.0.2"
#define NET1_A "fd11:0:0:1::1"
#define NET1_B "fd11:0:0:1::2"
#define NET2 "fd11:0:0:2::1"

/* As linux/ipv6.h has it, which does not go together with netinet/in.h. */
struct v6_request {
    struct in6_addr address;
    uint32_t prefix_len;
    int interface;
};

static int has_v6;

static int add_v4(int fd, const char *alias, const char *address)
{
    struct ifreq request = {.ifr_flags = 0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", alias);
    CHECK(inet_pton(AF_INET, address, &v4.sin_addr) == 1);
    memcpy(&request.ifr_addr, &v4, sizeof(v4));
    return ioctl(fd, SIOCSIFADDR, &request);
}

static int add_v6(int fd, const char *address)
{
    struct v6_request request = {.prefix_len = 128, .interface = (int)if_nametoindex("lo")};

    CHECK(inet_pton(AF_INET6, address, &request.address) == 1);
    return ioctl(fd, SIOCSIFADDR, &request);
}

/* This process gets a network of its own; 0 if it may not have one. */
static int own_network(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return 0;
    int v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ok = ioctl(v4, SIOCSIFFLAGS, &up) == 0 && add_v4(v4, "lo:1", A) == 0 && add_v4(v4, "lo:2", B) == 0;
    has_v6 = v6 != -1 && add_v6(v6, NET1_A) == 0 && add_v6(v6, NET1_B) == 0 && add_v6(v6, NET2) == 0;
    close(v4);
    if (v6 != -1)
        close(v6);
    return ok;
}

/* A client with this address of its own. The server may have reset the connection before connect() returns. */
static struct client *client_from(const char *source, int port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6}, to6 = v6;
    struct sockaddr_in v4 = {.sin_family = AF_INET}, to4 = v4;
    int is_v4 = inet_pton(AF_INET, source, &v4.sin_addr) == 1;

    CHECK(is_v4 || inet_pton(AF_INET6, source, &v6.sin6_addr) == 1);
    to4.sin_port = to6.sin6_port = htons((uint16_t)port);
    to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to6.sin6_addr = in6addr_loopback;
    struct client *client = client_wrap(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const struct sockaddr *own = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    const struct sockaddr *to = is_v4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6;
    socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
    if (bind(client->fd, own, len) == 0 && connect(client->fd, to, len) == 0)
        return client;
    if (errno != ECONNRESET)
        check_fail(__FILE__, __LINE__, "no client from %s: %s", source, strerror(errno));
    client->ended = 2;
    return client;
}

static struct client *served_from(struct fixture *f, const char *source, int port)
{
    struct client *c = client_from(source, port);

    ask(c, "/");
    reply(f, next_request(f), "served");
    response_expect(c, 200, "served");
    return c;
}

static void refused_from(struct fixture *f, const char *source, int port)
{
    uint64_t before = stat_of(f->server, HIJACK_STAT_REFUSED);
    struct client *c = client_from(source, port);

    client_rst(c);
    CHECK(c->len == 0);
    stat_wait(f->server, HIJACK_STAT_REFUSED, before + 1);
    client_close(c);
}

static void test_off_by_default(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 300; i++)
        client_from(A, f->port);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 300);
    CHECK(stat_of(f->server, HIJACK_STAT_REFUSED) == 0);
}

/* The others do not notice, nor does this machine's proxy. */
static void test_one_address(void **state)
{
    struct fixture *f = *state;
    struct client *c[3];

    fixture_option(f, OPT_PER_ADDRESS, "3");
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        c[i] = served_from(f, A, f->port);
    refused_from(f, A, f->port);
    for (int i = 0; i < 10; i++)
        served_from(f, "127.0.0.1", f->port);
    served_from(f, B, f->port);
    for (int i = 0; i < 5; i++) {
        refused_from(f, A, f->port);
        client_close(c[0]);
        stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 13);
        c[0] = served_from(f, A, f->port);
    }
    CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) == 14);
    CHECK(stat_of(f->server, HIJACK_STAT_REFUSED) == 6);
}

/* All threads of the server have one count: of a crowd as many are taken as may be. */
static void test_all_loops(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_PER_ADDRESS, "7");
    fixture_option(f, OPT_THREADS, "4");
    fixture_start(f);
    for (int i = 0; i < 100; i++)
        client_from(A, f->port);
    stat_wait(f->server, HIJACK_STAT_REFUSED, 93);
    CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) == 7);
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == 7);
}

static void end_by_close(struct fixture *f, struct client *c)
{
    (void)f;
    client_close(c);
}

static void end_by_reset(struct fixture *f, struct client *c)
{
    (void)f;
    client_reset(c);
}

static void end_by_answer(struct fixture *f, struct client *c)
{
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    reply(f, next_request(f), "last");
    client_eof(c);
}

static void end_by_refusal(struct fixture *f, struct client *c)
{
    (void)f;
    client_puts(c, "no request\r\n\r\n");
    client_eof(c);
    client_close(c);
}

static void end_by_timeout(struct fixture *f, struct client *c)
{
    (void)f;
    client_puts(c, "GET / HT");
    client_until_end(c);
    client_close(c);
}

static void end_by_gone_request(struct fixture *f, struct client *c)
{
    ask(c, "/");
    hijack_request *request = next_request(f);
    client_reset(c);
    events_closed(&f->events, request, HIJACK_ERESET);
}

static void end_by_abort(struct fixture *f, struct client *c)
{
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_abort(socket));
    events_closed(&f->events, socket, HIJACK_EABORTED);
    client_until_end(c);
}

static void end_by_room(struct fixture *f, struct client *c)
{
    ask(c, "/raw");
    members_wait(f->broadcasters[0], 1);
    OK(hijack_broadcaster_close(f->broadcasters[0]));
    client_eof(c);
}

/* The connection is the program's then, and goes on. */
static void end_by_detach(struct fixture *f, struct client *c)
{
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_detach(socket));
    struct client *own = client_wrap(events_next(&f->events, HIJACK_EVENT_DETACHED, socket)->status);
    client_puts(own, "still open");
    client_until(c, "still open");
}

/* Of whatever way a connection ends, the next one is taken. */
static void test_ends(void **state)
{
    static void (*const ends[])(struct fixture * f, struct client * c) = {
        end_by_close,        end_by_reset, end_by_answer, end_by_refusal, end_by_timeout,
        end_by_gone_request, end_by_abort, end_by_room,   end_by_detach};
    struct fixture *f = *state;

    fixture_option(f, OPT_PER_ADDRESS, "1");
    fixture_option(f, OPT_HEAD_TIMEOUT, "1000");
    fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            check_context("round %zu, end %zu", round, i);
            struct client *c = served_from(f, A, f->port);
            refused_from(f, A, f->port);
            ends[i](f, c);
            stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
        }
    }
    served_from(f, A, f->port); /* open at the end of the server */
}

/* A network is one address, since each of its machines has as many as it likes. */
static void test_v6(void **state)
{
    struct fixture *f = *state;

    if (!has_v6)
        skip();
    fixture_option(f, OPT_PER_ADDRESS, "2");
    int port = OK(hijack_server_listen(f->server, LIT("[::1]:0")));
    fixture_start(f);
    struct client *first = served_from(f, NET1_A, port);
    served_from(f, NET1_B, port);
    refused_from(f, NET1_A, port);
    refused_from(f, NET1_B, port);
    served_from(f, NET2, port);
    for (int i = 0; i < 5; i++)
        served_from(f, "::1", port);
    client_close(first);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 7);
    served_from(f, NET1_B, port);
}

/* A listener of both families sees IPv4 clients as IPv6 ones. */
static void test_mapped(void **state)
{
    struct fixture *f = *state;

    if (!has_v6)
        skip();
    fixture_option(f, OPT_PER_ADDRESS, "2");
    int port = OK(hijack_server_listen(f->server, LIT("*:0")));
    fixture_start(f);
    served_from(f, A, port);
    served_from(f, A, f->port);
    refused_from(f, A, port);
    refused_from(f, A, f->port);
    served_from(f, B, port);
    for (int i = 0; i < 5; i++)
        served_from(f, "127.0.0.1", port);
}

/* What becomes HTTP/2 is still counted, and ends there. */
static void test_http2(void **state)
{
    static const char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct fixture *f = *state;

    if (!HIJACK_HTTP2)
        skip();
    fixture_option(f, "http2", "on");
    fixture_option(f, OPT_PER_ADDRESS, "1");
    fixture_start(f);
    for (int round = 0; round < 3; round++) {
        struct client *c = client_from(A, f->port);
        client_puts(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        client_send(c, settings, sizeof(settings));
        client_want(c, 9); /* the server's */
        stat_wait(f->server, HIJACK_STAT_READING, 0);
        refused_from(f, A, f->port);
        client_close(c);
        stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    }
    struct client *last = served_from(f, A, f->port);
    refused_from(f, A, f->port);
    client_close(last);
}

/* A drain takes in what has come, and not more of one address than it may have. */
static void test_drain(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_PER_ADDRESS, "1");
    fixture_start(f);
    struct client *c = served_from(f, A, f->port);
    refused_from(f, A, f->port);
    OK(hijack_server_drain(f->server, 10000));
    client_eof(c);
    events_next(&f->events, HIJACK_EVENT_STOPPED, f->server);
    f->stopped = 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off_by_default), TEST(test_one_address), TEST(test_all_loops), TEST(test_ends), TEST(test_v6),
        TEST(test_mapped),         TEST(test_http2),       TEST(test_drain),
    };

    if (!own_network())
        return 77;
    return RUN_TESTS(tests, argc, argv);
}
