/* SPDX-License-Identifier: MIT
 * What the benchmarks share: the machine, time, medians, child processes, connections and a small server of the
 * library. Functions that cannot go on end the program with a sentence and exit code 1. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <hijack/hijack.h>

/* One core for what is measured, another for those who make it work; the same where there is only one. */
enum bench_core {
    BENCH_CORE_SERVER,
    BENCH_CORE_CLIENT
};

#define BENCH_MAX_ROUNDS 99

/* ---- machine.c ---- */

_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the machine once, and raises the descriptor limit as far as permitted. */
void bench_begin(const char *title);

/* Lets the process have as many descriptors as it is permitted, at most a million, and returns the number. */
long bench_raise_descriptor_limit(void);

/* What bench_begin does about cores, for a program that prints no machine. Returns how many there are. */
int bench_choose_cores(void);

/* The whole number at argv[index], or fallback where there is none. */
long bench_argument(int argc, char **argv, int index, const char *name, long fallback, long min, long max);

/* Binds the calling thread, and the threads and processes it starts from here on, to one core. */
void bench_pin(enum bench_core core);

uint64_t bench_now(void); /* nanoseconds */
void bench_sleep(uint64_t ns);

/* Of an odd or even number of values; sorts them. */
double bench_median(double *values, size_t count);

/* The medians of two contenders that took turns, and of the quotients of each turn: ours / theirs where larger values
 * are better. count values each, in the order of the turns, at most BENCH_MAX_ROUNDS. */
struct bench_versus {
    double ours, theirs;
    double of_medians, median_of_ratios;
    double least, most; /* of the quotients */
};
struct bench_versus bench_versus(const double *ours, const double *theirs, size_t count);

/* ---- process.c ---- */

struct bench_child {
    pid_t pid;
    int fd; /* questions and answers, one uint64_t each */
};

/* Forks a child that runs body and exits. It dies with its parent. Fork before the first call of the library. */
struct bench_child bench_start(void (*body)(int fd, void *arg), void *arg);

/* The parent's side: asks and waits for the answer. A child that has died ends the program. */
uint64_t bench_ask(const struct bench_child *child, uint64_t question);

/* Waits for one more answer; the last one asked for something that takes its time. */
uint64_t bench_hear(const struct bench_child *child);

/* The child's side. bench_next returns false when the parent has had enough. */
bool bench_next(int fd, uint64_t *question);
void bench_answer(int fd, uint64_t answer);

/* Ends the child and waits for it. */
void bench_end(struct bench_child *child);

/* Resident memory of a process in bytes. */
struct bench_resident {
    double rss, pss, private_dirty;
};
struct bench_resident bench_resident(pid_t pid);

/* Processor time that a process has used, in nanoseconds. */
uint64_t bench_processor_time(pid_t pid);

/* ---- connection.c ---- */

/* A listening socket on a free port of 127.0.0.1. */
int bench_listen(uint16_t *port);
int bench_listen_at(uint16_t port); /* on this one */

/* A connected socket. When closed it resets, so that no port stays in TIME_WAIT for the next round. */
int bench_connect(uint16_t port);

/* The next connection of a listening socket, with TCP_NODELAY, closing in the same way. */
int bench_accept(int listener);

void bench_send_all(int fd, const char *data, size_t len);

/* Blocks until an empty line has come; returns the head's length in bytes, with what may follow it in the buffer. */
size_t bench_receive_head(int fd, char *buffer, size_t size);

void bench_nonblocking(int fd);

#define BENCH_REQUEST                                                                                                  \
    "GET /held HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: text/event-stream\r\n\r\n"

#define BENCH_WEBSOCKET_REQUEST                                                                                        \
    "GET /held HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"    \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                                     \
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

/* ---- http2.c ---- */

/* What has come on an HTTP/2 connection. */
struct bench_http2 {
    unsigned char header[9]; /* of the frame that is coming in */
    unsigned have;
    size_t left;    /* of its payload */
    unsigned heads; /* responses that have begun */
};

