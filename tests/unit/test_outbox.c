/* SPDX-License-Identifier: MIT
 *
 * Who wakes a poller, and how often: the signals of a queue, at once or for many events of a loop together. What was
 * written into a descriptor and not read from it is looked up in /proc; the calls of poll(2) are counted.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/handle.h"
#include "core/outbox.h"
#include "support/check.h"

static _Atomic int waits; /* calls of poll(2) that could block */

/* Counts, and does what it is asked: the library's calls come here instead of to libc. */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};
    if (timeout != 0)
        atomic_fetch_add(&waits, 1);
    return ppoll(fds, count, timeout < 0 ? NULL : &limit, NULL);
}

static _Atomic int destroyed, undelivered;

static void destroy(struct hj_object *object)
{
    atomic_fetch_add(&destroyed, 1);
    free(object);
}

static bool note_undelivered(struct hj_event *event, enum hj_event_end end)
{
    (void)event;
    atomic_fetch_add(&undelivered, end == HJ_EVENT_DROPPED);
    return true;
}

enum {
    QUEUES = 3
};

struct fixture {
    hijack_queue *handles[QUEUES];
    struct hj_queue *queues[QUEUES];
    struct hj_object *object;
    struct hj_outbox outbox;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    atomic_store(&destroyed, 0);
    atomic_store(&undelivered, 0);
    for (int i = 0; i < QUEUES; ++i) {
        OK(hijack_queue_new(&f->handles[i]));
        CODE(hj_handle_pin((struct hj_object **)&f->queues[i], f->handles[i], 1u << HJ_KIND_QUEUE), 0);
    }
    f->object = calloc(1, sizeof(*f->object));
    hj_object_init(f->object, HJ_KIND_REQUEST, destroy);
    CODE(hj_handle_new(f->object), 0);
    CODE(hj_outbox_open(&f->outbox, QUEUES), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < QUEUES; ++i) {
        hijack_queue_free(f->handles[i]);
        hj_handle_unpin(f->handles[i]);
    }
    hj_handle_discard(f->object->handle);
    hj_object_unref(f->object);
    assert_int_equal(destroyed, 1);
    hj_outbox_dispose(&f->outbox);
    free(f);
    return 0;
}

static struct hj_event *make_event(struct fixture *f)
{
    struct hj_event *event = hj_event_new(HIJACK_EVENT_DATA, f->object, NULL);
    assert_non_null(event);
    event->hook = note_undelivered;
    return event;
}

static void push(struct fixture *f, int count)
{
    for (int i = 0; i < count; ++i)
        hj_queue_push(f->queues[0], make_event(f));
}

/* How many events a poll with timeout 0 brings, of at most 100. */
static int poll_now(struct fixture *f, int queue)
{
    hijack_event out[100];
    return OK(hijack_queue_poll(out, f->handles[queue], 100, 0));
}

/* How often the queue was signalled since its descriptor was read; looking takes nothing away. */
static int signals(struct fixture *f, int queue)
{
    char path[64], line[128];
    unsigned long long count = 0;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->queues[queue]->notify.fd);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "eventfd-count: %llx", &count) == 1;
    fclose(file);
    assert_true(found);
    return (int)count;
}

static bool is_quiet(struct fixture *f, int queue)
{
    struct pollfd pfd = {.fd = f->queues[queue]->notify.fd, .events = POLLIN};
    return poll(&pfd, 1, 0) == 0;
}

/* A poller that always finds something makes nobody signal; nor is anything read. */
static void one_signal_lasts_until_a_poll_finds_nothing(void **state)
{
    struct fixture *f = *state;
    for (int round = 1; round <= 3; ++round) {
        assert_true(is_quiet(f, 0));
        for (int i = 0; i < 10; ++i) {
            push(f, 5);
            CODE(poll_now(f, 0), 5);
            assert_int_equal(signals(f, 0), 1);
        }
        OK(hijack_queue_wake(f->handles[0]));
        assert_int_equal(signals(f, 0), 1);
        CODE(poll_now(f, 0), 1);
        CODE(poll_now(f, 0), 0);
    }
    assert_true(is_quiet(f, 0));
}

