/* SPDX-License-Identifier: MIT
 *
 * Published messages: each wire form byte by byte, made once and shared, whoever asks first.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "support/check.h"

#define NONE hj_slice(NULL, 0)

static struct hj_message *make(struct hj_slice event, struct hj_slice id, struct hj_slice data, struct hj_slice key)
{
    struct hj_message *message = NULL;
    const struct hj_message_parts parts = {
        .event = event, .id = id, .data = data, .key = key, .retry_ms = -1, .binary = true};
    CODE(hj_message_new(&message, NULL, &parts), 0);
    assert_non_null(message);
    return message;
}

/* What comes of a text with these fields. */
static int make_text(struct hj_message **out, struct hj_slice event, struct hj_slice id, struct hj_slice data)
{
    return hj_message_new(out, NULL,
                          &(struct hj_message_parts){.event = event, .id = id, .data = data, .retry_ms = -1});
}

static void check_wire(struct hj_message *message, enum hj_wire wire, const char *expected, size_t len, int line)
{
    struct hj_buf *buf = hj_message_encoded(message, wire);
    assert_non_null(buf);
    check_bytes(buf->data, buf->len, expected, len, __FILE__, line);
    assert_ptr_equal(hj_message_encoded(message, wire), buf); /* made once */
}

#define WIRE(message, wire, text) check_wire((message), HJ_WIRE_##wire, LIT(text), __LINE__)

static void each_wire_form(void **state)
{
    (void)state;
    struct hj_message *message = make(HJ_SLICE("tick"), HJ_SLICE("7"), HJ_SLICE("a\nb"), HJ_SLICE("key"));
    WIRE(message, RAW, "a\nb");
    WIRE(message, CHUNKED, "3\r\na\nb\r\n");
    WIRE(message, SSE, "event: tick\nid: 7\ndata: a\ndata: b\n\n");
    WIRE(message, SSE_CHUNKED, "23\r\nevent: tick\nid: 7\ndata: a\ndata: b\n\n\r\n");
    assert_ptr_equal(hj_message_encoded(message, HJ_WIRE_RAW), message->data);
    hj_message_unref(message);
    message = make(NONE, NONE, HJ_SLICE("\0\xff"), NONE);
    WIRE(message, SSE_CHUNKED, "a\r\ndata: \0\xff\n\n\r\n");
    WIRE(message, SSE, "data: \0\xff\n\n");
    WIRE(message, CHUNKED, "2\r\n\0\xff\r\n");
    WIRE(message, RAW, "\0\xff");
    hj_message_unref(message);
}

/* No data is nothing at all on a raw wire and in chunks, where an empty chunk would end the body; an SSE client gets
 * an event. */
static void empty_data(void **state)
{
    (void)state;
    struct hj_message *message = make(NONE, NONE, NONE, NONE);
    WIRE(message, RAW, "");
    WIRE(message, CHUNKED, "");
    WIRE(message, SSE, "data:\n\n");
    WIRE(message, SSE_CHUNKED, "7\r\ndata:\n\n\r\n");
    hj_message_unref(message);
    message = make(HJ_SLICE("gone"), NONE, HJ_SLICE(""), HJ_SLICE("k"));
    WIRE(message, CHUNKED, "");
    WIRE(message, SSE, "event: gone\ndata:\n\n");
    hj_message_unref(message);
    message = make(NONE, HJ_SLICE(""), HJ_SLICE("x"), NONE);
    WIRE(message, SSE, "id:\ndata: x\n\n");
    WIRE(message, SSE_CHUNKED, "d\r\nid:\ndata: x\n\n\r\n");
    hj_message_unref(message);
}

/* A text is UTF-8 for everybody; the frame of a WebSocket says which of both it is. */
static void text_and_binary(void **state)
{
    (void)state;
    struct hj_message *message = make(NONE, NONE, HJ_SLICE("\xff"), NONE);
    WIRE(message, WEBSOCKET, "\x82\x01\xff");
    hj_message_unref(message);
    CODE(make_text(&message, NONE, NONE, HJ_SLICE("a\xff")), HIJACK_EINVAL);
    CODE(make_text(&message, NONE, NONE, HJ_SLICE("\xc3\xa4")), 0);
    WIRE(message, WEBSOCKET, "\x81\x02\xc3\xa4");
    hj_message_unref(message);
    message = make(NONE, NONE, NONE, NONE);
    WIRE(message, WEBSOCKET, "\x82\x00");
    hj_message_unref(message);
}

static void everything_is_copied(void **state)
{
    (void)state;
    char text[] = "event-id-data-key";
    struct hj_message *message =
        make(hj_slice(text, 5), hj_slice(text + 6, 2), hj_slice(text + 9, 4), hj_slice(text + 14, 3));
    memset(text, '\n', sizeof(text));
    BYTES(message->event.base, message->event.len, "event", 5);
    BYTES(message->id.base, message->id.len, "id", 2);
    BYTES(message->key.base, message->key.len, "key", 3);
    WIRE(message, SSE, "event: event\nid: id\ndata: data\n\n");
    hj_message_unref(message);
}

