/* SPDX-License-Identifier: MIT
 *
 * What waits for a slow peer: the bytes in order whatever is written at once, what each policy drops and never drops,
 * and all of it against a plain model in many random steps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/io/backlog.h"
#include "support/check.h"

#define LIMITLESS UINT64_MAX

static struct hj_message *make_message(struct hj_slice data, struct hj_slice key)
{
    struct hj_message *message = NULL;
    const struct hj_message_parts parts = {.data = data, .key = key, .retry_ms = -1};
    CODE(hj_message_new(&message, NULL, &parts), 0);
    return message;
}

/* The program's own bytes. */
static void append(struct hj_backlog *backlog, const char *text, bool counted, uint32_t offset)
{
    struct hj_buf *buf = hj_buf_copy(text, strlen(text));
    assert_true(hj_backlog_append(backlog, buf, NULL, counted, offset));
    hj_buf_unref(buf);
}

/* A published message as raw bytes, from its offset on. */
static enum hj_backlog_result publish_from(struct hj_backlog *backlog, const char *text, const char *key,
                                           uint32_t offset, uint64_t limit, enum hj_overflow overflow,
                                           uint32_t *dropped)
{
    struct hj_message *message = make_message(hj_slice(text, strlen(text)), hj_slice(key, strlen(key)));
    enum hj_backlog_result result =
        hj_backlog_publish(backlog, message->data, message, offset, limit, overflow, dropped);
    hj_message_unref(message);
    return result;
}

static void publish_at(struct hj_backlog *backlog, const char *text, const char *key, uint64_t limit,
                       enum hj_overflow overflow, enum hj_backlog_result expected, uint32_t expected_drops, int line)
{
    uint32_t dropped = 100; /* it counts on */
    enum hj_backlog_result result = publish_from(backlog, text, key, 0, limit, overflow, &dropped);
    if (result != expected || dropped != 100 + expected_drops)
        check_fail(__FILE__, line, "\"%s\": result %d and %u dropped, must be %d and %u", text, (int)result,
                   dropped - 100, (int)expected, expected_drops);
}

#define PUBLISH(backlog, text, key, limit, overflow, result, drops)                                                    \
    publish_at((backlog), (text), (key), (limit), HJ_OVERFLOW_##overflow, HJ_BACKLOG_##result, (drops), __LINE__)

/* What counts against the high-water mark and is not written. */
static uint64_t counted_bytes(const struct hj_backlog *backlog)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < backlog->count; ++i) {
        const struct hj_backlog_item *item = &backlog->items[(backlog->head + i) % backlog->capacity];
        bytes += item->counted ? item->buf->len - (i == 0 ? backlog->offset : 0) : 0;
    }
    return bytes;
}

/* All that waits, and that the counters agree with it. */
static void check_waits_at(const struct hj_backlog *backlog, const char *expected, int line)
{
    struct hj_buf *bufs[1024];
    char text[65536];
    size_t len = 0;
    uint64_t published = 0;
    int count = hj_backlog_peek(backlog, bufs, 1024);
    if ((uint32_t)count != backlog->count)
        check_fail(__FILE__, line, "%d items to be written, must be %u", count, backlog->count);
    for (int i = 0; i < count; ++i) {
        uint32_t written = i == 0 ? backlog->offset : 0;
        memcpy(text + len, bufs[i]->data + written, bufs[i]->len - written);
        len += bufs[i]->len - written;
        if (backlog->items[(backlog->head + (uint32_t)i) % backlog->capacity].message != NULL)
            published += bufs[i]->len - written;
    }
    check_bytes(text, len, expected, strlen(expected), __FILE__, line);
    if (backlog->bytes != len || backlog->published_bytes != published)
        check_fail(__FILE__, line, "%u bytes and %u published, must be %u and %u", (unsigned)backlog->bytes,
                   (unsigned)backlog->published_bytes, (unsigned)len, (unsigned)published);
}

#define WAITS(backlog, text) check_waits_at((backlog), (text), __LINE__)

static int setup(void **state)
{
    *state = hj_backlog_new();
    return *state == NULL;
}