/* The preface, and the request with this index (from 0) for /held. Both return their length. */
size_t bench_http2_hello(char *buffer, size_t size);
size_t bench_http2_request(char *buffer, size_t size, unsigned index);
void bench_http2_take(struct bench_http2 *http2, const char *data, size_t len);

/* Sends all that to a socket that blocks, and waits for the response heads. */
void bench_http2_open(int fd, unsigned streams);

/* ---- library.c ---- */

/* A server of the library that holds what asks for /held. Belongs to the process that made it. */
struct bench_library {
    hijack_server *server;
    hijack_broadcaster *members;
    uint16_t port;
};

/* Its loop threads run on the core that the calling thread is bound to. kind: HIJACK_HOLD_*. */
void bench_library_start(struct bench_library *library, int threads, uint32_t kind);

/* The same on another address, with a certificate (PEM; NULL: none), and with options, of which the last has no name.
 */
struct bench_option {
    const char *name, *value;
};
struct bench_place {
    const char *address, *certificate, *key;
};
void bench_library_start_at(struct bench_library *library, const struct bench_place *place,
                            const struct bench_option *options, uint32_t kind);
void bench_library_stop(struct bench_library *library);

uint64_t bench_library_stat(const struct bench_library *library, int stat);

/* Waits, on a clock that ticks in milliseconds, until the statistic is at least (or, with at_most, at most) value. */
void bench_library_wait(const struct bench_library *library, int stat, uint64_t value, bool at_most);

/* Ends the program when result is an error of the library, else returns it. */
int bench_check(int result, const char *what);

/* ---- hello.c ---- */

#define BENCH_HELLO "hello"
#define BENCH_BODY_BYTES 1024 /* of a request's body */

/* What a hello server has answered. Its own thread counts, any other may read. */
struct bench_served {
    _Atomic uint64_t requests;
    _Atomic uint64_t bodies; /* requests that had BENCH_BODY_BYTES of 'x' and nothing else */
};

/* True for BENCH_BODY_BYTES of 'x'. */
bool bench_body_right(const char *body, size_t len);

/* A server of the library that answers every request with BENCH_HELLO: one loop thread and one polling thread, both on
 * the core that the caller is bound to. It runs until the process ends. */
uint16_t bench_hello_start(struct bench_served *served);
uint16_t bench_hello_start_at(struct bench_served *served, const struct bench_place *place);

/* Questions to a child that runs a hello server, for bench_hello_answer. */
enum {
    BENCH_ASK_PORT,
    BENCH_ASK_REQUESTS,
    BENCH_ASK_BODIES
};

/* The child's side: starts a hello server on the server's core, and answers the parent from the client's core. */
void bench_hello_answer(int fd, uint16_t (*start)(struct bench_served *served));

/* ---- bare.c ---- */

struct bench_bare_answer {
    char data[1 << 20];
    size_t len;
};

/* Body of a child: an epoll server on one core that sends *answer, a struct bench_bare_answer, to whatever comes on a
 * connection. It answers each question with its port, once no connection is left. */
void bench_bare_serve(int fd, void *answer);

/* ---- load.c ---- */

#define BENCH_MAX_LOAD 1024

/* Keep-alive connections that send the request, wait for the whole answer, and send the request again. */
struct bench_load {
    uint16_t port;
    int connections; /* 1 to BENCH_MAX_LOAD */
    uint64_t ns;     /* how long answers count; before that it runs for a tenth of this time to warm up */
    const char *request;
    size_t request_len;
};

struct bench_load_result {
    uint64_t answers;  /* within ns */
    uint64_t requests; /* all that were sent, and answered, before and after as well */
    uint64_t bytes;    /* of the answers */
    uint64_t reopened; /* connections that the server closed with "Connection: close", and that were made again */
    double rate;       /* answers a second */
    double p50, p99;   /* from a request's send to the end of its answer, microseconds, within 3 % */
};

/* Runs a load on the calling thread, and waits for the answers that are on their way at its end. Every answer must be a
 * 200 with a Content-Length and the body BENCH_HELLO, and nothing may follow it; a connection that closes unannounced
 * or stays silent, or a wrong answer, ends the program. */
struct bench_load_result bench_load(const struct bench_load *load);

#endif