static void fields_are_checked(void **state)
{
    (void)state;
    static const struct hj_slice lines[] = {{"a\n", 2}, {"\ra", 2}, {"\n", 1}, {"\0\n", 2}};
    struct hj_message *message = NULL;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); ++i) {
        CODE(make_text(&message, lines[i], NONE, NONE), HIJACK_EINVAL);
        CODE(make_text(&message, NONE, lines[i], NONE), HIJACK_EINVAL);
    }
    CODE(make_text(&message, NONE, HJ_SLICE("a\0"), NONE), HIJACK_EINVAL);
    assert_null(message);
    hj_message_unref(make(HJ_SLICE("\0"), NONE, HJ_SLICE("\r\n\0"), HJ_SLICE("\r\n\0"))); /* these may */
}

static void same_key(void **state)
{
    (void)state;
    static const struct {
        struct hj_slice a, b;
        bool same;
    } pairs[] = {
        {{"k", 1}, {"k", 1}, true},       {{"k", 1}, {"K", 1}, false},       {{"k", 1}, {"kk", 2}, false},
        {{"a\0b", 3}, {"a\0b", 3}, true}, {{"a\0b", 3}, {"a\0c", 3}, false}, {{"k", 1}, {NULL, 0}, false},
        {{NULL, 0}, {"k", 1}, false},     {{NULL, 0}, {NULL, 0}, false}, /* no key is like no other */
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); ++i) {
        struct hj_message *a = make(NONE, NONE, HJ_SLICE("1"), pairs[i].a);
        struct hj_message *b = make(NONE, NONE, HJ_SLICE("2"), pairs[i].b);
        assert_int_equal(hj_message_same_key(a, b), pairs[i].same);
        assert_int_equal(hj_message_same_key(a, a), pairs[i].a.len != 0);
        hj_message_unref(a);
        hj_message_unref(b);
    }
}

static void encodings_end_with_the_message(void **state)
{
    (void)state;
    struct hj_message *message = make(NONE, NONE, HJ_SLICE("x"), NONE);
    struct hj_buf *chunk = hj_buf_ref(hj_message_encoded(message, HJ_WIRE_CHUNKED));
    struct hj_buf *data = hj_buf_ref(message->data);
    assert_ptr_equal(hj_message_ref(message), message);
    hj_message_unref(message);
    assert_int_equal(atomic_load(&chunk->refs), 2);
    hj_message_unref(message);
    assert_int_equal(atomic_load(&chunk->refs), 1); /* what still waits to be written outlives it */
    assert_int_equal(atomic_load(&data->refs), 1);
    BYTES(chunk->data, chunk->len, "1\r\nx\r\n", 6);
    hj_buf_unref(chunk);
    hj_buf_unref(data);
    hj_message_unref(NULL);
}

enum {
    THREADS = 2,
    MESSAGES = 60,
    LEN = 40000 /* in short lines: encoding takes so long that the threads meet in it */
};

struct race {
    struct hj_message *messages[MESSAGES];
    pthread_barrier_t barrier;
};

struct racer {
    struct race *race;
    struct hj_buf *got[MESSAGES][HJ_WIRE_COUNT]; /* references */
};

static void *encode_all(void *argument)
{
    struct racer *racer = argument;
    for (int i = 0; i < MESSAGES; ++i) {
        pthread_barrier_wait(&racer->race->barrier);
        for (int wire = HJ_WIRE_COUNT - 1; wire >= 0; --wire)
            racer->got[i][wire] = hj_buf_ref(hj_message_encoded(racer->race->messages[i], (enum hj_wire)wire));
    }
    return NULL;
}

static void check_race(const struct race *race, const struct racer *racers, int i)
{
    for (int wire = 0; wire < HJ_WIRE_COUNT; ++wire) {
        struct hj_buf *buf = hj_message_encoded(race->messages[i], (enum hj_wire)wire);
        for (int t = 0; t < THREADS; ++t) {
            assert_ptr_equal(racers[t].got[i][wire], buf);
            hj_buf_unref(buf);
        }
    }
}

/* Whoever comes second gets what the first one made, and throws his own away. */
static void threads_share_one_encoding(void **state)
{
    (void)state;
    static struct racer racers[THREADS];
    struct race race;
    pthread_t threads[THREADS];
    char *data = malloc(LEN);
    for (int i = 0; i < LEN; ++i)
        data[i] = i % 4 == 3 ? '\n' : 'x';
    pthread_barrier_init(&race.barrier, NULL, THREADS);
    for (int i = 0; i < MESSAGES; ++i)
        race.messages[i] = make(HJ_SLICE("e"), NONE, i % 8 ? hj_slice(data, LEN) : NONE, NONE);
    free(data);
    for (int t = 0; t < THREADS; ++t) {
        racers[t].race = &race;
        assert_int_equal(pthread_create(&threads[t], NULL, encode_all, &racers[t]), 0);
    }
    for (int t = 0; t < THREADS; ++t)
        pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&race.barrier);
    for (int i = 0; i < MESSAGES; ++i) {
        check_race(&race, racers, i);
        hj_message_unref(race.messages[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wire_form),
        cmocka_unit_test(empty_data),
        cmocka_unit_test(text_and_binary),
        cmocka_unit_test(everything_is_copied),
        cmocka_unit_test(fields_are_checked),
        cmocka_unit_test(same_key),
        cmocka_unit_test(encodings_end_with_the_message),
        cmocka_unit_test(threads_share_one_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
