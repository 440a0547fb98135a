/* SPDX-License-Identifier: MIT
 *
 * The process of the tunnels, and how the test's process asks it. One thread serves all tunnels, which are in one list.
 * Descriptors are watched edge-triggered: an event runs a tunnel until nothing moves any more, so what it waits for
 * need not be said.
 *
 * A tunnel buffers one piece in each direction. While it cannot be passed on, nothing more is read.
 */
#include "tunnel.h"

#include "tls_client.h"
#include "vanish.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

enum {
    PIECE = 16384,
    SLOW = 16384,     /* bytes of a kernel buffer of a slow client: a record, or each costs several round trips */
    ORDINARY = 65536, /* of another one: a kernel that decides by itself holds megabytes where the tunnel is late */
    STEPS = 32,       /* of one tunnel at a time, so that a busy one does not keep others waiting */
    EVENTS = 64
};

enum {
    ASK_CONNECT,
    ASK_VANISH,
    ASK_RESET,
    ASK_SETTLE
};

/* What the test's process asks, and the answer: a port or 0, or -errno. */
struct question {
    int what;
    int client_port; /* of the test's socket */
    int server_port;
    int slow;
    int http2;
};

struct piece {
    char data[PIECE];
    size_t from; /* what is left lies from here... */
    size_t to;   /* ...to here */
    int ended;   /* the source has ended */
    int done;    /* and the target was told */
};

struct tunnel {
    int plain;  /* to the test; -1 once the tunnel is over */
    int secure; /* to the server */
    int client_port;
    int established;
    int busy;   /* it had no time to finish */
    int failed; /* one end was reset: once nothing moves, that is the end, whatever is blocked */
    SSL *ssl;
    struct piece up;   /* from the test to the server */
    struct piece down; /* from the server to the test */
    struct tunnel *next;
};

/* Of the process of the tunnels. */
static struct tunnel *tunnels;
static SSL_CTX *context;
static const char *server_name;
static int listener, events_fd, questions;
static int settling;            /* the test waits for tunnel_settle */
static int any_busy, any_ended; /* since run_busy and free_ended: with thousands of tunnels a look at each takes long */
/* Of the test's process. */
static int asking = -1, entrance;

