/* libh2o, and everything that depends on its version. Loop thread; only this folder includes it. What differs between
 * 2.2.5, which distributions have, and its master branch is in compat_225.h and compat_master.h, under the same names.
 *
 * What libh2o lacks, and how it is made up for:
 * - No filter in front of its frames, no reset of a stream, no GOAWAY for one connection: h2o/http2_internal.h is
 *   shipped with the whole struct of a connection, whose _read_expect is called once for every frame. compat_225.h
 *   holds it to the layout that was tested.
 * - The pool of a request keeps 4 KiB for a held stream, of which nothing is needed once the response head is encoded.
 * - A Date of its own in every response; the program's must win.
 * - h2o_evloop_destroy leaves the epoll descriptor open, and the recycling lists of a thread are never freed. The
 *   descriptor is the field behind the public part of the loop; it is used only after a check that it is an epoll. */
#ifndef HJ_LOOP_HTTP2_COMPAT_H
#define HJ_LOOP_HTTP2_COMPAT_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
/* in this order: the headers do not include what they need */
/* clang-format off */
#include <h2o.h>
#include <h2o/http2.h>
#include <h2o/version.h>
#if H2O_VERSION_MAJOR == 2 && H2O_VERSION_MINOR > 2
#include <h2o/hpack.h>
#endif
#include <h2o/http2_internal.h>
/* clang-format on */
#pragma GCC diagnostic pop

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef ssize_t (*hj_compat_expect)(h2o_http2_conn_t *conn, const uint8_t *src, size_t len, const char **problem);

static inline h2o_http2_stream_t *hj_compat_stream_of(h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(h2o_http2_stream_t, req, req);
}

#if H2O_VERSION_MAJOR == 2 && H2O_VERSION_MINOR == 2
#include "loop/http2/compat_225.h"
#else
#include "loop/http2/compat_master.h"
#endif

/* libh2o ends the process when it finds no descriptor for its epoll instance and its pipe: whether they are there. */
static inline bool hj_compat_has_descriptors(int any_fd)
{
    int fds[4];
    bool all = true;
    for (int i = 0; i < 4; ++i)
        all &= (fds[i] = fcntl(any_fd, F_DUPFD_CLOEXEC, 0)) != -1;
    for (int i = 0; i < 4; ++i)
        if (fds[i] != -1)
            close(fds[i]);
    return all;
}

/* other_fd: a descriptor that can be watched, and that this loop does not. -1: not found. */
static inline int hj_compat_epoll_fd(h2o_loop_t *loop, int other_fd)
{
    int fd;
    memcpy(&fd, loop + 1, sizeof(fd));
    return epoll_ctl(fd, EPOLL_CTL_DEL, other_fd, NULL) == -1 && errno == ENOENT ? fd : -1;
}

/* Whether it must run although its epoll descriptor is silent. */
static inline bool hj_compat_has_work(h2o_loop_t *loop)
{
    return loop->_statechanged.head != NULL || loop->_pending_as_client != NULL || loop->_pending_as_server != NULL;
}

/* What a socket has received would go to a file in /tmp, over 32 MiB. */
static inline void hj_compat_keep_input_in_memory(void)
{
    h2o_socket_buffer_prototype.mmap_settings = NULL;
}

/* Lends the stream memory for what it has to send, so that the request's pool can be given back. */
static inline void hj_compat_lend_parts(h2o_req_t *req, hj_compat_part *parts, size_t capacity)
{
    hj_compat_stream_of(req)->_data.entries = parts;
    hj_compat_stream_of(req)->_data.capacity = capacity;
}

/* What it has to send is no longer there. */
static inline void hj_compat_drop_parts(h2o_req_t *req)
{
    memset(&hj_compat_stream_of(req)->_data, 0, sizeof(hj_compat_stream_of(req)->_data));
}

