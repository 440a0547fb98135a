/* Compressed frames; see compressor.h. Any thread; no lock is held while zlib works on a message of its own. */
#include "core/compressor.h"

#include <string.h>

#if HIJACK_DEFLATE
#include "codec/websocket_deflate.h"
#endif

#define WORTH_IT 128 /* bytes; JSON of fewer hardly gets shorter */

void hj_compressor_init(struct hj_compressor *compressor)
{
    pthread_mutex_init(&compressor->lock, NULL);
    for (int i = 0; i < HJ_COMPRESSOR_LOCKS; ++i)
        pthread_mutex_init(&compressor->turns[i], NULL);
}

pthread_mutex_t *hj_compressor_turn(struct hj_compressor *compressor, const void *thing)
{
    return &compressor->turns[(uintptr_t)thing / 64 % HJ_COMPRESSOR_LOCKS];
}

#if HIJACK_DEFLATE

static struct hj_deflater *new_deflater(enum hj_window window, bool takeover)
{
    return hj_deflater_new(window == HJ_WINDOW_FULL ? 15 : 9, takeover);
}

/* A deflater for one message; NULL when out of memory. */
static struct hj_deflater *take_deflater(struct hj_compressor *compressor, enum hj_window window)
{
    struct hj_deflater *deflater = NULL;
    pthread_mutex_lock(&compressor->lock);
    if (compressor->spare_count[window] != 0)
        deflater = compressor->spare[window][--compressor->spare_count[window]];
    pthread_mutex_unlock(&compressor->lock);
    return deflater != NULL ? deflater : new_deflater(window, false);
}

static void give_deflater(struct hj_compressor *compressor, enum hj_window window, struct hj_deflater *deflater)
{
    pthread_mutex_lock(&compressor->lock);
    bool kept = compressor->spare_count[window] < HJ_COMPRESSOR_SPARE;
    if (kept)
        compressor->spare[window][compressor->spare_count[window]++] = deflater;
    pthread_mutex_unlock(&compressor->lock);
    if (!kept)
        hj_deflater_free(deflater);
}

/* Puts the frame's head before the payload, which begins after `room` bytes; takes over buf. */
static struct hj_buf *finish_frame(struct hj_buf *buf, enum hj_ws_opcode opcode, size_t room)
{
    uint8_t head[HJ_WS_SERVER_HEAD_MAX];
    const size_t payload = buf->len - room;
    const size_t head_len = hj_ws_put_head(head, true, true, opcode, payload);
    memcpy(buf->data, head, head_len);
    if (head_len != room)
        memmove(buf->data + head_len, buf->data + room, payload);
    return hj_buf_resize(buf, head_len + payload);
}

struct hj_buf *hj_compressor_frame(struct hj_compressor *compressor, enum hj_window window, enum hj_ws_opcode opcode,
                                   struct hj_slice data)
{
    const size_t room = HJ_WS_SERVER_HEAD_MAX;
    struct hj_deflater *deflater;
    if (data.len < WORTH_IT)
        return hj_ws_frame(opcode, true, data);
    if ((deflater = take_deflater(compressor, window)) == NULL)
        return NULL;
    struct hj_buf *buf = hj_deflater_compress(deflater, data, room);
    give_deflater(compressor, window, deflater);
    atomic_fetch_add_explicit(&compressor->compressed, 1, memory_order_relaxed);
    if (buf == NULL || buf->len - room < data.len)
        return buf == NULL ? NULL : finish_frame(buf, opcode, room);
    hj_buf_unref(buf);
    return hj_ws_frame(opcode, true, data);
}

struct hj_buf *hj_compressor_frame_after(struct hj_compressor *compressor, struct hj_deflater **own,
                                         enum hj_window window, enum hj_ws_opcode opcode, struct hj_slice data)
{
    const size_t room = HJ_WS_SERVER_HEAD_MAX;
    if (*own == NULL && (*own = new_deflater(window, true)) == NULL)
        return NULL;
    struct hj_buf *buf = hj_deflater_compress(*own, data, room);
    atomic_fetch_add_explicit(&compressor->compressed, 1, memory_order_relaxed);
    return buf == NULL ? NULL : finish_frame(buf, opcode, room);
}

void hj_compressor_forget(struct hj_deflater **own)
{
    hj_deflater_free(*own);
    *own = NULL;
}

static void free_deflaters(struct hj_compressor *compressor)
{
    for (int window = 0; window < 2; ++window)
        while (compressor->spare_count[window] != 0)
            hj_deflater_free(compressor->spare[window][--compressor->spare_count[window]]);
}

#else /* nobody agrees to it */

struct hj_buf *hj_compressor_frame(struct hj_compressor *compressor, enum hj_window window, enum hj_ws_opcode opcode,
                                   struct hj_slice data)
{
    (void)compressor;
    (void)window;
    return hj_ws_frame(opcode, true, data);
}

struct hj_buf *hj_compressor_frame_after(struct hj_compressor *compressor, struct hj_deflater **own,
                                         enum hj_window window, enum hj_ws_opcode opcode, struct hj_slice data)
{
    (void)own;
    return hj_compressor_frame(compressor, window, opcode, data);
}

void hj_compressor_forget(struct hj_deflater **own)
{
    (void)own;
}

#endif

void hj_compressor_dispose(struct hj_compressor *compressor)
{
#if HIJACK_DEFLATE
    free_deflaters(compressor);
#endif
    pthread_mutex_destroy(&compressor->lock);
    for (int i = 0; i < HJ_COMPRESSOR_LOCKS; ++i)
        pthread_mutex_destroy(&compressor->turns[i]);
}