/* A pusher that was delayed between its push and its write: the event was taken, a poll has found nothing since. */
static void a_late_signal_is_read_by_the_poll_it_wakes(void **state)
{
    struct fixture *f = *state;
    hijack_event out;
    push(f, 1);
    CODE(poll_now(f, 0), 1);
    CODE(poll_now(f, 0), 0);
    hj_notify_signal(&f->queues[0]->notify);
    assert_false(is_quiet(f, 0));
    CODE(poll_now(f, 0), 0);
    assert_true(is_quiet(f, 0));
    hj_notify_signal(&f->queues[0]->notify);
    atomic_store(&waits, 0);
    CODE(hijack_queue_poll(&out, f->handles[0], 1, 50), 0);
    assert_int_equal(waits, 2); /* woken for nothing once, then the time runs out */
    assert_true(is_quiet(f, 0));
    hj_notify_signal(&f->queues[0]->notify); /* late while others come */
    push(f, 2);
    CODE(poll_now(f, 0), 2);
    CODE(poll_now(f, 0), 0);
    assert_true(is_quiet(f, 0));
    push(f, 1);
    assert_int_equal(signals(f, 0), 1);
    CODE(poll_now(f, 0), 1);
}

enum {
    PUSHERS = 3,
    EACH = 30000
};

static void *push_many(void *argument)
{
    push(argument, EACH);
    return NULL;
}

/* Four threads that all run into each other; afterwards nothing is left that would wake anybody. */
static void after_load_nobody_is_woken(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[PUSHERS];
    hijack_event out[16];
    for (int round = 0; round < 3; ++round) {
        int total = 0;
        for (int i = 0; i < PUSHERS; ++i)
            assert_int_equal(pthread_create(&threads[i], NULL, push_many, f), 0);
        while (total < PUSHERS * EACH) {
            int count = hijack_queue_poll(out, f->handles[0], 16, (int)clock_limit_ms());
            assert_true(count > 0);
            total += count;
        }
        for (int i = 0; i < PUSHERS; ++i)
            pthread_join(threads[i], NULL);
        atomic_store(&waits, 0);
        CODE(hijack_queue_poll(out, f->handles[0], 16, 50), 0);
        /* the writes of this round may have come late, and then all together: they are one wake-up */
        assert_in_range(waits, 1, 2);
        assert_true(is_quiet(f, 0));
        atomic_store(&waits, 0);
        CODE(hijack_queue_poll(out, f->handles[0], 16, 50), 0);
        assert_int_equal(waits, 1);
    }
}

static void an_appended_event_waits_for_its_signal(void **state)
{
    struct fixture *f = *state;
    assert_true(hj_queue_append(f->queues[0], make_event(f)));
    assert_true(hj_queue_append(f->queues[0], make_event(f)));
    assert_true(is_quiet(f, 0));
    hj_queue_signal(f->queues[0]);
    hj_queue_signal(f->queues[0]);
    assert_int_equal(signals(f, 0), 1);
    assert_false(hj_queue_append(f->queues[0], make_event(f))); /* told already */
    CODE(poll_now(f, 0), 3);
    assert_false(hj_queue_append(f->queues[0], make_event(f))); /* still */
    CODE(poll_now(f, 0), 1);
    CODE(poll_now(f, 0), 0);
    assert_true(hj_queue_append(f->queues[0], make_event(f)));
    push(f, 1); /* another thread's takes the first along */
    assert_int_equal(signals(f, 0), 1);
    CODE(poll_now(f, 0), 2);
    CODE(poll_now(f, 0), 0);
    assert_true(hj_queue_append(f->queues[0], make_event(f)));
    CODE(poll_now(f, 0), 1); /* who polls gets it without a signal */
    hj_queue_signal(f->queues[0]);
    assert_true(is_quiet(f, 0)); /* it came too late to be of use */
    CODE(poll_now(f, 0), 0);
}

static void a_flush_tells_each_queue_once(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 30; ++i)
            hj_outbox_push(&f->outbox, f->queues[i % 2], make_event(f));
        assert_true(is_quiet(f, 0) && is_quiet(f, 1));
        hj_outbox_flush(&f->outbox);
        hj_outbox_flush(&f->outbox);
        assert_true(signals(f, 0) == 1 && signals(f, 1) == 1 && signals(f, 2) == 0);
        for (int i = 0; i < 2; ++i) {
            CODE(poll_now(f, i), 15);
            CODE(poll_now(f, i), 0);
        }
    }
}

