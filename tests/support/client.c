/* SPDX-License-Identifier: MIT
 *
 * The client of the tests. Used from the thread of the test only. All clients hang in one list, so that a test that
 * fails half-way leaves no descriptor behind.
 */
#include "client.h"
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct client *all;

struct client *client_wrap(int fd)
{
    struct client *client = calloc(1, sizeof(*client));

    CHECK(client != NULL);
    client->fd = fd;
    client->next = all;
    all = client;
    return client;
}

static struct client *connect_to(int fd, const struct sockaddr *address, socklen_t len, const char *file, int line)
{
    struct client *client = client_wrap(fd);

    if (fd < 0)
        check_fail(file, line, "no socket for a client: %s", strerror(errno));
    if (connect(fd, address, len) != 0)
        check_fail(file, line, "the client cannot connect: %s", strerror(errno));
    return client;
}

/* Over the transport of the test. size: of the receive buffer, or 0 for the kernel's choice. */
static struct client *connect_over(int port, int size, const char *file, int line)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    struct client *client = client_wrap(fd);

    if (fd < 0)
        check_fail(file, line, "no socket for a client: %s", strerror(errno));
    if (size != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    client->port = transport_connect(fd, port, size != 0);
    if (client->port < 0)
        check_fail(file, line, "the client cannot connect: %s", strerror(-client->port));
    return client;
}

struct client *client_connect_at(int port, const char *file, int line)
{
    return connect_over(port, 0, file, line);
}

struct client *client_connect_slow(int port)
{
    return connect_over(port, 2048, __FILE__, __LINE__);
}

struct client *client_connect_v6(int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    address.sin6_addr = in6addr_loopback;
    return connect_to(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address, sizeof(address),
                      __FILE__, __LINE__);
}

struct client *client_connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    CHECK(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    return connect_to(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address, sizeof(address),
                      __FILE__, __LINE__);
}

void client_send(struct client *client, const char *data, size_t len)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (len > 0) {
        ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return;
        if (errno != EAGAIN && errno != EINTR)
            check_fail(__FILE__, __LINE__, "the client cannot send: %s", strerror(errno));
        if (clock_ms() > end)
            check_fail(__FILE__, __LINE__, "the server does not read what the client sends: %zu bytes are left", len);
        struct pollfd poller = {.fd = client->fd, .events = POLLOUT};
        poll(&poller, 1, 50);
    }
}

void client_puts(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

void client_dribble(struct client *client, const char *data, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        client_send(client, data + at, len - at < step ? len - at : step);
        clock_tick();
    }
}

void client_shutdown(struct client *client)
{
    shutdown(client->fd, SHUT_WR);
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

void client_reset(struct client *client)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    transport_reset(client->fd, client->port != 0);
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    client_close(client);
}

void client_vanish(struct client *client)
{
    CODE(transport_vanish(client->fd, client->port != 0), 0);
}

void clients_free(void)
{
    while (all != NULL) {
        struct client *client = all;
        all = client->next;
        client_close(client);
        free(client->buf);
        free(client);
    }
}

/* One read. 0 if the connection has ended or nothing came within timeout_ms. */
static size_t take_in(struct client *client, int timeout_ms)
{
    struct pollfd poller = {.fd = client->fd, .events = POLLIN};

    if (client->ended || client->fd < 0 || poll(&poller, 1, timeout_ms) <= 0)
        return 0;
    if (client->cap - client->len < 65536) {
        client->cap = client->cap * 2 + 65536;
        client->buf = realloc(client->buf, client->cap + 1);
        CHECK(client->buf != NULL);
    }
    ssize_t n = recv(client->fd, client->buf + client->len, client->cap - client->len, MSG_DONTWAIT);
    if (n > 0) {
        client->len += (size_t)n;
        client->buf[client->len] = 0;
        return (size_t)n;
    }
    if (n == 0)
        client->ended = 1;
    else if (errno == ECONNRESET || errno == EPIPE)
        client->ended = 2;
    return 0;
}

static void fail_short(struct client *client, const char *what, const char *file, int line)
{
    static const char *const ends[] = {"is open", "has ended", "was reset"};

    print_error("the client has %zu bytes, its connection %s; the last of them:\n%s\n", client->len,
                ends[client->ended], client->len == 0 ? "" : client->buf + (client->len > 500 ? client->len - 500 : 0));
    check_fail(file, line, "%s did not come within %u ms", what, clock_limit_ms());
}

void client_want_at(struct client *client, size_t len, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (client->len < len) {
        take_in(client, 50);
        if (client->len < len && (client->ended || clock_ms() > end))
            fail_short(client, "as many bytes as the test wants", file, line);
    }
}

size_t client_until_at(struct client *client, const char *text, size_t len, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    size_t looked = 0;

    for (;;) {
        if (client->len >= len) {
            char *found = memmem(client->buf + looked, client->len - looked, text, len);
            if (found != NULL)
                return (size_t)(found - client->buf);
            looked = client->len - len + 1;
        }
        if (take_in(client, 50) == 0 && (client->ended || clock_ms() > end))
            fail_short(client, text, file, line);
    }
}

void client_expect_at(struct client *client, const char *text, size_t len, const char *file, int line)
{
    client_want_at(client, len, file, line);
    check_bytes(client->buf, len, text, len, file, line);
    client_consume(client, len);
}

int client_until_end_at(struct client *client, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (!client->ended) {
        take_in(client, 50);
        if (!client->ended && clock_ms() > end)
            fail_short(client, "the end of the connection", file, line);
    }
    return client->ended;
}

void client_consume(struct client *client, size_t len)
{
    CHECK(len <= client->len);
    client->len -= len;
    if (client->buf != NULL) {
        memmove(client->buf, client->buf + len, client->len);
        client->buf[client->len] = 0;
    }
}

size_t client_peek(struct client *client)
{
    while (take_in(client, 0) > 0)
        ;
    return client->len;
}

int client_port(const struct client *client)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);

    if (client->port != 0)
        return client->port;
    CHECK(getsockname(client->fd, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

long client_raise_limit(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}