/* RST_STREAM for a stream that libh2o has not closed, which it is then. code: positive. */
static inline void hj_compat_reset(h2o_req_t *req, int code)
{
    h2o_http2_stream_t *stream = hj_compat_stream_of(req);
    h2o_http2_conn_t *conn = (h2o_http2_conn_t *)req->conn;
    h2o_http2__encode_rst_stream_frame(&conn->_write.buf, stream->stream_id, code);
    h2o_http2_conn_request_write(conn);
    h2o_http2_stream_reset(conn, stream);
}

/* Sets END_STREAM in the frame with this payload, in what the socket has received. */
static inline void hj_compat_end_stream(const uint8_t *payload)
{
    ((uint8_t *)(uintptr_t)payload)[4 - H2O_HTTP2_FRAME_HEADER_SIZE] |= H2O_HTTP2_FRAME_FLAG_END_STREAM;
}

static inline bool hj_compat_append(h2o_buffer_t **buf, const uint8_t *data, size_t len)
{
    if (len == 0)
        return true;
    h2o_iovec_t room = h2o_buffer_reserve(buf, len);
    if (room.base == NULL)
        return false;
    memcpy(room.base, data, len);
    (*buf)->size += len;
    return true;
}

/* An informational response 100, in fields that leave the table alone. shrink: the table's size is told before. */
static inline void hj_compat_put_continue(h2o_http2_conn_t *conn, uint32_t stream_id, bool shrink)
{
    static const uint8_t block[] = {0x20, 0x08, 0x03, '1', '0', '0'}; /* table size 0; ":status: 100" */
    const size_t skip = shrink ? 0 : 1, len = sizeof(block) - skip;
    h2o_iovec_t room = h2o_buffer_reserve(&conn->_write.buf, H2O_HTTP2_FRAME_HEADER_SIZE + len);
    uint8_t *at = h2o_http2_encode_frame_header((uint8_t *)room.base, len, H2O_HTTP2_FRAME_TYPE_HEADERS,
                                                H2O_HTTP2_FRAME_FLAG_END_HEADERS, (int32_t)stream_id);
    memcpy(at, block + skip, len);
    conn->_write.buf->size += H2O_HTTP2_FRAME_HEADER_SIZE + len;
    h2o_http2_conn_request_write(conn);
}

/* How many streams libh2o has reset for what their peers sent, on all connections of its loop. */
static inline uint64_t hj_compat_resets(const h2o_http2_conn_t *conn)
{
    uint64_t sum = 0;
    for (int i = 0; i < H2O_HTTP2_ERROR_MAX; ++i)
        sum += conn->super.ctx->http2.events.protocol_level_errors[i];
    return sum;
}

/* A stream whose last byte is on its way has no use for a window, and libh2o asserts that none comes. */
static inline void hj_compat_settle_window(h2o_http2_stream_t *stream)
{
    if (stream->state == H2O_HTTP2_STREAM_STATE_END_STREAM)
        stream->output_window._avail = INT32_MAX / 2;
}

static inline void hj_compat_settle_windows(h2o_http2_conn_t *conn)
{
    for (khiter_t i = 0; i < kh_end(conn->streams); ++i)
        if (KHASH_BITS(conn->streams, i) == 0)
            hj_compat_settle_window(kh_val(conn->streams, i));
}

static inline uint8_t *hj_compat_put_length(uint8_t *at, size_t len)
{
    if (len < 127) {
        *at++ = (uint8_t)len;
        return at;
    }
    *at++ = 127;
    for (len -= 127; len >= 128; len >>= 7)
        *at++ = (uint8_t)(len | 128);
    *at++ = (uint8_t)len;
    return at;
}

/* A field that leaves the table alone (RFC 7541 section 6.2.2), its name in lower case. Returns where it ends. */
static inline uint8_t *hj_compat_put_field(uint8_t *at, const char *name, size_t name_len, const char *value,
                                           size_t value_len)
{
    *at++ = 0;
    at = hj_compat_put_length(at, name_len);
    for (size_t i = 0; i < name_len; ++i)
        *at++ = (uint8_t)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    at = hj_compat_put_length(at, value_len);
    memcpy(at, value, value_len);
    return at + value_len;
}

