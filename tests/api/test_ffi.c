/* The API as a language binding sees it: the library is found with dlopen, each function is called through libffi by a
 * signature, and events are read from plain bytes by offset. This program is not linked to libhijack, so that a direct
 * call would not even link; the header gives it the constants. One thread; the tests run in order on one server. */
#include <dlfcn.h>
#include <errno.h>
#include <ffi.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <hijack/hijack.h>

#define LIT(text) HIJACK_STR(text)

enum {
    WAIT_MS = 20000, /* what must happen happens within this */
    BATCH = 16,
    MAX_ARGS = 10,
    EVENT_SIZE = 40,
    USER_DATA = 4711
};

union value {
    int32_t i;
    uint32_t u;
    int64_t I;
    uint64_t U;
    size_t s;
    void *p;
};

static void *library;
static void *queue;
static void *server;
static void *broadcaster;
static int port;
static unsigned char batch[BATCH * EVENT_SIZE];
static int batch_len;
static int batch_next;

/* ------------------------------------------------------------------------------------------------------------------
 * Calling
 * ---------------------------------------------------------------------------------------------------------------- */

/* i int32_t, u uint32_t, I int64_t, U uint64_t, s size_t, p pointer, v void */
static ffi_type *type_of(char letter)
{
    switch (letter) {
    case 'i':
        return &ffi_type_sint32;
    case 'u':
        return &ffi_type_uint32;
    case 'I':
        return &ffi_type_sint64;
    case 'U':
        return &ffi_type_uint64;
    case 's':
        return sizeof(size_t) == 8 ? &ffi_type_uint64 : &ffi_type_uint32;
    case 'p':
        return &ffi_type_pointer;
    case 'v':
        return &ffi_type_void;
    default:
        fail_msg("no such type: %c", letter);
        return NULL;
    }
}

static void take(union value *value, char letter, va_list *args)
{
    switch (letter) {
    case 'i':
        value->i = va_arg(*args, int32_t);
        break;
    case 'u':
        value->u = va_arg(*args, uint32_t);
        break;
    case 'I':
        value->I = va_arg(*args, int64_t);
        break;
    case 'U':
        value->U = va_arg(*args, uint64_t);
        break;
    case 's':
        value->s = va_arg(*args, size_t);
        break;
    default:
        value->p = va_arg(*args, void *);
    }
}

/* The first letter of the signature is the result's. */
static union value call_args(const char *name, const char *signature, va_list *args)
{
    ffi_cif cif;
    ffi_type *types[MAX_ARGS];
    union value values[MAX_ARGS];
    void *pointers[MAX_ARGS];
    unsigned count = (unsigned)strlen(signature) - 1;
    void *function = dlsym(library, name);
    if (function == NULL)
        fail_msg("the library has no %s", name);
    assert_true(count <= MAX_ARGS);
    for (unsigned i = 0; i < count; ++i) {
        types[i] = type_of(signature[i + 1]);
        take(&values[i], signature[i + 1], args);
        pointers[i] = &values[i];
    }
    assert_int_equal(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, count, type_of(signature[0]), types), FFI_OK);

    /* libffi widens a small integer result to a whole register. */
    union {
        ffi_arg wide;
        union value value;
    } result = {0};
    ffi_call(&cif, FFI_FN(function), &result, pointers);
    union value out = result.value;
    if (signature[0] == 'i' || signature[0] == 'u')
        out.u = (uint32_t)result.wide;
    return out;
}

static int call(const char *name, const char *signature, ...)
{
    va_list args;
    va_start(args, signature);
    int result = call_args(name, signature, &args).i;
    va_end(args);
    return result;
}

static void *call_pointer(const char *name, const char *signature, ...)
{
    va_list args;
    va_start(args, signature);
    void *result = call_args(name, signature, &args).p;
    va_end(args);
    return result;
}

static int ok(const char *name, int result)
{
    if (result < 0)
        fail_msg("%s: %s", name, (const char *)call_pointer("hijack_errname", "pi", result));
    return result;
}

/* Calls a function that must not fail. */
#define OK(name, ...) ok((name), call((name), __VA_ARGS__))

