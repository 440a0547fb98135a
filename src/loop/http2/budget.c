/* Budgets of HTTP/2 connections; see budget.h. Loop thread. */
#include "loop/http2/budget.h"

#include "codec/head.h"

#define SECOND_MS 1000
#define CONTROLS_MAX 1000     /* a second: SETTINGS, PING, PRIORITY, GOAWAY and frames that nobody knows */
#define CONTROLS_A_HEAD 2     /* more for each request: some clients send a PRIORITY with it */
#define EMPTIES_MAX 100       /* DATA without data, which ends nothing */
#define UPDATES_MAX 2000      /* WINDOW_UPDATE, and one more for so many bytes that were sent */
#define UPDATE_BYTES 16       /* ... of a client that acknowledges each small message by itself, and twice */
#define BLOCK_BYTES_MAX 32768 /* the header fields of a request, as they are sent */
#define BLOCK_FRAMES_MAX 64   /* ... in so many frames */
#define FIELDS_MAX HJ_HEAD_MAX_HEADERS
#define COOKIES_MAX 180 /* pieces, beside those: as many as browsers keep for a site */
#define BOMB_RESETS 20
#define CALM H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM

static ssize_t calm_down(const char **problem, const char *text)
{
    *problem = text;
    return CALM;
}

/* Bytes that the connection has sent since it began: all that it was granted, but for what is left. */
static uint64_t sent_in_all(const struct hj_budget *budget, int64_t window)
{
    return (uint64_t)((int64_t)(H2O_HTTP2_SETTINGS_DEFAULT.initial_window_size + budget->granted) - window);
}

static void begin_second(struct hj_budget *budget, uint32_t now, int64_t window)
{
    budget->since_ms = now;
    budget->resets = budget->heads = budget->controls = budget->empties = budget->updates = 0;
    budget->sent = sent_in_all(budget, window);
}

/* HEADERS or CONTINUATION. libh2o looks only for some stream that waits for fields, not whether it is this one. */
static ssize_t take_block(struct hj_budget *budget, const struct hj_frame *frame, uint32_t now, const char **problem)
{
    if (frame->type == HJ_FRAME_HEADERS) {
        ++budget->heads;
        budget->block_ms = now;
        budget->block_bytes = budget->block_frames = 0;
    }
    budget->block_bytes += (uint32_t)frame->len;
    budget->block_stream = hj_frame_ends_block(frame) ? 0 : frame->stream_id;
    if (budget->block_bytes > BLOCK_BYTES_MAX || ++budget->block_frames > BLOCK_FRAMES_MAX)
        return calm_down(problem, "too many header fields");
    return 0;
}

static ssize_t take_update(struct hj_budget *budget, const struct hj_frame *frame, int64_t window, const char **problem)
{
    uint64_t sent = sent_in_all(budget, window) - budget->sent;
    if (frame->stream_id == 0 && frame->len == 4)
        budget->granted += h2o_http2_decode32u(frame->payload) & HJ_STREAM_ID_MAX;
    if (++budget->updates > UPDATES_MAX + sent / UPDATE_BYTES)
        return calm_down(problem, "too many WINDOW_UPDATE frames");
    return 0;
}

/* Whether a frame of a body brings nothing. */
static bool is_empty(const struct hj_frame *frame)
{
    bool padded = (frame->flags & H2O_HTTP2_FRAME_FLAG_PADDED) != 0;
    size_t nothing = padded && frame->len != 0 ? frame->payload[0] + 1u : 0;
    return !hj_frame_ends_stream(frame) && frame->len <= nothing;
}

ssize_t hj_budget_take(struct hj_budget *budget, const struct hj_frame *frame, uint32_t now, uint64_t resets_max,
                       int64_t window, const char **problem)
{
    if (now - budget->since_ms >= SECOND_MS)
        begin_second(budget, now, window);
    if (budget->block_stream != 0 &&
        (frame->type != HJ_FRAME_CONTINUATION || frame->stream_id != budget->block_stream)) {
        *problem = "expected CONTINUATION of the same stream";
        return H2O_HTTP2_ERROR_PROTOCOL;
    }
    switch (frame->type) {
    case HJ_FRAME_HEADERS:
    case HJ_FRAME_CONTINUATION:
        return take_block(budget, frame, now, problem);
    case HJ_FRAME_DATA:
        if (is_empty(frame) && ++budget->empties > EMPTIES_MAX)
            return calm_down(problem, "too many empty DATA frames");
        return 0;
    case HJ_FRAME_RST_STREAM:
        return hj_budget_take_resets(budget, 1, resets_max, problem);
    case HJ_FRAME_WINDOW_UPDATE:
        return take_update(budget, frame, window, problem);
    default:
        if (++budget->controls > CONTROLS_MAX + CONTROLS_A_HEAD * budget->heads)
            return calm_down(problem, "too many control frames");
        return 0;
    }
}

ssize_t hj_budget_take_resets(struct hj_budget *budget, uint64_t count, uint64_t resets_max, const char **problem)
{
    budget->resets += (uint32_t)count;
    if (budget->resets > resets_max)
        return calm_down(problem, "too many streams were reset (option http2_resets)");
    return 0;
}

bool hj_budget_is_bomb(const h2o_req_t *req)
{
    size_t cookies = 0;
    for (size_t i = 0; i < req->headers.size && i <= FIELDS_MAX + COOKIES_MAX; ++i)
        cookies += req->headers.entries[i].name == &H2O_TOKEN_COOKIE->buf;
    return req->headers.size - cookies > FIELDS_MAX || cookies > COOKIES_MAX;
}

uint32_t hj_budget_resets_of(const h2o_req_t *req)
{
    return hj_budget_is_bomb(req) ? BOMB_RESETS : 1;
}

size_t hj_budget_list_bytes(const h2o_req_t *req)
{
    size_t size = req->input.method.len + req->input.path.len + req->input.authority.len;
    for (size_t i = 0; i < req->headers.size; ++i)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    return size;
}
