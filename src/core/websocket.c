/* The handshake from a server's point of view, and frames; see websocket.h. Any thread. */
#include "core/websocket.h"

#include <string.h>
#include <time.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#if HIJACK_DEFLATE
#include "codec/websocket_deflate.h"
#endif

#define LINES_MAX 1024 /* of the answer's own header lines; a longer protocol is none that a client offers */
#define FIELD(name)                                                                                                    \
    {                                                                                                                  \
        name, sizeof(name) - 1                                                                                         \
    }

/* Where the values of these fields go, by their names in lower case. */
static struct hj_slice *place_of(struct hj_websocket_offer *offer, struct hj_slice name)
{
    const struct {
        struct hj_slice name;
        struct hj_slice *place;
    } places[] = {
        {FIELD("host"), &offer->request.host},
        {FIELD("origin"), &offer->request.origin},
        {FIELD("upgrade"), &offer->request.upgrade},
        {FIELD("connection"), &offer->request.connection},
        {FIELD("sec-websocket-version"), &offer->request.version},
        {FIELD("sec-websocket-key"), &offer->request.key},
        {FIELD("sec-websocket-protocol"), &offer->request.protocols},
        {FIELD("sec-websocket-extensions"), &offer->extensions},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); ++i)
        if (hj_slice_equal_lower(name, places[i].name))
            return places[i].place;
    return NULL;
}

/* Several fields of one name are one list (RFC 9110 section 5.3). */
static void gather_field(struct hj_websocket_offer *offer, struct hj_slice name, struct hj_slice value)
{
    struct hj_slice *place = place_of(offer, name);
    if (place == NULL)
        return;
    if (place->len == 0) {
        *place = value;
        return;
    }
    const size_t len = place->len + 2 + value.len;
    if (len > sizeof(offer->joined) - offer->used) {
        offer->full = true;
        return;
    }
    char *to = offer->joined + offer->used;
    memcpy(to, place->base, place->len);
    memcpy(to + place->len, ", ", 2);
    memcpy(to + place->len + 2, value.base, value.len);
    *place = hj_slice(to, len);
    offer->used += len;
}

static void begin_offer(struct hj_websocket_offer *offer, struct hj_slice method, bool http1_1)
{
    memset(offer, 0, offsetof(struct hj_websocket_offer, joined));
    offer->request.method = method;
    offer->request.http1_1 = http1_1;
}

void hj_websocket_offer_of_head(struct hj_websocket_offer *out, const struct hj_head *head)
{
    begin_offer(out, head->method, head->minor_version != 0 && !head->http2);
    for (size_t i = 0; i < head->header_count; ++i)
        gather_field(out, head->headers[i].name, head->headers[i].value);
}

void hj_websocket_offer_of_request(struct hj_websocket_offer *out, struct hj_request *request)
{
    const char *cursor = request->headers.base, *const end = cursor + request->headers.len;
    struct hj_slice name, value;
    bool has_body = request->body.len != 0 || atomic_load(&request->has_body);
    begin_offer(out, request->method, request->client.minor_version != 0 && !request->client.http2 && !has_body);
    while (cursor < end && hj_fields_next(&name, &value, &cursor, end))
        gather_field(out, name, value);
}

int hj_websocket_check_headers(struct hj_slice headers)
{
    static const struct hj_slice own[] = {
        FIELD("upgrade"),
        FIELD("connection"),
        FIELD("content-length"),
        FIELD("transfer-encoding"),
        FIELD("sec-websocket-accept"),
        FIELD("sec-websocket-protocol"),
        FIELD("sec-websocket-extensions"),
    };
    const char *cursor = headers.base, *const end = cursor + headers.len;
    struct hj_slice name, value;
    if (headers.len == 0)
        return 0;
    if (hj_fields_check(NULL, headers.base, headers.len) != 0)
        return HIJACK_EHEADER;
    while (cursor < end && hj_fields_next(&name, &value, &cursor, end))
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); ++i)
            if (hj_slice_equal_lower(name, own[i]))
                return HIJACK_EHEADER;
    return 0;
}

