/* Made by bindings/generate from include/hijack/hijack.h. Do not edit. */
typedef struct hijack_queue hijack_queue;
typedef struct hijack_server hijack_server;
typedef struct hijack_request hijack_request;
typedef struct hijack_stream hijack_stream;
typedef struct hijack_socket hijack_socket;
typedef struct hijack_broadcaster hijack_broadcaster;
typedef struct hijack_event {
    uint64_t user_data;
    void *handle;
    const char *data;
    uint64_t len;
    uint32_t type;
    int32_t status;
} hijack_event;
#define HIJACK_VERSION_NUMBER ...
enum {
    HIJACK_EVENT_NONE = 0,
    HIJACK_EVENT_REQUEST = 1,
    HIJACK_EVENT_DATA = 2,
    HIJACK_EVENT_EOF = 3,
    HIJACK_EVENT_DRAINED = 4,
    HIJACK_EVENT_CLOSED = 5,
    HIJACK_EVENT_DETACHED = 6,
    HIJACK_EVENT_STOPPED = 7,
    HIJACK_EVENT_WAKE = 8,
    HIJACK_EVENT_HANGUP = 9,
    HIJACK_EVENT_MESSAGE = 10,
    HIJACK_EVENT_CONNECTED = 11,
    HIJACK_EVENT_MEMBERS = 12,
    HIJACK_EVENT_MEMBER_MESSAGE = 13,
};
enum {
    HIJACK_MESSAGE_TEXT = 1,
    HIJACK_MESSAGE_BINARY = 2,
    HIJACK_MESSAGE_PING = 9,
    HIJACK_MESSAGE_MORE = 256,
};
enum {
    HIJACK_OK = 0,
    HIJACK_EINVAL = -1,
    HIJACK_EHANDLE = -2,
    HIJACK_ECLOSED = -3,
    HIJACK_EAGAIN = -4,
    HIJACK_ENOMEM = -5,
    HIJACK_EFORK = -6,
    HIJACK_ESTATE = -7,
    HIJACK_EBUSY = -8,
    HIJACK_EADDRINUSE = -9,
    HIJACK_EADDR = -10,
    HIJACK_EACCES = -11,
    HIJACK_EHEADER = -12,
    HIJACK_EOPTION = -13,
    HIJACK_ERANGE = -14,
    HIJACK_ETOOBIG = -15,
    HIJACK_EVERSION = -16,
    HIJACK_ELIMIT = -17,
    HIJACK_ETIMEDOUT = -18,
    HIJACK_ERESET = -19,
    HIJACK_ESLOW = -20,
    HIJACK_ESHUTDOWN = -21,
    HIJACK_EIO = -22,
    HIJACK_EABORTED = -23,
    HIJACK_ENOTSOCK = -24,
    HIJACK_ENOTSUP = -25,
    HIJACK_EPROTOCOL = -26,
    HIJACK_ETLS = -27,
    HIJACK_EREFUSED = -28,
    HIJACK_ENOENT = -29,
    HIJACK_EADDRNOTAVAIL = -30,
};
enum {
    HIJACK_HOLD_RAW = 1,
    HIJACK_HOLD_STREAM = 2,
    HIJACK_HOLD_SSE = 3,
    HIJACK_HOLD_SSE_BODY = 4,
    HIJACK_HOLD_WEBSOCKET = 5,
    HIJACK_HOLD_WEBSOCKET_OPEN = 6,
    HIJACK_HOLD_LONG_POLL = 7,
};
enum {
    HIJACK_STAT_CONNECTIONS = 0,
    HIJACK_STAT_READING = 1,
    HIJACK_STAT_HTTP = 2,
    HIJACK_STAT_STREAMS = 3,
    HIJACK_STAT_SOCKETS = 4,
    HIJACK_STAT_HELD = 5,
    HIJACK_STAT_MEMBERSHIPS = 6,
    HIJACK_STAT_ACCEPTED = 7,
    HIJACK_STAT_ADOPTED = 8,
    HIJACK_STAT_DETACHED = 9,
    HIJACK_STAT_REQUESTS = 10,
    HIJACK_STAT_BAD_REQUESTS = 11,
    HIJACK_STAT_CLOSED_OK = 12,
    HIJACK_STAT_CLOSED_PEER = 13,
    HIJACK_STAT_CLOSED_TIMEOUT = 14,
    HIJACK_STAT_CLOSED_SLOW = 15,
    HIJACK_STAT_CLOSED_ABORTED = 16,
    HIJACK_STAT_CLOSED_SHUTDOWN = 17,
    HIJACK_STAT_EVENTS_QUEUED = 18,
    HIJACK_STAT_BYTES_IN = 19,
    HIJACK_STAT_BYTES_OUT = 20,
    HIJACK_STAT_BACKLOG_BYTES = 21,
    HIJACK_STAT_PUBLISHED = 22,
    HIJACK_STAT_DELIVERED = 23,
    HIJACK_STAT_DROPPED = 24,
    HIJACK_STAT_HEARTBEATS = 25,
    HIJACK_STAT_ACCEPT_PAUSES = 26,
    HIJACK_STAT_TLS_HANDSHAKES = 27,
    HIJACK_STAT_TLS_RESUMED = 28,
    HIJACK_STAT_TLS_FAILED = 29,
    HIJACK_STAT_REFUSED = 30,
    HIJACK_STAT_COMPRESSED = 31,
    HIJACK_STAT_RESUMED = 32,
    HIJACK_STAT_GAPS = 33,
    HIJACK_STAT_COUNT = 34,
};
enum {
    HIJACK_BROADCASTER_STAT_MEMBERS = 0,
    HIJACK_BROADCASTER_STAT_PUBLISHED = 1,
    HIJACK_BROADCASTER_STAT_DELIVERED = 2,
    HIJACK_BROADCASTER_STAT_DROPPED = 3,
    HIJACK_BROADCASTER_STAT_CLOSED = 4,
    HIJACK_BROADCASTER_STAT_COUNT = 5,
};
uint32_t hijack_version(void);
const char *hijack_version_string(void);
int hijack_check_version(uint32_t header_version);
const char *hijack_strerror(int code);
const char *hijack_errname(int code);
const char *hijack_event_name(uint32_t type);
uint64_t hijack_hash(const char *text, size_t len);
int hijack_sse_encode(char *out, size_t out_size, const char *event, size_t event_len, const char *id, size_t id_len, const char *data, size_t data_len, int64_t retry_ms);
const char *hijack_options(void);
int hijack_handle_set_user_data(void *handle, uint64_t user_data);
int hijack_handle_user_data(uint64_t *out, void *handle);
int hijack_queue_new(hijack_queue **out);
int hijack_queue_set(hijack_queue *queue, const char *name, size_t name_len, const char *value, size_t value_len);
int hijack_queue_fd(hijack_queue *queue);
int hijack_queue_poll(hijack_event *out, hijack_queue *queue, uint32_t max, int timeout_ms);
int hijack_queue_wake(hijack_queue *queue);
void hijack_queue_free(hijack_queue *queue);
int hijack_server_new(hijack_server **out, hijack_queue *queue);
int hijack_server_set(hijack_server *server, const char *name, size_t name_len, const char *value, size_t value_len);
int hijack_server_get(char *out, size_t out_size, hijack_server *server, const char *name, size_t name_len);
int hijack_server_listen(hijack_server *server, const char *address, size_t address_len);
int hijack_server_address(char *out, size_t out_size, hijack_server *server, uint32_t index);
int hijack_server_add_queue(hijack_server *server, hijack_queue *queue);
int hijack_server_route(hijack_server *server, const char *path, size_t path_len, hijack_queue *queue);
int hijack_server_certificate(hijack_server *server, const char *chain, size_t chain_len, const char *key, size_t key_len, const char *staple, size_t staple_len);
int hijack_server_route_set(hijack_server *server, const char *path, size_t path_len, const char *name, size_t name_len, const char *value, size_t value_len);
int hijack_server_hold(hijack_server *server, const char *path, size_t path_len, uint32_t kind, const char *headers, size_t headers_len, hijack_broadcaster *broadcaster);
int hijack_server_start(hijack_server *server);
int hijack_server_drain(hijack_server *server, uint32_t deadline_ms);
int hijack_server_stop(hijack_server *server);
int hijack_server_stats(uint64_t *out, uint32_t count, hijack_server *server);
const char *hijack_server_stat_name(uint32_t index);
int hijack_server_adopt(hijack_socket **out, hijack_server *server, int fd, const char *unread, size_t unread_len);
int hijack_server_adopt_request(hijack_request **out, hijack_server *server, int fd, const char *head, size_t head_len, const char *unread, size_t unread_len);
void hijack_server_free(hijack_server *server);
int hijack_request_method(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_target(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_version(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_peer(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_headers(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_header(const char **out, size_t *out_len, hijack_request *request, const char *name, size_t name_len, uint32_t index);
int hijack_request_body(const char **out, size_t *out_len, hijack_request *request);
int hijack_request_respond(hijack_request *request, uint32_t status, const char *headers, size_t headers_len, const char *body, size_t body_len);
int hijack_request_stream(hijack_stream **out, hijack_request *request, uint32_t status, const char *headers, size_t headers_len);
int hijack_request_sse(hijack_stream **out, hijack_request *request, const char *headers, size_t headers_len);
int hijack_request_hijack(hijack_socket **out, hijack_request *request);
int hijack_request_hijack_partial(hijack_socket **out, hijack_request *request, uint32_t status, const char *headers, size_t headers_len);
int hijack_request_websocket(hijack_socket **out, hijack_request *request, const char *protocol, size_t protocol_len, const char *headers, size_t headers_len);
int hijack_request_info(const char **out, size_t *out_len, hijack_request *request, const char *name, size_t name_len);
int hijack_request_read(hijack_request *request, uint64_t credit);
int hijack_request_hold(hijack_request *request, hijack_broadcaster *broadcaster, uint32_t kind, uint64_t user_data, const char *headers, size_t headers_len, const char *first, size_t first_len, const char *position, size_t position_len);
void hijack_request_free(hijack_request *request);
int hijack_stream_send(hijack_stream *stream, const char *data, size_t len);
int hijack_stream_send_sse(hijack_stream *stream, const char *event, size_t event_len, const char *id, size_t id_len, const char *data, size_t data_len, int64_t retry_ms);
int hijack_stream_send_comment(hijack_stream *stream, const char *text, size_t len);
int hijack_stream_finish(hijack_stream *stream, const char *trailers, size_t trailers_len);
int hijack_stream_abort(hijack_stream *stream);
void hijack_stream_free(hijack_stream *stream);
int hijack_socket_read(hijack_socket *socket, uint64_t credit);
int hijack_socket_send(hijack_socket *socket, const char *data, size_t len);
int hijack_socket_send_message(hijack_socket *socket, uint32_t type, const char *data, size_t len);
int hijack_socket_close_message(hijack_socket *socket, uint32_t code, const char *reason, size_t reason_len);
int hijack_socket_shutdown(hijack_socket *socket);
int hijack_socket_close(hijack_socket *socket);
int hijack_socket_abort(hijack_socket *socket);
int hijack_socket_detach(hijack_socket *socket);
void hijack_socket_free(hijack_socket *socket);
int hijack_broadcaster_new(hijack_broadcaster **out, hijack_server *server);
int hijack_broadcaster_set(hijack_broadcaster *broadcaster, const char *name, size_t name_len, const char *value, size_t value_len);
int hijack_broadcaster_add(hijack_broadcaster *broadcaster, void *stream_or_socket, uint64_t user_data, const char *position, size_t position_len);
int hijack_broadcaster_remove(hijack_broadcaster *broadcaster, void *stream_or_socket);
int hijack_broadcaster_adopt(hijack_broadcaster *broadcaster, int fd, uint32_t kind, uint64_t user_data, const char *headers, size_t headers_len, const char *first, size_t first_len, const char *position, size_t position_len);
int hijack_broadcaster_publish(hijack_broadcaster *broadcaster, uint32_t type, const char *data, size_t len);
int hijack_broadcaster_publish_sse(hijack_broadcaster *broadcaster, const char *event, size_t event_len, const char *id, size_t id_len, const char *data, size_t data_len, const char *key, size_t key_len, int64_t retry_ms);
int hijack_broadcaster_send_user(hijack_broadcaster *broadcaster, uint64_t user_data, uint32_t type, const char *data, size_t len);
int hijack_broadcaster_remove_user(hijack_broadcaster *broadcaster, uint64_t user_data);
int hijack_broadcaster_close_user(hijack_broadcaster *broadcaster, uint64_t user_data);
int hijack_broadcaster_join_user(hijack_broadcaster *broadcaster, hijack_broadcaster *from, uint64_t user_data);
int hijack_broadcaster_close(hijack_broadcaster *broadcaster);
int hijack_broadcaster_position(char *out, size_t out_size, hijack_broadcaster *broadcaster);
int hijack_broadcaster_count(hijack_broadcaster *broadcaster);
int hijack_broadcaster_stats(uint64_t *out, uint32_t count, hijack_broadcaster *broadcaster);
void hijack_broadcaster_free(hijack_broadcaster *broadcaster);
