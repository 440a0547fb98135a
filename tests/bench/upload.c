/* SPDX-License-Identifier: MIT
 * Upload: one client sends a large body over loopback, which the program reads in pieces (option request_body); with a
 * length, then chunked. How much memory does the server need for it, and how fast is it?
 *
 *     upload [MiB]
 *
 * The server is a process of its own on one core, the client, this process, is on the other. The program gives a credit
 * of 64 KiB and renews it with each piece. The server's peak of resident memory (VmHWM, reset before) is compared with
 * what it had at rest; the target is at most 8 MiB over that. A byte too few or too many, or a wrong one, ends the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PIECE 65536 /* of the client's sends, and the program's credit */
#define TARGET_MIB 8.0

static uint64_t total; /* bytes of the body */

/* What stands at this place of the body. */
static char byte_at(uint64_t offset)
{
    return (char)(offset % 251);
}

/* ---- The server. ---- */

static void set(hijack_server *server, const char *name, const char *value)
{
    bench_check(hijack_server_set(server, name, strlen(name), value, strlen(value)), name);
}

/* Returns how many bytes came, or UINT64_MAX where one was wrong. */
static uint64_t check_piece(uint64_t offset, const hijack_event *event)
{
    for (uint64_t i = 0; i < event->len; ++i)
        if (event->data[i] != byte_at(offset + i))
            return UINT64_MAX;
    return event->len;
}

/* Takes one upload and answers it; returns how many bytes of it were right. */
static uint64_t take_upload(hijack_queue *queue)
{
    hijack_event events[16];
    uint64_t offset = 0;
    for (;;) {
        int count = bench_check(hijack_queue_poll(events, queue, 16, 60000), "hijack_queue_poll");
        if (count == 0)
            bench_die("no event came within 60 s, after %llu bytes", (unsigned long long)offset);
        for (int i = 0; i < count; ++i) {
            hijack_event *event = &events[i];
            if (event->type == HIJACK_EVENT_REQUEST)
                bench_check(hijack_request_read(event->handle, PIECE), "hijack_request_read");
            if (event->type == HIJACK_EVENT_CLOSED)
                bench_die("the upload ended with %s", hijack_errname(event->status));
            if (event->type == HIJACK_EVENT_DATA) {
                uint64_t right = check_piece(offset, event);
                if (right == UINT64_MAX)
                    bench_die("a wrong byte after %llu", (unsigned long long)offset);
                offset += right;
                bench_check(hijack_request_read(event->handle, right), "hijack_request_read");
            }
            if (event->type == HIJACK_EVENT_EOF) {
                bench_check(hijack_request_respond(event->handle, 200, NULL, 0, "ok", 2), "hijack_request_respond");
                hijack_request_free(event->handle);
                return offset;
            }
        }
    }
}

/* Answers the first question with its port, each other one with the bytes of the next upload. */
static void serve(int fd, void *arg)
{
    hijack_queue *queue;
    hijack_server *server;
    uint64_t question;
    static const char address[] = "127.0.0.1:0";
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_check(hijack_queue_new(&queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server, queue), "hijack_server_new");
    set(server, "threads", "1");
    set(server, "request_body", "pieces");
    set(server, "max_body_bytes", "1048576m");
    int port = bench_check(hijack_server_listen(server, address, strlen(address)), address);
    bench_check(hijack_server_start(server), "hijack_server_start");
    if (bench_next(fd, &question))
        bench_answer(fd, (uint64_t)port);
    while (bench_next(fd, &question))
        bench_answer(fd, take_upload(queue));
    hijack_server_stop(server);
    hijack_server_free(server);
    hijack_queue_free(queue);
}

/* ---- Memory of another process. ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        bench_die("cannot write %s", path);
}

/* VmHWM in MiB. */
static double peak_of(pid_t pid)
{
    char path[64], line[256];
    double kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (file == NULL || fclose(file) != 0 || kib == 0)
        bench_die("cannot read VmHWM from %s", path);
    return kib / 1024;
}

static double reset_peak(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
    write_file(path, "5");
    return peak_of(pid);
}

/* ---- The client. ---- */

static void send_body(int fd, bool chunked)
{
    static char piece[PIECE];
    char size[16];
    for (uint64_t offset = 0; offset < total;) {
        size_t len = total - offset < PIECE ? (size_t)(total - offset) : PIECE;
        for (size_t i = 0; i < len; ++i)
            piece[i] = byte_at(offset + i);
        if (chunked)
            bench_send_all(fd, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
        bench_send_all(fd, piece, len);
        if (chunked)
            bench_send_all(fd, "\r\n", 2);
        offset += len;
    }
    if (chunked)
        bench_send_all(fd, "0\r\n\r\n", 5);
}

static void upload(const struct bench_child *child, uint16_t port, bool chunked)
{
    char head[256];
    int fd = bench_connect(port);
    double rest = reset_peak(child->pid);
    uint64_t start = bench_now(), used = bench_processor_time(child->pid), question = 1;
    int len =
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: x\r\n%s%llu\r\n\r\n",
                 chunked ? "Transfer-Encoding: chunked\r\nX-Length: " : "Content-Length: ", (unsigned long long)total);
    if (write(child->fd, &question, sizeof(question)) != sizeof(question))
        bench_die("the server has gone");
    bench_send_all(fd, head, (size_t)len);
    send_body(fd, chunked);
    uint64_t taken = bench_hear(child);
    if (bench_receive_head(fd, head, sizeof(head)) == 0 || strncmp(head, "HTTP/1.1 200", 12) != 0)
        bench_die("the answer is not 200");
    double seconds = (double)(bench_now() - start) / 1e9;
    double processor = (double)(bench_processor_time(child->pid) - used) / 1e6;
    double over = peak_of(child->pid) - rest;
    close(fd);
    if (taken != total)
        bench_die("%llu bytes came, %llu were sent", (unsigned long long)taken, (unsigned long long)total);
    double mib = (double)total / (1 << 20);
    printf("%-14s %10.0f %14.0f %12.1f %14.2f   at most %.0f: %s\n", chunked ? "chunked" : "with a length",
           mib / seconds, processor * 1024 / mib, rest, over, TARGET_MIB, over <= TARGET_MIB ? "met" : "MISSED");
}

int main(int argc, char **argv)
{
    total = (uint64_t)bench_argument(argc, argv, 1, "MiB", 1024, 1, 1 << 20) << 20;
    bench_begin("Upload: a body that is read in pieces");
    struct bench_child child = bench_start(serve, NULL);
    bench_pin(BENCH_CORE_CLIENT);
    uint16_t port = (uint16_t)bench_ask(&child, 0);
    printf("\n%llu MiB, credit of %d KiB; CPU of the server, which checks each byte\n\n",
           (unsigned long long)(total >> 20), PIECE >> 10);
    printf("%-14s %10s %14s %12s %14s\n", "", "MiB/s", "CPU ms a GiB", "rest MiB", "peak over it");
    upload(&child, port, false);
    upload(&child, port, true);
    bench_end(&child);
    return 0;
}
