/* The opening handshake of a WebSocket, as a server sees it (RFC 6455 section 4.2). Pure. */
#ifndef HJ_CODEC_WEBSOCKET_HANDSHAKE_H
#define HJ_CODEC_WEBSOCKET_HANDSHAKE_H

#include <stdbool.h>

#include "base/slice.h"

#define HJ_WS_ACCEPT_LEN 28

/* What of a request matters here; empty where it is absent. Values of several fields of one name are joined by ", ". */
struct hj_ws_request {
    struct hj_slice method, host, origin, upgrade, connection, version, key, protocols;
    bool http1_1; /* HTTP/1.1 or newer, without a body */
};

/* Checks the request. 0, or the status to refuse it with: 400, 405 (method) or 426 (which is answered with
 * "Sec-WebSocket-Version: 13" and "Upgrade: websocket"), and *problem says why. */
unsigned hj_ws_check(const struct hj_ws_request *request, const char **problem);

/* The value of Sec-WebSocket-Accept for a key that was checked. */
void hj_ws_accept(char out[HJ_WS_ACCEPT_LEN], struct hj_slice key);

/* Whether the client offers this subprotocol; case matters. */
bool hj_ws_offers(struct hj_slice protocols, struct hj_slice protocol);

/* Whether a page of this origin may connect (RFC 6454): one without an Origin is no page. allowed: "same" (the origin's
 * host and port are the request's Host), "*", or origins as a list with commas, as "https://example.org". */
bool hj_ws_origin_is_allowed(struct hj_slice allowed, struct hj_slice origin, struct hj_slice host);

#endif
