/* SPDX-License-Identifier: MIT
 *
 * See h2client.h. Runs on the thread of the test.
 */
#include "h2client.h"

#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/client.h"
#include "support/fixture.h"
#include "support/transport.h"

struct h2client {
    int fd;
    int port; /* of its tunnel (transport.h); 0: none */
    int ended, goaway;
    nghttp2_session *session;
    struct h2stream *streams[H2_STREAMS];
    int count;
};

struct upload {
    const char *data;
    size_t left;
};

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *user)
{
    struct h2client *client = user;
    (void)session;
    (void)flags;
    ssize_t n = send(client->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN ? NGHTTP2_ERR_WOULDBLOCK : (ssize_t)len; /* the read tells of the end */
}

static struct h2stream *find(struct h2client *client, int32_t id)
{
    for (int i = 0; i < client->count; ++i)
        if (client->streams[i]->id == id)
            return client->streams[i];
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct h2stream *stream = find(user, frame->hd.stream_id);
    (void)session;
    (void)flags;
    CHECK(stream != NULL);
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        stream->status = atoi((const char *)value);
        return 0;
    }
    size_t used = strlen(stream->head);
    CHECK(used + name_len + value_len + 4 < sizeof(stream->head));
    char *at = stream->head + used;
    memcpy(at, name, name_len);
    memcpy(at + name_len, ": ", 2);
    memcpy(at + name_len + 2, value, value_len);
    memcpy(at + name_len + 2 + value_len, "\n", 2);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct h2stream *stream = find(user, id);
    (void)flags;
    CHECK(stream != NULL);
    stream->body = realloc(stream->body, stream->len + len + 1);
    memcpy(stream->body + stream->len, data, len);
    stream->len += len;
    stream->body[stream->len] = '\0';
    nghttp2_session_consume_connection(session, len);
    if (!stream->paused)
        nghttp2_session_consume_stream(session, id, len);
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2stream *stream = find(user, id);
    (void)session;
    CHECK(stream != NULL);
    stream->closed = 1;
    stream->error = error;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    ((struct h2client *)user)->goaway |= frame->hd.type == NGHTTP2_GOAWAY;
    return 0;
}

static nghttp2_session *new_session(struct h2client *client, uint32_t table_size)
{
    nghttp2_settings_entry table = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, table_size};
    nghttp2_session *session;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option_set_no_auto_window_update(option, 1);
    CHECK(nghttp2_session_client_new2(&session, callbacks, client, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &table, table_size != 4096) == 0);
    return session;
}

struct fixture *h2_fixture(void **state)
{
    struct fixture *f = *state;
    fixture_option(f, "http2", "on");
    return f;
}

struct h2client *h2_connect(int port)
{
    return h2_connect_table(port, 4096);
}

struct h2client *h2_connect_table(int port, uint32_t table_size)
{
    struct h2client *client = calloc(1, sizeof(*client));
    CHECK((client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1);
    transport_offer_http2(1);
    client->port = transport_connect(client->fd, port, 0);
    transport_offer_http2(0);
    CHECK(client->port >= 0);
    client->session = new_session(client, table_size);
    return client;
}

struct client *h2_connect_raw(int port)
{
    transport_offer_http2(1);
    struct client *client = client_connect(port);
    transport_offer_http2(0);
    return client;
}

void h2_close(struct h2client *client)
{
    close(client->fd);
    nghttp2_session_del(client->session);
    for (int i = 0; i < client->count; ++i) {
        free(client->streams[i]->upload);
        free(client->streams[i]->body);
        free(client->streams[i]);
    }
    free(client);
}

void h2_abort(struct h2client *client)
{
    struct linger linger = {.l_onoff = 1};
    transport_reset(client->fd, client->port != 0);
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    h2_close(client);
}

static nghttp2_nv pair(const char *name, size_t name_len, const char *value, size_t value_len)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, name_len, value_len, NGHTTP2_NV_FLAG_NONE};
}

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
    struct upload *upload = source->ptr;
    (void)session;
    (void)id;
    (void)user;
    size_t n = upload->left < len ? upload->left : len;
    memcpy(buf, upload->data, n);
    upload->data += n;
    upload->left -= n;
    if (upload->left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

struct h2stream *h2_request(struct h2client *client, const char *method, const char *path, const char *fields,
                            const char *body, size_t len)
{
    nghttp2_nv pairs[64] = {
        pair(":method", 7, method, strlen(method)),
        pair(":path", 5, path, strlen(path)),
        pair(":scheme", 7, transport_scheme(), strlen(transport_scheme())),
        pair(":authority", 10, "test", 4),
    };
    size_t count = 4;
    for (const char *line = fields, *end; line != NULL && *line != '\0'; line = end + 1) {
        const char *colon = strchr(line, ':');
        end = strchr(line, '\n');
        CHECK(colon != NULL && end != NULL && count < 64);
        pairs[count++] = pair(line, (size_t)(colon - line), colon + 2, (size_t)(end - colon - 2));
    }
    struct h2stream *stream = calloc(1, sizeof(*stream));
    CHECK(client->count < H2_STREAMS);
    client->streams[client->count++] = stream;
    nghttp2_data_provider provider = {.read_callback = read_upload};
    if (body != NULL) {
        stream->upload = malloc(sizeof(*stream->upload));
        *stream->upload = (struct upload){body, len};
        provider.source.ptr = stream->upload;
    }
    stream->id = nghttp2_submit_request(client->session, NULL, pairs, count, body != NULL ? &provider : NULL, NULL);
    CHECK(stream->id > 0);
    h2_work(client);
    return stream;
}

struct h2stream *h2_get(struct h2client *client, const char *path)
{
    return h2_request(client, "GET", path, NULL, NULL, 0);
}

void h2_reset(struct h2client *client, struct h2stream *stream, uint32_t error)
{
    CHECK(nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream->id, error) == 0);
    h2_work(client);
}

void h2_resume(struct h2client *client, struct h2stream *stream)
{
    stream->paused = 0;
    nghttp2_session_consume_stream(client->session, stream->id, stream->len);
    h2_work(client);
}

int h2_work(struct h2client *client)
{
    uint8_t buf[65536];
    ssize_t n;
    nghttp2_session_send(client->session);
    while (client->ended == 0 && (n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT)) != -1) {
        if (n == 0)
            client->ended = 1;
        else
            CHECK(nghttp2_session_mem_recv(client->session, buf, (size_t)n) == n);
        nghttp2_session_send(client->session);
    }
    if (client->ended == 0 && errno != EAGAIN && errno != EINTR)
        client->ended = 2;
    return client->ended == 0;
}

int h2_ended(const struct h2client *client)
{
    return client->ended;
}

int h2_goaway(const struct h2client *client)
{
    return client->goaway;
}

const char *h2_field(const struct h2stream *stream, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    for (const char *line = stream->head; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncmp(line, name, len) != 0 || line[len] != ':')
            continue;
        size_t value_len = (size_t)(strchr(line, '\n') - line) - len - 2;
        CHECK(value_len < sizeof(value));
        memcpy(value, line + len + 2, value_len);
        value[value_len] = '\0';
        return value;
    }
    return NULL;
}