static int teardown(void **state)
{
    hj_backlog_free(*state);
    return 0;
}

static void an_empty_one(void **state)
{
    struct hj_backlog *backlog = *state;
    struct hj_buf *buf;
    assert_int_equal(hj_backlog_peek(backlog, &buf, 1), 0);
    assert_int_equal(hj_backlog_consume(backlog, 0), 0);
    assert_int_equal(counted_bytes(backlog), 0);
    assert_int_equal(backlog->bytes, 0);
    hj_backlog_free(NULL);
}

static void bytes_are_taken_off_from_the_front(void **state)
{
    struct hj_backlog *backlog = *state;
    append(backlog, "hello", true, 0);
    append(backlog, " ", false, 0);
    append(backlog, "world", true, 0);
    WAITS(backlog, "hello world");
    assert_int_equal(hj_backlog_consume(backlog, 2), 2);
    WAITS(backlog, "llo world");
    assert_int_equal(hj_backlog_consume(backlog, 5), 4); /* the blank is nobody's */
    WAITS(backlog, "orld");
    assert_int_equal(hj_backlog_consume(backlog, 4), 4);
    WAITS(backlog, "");
    assert_int_equal(backlog->count, 0);
}

static void the_first_may_be_half_written_when_it_comes(void **state)
{
    struct hj_backlog *backlog = *state;
    append(backlog, "hello", true, 3);
    WAITS(backlog, "lo");
    assert_int_equal(counted_bytes(backlog), 2);
    append(backlog, "!", true, 0);
    WAITS(backlog, "lo!");
    assert_int_equal(hj_backlog_consume(backlog, 3), 3);
    append(backlog, "next", true, 0); /* the offset was the other item's */
    WAITS(backlog, "next");
}

static void what_is_counted_is_the_programs_own(void **state)
{
    struct hj_backlog *backlog = *state;
    append(backlog, "HEAD", false, 0);
    append(backlog, "abc", true, 0);
    PUBLISH(backlog, "message", "", LIMITLESS, CLOSE, TAKEN, 0);
    append(backlog, "de", true, 0);
    assert_int_equal(counted_bytes(backlog), 5);
    assert_int_equal(hj_backlog_consume(backlog, 3), 0);
    assert_int_equal(hj_backlog_consume(backlog, 2), 1);
    assert_int_equal(counted_bytes(backlog), 4);
    assert_int_equal(hj_backlog_consume(backlog, 4), 2);
    assert_int_equal(counted_bytes(backlog), 2);
    WAITS(backlog, "ssagede");
    assert_int_equal(hj_backlog_consume(backlog, 7), 2);
    assert_int_equal(counted_bytes(backlog), 0);
}

static void peeking_is_bounded(void **state)
{
    struct hj_backlog *backlog = *state;
    struct hj_buf *bufs[3] = {NULL};
    append(backlog, "ab", false, 1);
    append(backlog, "c", false, 0);
    append(backlog, "d", false, 0);
    assert_int_equal(hj_backlog_peek(backlog, bufs, 0), 0);
    assert_int_equal(hj_backlog_peek(backlog, bufs, 2), 2);
    BYTES(bufs[0]->data + backlog->offset, bufs[0]->len - backlog->offset, "b", 1);
    BYTES(bufs[1]->data, bufs[1]->len, "c", 1);
    assert_null(bufs[2]);
    assert_int_equal(hj_backlog_peek(backlog, bufs, 3), 3);
}

/* The ring's beginning wanders, and the ring grows while it is in any place. */
static void around_the_end_of_the_ring_and_growing(void **state)
{
    (void)state;
    for (uint32_t start = 0; start < 8; ++start) {
        struct hj_backlog *backlog = hj_backlog_new();
        for (uint32_t i = 0; i < start; ++i) {
            append(backlog, "xy", false, 0);
            if (i % 2)
                hj_backlog_consume(backlog, 4);
        }
        hj_backlog_consume(backlog, backlog->bytes);
        char expected[512];
        size_t len = 0, from = 0;
        for (int i = 0; i < 100; ++i) {
            char text[16];
            snprintf(text, sizeof(text), "%d,", i);
            append(backlog, text, true, 0);
            memcpy(expected + len, text, strlen(text) + 1);
            len += strlen(text);
            if (i % 3 == 2)
                from += hj_backlog_consume(backlog, 1);
            WAITS(backlog, expected + from);
        }
        assert_true(backlog->capacity >= 64);
        while (from < len) {
            from += hj_backlog_consume(backlog, len - from < 5 ? len - from : 5);
            WAITS(backlog, expected + from);
        }
        hj_backlog_free(backlog);
    }
}

