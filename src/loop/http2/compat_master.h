/* libh2o's master branch, 2.3.0-DEV; see compat.h, which includes this. Loop thread. No test of this repository builds
 * it: docs/internals/http2-master.md says what was tried, and with which commit. */
#ifndef HJ_LOOP_HTTP2_COMPAT_MASTER_H
#define HJ_LOOP_HTTP2_COMPAT_MASTER_H

#if H2O_VERSION_MAJOR != 2 || H2O_VERSION_MINOR != 3
#error "expected libh2o 2.2.5 or 2.3; -DHIJACK_HTTP2=OFF builds the library without HTTP/2"
#endif

typedef h2o_timer_t hj_compat_timer;
typedef h2o_sendvec_t hj_compat_part; /* of what a stream has to send, as libh2o keeps it */

#define HJ_COMPAT_FRAME_MAX H2O_HTTP2_SETTINGS_HOST_MAX_FRAME_SIZE

/* on_close.data of the connection's socket. */
static inline void *hj_compat_owner_of(h2o_req_t *req)
{
    return ((h2o_http2_conn_t *)req->conn)->sock->on_close.data;
}

/* Content-Length; SIZE_MAX: not known. */
static inline size_t hj_compat_expected_length(const h2o_req_t *req)
{
    return req->content_length;
}

/* Limits of libh2o's own go over what is announced, so that nothing waits there. */
static inline void hj_compat_lift_limits(h2o_globalconf_t *config)
{
    config->http2.max_concurrent_requests_per_connection = 1000;
    config->http2.max_streams = 1000;
}

/* Runs the timer when libh2o runs next. */
static inline void hj_compat_timer_start(h2o_context_t *context, hj_compat_timer *timer)
{
    h2o_timer_link(context->loop, 0, timer);
}

static inline void hj_compat_timer_stop(hj_compat_timer *timer)
{
    h2o_timer_unlink(timer);
}

static inline struct timeval hj_compat_now(h2o_context_t *context)
{
    return h2o_gettimeofday(context->loop);
}

/* As a server; ctx selects the protocol. */
static inline void hj_compat_handshake(h2o_socket_t *sock, SSL_CTX *ctx, h2o_socket_cb on_done)
{
    h2o_socket_ssl_handshake(sock, ctx, NULL, h2o_iovec_init(NULL, 0), on_done);
}

/* Milliseconds until its next timer is due, at most limit. */
static inline int hj_compat_timer_wait(h2o_loop_t *loop, int limit)
{
    struct timeval now;
    uint64_t wake_at = h2o_timerwheel_get_wake_at(loop->_timeouts);
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
    h2o_context_dispose(context);
}

/* epoll_fd: as hj_compat_epoll_fd has found it. */
static inline void hj_compat_loop_destroy(h2o_loop_t *loop, int epoll_fd)
{
    (void)epoll_fd; /* it closes it */
    h2o_evloop_destroy(loop);
}

/* The prototype of a connection's write buffers: one for each thread, and static where it is defined. Of a connection
 * that has written nothing. */
static inline h2o_buffer_prototype_t *hj_compat_write_prototype(h2o_http2_conn_t *conn)
{
    (void)conn;
    return &h2o_http2_wbuf_buffer_prototype;
}

/* Frees what libh2o keeps for the thread that calls it, at the thread's end. write_prototype may be NULL. */
static inline void hj_compat_free_thread_memory(h2o_buffer_prototype_t *write_prototype)
{
    (void)write_prototype;
    h2o_socket_clear_recycle(1);
    h2o_buffer_clear_recycle(1);
    h2o_mem_clear_recycle(&h2o_mem_pool_allocator, 1);
}

/* Makes this the Date that libh2o gives to response heads while its clock stands still. False where it gives none. */
static inline bool hj_compat_take_date(h2o_context_t *context, const char *date, size_t len)
{
    (void)context;
    (void)date;
    (void)len;
    return false;
}

/* The error log does not come from the pool. */
static inline void hj_compat_forget_error_logs(h2o_req_t *req)
{
    (void)req;
}

/* Decodes the trailers of a request into fields->headers, in fields->pool. 0, or an error (negative). */
static inline int hj_compat_decode_trailers(h2o_req_t *fields, h2o_http2_conn_t *conn, const uint8_t *block, size_t len,
                                            const char **problem)
{
    size_t content_length;
    h2o_iovec_t expect = {NULL, 0};
    return h2o_hpack_parse_request(&fields->pool, h2o_hpack_decode_header, &conn->_input_header_table, NULL, NULL, NULL,
                                   NULL, NULL, &fields->headers, NULL, &content_length, &expect, NULL, NULL, block, len,
                                   problem);
}

/* Puts our limits into the SETTINGS that libh2o has just written, at the end of what is to be sent. list_bytes: of
 * header fields, as RFC 9113 section 6.5.2 counts them. window: of each stream; conn_window: of all together. */
static inline void hj_compat_put_settings(h2o_http2_conn_t *conn, uint32_t streams, uint32_t window,
                                          uint32_t conn_window, uint32_t list_bytes)
{
    /* SETTINGS with 2 values, and WINDOW_UPDATE */
    const size_t len = 2 * H2O_HTTP2_FRAME_HEADER_SIZE + 12 + 4;
    if (conn->_write.buf->size < len)
        return;
    conn->_write.buf->size -= len;
    h2o_http2_settings_kvpair_t settings[] = {{H2O_HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
                                              {H2O_HTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
                                              {H2O_HTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, list_bytes}};
    h2o_http2_encode_settings_frame(&conn->_write.buf, settings, sizeof(settings) / sizeof(settings[0]));
    h2o_http2_encode_window_update_frame(&conn->_write.buf, 0,
                                         (int32_t)(conn_window - H2O_HTTP2_SETTINGS_DEFAULT.initial_window_size));
}

/* A peer that keeps a smaller table than libh2o's encoder takes for granted: nothing is indexed any more. True: the
 * next block of header fields must tell (hj_compat_put_table_size). */
static inline bool hj_compat_stop_indexing(h2o_http2_conn_t *conn)
{
    (void)conn; /* libh2o does */
    return false;
}

#endif
