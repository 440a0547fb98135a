/* Response heads of held connections; see response.h. Any thread. */
#include "core/response.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <hijack/hijack.h>

#include "core/command.h"

/* The last line keeps nginx, where it stands in front, from collecting the events. */
#define POLL_LINES(type) "Content-Type: " type "\r\nCache-Control: no-store\r\n"
#define SSE_LINES "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"

static int encode_head(struct hj_response *out, struct hj_response_head *head, const struct hj_server_options *options)
{
    char date[HJ_HTTP_DATE_LEN];
    hj_http_date(date, time(NULL));
    head->date = hj_slice(date, sizeof(date));
    head->server = hj_slice(options->server_name, strlen(options->server_name));
    return hj_response_head_encode(&out->head, head);
}

static enum hj_connection connection_line(struct hj_client client, bool until_close)
{
    if (until_close || !client.keep_alive)
        return HJ_CONNECTION_CLOSE;
    return client.minor_version == 0 ? HJ_CONNECTION_KEEP_EXPLICIT : HJ_CONNECTION_KEEP;
}

/* The Content-Length of a response. To a client 205 is not without a body, as 204 and 304 are: it has one of no bytes
 * (RFC 9110 section 15.3.6). */
static uint64_t announced_length(unsigned status, const struct hj_fields *fields, uint64_t body_len)
{
    return status == 205 ? 0 : fields->has_content_length ? fields->content_length : body_len;
}

/* A body of unknown length. */
static int encode_open_ended(struct hj_response *out, struct hj_response_head *head, struct hj_client client,
                             const struct hj_server_options *options)
{
    head->chunked = client.minor_version >= 1 && !client.http2;
    out->keep_alive = head->chunked && client.keep_alive;
    head->connection = connection_line(client, !head->chunked);
    return encode_head(out, head, options);
}

int hj_response_sse(struct hj_response *out, struct hj_slice headers, struct hj_client client,
                    const struct hj_server_options *options)
{
    struct hj_fields fields;
    struct hj_response response = {0};
    int rc = hj_fields_check(&fields, headers.base, headers.len);
    if (rc != 0)
        return rc;
    client.keep_alive &= !fields.connection_close;
    struct hj_response_head head = {
        .status = 200,
        .headers = headers,
        .defaults = HJ_SLICE(SSE_LINES),
    };
    rc = encode_open_ended(&response, &head, client, options);
    response.wire = head.chunked ? HJ_WIRE_SSE_CHUNKED : HJ_WIRE_SSE;
    if (rc == 0)
        *out = response;
    return rc;
}

bool hj_status_is_bodiless(unsigned status)
{
    return status == 204 || status == 205 || status == 304;
}

int hj_response_check(struct hj_fields *fields, uint32_t status, uint32_t lowest, struct hj_slice headers)
{
    if (status < lowest || status > 999)
        return HIJACK_EINVAL;
    int rc = hj_fields_check(fields, headers.base, headers.len);
    if (rc == 0 && fields->has_transfer_encoding)
        rc = HIJACK_EHEADER;
    return rc;
}

unsigned hj_response_how(const struct hj_response *response)
{
    return (unsigned)response->wire | (response->keep_alive ? HJ_HOLD_KEEP_ALIVE : 0) |
           (response->keeps_window ? HJ_HOLD_WINDOW : 0) | (response->old ? HJ_HOLD_OLD : 0);
}

struct hj_response hj_response_waiting(struct hj_client client)
{
    return (struct hj_response){
        .wire = HJ_WIRE_RESPONSE, .keep_alive = client.keep_alive, .old = client.minor_version == 0 && !client.http2};
}

int hj_response_hold(struct hj_response *out, uint32_t kind, struct hj_slice headers, struct hj_client client,
                     const struct hj_server_options *options)
{
    struct hj_response response = {0};
    struct hj_response_head head = {.status = 200, .headers = headers};
    struct hj_fields fields;
    int rc = hj_fields_check(&fields, headers.base, headers.len);
    if (rc != 0)
        return rc;
    switch (kind) {
    case HIJACK_HOLD_RAW:
    case HIJACK_HOLD_SSE_BODY:
        if (client.http2)
            return HIJACK_ENOTSUP;
        if (headers.len != 0)
            return HIJACK_EINVAL;
        response.wire = kind == HIJACK_HOLD_RAW ? HJ_WIRE_RAW : HJ_WIRE_SSE;
        break;
    case HIJACK_HOLD_STREAM:
        client.keep_alive &= !fields.connection_close;
        if ((rc = encode_open_ended(&response, &head, client, options)) != 0)
            return rc;
        response.wire = head.chunked ? HJ_WIRE_CHUNKED : HJ_WIRE_RAW;
        break;
    case HIJACK_HOLD_SSE:
        return hj_response_sse(out, headers, client, options);
    case HIJACK_HOLD_WEBSOCKET_OPEN:
        if (client.http2)
            return HIJACK_ENOTSUP;
        if (headers.len != 0)
            return HIJACK_EINVAL;
        response.wire = HJ_WIRE_WEBSOCKET;
        break;
    case HIJACK_HOLD_LONG_POLL:
        response = hj_response_waiting(client);
        if ((response.head = hj_buf_copy(headers.base, headers.len)) == NULL)
            return HIJACK_ENOMEM;
        break;
    case HIJACK_HOLD_WEBSOCKET: /* needs the client's handshake: core/websocket.h */
        return HIJACK_ENOTSUP;
    default:
        return HIJACK_EINVAL;
    }
    *out = response;
    return 0;
}

