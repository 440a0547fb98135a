/* Everything that depends on the version of libh2o: 2.2.5 here. Loop thread; only this folder includes it.
 *
 * What 2.2.5 lacks, and how it is made up for:
 * - No filter in front of its frames, no reset of a stream, no GOAWAY for one connection: h2o/http2_internal.h is
 * shipped with the whole struct of a connection, whose _read_expect is called once for every frame. The asserts below
 * hold it to the layout that was tested.
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

#if H2O_VERSION_MAJOR != 2 || H2O_VERSION_MINOR != 2 || H2O_VERSION_PATCH != 5
#error "libh2o 2.2.5 is needed for HTTP/2; -DHIJACK_HTTP2=OFF builds the library without it"
#endif
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(h2o_req_t) == 608 && sizeof(h2o_http2_stream_t) == 880 && sizeof(h2o_http2_conn_t) == 472 &&
                   offsetof(h2o_http2_stream_t, req) == 272,
               "this libh2o has other structs than the one that was tested; -DHIJACK_HTTP2=OFF builds without it");
#endif

typedef ssize_t (*hj_compat_expect)(h2o_http2_conn_t *conn, const uint8_t *src, size_t len, const char **problem);
typedef h2o_timeout_entry_t hj_compat_timer;
typedef h2o_iovec_t hj_compat_part; /* of what a stream has to send, as libh2o keeps it */

#define HJ_COMPAT_FRAME_MAX (H2O_HTTP2_SETTINGS_HOST.max_frame_size)

static inline h2o_http2_stream_t *hj_compat_stream_of(h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(h2o_http2_stream_t, req, req);
}

/* on_close.data of the connection's socket. */
static inline void *hj_compat_owner_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

/* Content-Length; SIZE_MAX: not known. */
static inline size_t hj_compat_expected_length(const h2o_req_t *req)
{
    return hj_compat_stream_of((h2o_req_t *)req)->_expected_content_length;
}

/* Limits of libh2o's own go over what is announced, so that nothing waits there. */
static inline void hj_compat_lift_limits(h2o_globalconf_t *config)
{
    config->http2.max_concurrent_requests_per_connection = 1000;
}

/* Runs the timer when libh2o runs next. */
static inline void hj_compat_timer_start(h2o_context_t *context, hj_compat_timer *timer)
{
    h2o_timeout_link(context->loop, &context->zero_timeout, timer);
}

static inline void hj_compat_timer_stop(hj_compat_timer *timer)
{
    h2o_timeout_unlink(timer);
}

static inline struct timeval hj_compat_now(h2o_context_t *context)
{
    return *h2o_get_timestamp(context, NULL, NULL);
}

/* As a server; ctx selects the protocol. */
static inline void hj_compat_handshake(h2o_socket_t *sock, SSL_CTX *ctx, h2o_socket_cb on_done)
{
    h2o_socket_ssl_handshake(sock, ctx, NULL, on_done);
}

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

/* Milliseconds until its next timer is due, at most limit. */
static inline int hj_compat_timer_wait(h2o_loop_t *loop, int limit)
{
    struct timeval now;
    uint64_t wake_at = h2o_timeout_get_wake_at(&loop->_timeouts);
    if (wake_at == UINT64_MAX)
        return limit;
    gettimeofday(&now, NULL); /* its clock */
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
    if (wake_at <= now_ms)
        return 0;
    uint64_t longest = limit < 0 ? INT_MAX : (uint64_t)limit;
    return (int)(wake_at - now_ms < longest ? wake_at - now_ms : longest);
}

/* h2o_multithread_destroy_queue forgets to free the queue itself. */
static inline void hj_compat_context_dispose(h2o_context_t *context)
{
    h2o_multithread_queue_t *queue = context->queue;
    h2o_context_dispose(context);
    free(queue);
}

/* epoll_fd: as hj_compat_epoll_fd has found it. */
static inline void hj_compat_loop_destroy(h2o_loop_t *loop, int epoll_fd)
{
    h2o_evloop_destroy(loop);
    if (epoll_fd != -1)
        close(epoll_fd);
}

/* The prototype of a connection's write buffers: one for each thread, and static where it is defined. Of a connection
 * that has written nothing. */
static inline h2o_buffer_prototype_t *hj_compat_write_prototype(h2o_http2_conn_t *conn)
{
    return H2O_STRUCT_FROM_MEMBER(h2o_buffer_prototype_t, _initial_buf, conn->_write.buf);
}

struct hj_compat_chunk {
    struct hj_compat_chunk *next;
};

