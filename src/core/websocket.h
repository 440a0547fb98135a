/* Accepting WebSockets, and the frames that programs send. Any thread. */
#ifndef HJ_CORE_WEBSOCKET_H
#define HJ_CORE_WEBSOCKET_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "codec/head.h"
#include "codec/websocket.h"
#include "codec/websocket_handshake.h"
#include "core/option.h"
#include "core/request.h"
#include "core/response.h"

/* The subprotocol of tunnels: an empty binary message says that no more bytes come from this side. TCP has such an end
 * of one direction, WebSocket has none. */
#define HJ_WEBSOCKET_TUNNEL "purr"

#define HJ_WEBSOCKET_JOINED 1024 /* bytes of header fields that a client sends in several lines */

/* What of a request's head matters for its handshake; slices of the head, or of joined. */
struct hj_websocket_offer {
    struct hj_ws_request request;
    struct hj_slice extensions;
    size_t used;
    bool full; /* joined has no room for more */
    char joined[HJ_WEBSOCKET_JOINED];
};

/* From a head that is not a request yet, or from a request. */
void hj_websocket_offer_of_head(struct hj_websocket_offer *out, const struct hj_head *head);
void hj_websocket_offer_of_request(struct hj_websocket_offer *out, struct hj_request *request);

/* Why a client is refused. */
struct hj_websocket_refusal {
    unsigned status;
    const char *problem;
};

/* Whether headers may be added to the answer. 0 or HIJACK_EHEADER: what the handshake has itself. */
int hj_websocket_check_headers(struct hj_slice headers);

/* Answers the handshake: response->head is the 101, its wire form what was agreed upon. protocol: one of those that the
 * client offers, or empty. headers are checked. 0; HIJACK_EPROTOCOL, and *refusal says why; EINVAL (protocol) or
 * ENOMEM.
 */
int hj_websocket_accept(struct hj_response *response, struct hj_websocket_refusal *refusal,
                        const struct hj_websocket_offer *offer, struct hj_slice protocol, struct hj_slice headers,
                        const struct hj_server_options *options);

#endif