int hj_response_stream(struct hj_response *out, unsigned status, struct hj_slice headers,
                       const struct hj_fields *fields, struct hj_client client, bool body,
                       const struct hj_server_options *options)
{
    struct hj_response response = {0};
    struct hj_response_head head = {.status = status, .headers = headers};
    int rc;
    if (fields->connection_close)
        client.keep_alive = false;
    if (fields->has_content_length || !body) {
        head.with_length = fields->has_content_length || status == 205;
        head.length = announced_length(status, fields, 0);
        head.connection = connection_line(client, false);
        response.keep_alive = client.keep_alive;
        rc = encode_head(&response, &head, options);
    } else {
        rc = encode_open_ended(&response, &head, client, options);
    }
    response.wire = head.chunked ? HJ_WIRE_CHUNKED : HJ_WIRE_RAW;
    if (rc == 0)
        *out = response;
    return rc;
}

/* The head of a response whose body has this length; what is set in it already stays. */
static int encode_with_length(struct hj_buf **out, bool *keep_alive, struct hj_response_head *head,
                              const struct hj_fields *fields, struct hj_client client, uint64_t body_len,
                              const struct hj_server_options *options)
{
    struct hj_response response = {0};
    client.keep_alive &= !fields->connection_close;
    head->with_length = head->status != 204 && head->status != 304;
    head->length = announced_length(head->status, fields, body_len);
    head->connection = connection_line(client, false);
    int rc = encode_head(&response, head, options);
    if (rc != 0)
        return rc;
    *keep_alive = client.keep_alive;
    *out = response.head;
    return 0;
}

int hj_response_whole(struct hj_buf **out, bool *keep_alive, unsigned status, struct hj_slice headers,
                      const struct hj_fields *fields, struct hj_client client, bool has_body, struct hj_slice body,
                      const struct hj_server_options *options)
{
    struct hj_buf *encoded;
    struct hj_response_head head = {.status = status, .headers = headers};
    int rc = encode_with_length(&encoded, keep_alive, &head, fields, client, body.len, options);
    if (rc != 0)
        return rc;
    *out = encoded;
    if (!has_body || body.len == 0)
        return 0;
    struct hj_buf *whole = hj_buf_new(encoded->len + body.len);
    if (whole != NULL) {
        memcpy(whole->data, encoded->data, encoded->len);
        memcpy(whole->data + encoded->len, body.base, body.len);
    }
    hj_buf_unref(encoded);
    *out = whole;
    return whole == NULL ? HIJACK_ENOMEM : 0;
}

int hj_response_poll(struct hj_buf **out, bool *keep_alive, const struct hj_poll_response *what,
                     struct hj_client client, const struct hj_server_options *options)
{
    struct hj_fields fields;
    int rc = hj_response_check(&fields, what->status, 200, what->headers);
    if (rc != 0)
        return rc;
    struct hj_response_head head = {.status = what->status, .headers = what->headers, .extra = what->lines};
    if (!what->exact)
        head.defaults = what->status == 204 ? HJ_SLICE("Cache-Control: no-store\r\n")
                        : what->binary      ? HJ_SLICE(POLL_LINES("application/octet-stream"))
                                            : HJ_SLICE(POLL_LINES("text/plain; charset=utf-8"));
    return encode_with_length(out, keep_alive, &head, &fields, client, what->length, options);
}

int hj_response_hijack(struct hj_response *out, unsigned status, struct hj_slice headers,
                       const struct hj_fields *fields, const struct hj_server_options *options)
{
    struct hj_response response = {.wire = HJ_WIRE_RAW};
    struct hj_response_head head = {
        .status = status,
        .headers = headers,
        .connection = fields->has_connection ? HJ_CONNECTION_AS_GIVEN : HJ_CONNECTION_CLOSE,
    };
    int rc = encode_head(&response, &head, options);
    if (rc == 0)
        *out = response;
    return rc;
}

/* 426 says what is spoken here instead (RFC 9110 section 15.5.22, RFC 6455 section 4.4). */
#define UPGRADE_LINES "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"

struct hj_buf *hj_response_refusal(unsigned status, const char *problem, bool is_head)
{
    char body[256];
    char date[HJ_HTTP_DATE_LEN];
    struct hj_buf *response;
    int len = snprintf(body, sizeof(body), "%u %s: %s\n", status, hj_status_reason(status), problem);
    hj_http_date(date, time(NULL));
    struct hj_response_head head = {
        .status = status,
        .headers = HJ_SLICE("Content-Type: text/plain; charset=utf-8\r\n"),
        .with_length = true,
        .length = (uint64_t)len,
        .connection = status == 426 ? HJ_CONNECTION_AS_GIVEN : HJ_CONNECTION_CLOSE,
        .extra = status == 426 ? HJ_SLICE(UPGRADE_LINES) : HJ_SLICE(""),
        .date = hj_slice(date, sizeof(date)),
    };
    if (hj_response_head_encode(&response, &head) != 0)
        return NULL;
    size_t head_len = response->len;
    struct hj_buf *whole = is_head ? response : hj_buf_resize(response, head_len + (size_t)len);
    if (whole == NULL)
        hj_buf_unref(response);
    else if (!is_head)
        memcpy(whole->data + head_len, body, (size_t)len);
    return whole;
}
