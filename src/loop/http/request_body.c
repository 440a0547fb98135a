/* Reading request bodies; see request_body.h. Loop thread.
 *
 * A whole body is read straight into the request's block of memory. In pieces, nothing is read without credit, so that
 * what the program does not want yet waits in the kernel and makes the peer wait. */
#include "loop/http/request_body.h"

#include <stdlib.h>
#include <string.h>

#include "codec/chunked.h"
#include "loop/http/refusal.h"
#include "loop/io/writer.h"
#include "loop/producer.h"

#define FIRST_ROOM 4096          /* for a chunked body that is read whole */
#define DISCARD_MAX (256u << 10) /* of a body that nobody wants: after a longer one the connection ends */
#define FRAMING 64               /* bytes around a chunk */
#define READS_MAX 16             /* in one turn, so that everybody else has theirs */

struct hj_body_reader {
    struct hj_chunked chunked;
    uint64_t left;   /* with a length: bytes still to come */
    uint64_t have;   /* whole: bytes in the request's memory; thrown away: bytes so far */
    uint64_t credit; /* in pieces */
    bool is_chunked, discarded;
    bool wants_continue; /* the peer waits for 100 */
    bool complete;       /* its last byte was taken */
    bool given_up;       /* too much was thrown away: no more of it is read */
};

bool hj_request_body_begin(struct hj_conn *conn, const struct hj_head *head, uint64_t max_bytes)
{
    struct hj_body_reader *body = calloc(1, sizeof(*body));
    if (body == NULL)
        return false;
    body->is_chunked = head->chunked;
    body->left = head->content_length;
    body->wants_continue = head->expect_continue;
    hj_chunked_init(&body->chunked, max_bytes);
    conn->request->read = body;
    return true;
}

/* The most bytes of one DATA event. */
static size_t piece_size(const struct hj_loop *loop)
{
    uint64_t size = loop->server->options.read_chunk_bytes;
    return size < HJ_SCRATCH_SIZE ? (size_t)size : HJ_SCRATCH_SIZE;
}

/* Whether the body goes on: what was taken of it may have closed the connection, for want of memory for one. */
static bool goes_on(const struct hj_conn *conn)
{
    return hj_conn_is_open(conn) && hj_request_body_is_open(conn);
}

/* How many bytes may be taken now. */
static uint64_t allowed(const struct hj_request *request)
{
    return request->in_pieces && !request->read->discarded ? request->read->credit : UINT64_MAX;
}