/* Whether this client is served; the refusal says why not. */
static bool is_served(struct hj_websocket_refusal *refusal, const struct hj_websocket_offer *offer,
                      const struct hj_server_options *options)
{
    const struct hj_slice allowed = hj_slice(options->websocket_origins, strlen(options->websocket_origins));
    if (offer->full) {
        *refusal = (struct hj_websocket_refusal){431, "the fields of the handshake are too long"};
        return false;
    }
    refusal->status = hj_ws_check(&offer->request, &refusal->problem);
    if (refusal->status == 0 && !hj_ws_origin_is_allowed(allowed, offer->request.origin, offer->request.host))
        *refusal =
            (struct hj_websocket_refusal){403, "a page of this origin may not connect here (option websocket_origins)"};
    return refusal->status == 0;
}

static char *put_field_text(char *at, struct hj_slice text)
{
    memcpy(at, text.base, text.len);
    return at + text.len;
}

#if HIJACK_DEFLATE

/* Agrees to compression where both sides want it; returns the end of the lines. */
static char *put_deflate(char *at, struct hj_response *response, const struct hj_websocket_offer *offer,
                         const struct hj_server_options *options)
{
    char answer[HJ_WS_DEFLATE_ANSWER_MAX];
    if (options->websocket_deflate != HJ_SWITCH_ON || offer->extensions.len == 0)
        return at;
    struct hj_ws_deflate agreed =
        hj_ws_deflate_negotiate(offer->extensions, options->websocket_context_takeover == HJ_SWITCH_ON);
    if (!agreed.accepted)
        return at;
    response->wire = agreed.server_window_bits == 15 ? HJ_WIRE_WEBSOCKET_DEFLATE : HJ_WIRE_WEBSOCKET_NARROW;
    response->keeps_window = agreed.client_takeover;
    response->own_window = agreed.server_takeover;
    at = put_field_text(at, HJ_SLICE("Sec-WebSocket-Extensions: "));
    at = put_field_text(at, hj_slice(answer, hj_ws_deflate_answer(answer, &agreed)));
    return put_field_text(at, HJ_SLICE("\r\n"));
}

#endif

/* The lines of the answer that are the handshake's own; returns their end. */
static char *put_own_lines(char *lines, const struct hj_websocket_offer *offer, struct hj_slice protocol)
{
    char accept[HJ_WS_ACCEPT_LEN];
    char *at = put_field_text(lines, HJ_SLICE("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "));
    hj_ws_accept(accept, offer->request.key);
    at = put_field_text(at, hj_slice(accept, sizeof(accept)));
    if (protocol.len != 0) {
        at = put_field_text(at, HJ_SLICE("\r\nSec-WebSocket-Protocol: "));
        at = put_field_text(at, protocol);
    }
    return put_field_text(at, HJ_SLICE("\r\n"));
}

int hj_websocket_accept(struct hj_response *response, struct hj_websocket_refusal *refusal,
                        const struct hj_websocket_offer *offer, struct hj_slice protocol, struct hj_slice headers,
                        const struct hj_server_options *options)
{
    char lines[LINES_MAX], date[HJ_HTTP_DATE_LEN];
    if (!is_served(refusal, offer, options))
        return HIJACK_EPROTOCOL;
    if (protocol.len > LINES_MAX / 2 || (protocol.len != 0 && !hj_ws_offers(offer->request.protocols, protocol)))
        return HIJACK_EINVAL;
    hj_http_date(date, time(NULL));
    struct hj_response answer = {
        .wire = HJ_WIRE_WEBSOCKET,
        .half_closes = hj_slice_equal(protocol, HJ_SLICE(HJ_WEBSOCKET_TUNNEL)),
    };
    char *end = put_own_lines(lines, offer, protocol);
#if HIJACK_DEFLATE
    end = put_deflate(end, &answer, offer, options);
#endif
    struct hj_response_head head = {
        .status = 101,
        .headers = headers,
        .connection = HJ_CONNECTION_AS_GIVEN,
        .date = hj_slice(date, sizeof(date)),
        .server = hj_slice(options->server_name, strlen(options->server_name)),
        .extra = hj_slice(lines, (size_t)(end - lines)),
    };
    int rc = hj_response_head_encode(&answer.head, &head);
    if (rc == 0)
        *response = answer;
    return rc;
}
