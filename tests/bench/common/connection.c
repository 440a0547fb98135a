/* SPDX-License-Identifier: MIT
 * Connections over loopback, made with plain system calls; see bench.h. Blocking, with a time limit on each read, so
 * that a benchmark never hangs. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SECONDS 20

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int bench_listen_at(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0)
        bench_die("listening on 127.0.0.1: %s", strerror(errno));
    return fd;
}

int bench_listen(uint16_t *port)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    int fd = bench_listen_at(0);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        bench_die("getsockname: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

static void reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* From each of 64 addresses of the loopback in turn: with thousands of connections between one pair of addresses the
 * kernel would spend its time on looking for a free port. */
static void from_another_address(int fd)
{
    static uint32_t turn;
    struct sockaddr_in address = loopback(0);
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 64);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_die("bind: %s", strerror(errno));
}

int bench_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval patience = {.tv_sec = READ_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_die("socket: %s", strerror(errno));
    reset_on_close(fd);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    from_another_address(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_die("connecting to 127.0.0.1:%d: %s", port, strerror(errno));
    return fd;
}

int bench_accept(int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_die("accept: %s", strerror(errno));
    reset_on_close(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void bench_send_all(int fd, const char *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len)
        bench_die("sending %zu bytes: %s", len, n < 0 ? strerror(errno) : "only a part of them was taken");
}

size_t bench_receive_head(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = recv(fd, buffer + have, size - have, 0);
        if (n <= 0)
            bench_die("waiting for a head: %s", n == 0 ? "the server closed" : strerror(errno));
        have += (size_t)n;
        const char *end = memmem(buffer, have, "\r\n\r\n", 4);
        if (end != NULL)
            return (size_t)(end - buffer) + 4;
    }
    bench_die("a head of more than %zu bytes came", size);
}

void bench_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        bench_die("fcntl: %s", strerror(errno));
}
