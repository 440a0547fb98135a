/* libh2o 2.2.5, the last release, which distributions have; see compat.h, which includes this. Loop thread. */
#ifndef HJ_LOOP_HTTP2_COMPAT_225_H
#define HJ_LOOP_HTTP2_COMPAT_225_H

#if H2O_VERSION_MAJOR != 2 || H2O_VERSION_MINOR != 2 || H2O_VERSION_PATCH != 5
#error "libh2o 2.2.5 is needed for HTTP/2; -DHIJACK_HTTP2=OFF builds the library without it"
#endif
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(h2o_req_t) == 608 && sizeof(h2o_http2_stream_t) == 880 && sizeof(h2o_http2_conn_t) == 472 &&
                   offsetof(h2o_http2_stream_t, req) == 272,
               "this libh2o has other structs than the one that was tested; -DHIJACK_HTTP2=OFF builds without it");
#endif

typedef h2o_timeout_entry_t hj_compat_timer;
typedef h2o_iovec_t hj_compat_part; /* of what a stream has to send, as libh2o keeps it */

#define HJ_COMPAT_FRAME_MAX (H2O_HTTP2_SETTINGS_HOST.max_frame_size)

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

/* Makes this the Date that libh2o gives to response heads while its clock stands still. False where it gives none. */
static inline bool hj_compat_take_date(h2o_context_t *context, const char *date, size_t len)
{
    h2o_get_timestamp(context, NULL, NULL);
    if (len == H2O_TIMESTR_RFC1123_LEN)
        memcpy(context->_timestamp_cache.value->rfc1123, date, len);
    return true;
}

/* With the pool its error log is gone. */
static inline void hj_compat_forget_error_logs(h2o_req_t *req)
{
    memset(&req->error_logs, 0, sizeof(req->error_logs));
}

/* Decodes the trailers of a request into fields->headers, in fields->pool. 0, or an error (negative). */
static inline int hj_compat_decode_trailers(h2o_req_t *fields, h2o_http2_conn_t *conn, const uint8_t *block, size_t len,
                                            const char **problem)
{
    size_t content_length;
    return h2o_hpack_parse_headers(fields, &conn->_input_header_table, block, len, NULL, &content_length, NULL,
                                   problem);
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

/* A peer that keeps a smaller table than libh2o's encoder takes for granted: nothing is indexed any more. True: the
 * next block of header fields must tell (hj_compat_put_table_size). */
static inline bool hj_compat_stop_indexing(h2o_http2_conn_t *conn)
{
    h2o_hpack_header_table_t *table = &conn->_output_header_table;
    h2o_hpack_dispose_header_table(table);
    memset(table, 0, sizeof(*table));
    return true;
}

#endif
