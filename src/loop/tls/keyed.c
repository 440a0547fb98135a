/* Records of connections whose keys were taken over; see keyed.h. Loop thread.
 *
 * A record gets its number when it is sealed. One of which the kernel took nothing was never seen by anybody, and its
 * number is used again; one of which it took a part is kept, and counts as written. */
#include "loop/tls/keyed.h"

#include "loop/io/plain.h"
#include "loop/tls/bytes.h"
#include "loop/tls/cursor.h"
#include "loop/tls/output.h"

/* Far below the 2^24.5 records after which AES-GCM keys must be changed (RFC 8446 section 5.5). */
#define RECORDS_MAX (1u << 23)

/* Records without data that a peer may send in a row, and KeyUpdates in one go. */
#define EMPTY_MAX 32
#define UPDATES_MAX 32

#define NEW_SESSION_TICKET 4
#define KEY_UPDATE 24
#define KEY_UPDATE_LEN 5
#define MESSAGE_HEADER 4

/* The longest ticket with all that belongs to it (RFC 8446 section 4.6.1). */
#define TICKET_MAX (4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534)

#define WARNING 1
#define FATAL 2

static enum hj_tls_suite suite_of(const struct hj_tls_keyed *keyed)
{
    return (enum hj_tls_suite)(keyed->layer.flags >> HJ_TLS_SUITE_SHIFT & 3);
}

/* Appends a record to tls->out; its length, 0 when out of memory. */
static size_t seal(struct hj_tls *tls, struct hj_tls_keyed *keyed, enum hj_tls_content type,
                   const struct hj_slice *parts, int count, size_t len)
{
    if (!hj_tls_output_reserve(tls, len + HJ_TLS_OVERHEAD))
        return 0;
    size_t sealed = hj_tls_seal(tls->crypto, suite_of(keyed), &keyed->write, keyed->layer.write_seq, type, parts, count,
                                tls->out + tls->out_len);
    if (sealed != 0)
        ++keyed->layer.write_seq;
    tls->out_len += sealed;
    return sealed;
}

/* KeyUpdate, not asking for one (RFC 8446 section 4.6.3); what follows is sealed with the next keys. */
static bool update_write(struct hj_tls *tls, struct hj_tls_keyed *keyed)
{
    static const char message[KEY_UPDATE_LEN] = {KEY_UPDATE, 0, 0, 1, 0};
    const struct hj_slice part = hj_slice(message, sizeof(message));
    if (seal(tls, keyed, HJ_TLS_HANDSHAKE, &part, 1, part.len) == 0 ||
        !hj_tls_keys_update(tls->crypto, suite_of(keyed), &keyed->write))
        return false;
    keyed->layer.write_seq = 0;
    keyed->layer.flags &= ~(uint32_t)HJ_TLS_UPDATE_OWED;
    return true;
}

void hj_tls_keyed_end(struct hj_tls *tls, struct hj_tls_keyed *keyed, enum hj_tls_alert alert)
{
    const char message[2] = {alert == HJ_TLS_CLOSE_NOTIFY ? WARNING : FATAL, (char)alert};
    const struct hj_slice part = hj_slice(message, sizeof(message));
    if ((keyed->layer.flags & HJ_TLS_OUT_ENDED) != 0)
        return;
    seal(tls, keyed, HJ_TLS_ALERT, &part, 1, part.len);
    keyed->layer.flags |= HJ_TLS_OUT_ENDED;
}

/* The data of the next record. */
static size_t take_parts(struct hj_slice *parts, int *part_count, struct hj_tls_cursor *cursor)
{
    size_t len = 0;
    int n = 0;
    while (cursor->count != 0 && len < HJ_TLS_PLAIN_MAX) {
        parts[n] = hj_tls_cursor_take(cursor, len);
        len += parts[n++].len;
    }
    *part_count = n;
    return len;
}

/* Sends the record in tls->out. Returns its length; less if a part of it is kept; 0 if the kernel took nothing, and it
 * was not sealed; or why the connection is dead. */
static ssize_t send_record(struct hj_tls *tls, int fd, struct hj_tls_keyed *keyed)
{
    const size_t len = tls->out_len;
    ssize_t n = hj_plain_send(fd, tls->out, len);
    tls->out_len = 0;
    if (n == 0)
        --keyed->layer.write_seq;
    if (n <= 0 || (size_t)n == len)
        return n;
    return hj_tls_output_keep(tls, &keyed->layer, (size_t)n, len) ? n : HIJACK_ENOMEM;
}

