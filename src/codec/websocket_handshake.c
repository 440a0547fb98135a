/* The WebSocket handshake; see websocket_handshake.h. Pure. */
#include "codec/websocket_handshake.h"

#include <stdint.h>

#include "base/ascii.h"
#include "codec/sha1.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define KEY_LEN 24                                  /* 16 bytes in base64 */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Whether it is base64 of 16 bytes; the bits of the last digit that belong to none of them are not looked at. */
static bool is_key(struct hj_slice key)
{
    if (key.len != KEY_LEN || key.base[KEY_LEN - 1] != '=' || key.base[KEY_LEN - 2] != '=')
        return false;
    for (int i = 0; i < KEY_LEN - 2; ++i)
        if (key.base[i] == '\0' || memchr(base64, key.base[i], sizeof(base64) - 1) == NULL)
            return false;
    return true;
}

unsigned hj_ws_check(const struct hj_ws_request *request, const char **problem)
{
    *problem = NULL;
    if (!hj_slice_equal(request->method, HJ_SLICE("GET"))) {
        *problem = "a WebSocket begins with GET";
        return 405;
    }
    if (!request->http1_1 || !hj_ascii_list_has(request->upgrade, HJ_SLICE("websocket")) ||
        !hj_ascii_list_has(request->connection, HJ_SLICE("upgrade"))) {
        *problem = "this path speaks WebSocket: \"Upgrade: websocket\" with \"Connection: Upgrade\" is expected";
        return 426;
    }
    if (!hj_slice_equal(request->version, HJ_SLICE("13"))) {
        *problem = "Sec-WebSocket-Version must be 13";
        return 426;
    }
    if (!is_key(request->key)) {
        *problem = "Sec-WebSocket-Key must be 16 bytes in base64";
        return 400;
    }
    return 0;
}

static void put_base64(char *out, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        const uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) |
                              (i + 2 < len ? (uint32_t)data[i + 2] : 0);
        *out++ = base64[bits >> 18];
        *out++ = base64[bits >> 12 & 63];
        *out++ = i + 1 < len ? base64[bits >> 6 & 63] : '=';
        *out++ = i + 2 < len ? base64[bits & 63] : '=';
    }
}

void hj_ws_accept(char out[HJ_WS_ACCEPT_LEN], struct hj_slice key)
{
    char text[KEY_LEN + sizeof(GUID) - 1];
    uint8_t digest[HJ_SHA1_LEN];
    memcpy(text, key.base, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof(GUID) - 1);
    hj_sha1(digest, text, sizeof(text));
    put_base64(out, digest, sizeof(digest));
}

/* The next element of a list with commas; false at its end. */
static bool next_element(struct hj_slice *element, struct hj_slice *list)
{
    if (list->len == 0)
        return false;
    const char *comma = memchr(list->base, ',', list->len);
    const size_t len = comma == NULL ? list->len : (size_t)(comma - list->base);
    *element = hj_ascii_trim(hj_slice(list->base, len));
    const size_t used = comma == NULL ? len : len + 1;
    *list = hj_slice(list->base + used, list->len - used);
    return true;
}

bool hj_ws_offers(struct hj_slice protocols, struct hj_slice protocol)
{
    struct hj_slice element;
    while (next_element(&element, &protocols))
        if (element.len != 0 && hj_slice_equal(element, protocol))
            return true;
    return false;
}

/* Without the port that the origin's scheme has anyway. */
static struct hj_slice without_port(struct hj_slice host, struct hj_slice port)
{
    if (host.len > port.len && hj_slice_equal(hj_slice(host.base + host.len - port.len, port.len), port))
        host.len -= port.len;
    return host;
}

static bool is_same_origin(struct hj_slice origin, struct hj_slice host)
{
    const char *colon = memmem(origin.base, origin.len, "://", 3);
    if (colon == NULL || host.len == 0)
        return false; /* "null": a sandboxed page, or a file */
    const size_t scheme_len = (size_t)(colon - origin.base);
    const struct hj_slice scheme = hj_slice(origin.base, scheme_len);
    const struct hj_slice port = hj_slice_equal_lower(scheme, HJ_SLICE("https")) ? HJ_SLICE(":443") : HJ_SLICE(":80");
    const struct hj_slice authority = hj_slice(colon + 3, origin.len - scheme_len - 3);
    return hj_slice_equal_nocase(without_port(authority, port), without_port(host, port));
}

bool hj_ws_origin_is_allowed(struct hj_slice allowed, struct hj_slice origin, struct hj_slice host)
{
    struct hj_slice element;
    if (origin.len == 0)
        return true;
    while (next_element(&element, &allowed)) {
        const bool same = hj_slice_equal(element, HJ_SLICE("same"));
        if (same ? is_same_origin(origin, host)
                 : hj_slice_equal(element, HJ_SLICE("*")) || hj_slice_equal_nocase(element, origin))
            return true;
    }
    return false;
}