static void references_go_with_the_bytes(void **state)
{
    (void)state;
    struct hj_backlog *backlog = hj_backlog_new();
    struct hj_message *message = make_message(HJ_SLICE("abc"), HJ_SLICE(""));
    uint32_t dropped = 0;
    for (int i = 0; i < 3; ++i)
        hj_backlog_publish(backlog, message->data, message, 0, LIMITLESS, HJ_OVERFLOW_CLOSE, &dropped);
    assert_int_equal(atomic_load(&message->refs), 4);
    assert_int_equal(atomic_load(&message->data->refs), 4);
    hj_backlog_consume(backlog, 4);
    assert_int_equal(atomic_load(&message->refs), 3);
    hj_backlog_publish(backlog, message->data, message, 0, 5, HJ_OVERFLOW_DROP_OLDEST, &dropped);
    assert_int_equal(dropped, 1); /* one came, one gave way */
    assert_int_equal(atomic_load(&message->refs), 3);
    hj_backlog_free(backlog);
    assert_int_equal(atomic_load(&message->refs), 1);
    assert_int_equal(atomic_load(&message->data->refs), 1);
    hj_message_unref(message);
}

static void the_limit_itself_is_allcounted(void **state)
{
    (void)state;
    for (int policy = HJ_OVERFLOW_CLOSE; policy <= HJ_OVERFLOW_LATEST; ++policy) {
        struct hj_backlog *backlog = hj_backlog_new();
        append(backlog, "the program's own do not count", true, 0);
        uint32_t dropped = 0;
        for (int i = 0; i < 3; ++i)
            assert_int_equal(publish_from(backlog, "abc", "", 0, 9, (enum hj_overflow)policy, &dropped),
                             HJ_BACKLOG_TAKEN);
        assert_int_equal(dropped, 0);
        assert_int_equal(backlog->published_bytes, 9);
        hj_backlog_free(backlog);
    }
}

static void policy_close(void **state)
{
    struct hj_backlog *backlog = *state;
    PUBLISH(backlog, "abc", "", 5, CLOSE, TAKEN, 0);
    PUBLISH(backlog, "def", "", 5, CLOSE, OVERFLOW, 0);
    WAITS(backlog, "abc");
    hj_backlog_consume(backlog, 1);
    PUBLISH(backlog, "def", "", 5, CLOSE, TAKEN, 0); /* what is written counts no more */
    PUBLISH(backlog, "g", "", 5, CLOSE, OVERFLOW, 0);
    WAITS(backlog, "bcdef");
}

static void policy_drop_newest(void **state)
{
    struct hj_backlog *backlog = *state;
    PUBLISH(backlog, "abc", "", 5, DROP_NEWEST, TAKEN, 0);
    PUBLISH(backlog, "def", "", 5, DROP_NEWEST, REFUSED, 0);
    PUBLISH(backlog, "gh", "", 5, DROP_NEWEST, TAKEN, 0); /* a smaller one may fit */
    PUBLISH(backlog, "i", "", 5, DROP_NEWEST, REFUSED, 0);
    PUBLISH(backlog, "", "", 5, DROP_NEWEST, TAKEN, 0);
    WAITS(backlog, "abcgh");
}