/* Of a body that the program reads in pieces: the DATA event of what was gathered in this turn. */
static void push_gathered(struct hj_loop *loop, struct hj_conn *conn)
{
    if (loop->gathered == 0)
        return;
    struct hj_buf *buf = hj_buf_copy(loop->gather, loop->gathered);
    struct hj_event *event = buf == NULL ? NULL : hj_event_new(HIJACK_EVENT_DATA, &conn->request->object, buf);
    loop->gathered = 0;
    if (event == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_loop_push(loop, conn->request->queue, event);
}

/* Small pieces become one: a program renews its credit by what it got, and would go on in ever smaller ones. */
static void gather_piece(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice piece)
{
    struct hj_body_reader *body = conn->request->read;
    if (loop->gather == NULL && (loop->gather = malloc(HJ_SCRATCH_SIZE)) == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (body->credit != UINT64_MAX)
        body->credit -= piece.len;
    while (piece.len != 0) {
        size_t room = piece_size(loop) - loop->gathered;
        size_t n = piece.len < room ? piece.len : room;
        memcpy(loop->gather + loop->gathered, piece.base, n);
        loop->gathered += (uint32_t)n;
        piece = hj_slice(piece.base + n, piece.len - n);
        if (n == room)
            push_gathered(loop, conn);
    }
}

/* Into the request's memory; with a length there is room already. */
static void keep_piece(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice piece)
{
    struct hj_request *request = conn->request;
    struct hj_body_reader *body = request->read;
    size_t room = request->body.len;
    if (body->have + piece.len > room) {
        size_t more = room < FIRST_ROOM ? FIRST_ROOM : room * 2;
        if (more < body->have + piece.len)
            more = body->have + piece.len;
        if (!hj_request_resize_body(request, more)) {
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
            return;
        }
    }
    memcpy((char *)request->body.base + body->have, piece.base, piece.len);
    body->have += piece.len;
}

static void take_piece(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice piece)
{
    struct hj_body_reader *body = conn->request->read;
    if (body->discarded && (body->have += piece.len) > DISCARD_MAX)
        body->given_up = true;
    else if (!body->discarded && conn->request->in_pieces)
        gather_piece(loop, conn, piece);
    else if (!body->discarded)
        keep_piece(loop, conn, piece);
}

static void push_end(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice trailers)
{
    struct hj_request *request = conn->request;
    struct hj_buf *buf = NULL;
    push_gathered(loop, conn);
    if (!hj_conn_is_open(conn))
        return; /* there was no memory for the last bytes: an EOF would say that they were all */
    bool ok = trailers.len == 0 || hj_chunked_trailers(&buf, trailers) == 0;
    struct hj_event *event = ok ? hj_event_new(HIJACK_EVENT_EOF, &request->object, buf) : NULL;
    if (event == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_loop_push(loop, request->queue, event);
}

/* The last byte was taken. */
static void complete(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice trailers)
{
    struct hj_request *request = conn->request;
    struct hj_body_reader *body = request->read;
    body->complete = true;
    if (request->in_pieces) {
        atomic_store(&request->has_body, false); /* before the event: who has polled it may hijack */
        if (!body->discarded)
            push_end(loop, conn, trailers);
    } else if (request->body.len != body->have) {
        hj_request_resize_body(request, (size_t)body->have); /* to less, which does not fail */
        request->body.len = (size_t)body->have;
    }
}

/* With a length: bytes used. */
static size_t feed_counted(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len)
{
    struct hj_body_reader *body = conn->request->read;
    size_t n = body->left < len ? (size_t)body->left : len;
    if (n > allowed(conn->request))
        n = (size_t)allowed(conn->request);
    body->left -= n;
    if (n != 0)
        take_piece(loop, conn, hj_slice(data, n));
    if (goes_on(conn) && body->left == 0)
        complete(loop, conn, HJ_SLICE(""));
    return n;
}

/* One step through a chunked body. Framing is fed within the credit too, so that no piece is larger than that; what is
 * left is fed in the next step. False: no further step with these bytes. */
static bool feed_chunk(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t *used)
{
    struct hj_body_reader *body = conn->request->read;
    struct hj_slice out;
    const char *problem;
    size_t n = 0;
    /* trailers cost nothing, and what was seen of them comes again: less than that would not do */
    size_t room = len < allowed(conn->request) || body->chunked.trailer_len != 0 ? len : (size_t)allowed(conn->request);
    int result = room == 0 ? HJ_CHUNKED_MORE : hj_chunked_decode(&body->chunked, &out, &n, data, room, &problem);
    if (result == HJ_CHUNKED_MORE && n < room && room < len) {
        /* a trailer section has begun, which costs nothing: the decoder wants what it left over, with more behind it */
        size_t more = 0;
        result = hj_chunked_decode(&body->chunked, &out, &more, data + n, len - n, &problem);
        n += more;
    }
    if (result < 0) {
        push_gathered(loop, conn); /* what was right came first */
        hj_refusal_send(loop, conn, (unsigned)-result, problem);
        return false;
    }
    *used += n;
    if (result == HJ_CHUNKED_DATA)
        take_piece(loop, conn, out);
    else if (result == HJ_CHUNKED_END)
        complete(loop, conn, out);
    return n != 0 && goes_on(conn) && !body->complete && !body->given_up;
}

static size_t feed_body(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len)
{
    size_t used = 0;
    if (!conn->request->read->is_chunked)
        return feed_counted(loop, conn, data, len);
    while (used < len && feed_chunk(loop, conn, data + used, len - used, &used))
        ;
    return used;
}

size_t hj_request_body_feed(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len)
{
    if (len != 0)
        conn->request->read->wants_continue = false;
    return feed_body(loop, conn, data, len);
}

static void send_continue(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_body_reader *body = conn->request->read;
    if (!body->wants_continue || atomic_load(&conn->request->answer) != HJ_ANSWER_OPEN)
        return;
    body->wants_continue = false;
    hj_writer_send(loop, conn, loop->continue_head, false);
}

/* Takes what it can of the input; the rest stays. True if that was something. */
static bool feed_input(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_input *input = conn->input;
    size_t n = feed_body(loop, conn, input->data + input->start, input->len);
    if (conn->input != input)
        return false; /* refused, and dropped with the rest */
    input->start += (uint32_t)n;
    input->len -= (uint32_t)n;
    if (input->len == 0)
        hj_conn_drop_input(conn);
    return n != 0;
}

/* Whether the next bytes may go where they belong without another copy. */
static bool reads_in_place(const struct hj_conn *conn)
{
    const struct hj_body_reader *body = conn->request->read;
    return !conn->request->in_pieces && !body->is_chunked && conn->input == NULL;
}

/* Whole, with a length: straight into the request. */
static ssize_t read_in_place(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_request *request = conn->request;
    struct hj_body_reader *body = request->read;
    ssize_t n = hj_transport_read(loop, conn, (char *)request->body.base + body->have, (size_t)body->left);
    if (n > 0) {
        body->have += (uint64_t)n;
        body->left -= (uint64_t)n;
        if (body->left == 0)
            complete(loop, conn, HJ_SLICE(""));
    }
    return n;
}

static ssize_t read_piece(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_request *request = conn->request;
    uint64_t len = allowed(request);
    if (request->in_pieces && len > piece_size(loop) - loop->gathered)
        len = piece_size(loop) - loop->gathered;
    if (request->read->is_chunked)
        len = len < UINT64_MAX - FRAMING ? len + FRAMING : len; /* what is too much stays in the input */
    else if (len > request->read->left)
        len = request->read->left;
    if (len > HJ_SCRATCH_SIZE)
        len = HJ_SCRATCH_SIZE;
    ssize_t n = hj_transport_read(loop, conn, loop->scratch, (size_t)len);
    if (n <= 0)
        return n;
    size_t used = conn->input == NULL ? feed_body(loop, conn, loop->scratch, (size_t)n) : 0;
    if (hj_conn_is_open(conn) && conn->kind != HJ_CONN_LINGERING &&
        !hj_conn_keep_input(conn, loop->scratch + used, (size_t)n - used))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else if (used == 0 && conn->input != NULL && hj_request_body_is_open(conn))
        feed_input(loop, conn);
    return n;
}

static bool wants_more(const struct hj_conn *conn)
{
    return goes_on(conn) && !conn->request->read->complete && !conn->request->read->given_up &&
           allowed(conn->request) != 0;
}

/* True if there may be more to read. */
static bool read_once(struct hj_loop *loop, struct hj_conn *conn)
{
    ssize_t n = reads_in_place(conn) ? read_in_place(loop, conn) : read_piece(loop, conn);
    if (n < 0) {
        push_gathered(loop, conn);
        hj_conn_close(loop, conn, (int)n);
    } else if (n > 0 && goes_on(conn) && conn->kind != HJ_CONN_BODY) {
        /* a whole request has one deadline for all of it */
        conn->in_ms = hj_loop_time(loop);
    }
    return n > 0;
}

/* Whether there is room for what this body brings; if not, the connection is looked at again when there is. */
static bool has_room_for_piece(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_request *request = conn->request;
    bool brings = request->in_pieces && !request->read->discarded;
    return !brings || hj_producer_has_room(loop, conn, request->queue);
}

void hj_request_body_update(struct hj_loop *loop, struct hj_conn *conn)
{
    int reads = 0;
    if (wants_more(conn))
        send_continue(loop, conn);
    while (wants_more(conn) && has_room_for_piece(loop, conn)) {
        if (conn->input != NULL && feed_input(loop, conn))
            continue;
        if (!wants_more(conn) || reads++ == READS_MAX || !read_once(loop, conn)) /* what was fed may have ended it */
            break;
    }
    if (goes_on(conn))
        push_gathered(loop, conn);
    loop->gathered = 0; /* of a connection that was closed on the way */
    hj_request_body_poll(loop, conn);
}

void hj_request_body_poll(struct hj_loop *loop, struct hj_conn *conn)
{
    if (!goes_on(conn))
        return;
    unsigned interest = conn->interest & (HJ_POLL_OUT | HJ_POLL_PEER);
    if (wants_more(conn) && (conn->flags & HJ_CONN_STALLED) == 0)
        interest |= HJ_POLL_IN;
    hj_conn_set_interest(loop, conn, interest);
}

void hj_request_body_start(struct hj_loop *loop, struct hj_conn *conn)
{
    send_continue(loop, conn);
    hj_request_body_poll(loop, conn);
}

void hj_request_body_add_credit(struct hj_loop *loop, struct hj_conn *conn, uint64_t credit)
{
    struct hj_body_reader *body = conn->request->read;
    if (body->credit == 0)
        conn->in_ms = hj_loop_time(loop); /* afterwards silence is the peer's */
    body->credit = credit > UINT64_MAX - body->credit ? UINT64_MAX : body->credit + credit;
}

bool hj_request_body_discard(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_body_reader *body = conn->request->read;
    body->discarded = true;
    body->wants_continue = false;
    body->have = 0;
    conn->in_ms = hj_loop_time(loop);
    return body->is_chunked || body->left <= DISCARD_MAX;
}

bool hj_request_body_is_discarded(const struct hj_conn *conn)
{
    return conn->request->read->discarded;
}

bool hj_request_body_is_given_up(const struct hj_conn *conn)
{
    return hj_request_body_is_open(conn) && conn->request->read->given_up;
}

bool hj_request_body_waits_for_peer(const struct hj_conn *conn)
{
    return wants_more(conn) && (conn->flags & HJ_CONN_STALLED) == 0;
}

bool hj_request_body_settle(struct hj_conn *conn)
{
    if (!hj_request_body_is_open(conn) || !conn->request->read->complete)
        return false;
    free(conn->request->read);
    conn->request->read = NULL;
    return true;
}
