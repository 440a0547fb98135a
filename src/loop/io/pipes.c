/* Pipes for splicing; see pipes.h. Loop thread. */
#include "loop/io/pipes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os/splice.h"
#include "loop/io/plain.h"

#define PIPE_BYTES 262144 /* that one pipe takes, and one call moves */
#define PIPES_MAX 64      /* of a loop: for more receivers that are slow at the same time bytes are copied */

/* Those in use stand before the spare ones. */
struct hj_pipe {
    int ends[2];
    uint32_t index; /* of the entry that it belongs to; 0: spare */
    uint32_t bytes;
};

static struct hj_pipe *pipe_of(const struct hj_loop *loop, const struct hj_conn *conn)
{
    const uint32_t number = hj_numbers_get(&loop->pipes.numbers, conn->index);
    return number == 0 ? NULL : &loop->pipes.list[number - 1];
}

bool hj_pipes_has(const struct hj_loop *loop, const struct hj_conn *conn)
{
    return loop->pipes.used != 0 && pipe_of(loop, conn) != NULL;
}

static struct hj_pipe *find_spare(struct hj_pipes *pipes)
{
    if (pipes->list == NULL && (pipes->list = calloc(PIPES_MAX, sizeof(*pipes->list))) == NULL)
        return NULL;
    if (pipes->used < pipes->count)
        return &pipes->list[pipes->used];
    if (pipes->count == PIPES_MAX || hj_splice_open(pipes->list[pipes->count].ends, PIPE_BYTES) != 0)
        return NULL;
    return &pipes->list[pipes->count++];
}

/* The first spare one becomes the entry's. False when out of memory. */
static bool assign_pipe(struct hj_loop *loop, const struct hj_conn *conn, struct hj_pipe *pipe, uint32_t bytes)
{
    if (!hj_numbers_set(&loop->pipes.numbers, conn->index, ++loop->pipes.used)) {
        --loop->pipes.used;
        return false;
    }
    pipe->index = conn->index;
    pipe->bytes = bytes;
    hj_loop_count(loop, HIJACK_STAT_BACKLOG_BYTES, bytes);
    return true;
}

/* Nothing of the entry's is in it any more. */
static void release_pipe(struct hj_loop *loop, struct hj_pipe *pipe)
{
    struct hj_pipes *pipes = &loop->pipes;
    struct hj_pipe *last = &pipes->list[--pipes->used], empty = *pipe;
    hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, pipe->bytes);
    hj_numbers_set(&pipes->numbers, pipe->index, 0);
    if (last != pipe) {
        *pipe = *last;
        hj_numbers_set(&pipes->numbers, pipe->index, (uint32_t)(pipe - pipes->list) + 1);
        *last = empty;
    }
    last->index = last->bytes = 0;
}

/* It has something in it that nobody is to get. */
static void replace_pipe(struct hj_pipes *pipes, struct hj_pipe *pipe)
{
    hj_splice_close(pipe->ends);
    *pipe = pipes->list[--pipes->count]; /* all behind the used ones are spare */
}

ssize_t hj_pipes_move(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    struct hj_pipe *pipe = find_spare(&loop->pipes);
    if (pipe == NULL)
        return HIJACK_ELIMIT;
    ssize_t in = hj_splice_in(pipe->ends, from->fd, PIPE_BYTES);
    if (in <= 0)
        return in == 0 ? HIJACK_ECLOSED : errno == EAGAIN ? 0 : hj_plain_reason(errno);
    hj_loop_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)in);
    ssize_t out = hj_splice_out(pipe->ends, to->fd, (size_t)in);
    out = out < 0 ? 0 : out; /* a death is found again by who sends the rest */
    if (out != 0)
        to->out_ms = hj_loop_time(loop);
    hj_loop_count(loop, HIJACK_STAT_BYTES_OUT, (uint64_t)out);
    if (out < in && !assign_pipe(loop, to, pipe, (uint32_t)(in - out))) {
        replace_pipe(&loop->pipes, pipe);
        return HIJACK_ENOMEM;
    }
    return in;
}

int hj_pipes_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_pipe *pipe = loop->pipes.used == 0 ? NULL : pipe_of(loop, conn);
    if (pipe == NULL)
        return 1;
    ssize_t n = hj_splice_out(pipe->ends, conn->fd, pipe->bytes);
    if (n < 0)
        return errno == EAGAIN ? 0 : hj_plain_reason(errno);
    conn->out_ms = hj_loop_time(loop);
    pipe->bytes -= (uint32_t)n;
    hj_loop_count(loop, HIJACK_STAT_BYTES_OUT, (uint64_t)n);
    hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, (uint64_t)n);
    if (pipe->bytes != 0)
        return 0;
    release_pipe(loop, pipe);
    return 1;
}

struct hj_buf *hj_pipes_take(struct hj_loop *loop, const struct hj_conn *conn, bool *lost)
{
    struct hj_pipe *pipe = loop->pipes.used == 0 ? NULL : pipe_of(loop, conn);
    *lost = false;
    if (pipe == NULL)
        return NULL;
    struct hj_buf *buf = hj_buf_new(pipe->bytes);
    size_t have = 0;
    ssize_t n = buf == NULL ? -1 : 1;
    while (n > 0 && have < pipe->bytes)
        if ((n = read(pipe->ends[0], buf->data + have, pipe->bytes - have)) > 0)
            have += (size_t)n;
    if (buf != NULL && have == pipe->bytes) {
        release_pipe(loop, pipe);
        return buf;
    }
    hj_buf_unref(buf);
    hj_pipes_forget(loop, conn);
    *lost = true;
    return NULL;
}

void hj_pipes_forget(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_pipes *pipes = &loop->pipes;
    if (!hj_pipes_has(loop, conn))
        return;
    release_pipe(loop, pipe_of(loop, conn));
    replace_pipe(pipes, &pipes->list[pipes->used]); /* the first spare one is it now */
}

void hj_pipes_dispose(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < loop->pipes.count; ++i)
        hj_splice_close(loop->pipes.list[i].ends);
    free(loop->pipes.list);
    hj_numbers_dispose(&loop->pipes.numbers);
    loop->pipes = (struct hj_pipes){0};
}