static void policy_drop_oldest(void **state)
{
    struct hj_backlog *backlog = *state;
    append(backlog, "<", true, 0);
    PUBLISH(backlog, "ab", "", 6, DROP_OLDEST, TAKEN, 0);
    append(backlog, "-", true, 0);
    PUBLISH(backlog, "cd", "", 6, DROP_OLDEST, TAKEN, 0);
    PUBLISH(backlog, "ef", "", 6, DROP_OLDEST, TAKEN, 0);
    append(backlog, ">", true, 0);
    WAITS(backlog, "<ab-cdef>");
    PUBLISH(backlog, "g", "", 6, DROP_OLDEST, TAKEN, 1);
    WAITS(backlog, "<-cdef>g"); /* the program's own stay where they are */
    PUBLISH(backlog, "hijkl", "", 6, DROP_OLDEST, TAKEN, 2);
    WAITS(backlog, "<->ghijkl");
    assert_int_equal(counted_bytes(backlog), 3);
}

static void policy_latest(void **state)
{
    struct hj_backlog *backlog = *state;
    PUBLISH(backlog, "a1", "a", 8, LATEST, TAKEN, 0);
    PUBLISH(backlog, "b1", "b", 8, LATEST, TAKEN, 0);
    PUBLISH(backlog, "n1", "", 8, LATEST, TAKEN, 0);
    PUBLISH(backlog, "a2", "a", 8, LATEST, TAKEN, 1); /* under the limit too: the old one is of no use */
    WAITS(backlog, "b1n1a2");
    PUBLISH(backlog, "n2", "", 8, LATEST, TAKEN, 0); /* those without a key replace nothing */
    WAITS(backlog, "b1n1a2n2");
    PUBLISH(backlog, "b2", "b", 8, LATEST, TAKEN, 1);
    WAITS(backlog, "n1a2n2b2");
    PUBLISH(backlog, "c1", "c", 8, LATEST, TAKEN, 1); /* over the limit the oldest goes */
    WAITS(backlog, "a2n2b2c1");
    hj_backlog_consume(backlog, 1);
    PUBLISH(backlog, "a3", "a", 8, LATEST, TAKEN, 1); /* the half written one is no more to be replaced */
    WAITS(backlog, "2b2c1a3");
}

/* Whatever comes, of what is half written the rest comes too. */
static void the_half_written_one_is_never_dropped(void **state)
{
    (void)state;
    static const enum hj_overflow policies[] = {HJ_OVERFLOW_DROP_NEWEST, HJ_OVERFLOW_DROP_OLDEST, HJ_OVERFLOW_LATEST};
    for (int i = 0; i < 3; ++i) {
        struct hj_backlog *backlog = hj_backlog_new();
        uint32_t dropped = 0;
        publish_from(backlog, "0123456789", "k", 0, 10, policies[i], &dropped);
        hj_backlog_consume(backlog, 1);
        assert_int_equal(publish_from(backlog, "ab", "k", 0, 10, policies[i], &dropped), HJ_BACKLOG_REFUSED);
        WAITS(backlog, "123456789");
        assert_int_equal(publish_from(backlog, "c", "k", 0, 10, policies[i], &dropped), HJ_BACKLOG_TAKEN);
        WAITS(backlog, "123456789c");
        assert_int_equal(dropped, 0);
        hj_backlog_free(backlog);
    }
}

/* A message of which a part is on the wire is taken whatever its length, but for the policy that closes anyway. */
static void one_that_has_begun_is_finished(void **state)
{
    (void)state;
    for (int policy = HJ_OVERFLOW_DROP_NEWEST; policy <= HJ_OVERFLOW_LATEST; ++policy) {
        struct hj_backlog *backlog = hj_backlog_new();
        uint32_t dropped = 0;
        assert_int_equal(publish_from(backlog, "0123456789", "k", 2, 5, (enum hj_overflow)policy, &dropped),
                         HJ_BACKLOG_TAKEN);
        WAITS(backlog, "23456789");
        assert_int_equal(publish_from(backlog, "x", "k", 0, 5, (enum hj_overflow)policy, &dropped), HJ_BACKLOG_REFUSED);
        WAITS(backlog, "23456789");
        assert_int_equal(dropped, 0);
        hj_backlog_free(backlog);
    }
    struct hj_backlog *backlog = *state;
    uint32_t dropped = 0;
    assert_int_equal(publish_from(backlog, "0123456789", "", 5, 5, HJ_OVERFLOW_CLOSE, &dropped), HJ_BACKLOG_TAKEN);
    WAITS(backlog, "56789");
    hj_backlog_consume(backlog, 5);
    assert_int_equal(publish_from(backlog, "0123456789", "", 4, 5, HJ_OVERFLOW_CLOSE, &dropped), HJ_BACKLOG_OVERFLOW);
}