/* ------------------------------------------------------------------------------------------------------------------
 * Events and clients
 * ---------------------------------------------------------------------------------------------------------------- */

struct event {
    uint64_t user_data;
    void *handle;
    const char *data;
    uint64_t len;
    uint32_t type;
    int32_t status;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The next event, which must be of this type; waits on the queue's descriptor, as a language's own loop does. */
static struct event next_event(uint32_t type)
{
    int64_t end = now_ms() + WAIT_MS;
    while (batch_next == batch_len) {
        struct pollfd fd = {.fd = OK("hijack_queue_fd", "ip", queue), .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&fd, 1, (int)left) == 0)
            fail_msg("no %s within %d ms", (const char *)call_pointer("hijack_event_name", "pu", type), WAIT_MS);
        batch_len = OK("hijack_queue_poll", "ippui", batch, queue, (uint32_t)BATCH, 0);
        batch_next = 0;
    }
    const unsigned char *bytes = batch + EVENT_SIZE * batch_next++;
    struct event event;
    memcpy(&event.user_data, bytes, 8);
    memcpy(&event.handle, bytes + 8, 8);
    memcpy(&event.data, bytes + 16, 8);
    memcpy(&event.len, bytes + 24, 8);
    memcpy(&event.type, bytes + 32, 4);
    memcpy(&event.status, bytes + 36, 4);
    if (event.type != type)
        fail_msg("event %s (status %d) instead of %s",
                 (const char *)call_pointer("hijack_event_name", "pu", event.type), event.status,
                 (const char *)call_pointer("hijack_event_name", "pu", type));
    return event;
}

static void expect_closed(void *handle, int status)
{
    struct event event = next_event(HIJACK_EVENT_CLOSED);
    assert_ptr_equal(event.handle, handle);
    assert_int_equal(event.status, status);
}

static void patient(int fd)
{
    struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
}

