/* Answering the requests that wait in a broadcaster (HIJACK_HOLD_LONG_POLL). Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/broadcaster.h"
#include "core/response.h"

static int respond_members(struct hj_broadcaster *broadcaster, uint32_t status, struct hj_slice headers,
                           struct hj_slice body)
{
    struct hj_fields fields;
    struct hj_message *message;
    const int members = hj_broadcaster_count(broadcaster);
    int rc = hj_response_check(&fields, status, 200, headers);
    if (rc == 0 && fields.has_content_length && fields.content_length != body.len)
        rc = HIJACK_EHEADER;
    if (rc == 0 && hj_status_is_bodiless(status) && body.len != 0)
        rc = HIJACK_EINVAL;
    const struct hj_message_parts parts = {.data = body, .retry_ms = -1, .binary = true};
    if (rc == 0)
        rc = hj_broadcaster_compose(&message, broadcaster, &parts);
    if (rc != 0)
        return rc;
    struct hj_buf *block = hj_buf_copy(headers.base, headers.len);
    const struct hj_command what = {.op = HJ_OP_RESPOND_MEMBERS, .buf = block, .message = message, .value = status};
    rc = block == NULL ? HIJACK_ENOMEM : hj_broadcaster_ask(broadcaster, &what);
    hj_buf_unref(block);
    hj_message_unref(message);
    return rc != 0 ? rc : members;
}

int hijack_broadcaster_respond(hijack_broadcaster *handle, uint32_t status, const char *headers, size_t headers_len,
                               const char *body, size_t body_len)
{
    struct hj_broadcaster *broadcaster;
    if ((headers == NULL && headers_len != 0) || (body == NULL && body_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = respond_members(broadcaster, status, hj_slice(headers, headers_len), hj_slice(body, body_len));
    hj_handle_unpin(handle);
    return rc;
}