/* HEADERS with END_STREAM, and as many CONTINUATION frames as it takes. */
static inline void hj_compat_put_trailers(h2o_http2_conn_t *conn, uint32_t stream_id, const uint8_t *block, size_t len)
{
    uint8_t type = H2O_HTTP2_FRAME_TYPE_HEADERS, flags = H2O_HTTP2_FRAME_FLAG_END_STREAM;
    size_t n;
    do {
        n = len < conn->peer_settings.max_frame_size ? len : conn->peer_settings.max_frame_size;
        if (n == len)
            flags |= H2O_HTTP2_FRAME_FLAG_END_HEADERS;
        h2o_iovec_t room = h2o_buffer_reserve(&conn->_write.buf, H2O_HTTP2_FRAME_HEADER_SIZE + n);
        uint8_t *at = h2o_http2_encode_frame_header((uint8_t *)room.base, n, type, flags, (int32_t)stream_id);
        memcpy(at, block, n);
        conn->_write.buf->size += H2O_HTTP2_FRAME_HEADER_SIZE + n;
        type = H2O_HTTP2_FRAME_TYPE_CONTINUATION;
        flags = 0;
        block += n;
        len -= n;
    } while (len != 0);
    h2o_http2_conn_request_write(conn);
}

/* Puts "the table has 0 bytes" (RFC 7541 section 6.3) before the header fields of the HEADERS frame that begins at this
 * offset of what is to be written; at most its CONTINUATION frames follow. A frame that is full becomes the
 * continuation of one that says only that. */
static inline void hj_compat_put_table_size(h2o_http2_conn_t *conn, size_t frame_at)
{
    h2o_buffer_reserve(&conn->_write.buf, H2O_HTTP2_FRAME_HEADER_SIZE + 1);
    uint8_t *frame = (uint8_t *)conn->_write.buf->bytes + frame_at;
    const size_t len = conn->_write.buf->size - frame_at;
    const uint32_t payload_len = h2o_http2_decode24u(frame);
    if (payload_len < conn->peer_settings.max_frame_size) {
        uint8_t *payload = frame + H2O_HTTP2_FRAME_HEADER_SIZE;
        memmove(payload + 1, payload, len - H2O_HTTP2_FRAME_HEADER_SIZE);
        *payload = 0x20;
        h2o_http2_encode24u(frame, payload_len + 1);
        ++conn->_write.buf->size;
        return;
    }
    memmove(frame + H2O_HTTP2_FRAME_HEADER_SIZE + 1, frame, len);
    frame[H2O_HTTP2_FRAME_HEADER_SIZE + 1 + 3] = H2O_HTTP2_FRAME_TYPE_CONTINUATION;
    h2o_http2_encode24u(frame, 1);
    frame[4] = 0; /* flags: the fields go on */
    frame[H2O_HTTP2_FRAME_HEADER_SIZE] = 0x20;
    conn->_write.buf->size += H2O_HTTP2_FRAME_HEADER_SIZE + 1;
}

/* Gives back the memory of a request that was taken over, and once more when its response head is encoded: nothing of
 * libh2o reads it any more. What waits to be sent (_data) must be the caller's by then. */
static inline void hj_compat_trim(h2o_req_t *req)
{
    h2o_iovec_t none = {NULL, 0};
    h2o_mem_clear_pool(&req->pool);
    req->input.method = req->input.path = req->input.authority = none;
    req->method = req->path = req->path_normalized = req->authority = none;
    req->query_at = req->input.query_at = SIZE_MAX;
    req->norm_indexes = NULL;
    memset(&req->headers, 0, sizeof(req->headers));
    memset(&req->res.headers, 0, sizeof(req->res.headers));
    memset(&req->res.original.headers, 0, sizeof(req->res.original.headers));
    memset(&req->env, 0, sizeof(req->env));
    hj_compat_forget_error_logs(req);
}

#endif