static void must_tunnel(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "the tunnels: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static struct sockaddr_in local_address(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Of the socket's own address, or of its peer's. */
static int port_of(int fd, int peers)
{
    struct sockaddr_in address = {0};
    struct sockaddr *to = (struct sockaddr *)&address;
    socklen_t len = sizeof(address);

    if ((peers ? getpeername(fd, to, &len) : getsockname(fd, to, &len)) != 0)
        return -1;
    return ntohs(address.sin_port);
}

static void set_number(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

static void watch_fd(int fd, void *whose)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = whose};

    must_tunnel(epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void tunnel_end(struct tunnel *tunnel, int reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int fds[] = {tunnel->plain, tunnel->secure};

    for (int i = 0; i < 2; i++) {
        if (reset)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fds[i]);
    }
    SSL_free(tunnel->ssl);
    tunnel->ssl = NULL;
    tunnel->plain = tunnel->secure = -1;
    any_ended = 1;
}

/* One step from the test to the server: 1 if something moved, 0 if not, -1 if the tunnel is broken. */
static int step_up(struct tunnel *tunnel)
{
    struct piece *up = &tunnel->up;

    if (up->from == up->to && !up->ended) {
        ssize_t n = recv(tunnel->plain, up->data, PIECE, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        up->from = 0;
        up->to = (size_t)n;
        up->ended = n == 0;
        return 1;
    }
    if (up->from < up->to) {
        int n = tls_client_write(tunnel->ssl, up->data + up->from, up->to - up->from);
        if (n > 0)
            up->from += (size_t)n;
        return n > 0 ? 1 : n == TLS_CLIENT_AGAIN ? 0 : -1;
    }
    if (up->ended && !up->done) {
        int n = tls_client_shutdown(tunnel->ssl);
        if (n <= 0)
            return n == TLS_CLIENT_AGAIN ? 0 : -1;
        up->done = 1;
        return shutdown(tunnel->secure, SHUT_WR) == 0 ? 1 : -1;
    }
    return 0;
}

/* One step from the server to the test; results as step_up. An end without close_notify is broken. */
static int step_down(struct tunnel *tunnel)
{
    struct piece *down = &tunnel->down;

    if (down->from == down->to && !down->ended) {
        int n;
        down->from = down->to = 0;
        do { /* all records that are there: one by one, thousands of tunnels would stay behind for good */
            n = tls_client_read(tunnel->ssl, down->data + down->to, PIECE - down->to);
            down->to += n > 0 ? (size_t)n : 0;
        } while (n > 0 && down->to < PIECE);
        down->ended = n == TLS_CLIENT_CLOSED;
        if (down->to > 0 || down->ended)
            return 1; /* a failure comes again with the next read */
        return n == TLS_CLIENT_AGAIN ? 0 : -1;
    }
    if (down->from < down->to) {
        ssize_t n = send(tunnel->plain, down->data + down->from, down->to - down->from, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            down->from += (size_t)n;
        return n > 0 ? 1 : errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    if (down->ended && !down->done) {
        down->done = 1;
        return shutdown(tunnel->plain, SHUT_WR) == 0 ? 1 : -1;
    }
    return 0;
}

/* Runs until nothing moves, or for its share of time. */
static void tunnel_run(struct tunnel *tunnel)
{
    int moved = 1;

    for (int steps = 0; moved && steps < STEPS; steps++) {
        if (!tunnel->established) {
            int result = tls_client_handshake(tunnel->ssl);
            if (result < 0) {
                if (result == TLS_CLIENT_ERROR)
                    ERR_print_errors_fp(stderr);
                tunnel_end(tunnel, 1);
                return;
            }
            moved = result != TLS_CLIENT_AGAIN;
            if (!moved)
                break;
            tunnel->established = 1;
        }
        int down = step_down(tunnel), up = down < 0 ? -1 : step_up(tunnel);
        if (down < 0 || up < 0) {
            tunnel_end(tunnel, 1);
            return;
        }
        if (tunnel->up.done && tunnel->down.done) {
            tunnel_end(tunnel, 0);
            return;
        }
        moved = down || up;
    }
    tunnel->busy = moved;
    any_busy |= moved;
    if (tunnel->failed && !moved)
        tunnel_end(tunnel, 1);
}

static void tunnel_event(struct tunnel *tunnel, uint32_t what)
{
    if (tunnel->plain == -1)
        return;
    tunnel->failed |= (what & EPOLLERR) != 0;
    tunnel_run(tunnel);
}

/* The end of the test's connection that waits in the listener: the test connects before it asks. */
static int accept_client(int client_port)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 || port_of(fd, 1) == client_port)
            return fd;
        close(fd); /* its test has gone */
    }
}

static int open_tunnel(const struct question *question)
{
    struct sockaddr_in address = local_address(question->server_port);
    int plain = accept_client(question->client_port);
    int secure = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must_tunnel(plain >= 0 && secure >= 0, "no socket");
    set_number(plain, SOL_SOCKET, SO_SNDBUF, question->slow ? SLOW : ORDINARY);
    set_number(secure, SOL_SOCKET, SO_RCVBUF, question->slow ? SLOW : ORDINARY);
    set_number(plain, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(secure, IPPROTO_TCP, TCP_NODELAY, 1);
    if (connect(secure, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int failure = -errno;
        close(plain);
        close(secure);
        return failure;
    }
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    must_tunnel(tunnel != NULL, "memory");
    BIO_socket_nbio(secure, 1);
    tunnel->plain = plain;
    tunnel->secure = secure;
    tunnel->client_port = question->client_port;
    tunnel->ssl = tls_client_new(context, secure, server_name);
    must_tunnel(tunnel->ssl != NULL, "memory");
    if (question->http2)
        must_tunnel(SSL_set_alpn_protos(tunnel->ssl, (const unsigned char *)"\2h2", 3) == 0, "ALPN");
    tunnel->next = tunnels;
    tunnels = tunnel;
    watch_fd(plain, tunnel);
    watch_fd(secure, tunnel);
    return port_of(secure, 0);
}

static struct tunnel *find_tunnel(int client_port)
{
    struct tunnel *tunnel = tunnels;

    while (tunnel != NULL && (tunnel->plain == -1 || tunnel->client_port != client_port))
        tunnel = tunnel->next;
    return tunnel;
}

static int reset_tunnel(struct tunnel *tunnel)
{
    if (tunnel == NULL)
        return 0; /* the server was first */
    do
        tunnel_run(tunnel);
    while (tunnel->busy && tunnel->plain != -1);
    if (tunnel->plain != -1)
        tunnel_end(tunnel, 1);
    return 0;
}

/* Whether each tunnel has nothing to pass on to its server. */
static int is_settled(void)
{
    char byte;

    for (struct tunnel *tunnel = tunnels; tunnel != NULL; tunnel = tunnel->next)
        if (tunnel->plain != -1 &&
            (!tunnel->established || tunnel->up.from < tunnel->up.to || tunnel->up.ended != tunnel->up.done ||
             (!tunnel->up.ended && recv(tunnel->plain, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0)))
            return 0;
    return 1;
}

static void give_answer(int answer)
{
    must_tunnel(send(questions, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer), "no answer");
}

static void take_question(void)
{
    struct question question;

    if (recv(questions, &question, sizeof(question), 0) != sizeof(question))
        _exit(0); /* the test has ended */
    struct tunnel *tunnel = find_tunnel(question.client_port);
    switch (question.what) {
    case ASK_CONNECT:
        give_answer(open_tunnel(&question));
        break;
    case ASK_VANISH:
        give_answer(tunnel == NULL ? -ENOTCONN : vanish(tunnel->secure));
        break;
    case ASK_RESET:
        give_answer(reset_tunnel(tunnel));
        break;
    default:
        settling = 1; /* answered when it is so */
    }
}

/* Those that had no time to finish go on; 1 if one still has not. */
static int run_busy(void)
{
    if (!any_busy)
        return 0;
    any_busy = 0;
    for (struct tunnel *tunnel = tunnels; tunnel != NULL; tunnel = tunnel->next)
        if (tunnel->plain != -1 && tunnel->busy)
            tunnel_run(tunnel);
    return any_busy;
}

static void free_ended(void)
{
    if (!any_ended)
        return;
    any_ended = 0;
    for (struct tunnel **at = &tunnels; *at != NULL;) {
        struct tunnel *tunnel = *at;
        if (tunnel->plain != -1) {
            at = &tunnel->next;
            continue;
        }
        *at = tunnel->next;
        free(tunnel);
    }
}

/* The whole life of the process. Tunnels that have ended are freed after each batch, in which an event may still name
 * them. */
static void serve_tunnels(X509 *trusted)
{
    struct epoll_event events[EVENTS], question = {.events = EPOLLIN};
    struct rlimit limit;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    context = tls_client_context(trusted, 0);
    events_fd = epoll_create1(EPOLL_CLOEXEC);
    must_tunnel(context != NULL && events_fd >= 0, "start");
    must_tunnel(epoll_ctl(events_fd, EPOLL_CTL_ADD, questions, &question) == 0, "epoll_ctl");
    for (int busy = 0;;) {
        int count = epoll_wait(events_fd, events, EVENTS, busy ? 0 : -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                take_question();
            else
                tunnel_event(events[i].data.ptr, events[i].events);
        }
        busy = run_busy();
        if (settling && is_settled()) {
            settling = 0;
            give_answer(0);
        }
        free_ended();
    }
}

void tunnel_start(X509 *trusted, const char *host)
{
    struct sockaddr_in address = local_address(0);
    int ends[2];

    server_name = host;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must_tunnel(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                    listen(listener, 128) == 0,
                "listen");
    must_tunnel(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    fflush(NULL);
    pid_t child = fork();
    must_tunnel(child >= 0, "fork");
    if (child == 0) {
        close(ends[0]);
        questions = ends[1];
        serve_tunnels(trusted);
    }
    close(ends[1]);
    entrance = port_of(listener, 0);
    close(listener);
    asking = ends[0];
}

static int ask_tunnels(const struct question *question)
{
    int answer;

    if (send(asking, question, sizeof(*question), MSG_NOSIGNAL) != sizeof(*question) ||
        recv(asking, &answer, sizeof(answer), 0) != sizeof(answer))
        return -ECONNABORTED;
    return answer;
}

int tunnel_connect(int fd, int port, int slow, int http2)
{
    struct sockaddr_in address = local_address(entrance);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return -errno;
    struct question question = {
        .what = ASK_CONNECT, .client_port = port_of(fd, 0), .server_port = port, .slow = slow, .http2 = http2};
    return ask_tunnels(&question);
}

int tunnel_vanish(int fd)
{
    struct question question = {.what = ASK_VANISH, .client_port = port_of(fd, 0)};

    return ask_tunnels(&question);
}

int tunnel_reset(int fd)
{
    struct question question = {.what = ASK_RESET, .client_port = port_of(fd, 0)};

    return ask_tunnels(&question);
}

int tunnel_settle(void)
{
    struct question question = {.what = ASK_SETTLE};

    return ask_tunnels(&question);
}