static void a_batch_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    hj_outbox_push(&f->outbox, f->queues[1], make_event(f));
    for (int i = 0; i < HJ_OUTBOX_MAX - 2; ++i)
        hj_outbox_push(&f->outbox, f->queues[0], make_event(f));
    assert_true(is_quiet(f, 0) && is_quiet(f, 1));
    hj_outbox_push(&f->outbox, f->queues[0], make_event(f));
    assert_true(signals(f, 0) == 1 && signals(f, 1) == 1);
    for (int i = 0; i < HJ_OUTBOX_MAX; ++i)
        hj_outbox_push(&f->outbox, f->queues[0], make_event(f));
    assert_int_equal(signals(f, 0), 1);
}

static void a_queue_there_is_no_room_for_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    struct hj_outbox small = {0};
    hj_outbox_push(&small, f->queues[0], make_event(f));
    assert_int_equal(signals(f, 0), 1);
    CODE(hj_outbox_open(&small, 1), 0);
    hj_outbox_push(&small, f->queues[1], make_event(f));
    hj_outbox_push(&small, f->queues[2], make_event(f));
    assert_true(signals(f, 1) == 0 && signals(f, 2) == 1);
    hj_outbox_flush(&small);
    assert_int_equal(signals(f, 1), 1);
    hj_outbox_dispose(&small);
}

/* Nobody is woken for an event of a freed handle; what it holds is let go at once, the embedded last event's too. */
static void an_event_of_a_freed_handle_is_not_queued(void **state)
{
    struct fixture *f = *state;
    struct hj_object *object = calloc(1, sizeof(*object));
    struct hj_event last;
    hj_object_init(object, HJ_KIND_REQUEST, destroy);
    CODE(hj_handle_new(object), 0);
    hj_handle_discard(object->handle);
    struct hj_buf *buf = hj_buf_copy("x", 1);
    for (int i = 0; i < 2; ++i) {
        struct hj_event *event = hj_event_new(HIJACK_EVENT_DATA, object, hj_buf_ref(buf));
        event->hook = note_undelivered;
        if (i == 0)
            hj_outbox_push(&f->outbox, f->queues[0], event);
        else
            hj_queue_push(f->queues[0], event);
    }
    assert_int_equal(undelivered, 2);
    assert_int_equal(atomic_load(&buf->refs), 1);
    hj_event_embed(&last, HIJACK_EVENT_CLOSED, object, 0);
    hj_outbox_push(&f->outbox, f->queues[0], &last);
    hj_outbox_flush(&f->outbox);
    assert_int_equal(atomic_load(&object->refs), 1);
    assert_int_equal(atomic_load(&f->queues[0]->count), 0);
    assert_true(is_quiet(f, 0));
    hj_object_unref(object);
    assert_int_equal(atomic_exchange(&destroyed, 0), 1);
    hj_buf_unref(buf);
}

static void a_freed_queue_is_not_told(void **state)
{
    struct fixture *f = *state;
    hj_outbox_push(&f->outbox, f->queues[0], make_event(f));
    hijack_queue_free(f->handles[0]);
    assert_int_equal(undelivered, 1);
    int before = signals(f, 0);
    hj_outbox_push(&f->outbox, f->queues[0], make_event(f));
    hj_outbox_flush(&f->outbox);
    assert_int_equal(undelivered, 2);
    assert_int_equal(signals(f, 0), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_signal_lasts_until_a_poll_finds_nothing),
        TEST(a_late_signal_is_read_by_the_poll_it_wakes),
        TEST(after_load_nobody_is_woken),
        TEST(an_appended_event_waits_for_its_signal),
        TEST(a_flush_tells_each_queue_once),
        TEST(a_batch_is_told_at_once),
        TEST(a_queue_there_is_no_room_for_is_told_at_once),
        TEST(an_event_of_a_freed_handle_is_not_queued),
        TEST(a_freed_queue_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
