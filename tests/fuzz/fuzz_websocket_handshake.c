/* SPDX-License-Identifier: MIT
 *
 * The handshake of WebSocket, with the lines of the input as the fields of a request: it is accepted with a sound key
 * alone, only a subprotocol that the client names is offered, and a page of another origin gets in by a list alone.
 */
#include <ctype.h>
#include <string.h>

#include "codec/sha1.h"
#include "codec/websocket_handshake.h"
#include "fuzz.h"

#define FIELDS 9

/* Cuts rest at its first line end. */
static struct hj_slice next_line(struct hj_slice *rest)
{
    const char *end = rest->len != 0 ? memchr(rest->base, '\n', rest->len) : NULL;
    const struct hj_slice line = hj_slice(rest->base, end != NULL ? (size_t)(end - rest->base) : rest->len);
    const size_t used = line.len + (end != NULL);
    *rest = hj_slice(rest->base + used, rest->len - used);
    return line;
}

static bool equal(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; ++i)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

static bool contains(struct hj_slice text, struct hj_slice word)
{
    for (size_t at = 0; at + word.len <= text.len; ++at)
        if (equal(text.base + at, word.base, word.len))
            return true;
    return false;
}

static void check_accept(struct hj_slice key)
{
    char accept[HJ_WS_ACCEPT_LEN], again[HJ_WS_ACCEPT_LEN];
    HOLDS(key.len == 24 && memcmp(key.base + 22, "==", 2) == 0);
    hj_ws_accept(accept, key);
    hj_ws_accept(again, key);
    HOLDS(memcmp(accept, again, sizeof(accept)) == 0 && accept[HJ_WS_ACCEPT_LEN - 1] == '=');
    for (int i = 0; i < HJ_WS_ACCEPT_LEN - 1; ++i)
        HOLDS(isalnum((unsigned char)accept[i]) || accept[i] == '+' || accept[i] == '/');
}

static void check_request(const struct hj_ws_request *request)
{
    const char *problem;
    const unsigned status = hj_ws_check(request, &problem);
    HOLDS(status == 0 || status == 400 || status == 405 || status == 426);
    HOLDS((problem != NULL) == (status != 0));
    if (status != 0)
        return;
    HOLDS(request->http1_1 && hj_slice_equal(request->method, HJ_SLICE("GET")));
    HOLDS(hj_slice_equal(request->version, HJ_SLICE("13")));
    HOLDS(contains(request->upgrade, HJ_SLICE("websocket")) && contains(request->connection, HJ_SLICE("upgrade")));
    check_accept(request->key);
}

/* Each subprotocol that is found lies in the list, and one with a comma never does. */
static void check_protocols(struct hj_slice protocols, struct hj_slice wanted)
{
    if (!hj_ws_offers(protocols, wanted))
        return;
    HOLDS(wanted.len != 0 && memchr(wanted.base, ',', wanted.len) == NULL);
    HOLDS(memmem(protocols.base, protocols.len, wanted.base, wanted.len) != NULL);
}

static void check_origin(struct hj_slice allowed, struct hj_slice origin, struct hj_slice host)
{
    HOLDS(hj_ws_origin_is_allowed(HJ_SLICE("*"), origin, host));
    HOLDS(origin.len == 0 || !hj_ws_origin_is_allowed(HJ_SLICE(""), origin, host));
    if (origin.len != 0 && hj_ws_origin_is_allowed(HJ_SLICE("same"), origin, host)) {
        const char *colon = memmem(origin.base, origin.len, "://", 3);
        HOLDS(host.len != 0 && colon != NULL);
        const size_t rest = (size_t)(origin.base + origin.len - colon - 3);
        const size_t shared = rest < host.len ? rest : host.len;
        const size_t port = strlen(":443"); /* either may have it */
        HOLDS(rest <= host.len + port && host.len <= rest + port && equal(colon + 3, host.base, shared));
    }
    if (origin.len != 0 && hj_ws_origin_is_allowed(allowed, origin, host))
        HOLDS(contains(allowed, HJ_SLICE("*")) || contains(allowed, HJ_SLICE("same")) || contains(allowed, origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hj_slice rest = hj_slice((const char *)data, size), fields[FIELDS];
    uint8_t digest[HJ_SHA1_LEN];
    for (int i = 0; i < FIELDS; ++i)
        fields[i] = next_line(&rest);
    struct hj_ws_request request = {.method = fields[0],
                                    .host = fields[1],
                                    .origin = fields[2],
                                    .upgrade = fields[3],
                                    .connection = fields[4],
                                    .version = fields[5],
                                    .key = fields[6],
                                    .protocols = fields[7],
                                    .http1_1 = true};
    check_request(&request);
    request.http1_1 = false;
    check_request(&request);
    check_protocols(request.protocols, fields[8]);
    check_origin(fields[8], request.origin, request.host);
    hj_sha1(digest, data, size);
    return 0;
}