static inline void hj_compat_free_chunks(void *first)
{
    for (struct hj_compat_chunk *chunk = first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}

static inline void hj_compat_free_recycled(h2o_mem_recycle_t *recycled)
{
    hj_compat_free_chunks(recycled->_link);
    recycled->_link = NULL;
    recycled->cnt = 0;
}

/* The most that h2o_mem_alloc_pool's recycling list holds in 2.2.5. */
#define HJ_COMPAT_RECYCLED_CHUNKS 16

/* Frees what libh2o keeps for the thread that calls it, at the thread's end. write_prototype may be NULL. */
static inline void hj_compat_free_thread_memory(h2o_buffer_prototype_t *write_prototype)
{
    h2o_mem_pool_t pool;
    h2o_mem_init_pool(&pool);
    for (int i = 0; i < HJ_COMPAT_RECYCLED_CHUNKS; ++i)
        for (int j = 0; j < 4; ++j)
            h2o_mem_alloc_pool(&pool, 1008); /* just under what is allocated by itself: four to a chunk */
    hj_compat_free_chunks(pool.chunks);
    hj_compat_free_recycled(&h2o_socket_buffer_prototype.allocator);
    if (write_prototype != NULL)
        hj_compat_free_recycled(&write_prototype->allocator);
}

/* What a socket has received would go to a file in /tmp, over 32 MiB. */
static inline void hj_compat_keep_input_in_memory(void)
{
    h2o_socket_buffer_prototype.mmap_settings = NULL;
}

/* Makes this the Date that libh2o gives to response heads while its clock stands still. False where it gives none. */
static inline bool hj_compat_take_date(h2o_context_t *context, const char *date, size_t len)
{
    h2o_get_timestamp(context, NULL, NULL);
    if (len == H2O_TIMESTR_RFC1123_LEN)
        memcpy(context->_timestamp_cache.value->rfc1123, date, len);
    return true;
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
    memset(&req->error_logs, 0, sizeof(req->error_logs));
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

/* Decodes the trailers of a request into fields->headers, in fields->pool. 0, or an error (negative). */
static inline int hj_compat_decode_trailers(h2o_req_t *fields, h2o_http2_conn_t *conn, const uint8_t *block, size_t len,
                                            const char **problem)
{
    size_t content_length;
    return h2o_hpack_parse_headers(fields, &conn->_input_header_table, block, len, NULL, &content_length, NULL,
                                   problem);
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

/* Puts our limits into the SETTINGS that libh2o has just written, at the end of what is to be sent. list_bytes: of
 * header fields, as RFC 9113 section 6.5.2 counts them. window: of each stream; conn_window: of all together. */
static inline void hj_compat_put_settings(h2o_http2_conn_t *conn, uint32_t streams, uint32_t window,
                                          uint32_t conn_window, uint32_t list_bytes)
{
    const size_t frame_len = H2O_HTTP2_FRAME_HEADER_SIZE + 12; /* MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE */
    if (conn->_write.buf->size < frame_len || h2o_buffer_reserve(&conn->_write.buf, 6).base == NULL)
        return;
    uint8_t *frame = (uint8_t *)conn->_write.buf->bytes + conn->_write.buf->size - frame_len;
    static const uint8_t header[] = {0, 0, 12, H2O_HTTP2_FRAME_TYPE_SETTINGS, 0, 0, 0, 0, 0, 0, 3};
    if (memcmp(frame, header, sizeof(header)) != 0)
        return;
    h2o_http2_encode24u(frame, 18);
    h2o_http2_encode32u(frame + sizeof(header), streams);
    h2o_http2_encode32u(frame + frame_len - 4, window);
    frame[frame_len] = 0;
    frame[frame_len + 1] = 6; /* MAX_HEADER_LIST_SIZE */
    h2o_http2_encode32u(frame + frame_len + 2, list_bytes);
    conn->_write.buf->size += 6;
    h2o_http2_encode_window_update_frame(&conn->_write.buf, 0,
                                         (int32_t)(conn_window - H2O_HTTP2_SETTINGS_DEFAULT.initial_window_size));
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

/* A peer that keeps a smaller table than libh2o's encoder takes for granted: nothing is indexed any more. True: the
 * next block of header fields must tell (hj_compat_put_table_size). */
static inline bool hj_compat_stop_indexing(h2o_http2_conn_t *conn)
{
    h2o_hpack_header_table_t *table = &conn->_output_header_table;
    h2o_hpack_dispose_header_table(table);
    memset(table, 0, sizeof(*table));
    return true;
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

#endif
