/* SPDX-License-Identifier: MIT
 *
 * A published message that cannot fit into a backlog, whatever gave way to it, must not cost anything that waits.
 */
#include <string.h>

#include "loop/io/backlog.h"
#include "support/check.h"

static enum hj_backlog_result publish(struct hj_backlog *backlog, const char *text, const char *key, uint64_t limit,
                                      enum hj_overflow overflow, uint32_t *dropped)
{
    struct hj_message *message;
    const struct hj_message_parts parts = {
        .data = hj_slice(text, strlen(text)), .key = hj_slice(key, strlen(key)), .retry_ms = -1};
    CODE(hj_message_new(&message, NULL, &parts), 0);
    enum hj_backlog_result r = hj_backlog_publish(backlog, message->data, message, 0, limit, overflow, dropped);
    hj_message_unref(message);
    return r;
}

static void too_long_for_drop_oldest(void **state)
{
    (void)state;
    struct hj_backlog *backlog = hj_backlog_new();
    uint32_t dropped = 0;
    publish(backlog, "ab", "", 6, HJ_OVERFLOW_DROP_OLDEST, &dropped);
    publish(backlog, "cd", "", 6, HJ_OVERFLOW_DROP_OLDEST, &dropped);
    assert_int_equal(publish(backlog, "0123456", "", 6, HJ_OVERFLOW_DROP_OLDEST, &dropped), HJ_BACKLOG_REFUSED);
    uint64_t left = backlog->bytes;
    hj_backlog_free(backlog);
    assert_int_equal(left, 4);
    assert_int_equal(dropped, 0);
}

/* The key's old message stays, or there would be none of it. */
static void too_long_for_latest(void **state)
{
    (void)state;
    struct hj_backlog *backlog = hj_backlog_new();
    uint32_t dropped = 0;
    publish(backlog, "0123456", "x", 10, HJ_OVERFLOW_LATEST, &dropped);
    hj_backlog_consume(backlog, 1); /* half written: it stays */
    publish(backlog, "k1", "k", 10, HJ_OVERFLOW_LATEST, &dropped);
    assert_int_equal(publish(backlog, "k2-too-long", "k", 10, HJ_OVERFLOW_LATEST, &dropped), HJ_BACKLOG_REFUSED);
    uint32_t count = backlog->count;
    hj_backlog_free(backlog);
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_long_for_drop_oldest),
        cmocka_unit_test(too_long_for_latest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