static void a_limit_of_nothing(void **state)
{
    struct hj_backlog *backlog = *state;
    PUBLISH(backlog, "a", "", 0, CLOSE, OVERFLOW, 0);
    PUBLISH(backlog, "a", "", 0, DROP_NEWEST, REFUSED, 0);
    PUBLISH(backlog, "a", "", 0, DROP_OLDEST, REFUSED, 0);
    PUBLISH(backlog, "a", "k", 0, LATEST, REFUSED, 0);
    WAITS(backlog, "");
}

/* ------------------------------------------------------------------------------------------------------------------
 * The model: a plain array of items, the policies as the header tells them.
 * ---------------------------------------------------------------------------------------------------------------- */

enum {
    STEPS = 4000,
    KEYS = 4, /* key 0 is none */
    MAX_ITEMS = 600
};

struct item {
    char data[32];
    uint32_t len, written;
    int key;
    bool published, counted;
};

struct model {
    struct item items[MAX_ITEMS];
    int count;
};

static uint64_t published_bytes(const struct model *model)
{
    uint64_t sum = 0;
    for (int i = 0; i < model->count; ++i)
        if (model->items[i].published)
            sum += model->items[i].len - model->items[i].written;
    return sum;
}

static void take_out(struct model *model, int i)
{
    memmove(&model->items[i], &model->items[i + 1], (size_t)(--model->count - i) * sizeof(struct item));
}

/* The first message without a byte on the wire, of this key or (-1) of any; -1 if there is none. */
static int waiting(const struct model *model, int key)
{
    for (int i = 0; i < model->count; ++i)
        if (model->items[i].published && model->items[i].written == 0 && (key < 0 || model->items[i].key == key))
            return i;
    return -1;
}

static enum hj_backlog_result model_publish(struct model *model, const struct item *item, uint64_t limit,
                                            enum hj_overflow overflow, uint32_t *dropped)
{
    int i;
    uint64_t len = item->len - item->written;
    const struct item *first = &model->items[0];
    uint64_t begun = model->count != 0 && first->written != 0 && first->published ? first->len - first->written : 0;
    if (overflow == HJ_OVERFLOW_CLOSE && published_bytes(model) + len > limit)
        return HJ_BACKLOG_OVERFLOW;
    if (item->written == 0 && begun + len > limit)
        return HJ_BACKLOG_REFUSED;
    if (overflow == HJ_OVERFLOW_DROP_NEWEST && item->written == 0 && published_bytes(model) + len > limit)
        return HJ_BACKLOG_REFUSED;
    if (overflow == HJ_OVERFLOW_LATEST && item->key != 0 && (i = waiting(model, item->key)) >= 0) {
        take_out(model, i);
        ++*dropped;
    }
    while (item->written == 0 && published_bytes(model) + len > limit && (i = waiting(model, -1)) >= 0) {
        take_out(model, i);
        ++*dropped;
    }
    model->items[model->count++] = *item;
    return HJ_BACKLOG_TAKEN;
}

static uint64_t model_consume(struct model *model, uint64_t written)
{
    uint64_t counted = 0;
    while (model->count != 0) {
        struct item *item = &model->items[0];
        uint32_t left = item->len - item->written, part = written < left ? (uint32_t)written : left;
        written -= part;
        item->written += part;
        counted += item->counted ? part : 0;
        if (item->written < item->len)
            break;
        take_out(model, 0);
    }
    return counted;
}

