/* SPDX-License-Identifier: MIT
 *
 * Shared bytes: made, copied, shared by many threads, gone with the last reference (which the sanitizers watch).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "support/check.h"

static void a_new_one_has_room_and_one_reference(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 4096, 1 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
        struct hj_buf *buf = hj_buf_new(sizes[i]);
        assert_non_null(buf);
        assert_int_equal(buf->len, sizes[i]);
        assert_int_equal(atomic_load(&buf->refs), 1);
        memset(buf->data, 'x', sizes[i]);
        hj_buf_unref(buf);
    }
}

static void a_copy_is_independent(void **state)
{
    (void)state;
    char bytes[] = "a\0b\xff";
    struct hj_buf *buf = hj_buf_copy(bytes, sizeof(bytes));
    memset(bytes, 'z', sizeof(bytes));
    BYTES(buf->data, buf->len, "a\0b\xff", 5);
    hj_buf_unref(buf);
}

static void nothing_may_be_null(void **state)
{
    (void)state;
    struct hj_buf *buf = hj_buf_copy(NULL, 0);
    assert_non_null(buf);
    assert_int_equal(buf->len, 0);
    hj_buf_unref(buf);
    hj_buf_unref(NULL);
}

static void a_length_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    assert_null(hj_buf_new((size_t)UINT32_MAX + 1));
    assert_null(hj_buf_new(SIZE_MAX));
    assert_null(hj_buf_new(SIZE_MAX - sizeof(struct hj_buf)));
}

static void references_are_counted(void **state)
{
    (void)state;
    struct hj_buf *buf = hj_buf_copy("hello", 5);
    for (int i = 0; i < 1000; ++i)
        assert_ptr_equal(hj_buf_ref(buf), buf);
    assert_int_equal(atomic_load(&buf->refs), 1001);
    for (int i = 0; i < 1000; ++i)
        hj_buf_unref(buf);
    assert_int_equal(atomic_load(&buf->refs), 1);
    BYTES(buf->data, buf->len, "hello", 5);
    hj_buf_unref(buf);
}

enum {
    THREADS = 4,
    ROUNDS = 20000,
    LEN = 64
};

/* Each thread owns one reference, takes and drops more, reads the bytes, and drops its own at the end. */
static void *share(void *argument)
{
    struct hj_buf *buf = argument;
    uintptr_t wrong = 0;
    for (int i = 0; i < ROUNDS; ++i) {
        struct hj_buf *mine = hj_buf_ref(buf);
        wrong += mine->data[i % LEN] != (char)(i % LEN);
        hj_buf_unref(mine);
    }
    hj_buf_unref(buf);
    return (void *)wrong;
}

static void threads_share_one(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct hj_buf *buf = hj_buf_new(LEN);
    for (int i = 0; i < LEN; ++i)
        buf->data[i] = (char)i;
    for (int i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, share, hj_buf_ref(buf)), 0);
    hj_buf_unref(buf); /* the last one to leave frees it, whoever that is */
    for (int i = 0; i < THREADS; ++i) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_has_room_and_one_reference),
        cmocka_unit_test(a_copy_is_independent),
        cmocka_unit_test(nothing_may_be_null),
        cmocka_unit_test(a_length_that_does_not_fit_is_refused),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(threads_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