/* Changes the keys where they have sealed enough, or the peer has asked for it. 1, 0 if the message waits for the
 * kernel, or why the connection is dead. */
static int renew_keys(struct hj_tls *tls, int fd, struct hj_tls_keyed *keyed)
{
    if (keyed->layer.write_seq < RECORDS_MAX && (keyed->layer.flags & HJ_TLS_UPDATE_OWED) == 0)
        return 1;
    if (!update_write(tls, keyed)) {
        tls->out_len = 0; /* the next connection's records begin there */
        return HIJACK_ENOMEM;
    }
    ssize_t n = hj_tls_output_send(tls, fd, &keyed->layer);
    return n < 0 ? (int)n : hj_tls_unsent(&keyed->layer) == 0;
}

ssize_t hj_tls_keyed_write(struct hj_tls *tls, int fd, struct hj_tls_keyed *keyed, struct hj_buf *const *bufs,
                           int count, size_t offset)
{
    struct hj_tls_cursor cursor = {bufs, count, offset};
    struct hj_slice parts[HJ_TRANSPORT_BUFS];
    ssize_t taken = 0;
    while (cursor.count != 0) {
        int part_count, rc = renew_keys(tls, fd, keyed);
        if (rc <= 0)
            return rc < 0 ? rc : taken;
        const size_t len = take_parts(parts, &part_count, &cursor);
        const size_t sealed = seal(tls, keyed, HJ_TLS_APPLICATION_DATA, parts, part_count, len);
        if (sealed == 0)
            return HIJACK_ENOMEM;
        ssize_t n = send_record(tls, fd, keyed);
        if (n < 0)
            return n;
        if (n > 0)
            taken += (ssize_t)len;
        if ((size_t)n < sealed)
            break;
    }
    return taken;
}

/* The peer has asked for a KeyUpdate. One answer is enough for all that came before it could be sent, and behind bytes
 * that the kernel did not take it waits for the next data, so that a peer that does not read makes nothing grow. */
static bool answer_update(struct hj_tls *tls, struct hj_tls_keyed *keyed)
{
    if ((keyed->layer.flags & HJ_TLS_OUT_ENDED) != 0 || tls->out_len != 0)
        return true;
    if (hj_tls_unsent(&keyed->layer) == 0)
        return update_write(tls, keyed);
    keyed->layer.flags |= HJ_TLS_UPDATE_OWED;
    return true;
}

/* The peer changes its keys, and has asked for as much of us, or not. 0 or an alert. */
static int read_update(struct hj_tls *tls, struct hj_tls_keyed *keyed, uint8_t asked)
{
    if (asked > 1)
        return HJ_TLS_ILLEGAL_PARAMETER;
    if (!hj_tls_keys_update(tls->crypto, suite_of(keyed), &keyed->read))
        return HJ_TLS_INTERNAL_ERROR;
    keyed->read_seq = 0;
    return asked == 0 || answer_update(tls, keyed) ? 0 : HJ_TLS_INTERNAL_ERROR;
}

/* A server gives its client tickets, which are dropped: no session is resumed. False if it is something else, or longer
 * than one can be. */
static bool begin_ticket(const struct hj_tls_keyed *keyed, struct hj_tls_rest *rest)
{
    if ((keyed->layer.flags & HJ_TLS_CLIENT) == 0 || rest->message[0] != NEW_SESSION_TICKET)
        return false;
    if (rest->message_len < MESSAGE_HEADER)
        return true;
    rest->skip = (uint32_t)rest->message[1] << 16 | (uint32_t)rest->message[2] << 8 | rest->message[3];
    rest->message_len = 0;
    return rest->skip <= TICKET_MAX;
}

/* Of the handshake messages only a KeyUpdate may come, as the last one of its record (RFC 8446 section 5.1), and from a
 * server tickets. 0 or an alert. */
static int read_messages(struct hj_tls *tls, struct hj_tls_keyed *keyed, const uint8_t *data, size_t len)
{
    static const uint8_t expected[KEY_UPDATE_LEN - 1] = {KEY_UPDATE, 0, 0, 1};
    struct hj_tls_rest *rest = hj_tls_rest_of(&keyed->layer);
    if (rest == NULL)
        return HJ_TLS_INTERNAL_ERROR;
    if (len == 0)
        return HJ_TLS_UNEXPECTED_MESSAGE;
    while (len != 0) {
        const size_t skipped = len < rest->skip ? len : rest->skip;
        rest->skip -= (uint32_t)skipped;
        data += skipped;
        len -= skipped;
        if (len == 0)
            break;
        rest->message[rest->message_len++] = *data++;
        --len;
        const size_t known = rest->message_len < sizeof(expected) ? rest->message_len : sizeof(expected);
        if (memcmp(rest->message, expected, known) != 0 && !begin_ticket(keyed, rest))
            return HJ_TLS_UNEXPECTED_MESSAGE;
        if (rest->message_len == KEY_UPDATE_LEN) {
            rest->message_len = 0;
            return len != 0 ? HJ_TLS_UNEXPECTED_MESSAGE : read_update(tls, keyed, rest->message[KEY_UPDATE_LEN - 1]);
        }
    }
    return 0;
}