static void compare(const struct hj_backlog *backlog, const struct model *model)
{
    char text[MAX_ITEMS * 32];
    size_t len = 0;
    uint64_t counted = 0;
    for (int i = 0; i < model->count; ++i) {
        const struct item *item = &model->items[i];
        memcpy(text + len, item->data + item->written, item->len - item->written);
        len += item->len - item->written;
        counted += item->counted ? item->len - item->written : 0;
    }
    text[len] = '\0';
    assert_int_equal(backlog->count, model->count);
    WAITS(backlog, text);
    assert_int_equal(counted_bytes(backlog), counted);
    assert_int_equal(backlog->published_bytes, published_bytes(model));
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static struct item random_item(uint64_t *seed)
{
    struct item item = {.len = next_random(seed) % 24, .key = (int)(next_random(seed) % KEYS)};
    for (uint32_t i = 0; i < item.len; ++i)
        item.data[i] = (char)('!' + next_random(seed) % 94);
    return item;
}

static void random_publish(struct hj_backlog *backlog, struct model *model, uint64_t limit, enum hj_overflow overflow,
                           uint64_t *seed)
{
    static const struct hj_slice keys[KEYS] = {{NULL, 0}, {"a", 1}, {"b", 1}, {"ab", 2}};
    struct item item = random_item(seed);
    uint32_t dropped = 0, model_dropped = 0;
    item.published = true;
    if (model->count == 0 && item.len > 1)
        item.written = next_random(seed) % item.len; /* the write before it was a short one */
    struct hj_message *message = make_message(hj_slice(item.data, item.len), keys[item.key]);
    enum hj_backlog_result result =
        hj_backlog_publish(backlog, message->data, message, item.written, limit, overflow, &dropped);
    hj_message_unref(message);
    assert_int_equal(result, model_publish(model, &item, limit, overflow, &model_dropped));
    assert_int_equal(dropped, model_dropped);
}

static void random_steps(enum hj_overflow overflow, uint64_t seed)
{
    static struct model model;
    struct hj_backlog *backlog = hj_backlog_new();
    uint64_t limit = next_random(&seed) % 200;
    model.count = 0;
    for (int step = 0; step < STEPS; ++step) {
        uint32_t what = next_random(&seed) % 16;
        if (what < 6 && model.count < MAX_ITEMS / 2) {
            random_publish(backlog, &model, limit, overflow, &seed);
        } else if (what < 9 && model.count < MAX_ITEMS / 2) {
            struct item item = random_item(&seed);
            item.counted = what != 6;
            struct hj_buf *buf = hj_buf_copy(item.data, item.len);
            assert_true(hj_backlog_append(backlog, buf, NULL, item.counted, 0));
            hj_buf_unref(buf);
            model.items[model.count++] = item;
        } else if (what < 15) {
            uint64_t most = step / 500 % 2 ? 60 : 24; /* now it grows, now it shrinks */
            uint64_t written = next_random(&seed) % most;
            written = written < backlog->bytes ? written : backlog->bytes;
            assert_int_equal(hj_backlog_consume(backlog, written), model_consume(&model, written));
        } else {
            limit = next_random(&seed) % 200; /* the option may be set at any time */
        }
        compare(backlog, &model);
    }
    hj_backlog_free(backlog);
}

static void random_steps_as_the_model(void **state)
{
    (void)state;
    for (int policy = HJ_OVERFLOW_CLOSE; policy <= HJ_OVERFLOW_LATEST; ++policy)
        for (uint64_t seed = 1; seed <= 5; ++seed)
            random_steps((enum hj_overflow)policy, seed * 7919);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one),
        TEST(bytes_are_taken_off_from_the_front),
        TEST(the_first_may_be_half_written_when_it_comes),
        TEST(what_is_counted_is_the_programs_own),
        TEST(peeking_is_bounded),
        TEST(around_the_end_of_the_ring_and_growing),
        TEST(references_go_with_the_bytes),
        TEST(the_limit_itself_is_allcounted),
        TEST(policy_close),
        TEST(policy_drop_newest),
        TEST(policy_drop_oldest),
        TEST(policy_latest),
        TEST(the_half_written_one_is_never_dropped),
        TEST(one_that_has_begun_is_finished),
        TEST(a_limit_of_nothing),
        TEST(random_steps_as_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