static int client(const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    patient(fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

/* Reads until text has come; NULL: until the end. */
static void read_until(int fd, const char *text)
{
    char buffer[4096] = "";
    size_t len = 0;
    while (text == NULL || strstr(buffer, text) == NULL) {
        ssize_t n = recv(fd, buffer + len, sizeof(buffer) - 1 - len, 0);
        if (n == 0 && text == NULL)
            return;
        if (n <= 0)
            fail_msg("%s before '%s'; so far: '%s'", n == 0 ? "end" : strerror(errno), text ? text : "end", buffer);
        len += (size_t)n;
        buffer[len] = '\0';
    }
}

/* ------------------------------------------------------------------------------------------------------------------
 * Tests
 * ---------------------------------------------------------------------------------------------------------------- */

static void test_layout(void **state)
{
    (void)state;
    assert_int_equal(sizeof(hijack_event), EVENT_SIZE);
    assert_int_equal(offsetof(hijack_event, user_data), 0);
    assert_int_equal(offsetof(hijack_event, handle), 8);
    assert_int_equal(offsetof(hijack_event, data), 16);
    assert_int_equal(offsetof(hijack_event, len), 24);
    assert_int_equal(offsetof(hijack_event, type), 32);
    assert_int_equal(offsetof(hijack_event, status), 36);
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(call("hijack_check_version", "iu", HIJACK_VERSION_NUMBER), HIJACK_OK);
    assert_int_equal(call("hijack_check_version", "iu", HIJACK_VERSION_NUMBER + (1u << 16)), HIJACK_EVERSION);
    assert_int_equal((uint32_t)call("hijack_version", "u"), HIJACK_VERSION_NUMBER);
    assert_string_equal(call_pointer("hijack_version_string", "p"), HIJACK_VERSION);
    assert_string_equal(call_pointer("hijack_errname", "pi", HIJACK_EAGAIN), "HIJACK_EAGAIN");
    assert_string_equal(call_pointer("hijack_event_name", "pu", HIJACK_EVENT_REQUEST), "REQUEST");
    assert_non_null(call_pointer("hijack_strerror", "pi", 12345));
    assert_non_null(strstr(call_pointer("hijack_options", "p"), "threads\t"));
}

static void test_wrong_handle(void **state)
{
    (void)state;
    void *out = &port;
    assert_int_equal(call("hijack_queue_fd", "ip", NULL), HIJACK_EHANDLE);
    assert_int_equal(call("hijack_queue_fd", "ip", server), HIJACK_EHANDLE);
    assert_int_equal(call("hijack_server_new", "ipp", &out, (void *)(uintptr_t)0x1234567), HIJACK_EHANDLE);
    assert_ptr_equal(out, &port);
    assert_int_equal(call("hijack_server_set", "ippsps", server, LIT("threads"), LIT("2")), HIJACK_ESTATE);
}

static void test_respond(void **state)
{
    (void)state;
    int fd = client("GET /x?y=1 HTTP/1.1\r\nHost: a\r\nX-Name: value\r\n\r\n");
    struct event event = next_event(HIJACK_EVENT_REQUEST);
    assert_int_equal(event.user_data, USER_DATA);
    assert_true(event.len > 20 && memcmp(event.data, LIT("GET /x?y=1 HTTP/1.1 ")) == 0);

    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(OK("hijack_request_header", "ippppsu", &value, &len, event.handle, LIT("X-NAME"), 0u), 1);
    assert_int_equal(len, 5);
    assert_memory_equal(value, "value", 5);
    assert_int_equal(OK("hijack_handle_set_user_data", "ipU", event.handle, UINT64_MAX), 0);
    OK("hijack_request_respond", "ipupsps", event.handle, 200u, LIT("content-type: text/plain\r\n"), LIT("hello"));
    read_until(fd, "\r\n\r\nhello");
    void *handle = event.handle;
    event = next_event(HIJACK_EVENT_CLOSED);
    assert_ptr_equal(event.handle, handle);
    assert_int_equal(event.status, HIJACK_OK);
    assert_true(event.user_data == UINT64_MAX);
    assert_int_equal(call("hijack_request_respond", "ipupsps", handle, 200u, NULL, (size_t)0, NULL, (size_t)0) < 0, 1);
    call("hijack_request_free", "vp", handle);
    assert_int_equal(call("hijack_request_respond", "ipupsps", handle, 200u, NULL, (size_t)0, NULL, (size_t)0),
                     HIJACK_EHANDLE);
    close(fd);
}

static void test_stream(void **state)
{
    (void)state;
    int fd = client("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    void *request = next_event(HIJACK_EVENT_REQUEST).handle;
    void *stream = NULL;
    OK("hijack_request_stream", "ippups", &stream, request, 200u, NULL, (size_t)0);
    expect_closed(request, HIJACK_OK);
    call("hijack_request_free", "vp", request);
    OK("hijack_stream_send", "ipps", stream, LIT("piece"));
    OK("hijack_stream_finish", "ipps", stream, NULL, (size_t)0);
    read_until(fd, "\r\n5\r\npiece\r\n0\r\n\r\n");
    expect_closed(stream, HIJACK_OK);
    call("hijack_stream_free", "vp", stream);
    close(fd);
}

static void test_broadcast(void **state)
{
    (void)state;
    int fd = client("GET /sse HTTP/1.1\r\nHost: a\r\n\r\n");
    read_until(fd, "\r\n\r\n");
    int64_t end = now_ms() + WAIT_MS;
    while (OK("hijack_broadcaster_count", "ip", broadcaster) != 1) {
        assert_true(now_ms() < end);
        poll(NULL, 0, 1);
    }
    assert_int_equal(OK("hijack_broadcaster_publish", "ipups", broadcaster, (uint32_t)HIJACK_MESSAGE_TEXT, LIT("one")),
                     1);
    assert_int_equal(OK("hijack_broadcaster_publish_sse", "ippspspsps", broadcaster, LIT("tick"), LIT("7"), LIT("two"),
                        NULL, (size_t)0),
                     1);
    read_until(fd, "data: two\n\n");
    OK("hijack_broadcaster_close", "ip", broadcaster);
    read_until(fd, "0\r\n\r\n"); /* the body ends; the connection may serve another request */
    close(fd);
}

static void test_adopt(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    patient(pair[0]);
    void *handle = NULL;
    OK("hijack_server_adopt", "ippips", &handle, server, pair[1], LIT("unread"));
    OK("hijack_socket_read", "ipU", handle, UINT64_MAX);
    struct event event = next_event(HIJACK_EVENT_DATA);
    assert_ptr_equal(event.handle, handle);
    assert_int_equal(event.user_data, USER_DATA);
    assert_int_equal(event.len, 6);
    assert_memory_equal(event.data, "unread", 6);

    assert_int_equal(send(pair[0], "ping", 4, MSG_NOSIGNAL), 4);
    event = next_event(HIJACK_EVENT_DATA);
    assert_int_equal(event.len, 4);
    assert_memory_equal(event.data, "ping", 4);
    OK("hijack_socket_send", "ipps", handle, LIT("pong"));
    read_until(pair[0], "pong");
    OK("hijack_socket_close", "ip", handle);
    read_until(pair[0], NULL);
    close(pair[0]);
    expect_closed(handle, HIJACK_OK);
    call("hijack_socket_free", "vp", handle);
}

static void test_stats(void **state)
{
    (void)state;
    uint64_t stats[HIJACK_STAT_COUNT] = {0};
    assert_int_equal(OK("hijack_server_stats", "ipup", stats, (uint32_t)HIJACK_STAT_COUNT, server), HIJACK_STAT_COUNT);
    assert_int_equal(stats[HIJACK_STAT_ACCEPTED], 3);
    assert_int_equal(stats[HIJACK_STAT_ADOPTED], 1);
    assert_int_equal(stats[HIJACK_STAT_REQUESTS], 2);
    assert_int_equal(stats[HIJACK_STAT_PUBLISHED], 2);
    assert_string_equal(call_pointer("hijack_server_stat_name", "pu", (uint32_t)HIJACK_STAT_ACCEPTED), "accepted");
    assert_null(call_pointer("hijack_server_stat_name", "pu", (uint32_t)HIJACK_STAT_COUNT));
    OK("hijack_queue_wake", "ip", queue);
    assert_null(next_event(HIJACK_EVENT_WAKE).handle);
}

static void test_end(void **state)
{
    (void)state;
    OK("hijack_server_drain", "ipu", server, 1000u);
    struct event event = next_event(HIJACK_EVENT_STOPPED);
    assert_ptr_equal(event.handle, server);
    assert_int_equal(event.user_data, USER_DATA);
    OK("hijack_server_stop", "ip", server);
    call("hijack_broadcaster_free", "vp", broadcaster);
    call("hijack_server_free", "vp", server);
    call("hijack_queue_free", "vp", queue);
    call("hijack_queue_free", "vp", NULL);
    assert_int_equal(call("hijack_queue_fd", "ip", queue), HIJACK_EHANDLE);
}

static int start(void **state)
{
    (void)state;
    OK("hijack_queue_new", "ip", &queue);
    OK("hijack_server_new", "ipp", &server, queue);
    OK("hijack_handle_set_user_data", "ipU", server, (uint64_t)USER_DATA);
    OK("hijack_server_set", "ippsps", server, LIT("threads"), LIT("1"));
    port = OK("hijack_server_listen", "ipps", server, LIT("127.0.0.1:0"));
    OK("hijack_broadcaster_new", "ipp", &broadcaster, server);
    OK("hijack_server_hold", "ippsupsp", server, LIT("/sse"), (uint32_t)HIJACK_HOLD_SSE, NULL, (size_t)0, broadcaster);
    OK("hijack_server_start", "ip", server);
    return port > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),  cmocka_unit_test(test_version), cmocka_unit_test(test_wrong_handle),
        cmocka_unit_test(test_respond), cmocka_unit_test(test_stream),  cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_adopt),   cmocka_unit_test(test_stats),   cmocka_unit_test(test_end),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s path/to/libhijack.so\n", argv[0]);
        return 2;
    }
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    return cmocka_run_group_tests(tests, start, NULL);
}