/* What an alert makes of the connection: 0 or HIJACK_ERESET; *answer: an alert for the peer. */
static int read_alert(struct hj_tls_keyed *keyed, const uint8_t *data, size_t len, int *answer)
{
    if (len != 2) {
        *answer = HJ_TLS_DECODE_ERROR;
        return 0;
    }
    if (data[1] == HJ_TLS_CLOSE_NOTIFY)
        keyed->layer.flags |= HJ_TLS_IN_ENDED;
    else if (data[1] != HJ_TLS_USER_CANCELED) {
        keyed->layer.flags |= HJ_TLS_OUT_ENDED; /* the peer is gone: it takes no farewell */
        return HIJACK_ERESET;
    }
    return 0;
}

static int read_data(struct hj_tls_keyed *keyed, const uint8_t *data, size_t len, struct hj_tls_sink *sink)
{
    const uint32_t empty = keyed->layer.flags >> HJ_TLS_EMPTY_SHIFT;
    keyed->layer.flags &= (1u << HJ_TLS_EMPTY_SHIFT) - 1;
    if (len != 0)
        return hj_tls_sink_put(sink, &keyed->layer, data, len) ? 0 : HJ_TLS_INTERNAL_ERROR;
    if (empty == EMPTY_MAX)
        return HJ_TLS_UNEXPECTED_MESSAGE;
    keyed->layer.flags |= (empty + 1) << HJ_TLS_EMPTY_SHIFT;
    return 0;
}

/* Does what one record asks for. 0 or an alert to be sent; *why: set if the peer has ended the connection. */
static int read_record(struct hj_tls *tls, struct hj_tls_keyed *keyed, uint8_t *record, size_t len,
                       struct hj_tls_sink *sink, int *why)
{
    enum hj_tls_content type;
    int alert = 0;
    const int n = hj_tls_open(tls->crypto, suite_of(keyed), &keyed->read, keyed->read_seq, record, len, &type);
    const uint8_t *data = record + HJ_TLS_HEADER;
    if (n < 0)
        return -n;
    ++keyed->read_seq;
    if (hj_tls_is_within_message(&keyed->layer) && type != HJ_TLS_HANDSHAKE)
        return HJ_TLS_UNEXPECTED_MESSAGE; /* between the parts of a message */
    switch (type) {
    case HJ_TLS_APPLICATION_DATA:
        return read_data(keyed, data, (size_t)n, sink);
    case HJ_TLS_HANDSHAKE:
        return read_messages(tls, keyed, data, (size_t)n);
    case HJ_TLS_ALERT:
        *why = read_alert(keyed, data, (size_t)n, &alert);
        return alert;
    default:
        return HJ_TLS_UNEXPECTED_MESSAGE;
    }
}

int hj_tls_keyed_open(struct hj_tls *tls, struct hj_tls_keyed *keyed, uint8_t *data, size_t len, size_t *used,
                      struct hj_tls_sink *sink)
{
    int updates = 0;
    *used = 0;
    while (*used < len && (keyed->layer.flags & HJ_TLS_IN_ENDED) == 0) {
        int why = 0, alert = 0;
        const int record = hj_tls_record_len(data + *used, len - *used);
        const uint64_t before = keyed->read_seq;
        if (record == 0 || (record > 0 && (size_t)record > len - *used))
            break;
        alert = record < 0 ? -record : read_record(tls, keyed, data + *used, (size_t)record, sink, &why);
        if (alert == 0 && keyed->read_seq <= before && ++updates > UPDATES_MAX)
            alert = HJ_TLS_UNEXPECTED_MESSAGE;
        if (alert != 0) {
            hj_tls_keyed_end(tls, keyed, (enum hj_tls_alert)alert);
            if (alert == HJ_TLS_INTERNAL_ERROR)
                return HIJACK_ENOMEM;
            keyed->layer.flags |= HJ_TLS_FAILED;
            return HIJACK_EPROTOCOL;
        }
        if (why != 0)
            return why;
        *used += (size_t)record;
    }
    return 0;
}
