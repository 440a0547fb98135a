/* SPDX-License-Identifier: MIT
 * The client's side of HTTP/2, as far as the benchmarks need it: requests for /held, and counting their response heads.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HEADERS = 1
};

static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                            "\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff" /* the largest window for each stream */
                            "\0\0\4\x8\0\0\0\0\0\x7f\xff\0\0";       /* and for the connection */
/* GET, http, /held, :authority, accept: text/event-stream */
static const char fields[] = "\x82\x86\x04\x05/held\x01\x09"
                             "127.0.0.1\x0f\x04\x11text/event-stream";

size_t bench_http2_hello(char *buffer, size_t size)
{
    if (size < sizeof hello - 1)
        bench_die("no room for the preface");
    memcpy(buffer, hello, sizeof hello - 1);
    return sizeof hello - 1;
}

size_t bench_http2_request(char *buffer, size_t size, unsigned index)
{
    const unsigned stream = 2 * index + 1;
    const size_t len = sizeof fields - 1;
    if (size < 9 + len)
        bench_die("no room for a request");
    const char header[9] = {0, 0, (char)len, HEADERS, 5, 0, 0, (char)(stream >> 8), (char)stream};
    memcpy(buffer, header, sizeof header);
    memcpy(buffer + sizeof header, fields, len);
    return sizeof header + len;
}

void bench_http2_take(struct bench_http2 *http2, const char *data, size_t len)
{
    while (len > 0) {
        if (http2->left > 0) {
            size_t n = len < http2->left ? len : http2->left;
            http2->left -= n;
            data += n;
            len -= n;
            continue;
        }
        http2->header[http2->have++] = (unsigned char)*data++;
        --len;
        if (http2->have < sizeof http2->header)
            continue;
        http2->have = 0;
        http2->left = (size_t)http2->header[0] << 16 | (size_t)http2->header[1] << 8 | http2->header[2];
        http2->heads += http2->header[3] == HEADERS;
    }
}

void bench_http2_open(int fd, unsigned streams)
{
    struct bench_http2 http2 = {.heads = 0};
    char buffer[16384];
    size_t len = bench_http2_hello(buffer, sizeof buffer);
    for (unsigned i = 0; i < streams; ++i)
        len += bench_http2_request(buffer + len, sizeof buffer - len, i);
    bench_send_all(fd, buffer, len);
    while (http2.heads < streams) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0)
            bench_die("HTTP/2: the server has ended the connection: %s", n == 0 ? "FIN" : strerror(errno));
        bench_http2_take(&http2, buffer, (size_t)n);
    }
}
