/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate (RFC 7692): offers and answers, the examples of section 7.2.3, round trips in pieces of every
 * size, and what does not inflate. The linker leads the library's calls of the allocator here (--wrap), where one of
 * them can fail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/websocket_deflate.h"
#include "support/check.h"

#define MAX 300000 /* bytes of the largest message */
#define ROOM 10    /* that compressing leaves free */

static long allocations_left = -1; /* before they fail; below 0: they never do */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static int fails_now(void)
{
    return allocations_left == 0 || (allocations_left > 0 && allocations_left-- == 0);
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

/* Both ends of one direction of a connection. */
struct pair {
    struct hj_deflater *deflater;
    struct hj_inflater *inflater;
    uint8_t *out;
    size_t len; /* in out */
};

static struct pair pair_of(int bits, int takeover)
{
    struct pair pair = {hj_deflater_new(bits, takeover), hj_inflater_new(bits, takeover), malloc(MAX + 1), 0};

    CHECK(pair.deflater != NULL && pair.inflater != NULL && pair.out != NULL);
    return pair;
}

static void pair_free(struct pair *pair)
{
    hj_deflater_free(pair->deflater);
    hj_inflater_free(pair->inflater);
    free(pair->out);
}

/* Feeds a message in pieces of step bytes, with room for that many bytes of output. */
static enum hj_inflated inflate_message(struct pair *pair, const void *data, size_t len, size_t step, size_t room)
{
    enum hj_inflated state = HJ_INFLATED_MORE;
    size_t at = 0;

    pair->len = 0;
    do {
        size_t end = step < len - at ? at + step : len;
        struct hj_slice piece = {(const char *)data + at, end - at};
        do {
            size_t made = room < MAX + 1 - pair->len ? room : MAX + 1 - pair->len;
            if (made == 0)
                return HJ_INFLATED_FULL;
            state = hj_inflater_feed(pair->inflater, &piece, end == len, pair->out + pair->len, &made);
            pair->len += made;
        } while (state == HJ_INFLATED_FULL);
        CHECK(piece.len == 0 || state == HJ_INFLATED_CORRUPT || state == HJ_INFLATED_NO_MEMORY);
        CHECK(state != HJ_INFLATED_DONE || end == len);
        at = end;
    } while (state == HJ_INFLATED_MORE);
    return state;
}

static void inflates_at(struct pair *pair, const void *data, size_t len, const char *expected, int line)
{
    for (size_t step = 1; step <= len + 1; step++) {
        for (size_t room = 1; room < 8; room++) {
            enum hj_inflated state = inflate_message(pair, data, len, step, room);
            if (state != HJ_INFLATED_DONE || pair->len != strlen(expected) ||
                memcmp(pair->out, expected, pair->len) != 0)
                check_fail(__FILE__, line, "in pieces of %zu to pieces of %zu: state %d, \"%.*s\"", step, room,
                           (int)state, (int)pair->len, (const char *)pair->out);
        }
    }
}

#define INFLATES(pair, literal, expected) inflates_at((pair), literal, sizeof(literal) - 1, (expected), __LINE__)

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_AGAIN "\xf2\x00\x11\x00\x00"
#define HELLO_STORED "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"
#define HELLO_FINAL "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"
#define HELLO_TWO_BLOCKS "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"

static void examples_of_the_rfc(void **state)
{
    (void)state;
    for (int takeover = 0; takeover < 2; takeover++) {
        struct pair pair = pair_of(15, takeover);
        INFLATES(&pair, HELLO, "Hello");
        INFLATES(&pair, HELLO_STORED, "Hello");
        INFLATES(&pair, HELLO_FINAL, "Hello");
        INFLATES(&pair, HELLO_TWO_BLOCKS, "Hello");
        INFLATES(&pair, "\x00", "");
        if (takeover)
            INFLATES(&pair, HELLO_AGAIN, "Hello");
        else
            CHECK(inflate_message(&pair, HELLO_AGAIN, 5, 5, MAX) == HJ_INFLATED_CORRUPT);
        pair_free(&pair);
    }
}

/* What RFC 7692 section 7.2.1 permits besides, and what clients send. */
static void final_blocks(void **state)
{
    struct pair pair = pair_of(15, 1);

    (void)state;
    INFLATES(&pair, "\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO, "HelloHello");
    INFLATES(&pair, "\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO_AGAIN, "HelloHello");
    INFLATES(&pair, "\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO_FINAL, "HelloHello");
    INFLATES(&pair, "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"); /* nothing after the final block */
    INFLATES(&pair, HELLO_AGAIN, "Hello");
    INFLATES(&pair, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x01", "Hello"); /* the empty block is the final one */
    INFLATES(&pair, HELLO_AGAIN, "Hello");
    INFLATES(&pair, "\x03\x00", "");
    INFLATES(&pair, "", "");
    INFLATES(&pair, HELLO_AGAIN, "Hello");
    CHECK(inflate_message(&pair, "\x03", 1, 1, MAX) == HJ_INFLATED_CORRUPT); /* the final block is cut off */
    pair_free(&pair);
}

static void corrupt_messages(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {
#define CASE(literal) {literal, sizeof(literal) - 1}
        CASE("\x06"),                                         /* no such type of block */
        CASE("\xf2\x48\xcd"),                                 /* cut off */
        CASE("\xf2\x48\xcd\xc9\xc9\x07"),                     /* cut off */
        CASE("\x00\x05\x00\xfa\xff\x48\x65"),                 /* cut off */
        CASE("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"), /* a stored block's length does not fit */
        CASE(HELLO_AGAIN),                                    /* refers to nothing */
        CASE(HELLO "\x00\x00\xff\xff"),                       /* the tail is on the wire */
        CASE(HELLO_STORED "\x00"),                            /* ... or a part of it */
        CASE("\xf3\x48\xcd\xc9\xc9\x07\x00\x06"),             /* wrong after a final block */
        CASE("\x04\x00\x00\x00"),                             /* an empty code */
        CASE("Hello"),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair = pair_of(15, 1);
        for (size_t step = 1; step <= cases[i].len; step++) {
            enum hj_inflated found = inflate_message(&pair, cases[i].data, cases[i].len, step, 3);
            if (found != HJ_INFLATED_CORRUPT)
                check_fail(__FILE__, __LINE__, "case %zu in pieces of %zu: state %d", i, step, (int)found);
            hj_inflater_reset(pair.inflater);
            INFLATES(&pair, HELLO, "Hello");
            hj_inflater_reset(pair.inflater);
        }
        pair_free(&pair);
    }
}

/* "declined", or the answer. */
static void answers_at(const char *offer, int takeover, const char *expected, int line)
{
    char answer[HJ_WS_DEFLATE_ANSWER_MAX] = "declined";
    struct hj_ws_deflate deflate = hj_ws_deflate_negotiate(hj_slice(offer, strlen(offer)), takeover);

    if (deflate.accepted) {
        CHECK(hj_ws_deflate_answer(answer, &deflate) == strlen(answer));
        CHECK(deflate.server_window_bits >= 9 && deflate.server_window_bits <= 15);
        CHECK(deflate.client_window_bits >= 8 && deflate.client_window_bits <= 15);
        CHECK(takeover || (!deflate.server_takeover && !deflate.client_takeover && deflate.client_window_bits == 15));
    }
    if (strcmp(answer, expected) != 0)
        check_fail(__FILE__, line, "\"%s\" is answered \"%s\", must be \"%s\"", offer, answer, expected);
}

#define ANSWERS(offer, takeover, expected) answers_at((offer), (takeover), (expected), __LINE__)
#define PD "permessage-deflate"
#define NONE "; server_no_context_takeover; client_no_context_takeover"

static void offers_with_takeover(void **state)
{
    (void)state;
    ANSWERS(PD, 1, PD);
    ANSWERS(PD "; client_max_window_bits", 1, PD);
    ANSWERS(PD "; client_max_window_bits=15", 1, PD);
    ANSWERS(PD "; client_max_window_bits=8", 1, PD "; client_max_window_bits=8");
    ANSWERS(PD "; server_max_window_bits=15", 1, PD "; server_max_window_bits=15");
    ANSWERS(PD "; server_max_window_bits=9", 1, PD "; server_max_window_bits=9");
    ANSWERS(PD "; server_no_context_takeover", 1, PD "; server_no_context_takeover");
    ANSWERS(PD "; client_no_context_takeover", 1, PD "; client_no_context_takeover");
    ANSWERS(PD "; client_max_window_bits=14; server_max_window_bits=15; client_no_context_takeover; "
               "server_no_context_takeover",
            1, PD NONE "; server_max_window_bits=15; client_max_window_bits=14");
}

static void offers_without_takeover(void **state)
{
    (void)state;
    ANSWERS("", 0, "declined");
    ANSWERS(PD, 0, PD NONE);
    ANSWERS(" \t" PD " ", 0, PD NONE);
    ANSWERS(PD "; client_max_window_bits", 0, PD NONE); /* Chrome, Firefox, Safari */
    ANSWERS(PD ";client_max_window_bits=8", 0, PD NONE);
    ANSWERS(PD " ; client_max_window_bits = 10", 0, PD NONE);
    ANSWERS(PD "; client_max_window_bits=\"10\"", 0, PD NONE);
    ANSWERS(PD "; client_max_window_bits=\"1\\0\"", 0, PD NONE);
    ANSWERS(PD "; server_max_window_bits=12", 0, PD NONE "; server_max_window_bits=12");
    ANSWERS(PD "; server_max_window_bits=\"9\"", 0, PD NONE "; server_max_window_bits=9");
    ANSWERS(PD "; server_no_context_takeover; client_no_context_takeover", 0, PD NONE);
}

static void several_offers(void **state)
{
    (void)state;
    ANSWERS("x-webkit-deflate-frame, " PD "; client_max_window_bits", 0, PD NONE);
    ANSWERS(PD "; server_max_window_bits=8, " PD, 0, PD NONE);
    ANSWERS(PD "; server_max_window_bits=10, " PD, 0, PD NONE "; server_max_window_bits=10");
    ANSWERS(PD "; mode=best, " PD "; server_no_context_takeover, " PD, 1, PD "; server_no_context_takeover");
    ANSWERS(" ,, " PD " ,", 0, PD NONE);
    ANSWERS("other; text=\"a, b; \\\" " PD "\", " PD, 0, PD NONE);
    ANSWERS("other; text=\"" PD ", " PD, 0, "declined"); /* the quotes never end */
    ANSWERS("other; text=\", " PD "\"", 0, "declined");
}

static void malformed_offers(void **state)
{
    static const char *const parameters[] = {
        "",
        "; ",
        ";; client_max_window_bits",
        "; unknown",
        "; unknown=1",
        "; Client_max_window_bits",
        " client_max_window_bits",
        "=1",
        "; client_max_window_bits client_max_window_bits",
        "; client_max_window_bits; client_max_window_bits",
        "; client_max_window_bits=9; client_max_window_bits",
        "; server_no_context_takeover; server_no_context_takeover",
        "; client_no_context_takeover; client_no_context_takeover",
        "; server_max_window_bits=9; server_max_window_bits=9",
        "; server_no_context_takeover=1",
        "; client_no_context_takeover=",
        "; server_no_context_takeover=\"\"",
        "; server_max_window_bits",
        "; server_max_window_bits=8",
        "; server_max_window_bits=",
        "; server_max_window_bits=\"\"",
        "; client_max_window_bits=",
        "; client_max_window_bits=0",
        "; client_max_window_bits=7",
        "; client_max_window_bits=16",
        "; client_max_window_bits=08",
        "; client_max_window_bits=+9",
        "; client_max_window_bits=9.",
        "; client_max_window_bits=1 0",
        "; client_max_window_bits=4294967305",
        "; client_max_window_bits=\"9",
        "; client_max_window_bits=9\"",
        "; client_max_window_bits=\"",
        "; client_max_window_bits=\"9\\\"",
        "; client_max_window_bits=\" 9\"",
        "; client_max_window_bits='9'",
        "; client_max_window_bits==9",
    };
    char offer[256];

    (void)state;
    for (size_t i = 1; i < sizeof parameters / sizeof parameters[0]; i++) {
        snprintf(offer, sizeof offer, PD "%s", parameters[i]);
        ANSWERS(offer, 0, "declined");
        ANSWERS(offer, 1, "declined");
    }
    ANSWERS("permessage-deflat", 0, "declined");
    ANSWERS("permessage-deflate2", 0, "declined");
    ANSWERS("permessage-bzip2", 0, "declined");
}

enum kind {
    TEXT,
    NOISE,
    ZEROS,
    FAR, /* repeats what lies 20000 bytes back */
    KINDS
};

static void fill(uint8_t *data, size_t len, enum kind kind, uint32_t seed)
{
    static const char words[][8] = {"\"id\":", "true,", "{\"x\":1}", "Hello ",
                                    "null,\n", "0.5, ", "live ",     "\xc3\xa9 "};
    uint32_t random = seed;

    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        if (kind == TEXT && i + 8 <= len) {
            const char *word = words[random >> 29];
            memcpy(data + i, word, 8);
            i += strnlen(word, 8) - 1;
        } else if (kind == FAR && i >= 20000)
            data[i] = data[i - 20000];
        else
            data[i] = kind == ZEROS ? 0 : (uint8_t)(random >> 24);
    }
}

/* Sends a message; the length of its payload. */
static size_t passes(struct pair *pair, const uint8_t *data, size_t len, size_t step, size_t room)
{
    struct hj_buf *buf = hj_deflater_compress(pair->deflater, hj_slice((const char *)data, len), ROOM);

    CHECK(buf != NULL && buf->len > ROOM);
    const size_t payload = buf->len - ROOM;
    CHECK(inflate_message(pair, buf->data + ROOM, payload, step, room) == HJ_INFLATED_DONE);
    CHECK(pair->len == len && (len == 0 || memcmp(pair->out, data, len) == 0));
    if (payload > len + len / 16 + 16)
        check_fail(__FILE__, __LINE__, "%zu bytes became %zu", len, payload);
    hj_buf_unref(buf);
    return payload;
}

static void round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 31, 64, 65, 1000, 4096, 16385, 65535, 65536, 65537, MAX, 0, 5};
    uint8_t *data = malloc(MAX);

    (void)state;
    CHECK(data != NULL);
    for (int i = 0; i < 7 * 2 * KINDS; i++) {
        const int bits = 9 + i % 7, takeover = i / 7 % 2;
        struct pair pair = pair_of(bits, takeover);
        check_context("%d bits, takeover %d, kind %d", bits, takeover, i / 14);
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            fill(data, sizes[k], (enum kind)(i / 14), (uint32_t)k);
            passes(&pair, data, sizes[k], sizes[k] < 5000 ? 1 : 1021, sizes[k] < 5000 ? 1 : 4093);
            passes(&pair, data, sizes[k], 1 + sizes[k] / 3, 1000);
            passes(&pair, data, sizes[k], MAX, MAX);
        }
        pair_free(&pair);
    }
    check_context("%s", "");
    free(data);
}

static void takeover_makes_messages_shorter(void **state)
{
    uint8_t data[500];

    (void)state;
    fill(data, sizeof data, NOISE, 1);
    struct pair with = pair_of(15, 1), without = pair_of(15, 0);
    CHECK(passes(&with, data, sizeof data, 100, 100) > 450);
    CHECK(passes(&with, data, sizeof data, 100, 100) < 20);
    CHECK(passes(&with, data, 0, 100, 100) == 1);
    CHECK(passes(&with, data, 0, 100, 100) == 1);
    CHECK(passes(&with, data, sizeof data, 100, 100) < 20);
    for (int i = 0; i < 3; i++) {
        CHECK(passes(&without, data, sizeof data, 100, 100) > 450);
        CHECK(passes(&without, data, 0, 100, 100) == 1);
    }
    struct hj_buf *buf = hj_deflater_compress(without.deflater, HJ_SLICE("Hello"), 0);
    BYTES(buf->data, buf->len, HELLO, sizeof(HELLO) - 1);
    hj_buf_unref(buf);
    pair_free(&with);
    pair_free(&without);
}

static void windows_are_bounded(void **state)
{
    uint8_t *data = malloc(MAX);
    size_t longest = 0;

    (void)state;
    CHECK(data != NULL);
    fill(data, MAX, FAR, 1);
    for (int bits = 9; bits <= 15; bits++) {
        struct pair pair = pair_of(bits, 0);
        const size_t len = passes(&pair, data, MAX, 1000, 256);
        CHECK(bits == 15 ? len < longest / 5 : len >= MAX); /* 20000 bytes back reach no smaller window */
        longest = len;
        pair_free(&pair);
    }
    struct hj_deflater *deflater = hj_deflater_new(15, false);
    struct pair small = pair_of(14, 0);
    struct hj_buf *buf = hj_deflater_compress(deflater, hj_slice((const char *)data, MAX), 0);
    CHECK(inflate_message(&small, buf->data, buf->len, 1000, 256) == HJ_INFLATED_CORRUPT);
    hj_buf_unref(buf);
    hj_deflater_free(deflater);
    hj_inflater_free(small.inflater);
    small.inflater = hj_inflater_new(8, false); /* a client may promise 256 bytes */
    INFLATES(&small, HELLO, "Hello");
    pair_free(&small);
    free(data);
}

static void a_bomb_stops_with_its_caller(void **state)
{
    const size_t len = (size_t)64 << 20;
    char *zeros = calloc(1, len);
    struct pair pair = pair_of(15, 0);
    uint8_t out[4096];

    (void)state;
    struct hj_buf *buf = hj_deflater_compress(pair.deflater, hj_slice(zeros, len), 0);
    CHECK(buf != NULL && buf->len < len / 200);
    struct hj_slice payload = hj_slice(buf->data, buf->len);
    for (size_t total = 0; total < 65536; total += sizeof out) {
        size_t made = sizeof out;
        CHECK(hj_inflater_feed(pair.inflater, &payload, true, out, &made) == HJ_INFLATED_FULL);
        CHECK(made == sizeof out && memcmp(out, zeros, made) == 0);
    }
    CHECK(buf->len - payload.len < 1000); /* no more was looked at */
    hj_inflater_reset(pair.inflater);
    INFLATES(&pair, HELLO, "Hello");
    hj_buf_unref(buf);
    pair_free(&pair);
    free(zeros);
}

static void making_them_without_memory(void **state)
{
    void *made = NULL;
    long n;

    (void)state;
    for (n = 0; made == NULL; n++) {
        allocations_left = n;
        made = hj_deflater_new(15, true);
        allocations_left = -1;
    }
    CHECK(n > 2);
    hj_deflater_free(made);
    made = NULL;
    for (n = 0; made == NULL; n++) {
        allocations_left = n;
        made = hj_inflater_new(15, true);
        allocations_left = -1;
    }
    CHECK(n > 2);
    hj_inflater_free(made);
    hj_deflater_free(NULL);
    hj_inflater_free(NULL);
}

static void messages_without_memory(void **state)
{
    uint8_t data[2000];
    struct pair pair = pair_of(15, 1);
    struct hj_slice message = {(const char *)data, sizeof data};
    struct hj_buf *buf = NULL;
    long n;

    (void)state;
    /* zlib makes the window when something was inflated */
    allocations_left = 0;
    enum hj_inflated found = inflate_message(&pair, HELLO, sizeof(HELLO) - 1, 1, MAX);
    allocations_left = -1;
    CHECK(found == HJ_INFLATED_NO_MEMORY);
    hj_inflater_reset(pair.inflater);
    INFLATES(&pair, HELLO, "Hello");

    /* what the client never got is never referred to */
    fill(data, sizeof data, NOISE, 1);
    for (n = 0; buf == NULL; n++) {
        allocations_left = n;
        buf = hj_deflater_compress(pair.deflater, message, ROOM);
        allocations_left = -1;
    }
    CHECK(n > 2);
    CHECK(inflate_message(&pair, buf->data + ROOM, buf->len - ROOM, 100, 100) == HJ_INFLATED_DONE);
    BYTES((const char *)pair.out, pair.len, message.base, message.len);
    hj_buf_unref(buf);
    allocations_left = 0;
    buf = hj_deflater_compress(pair.deflater, HJ_SLICE(""), ROOM);
    allocations_left = -1;
    CHECK(buf == NULL);
    passes(&pair, data, sizeof data, 100, 100);
    pair_free(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(final_blocks),
        cmocka_unit_test(corrupt_messages),
        cmocka_unit_test(offers_with_takeover),
        cmocka_unit_test(offers_without_takeover),
        cmocka_unit_test(several_offers),
        cmocka_unit_test(malformed_offers),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(takeover_makes_messages_shorter),
        cmocka_unit_test(windows_are_bounded),
        cmocka_unit_test(a_bomb_stops_with_its_caller),
        cmocka_unit_test(making_them_without_memory),
        cmocka_unit_test(messages_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
