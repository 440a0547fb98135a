/* SPDX-License-Identifier: MIT
 *
 * The event queue and its events, pushed by the test as loops do and polled through the public functions.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/handle.h"
#include "core/queue.h"
#include "support/check.h"

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

/* A queue; its handle, and what is behind it, pinned until teardown. */
struct fixture {
    hijack_queue *handle;
    struct hj_queue *queue;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    atomic_store(&destroyed, 0);
    atomic_store(&undelivered, 0);
    OK(hijack_queue_new(&fixture->handle));
    CODE(hj_handle_pin((struct hj_object **)&fixture->queue, fixture->handle, 1u << HJ_KIND_QUEUE), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *handle = fixture->queue->object.handle;
    hijack_queue_free(handle);
    hj_handle_unpin(handle);
    free(fixture);
    return 0;
}

static struct hj_object *make_object(uint64_t user_data)
{
    struct hj_object *object = calloc(1, sizeof(*object));
    hj_object_init(object, HJ_KIND_SOCKET, destroy);
    atomic_store(&object->user_data, user_data);
    CODE(hj_handle_new(object), 0);
    return object;
}

/* Ends the handle and drops the reference of the test. */
static void end_object(struct hj_object *object)
{
    hj_handle_discard(object->handle);
    hj_object_unref(object);
}

static struct hj_event *make_event(struct hj_object *object, int status)
{
    struct hj_event *event = hj_event_new(HIJACK_EVENT_DATA, object, NULL);
    assert_non_null(event);
    event->status = status;
    event->hook = note_undelivered;
    return event;
}

static void push(struct fixture *fixture, struct hj_object *object, int first, int count)
{
    for (int i = first; i < first + count; ++i)
        hj_queue_push(fixture->queue, make_event(object, i));
}

static void set_capacity(struct fixture *fixture, const char *text)
{
    OK(hijack_queue_set(fixture->handle, LIT("capacity"), text, strlen(text)));
}

static int readable(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    return poll(&pfd, 1, 0);
}

static void events_come_in_the_order_of_the_pushes(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    hijack_event out[100];
    push(fixture, object, 0, 250);
    int next = 0;
    static const struct {
        uint32_t max;
        int count;
    } polls[] = {{1, 1}, {100, 100}, {99, 99}, {100, 50}, {100, 0}};
    for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); ++i) {
        CODE(hijack_queue_poll(out, fixture->handle, polls[i].max, 0), polls[i].count);
        for (int k = 0; k < polls[i].count; ++k)
            assert_int_equal(out[k].status, next++);
    }
    assert_int_equal(next, 250);
    assert_int_equal(undelivered, 0);
    end_object(object);
}

static void an_event_says_everything(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(7);
    struct hj_buf *buf = hj_buf_copy("a\0b", 3);
    struct hj_event *event = hj_event_new(HIJACK_EVENT_REQUEST, object, hj_buf_ref(buf));
    hijack_event out = {.type = 99};
    event->status = -5;
    hj_queue_push(fixture->queue, event);
    OK(hijack_handle_set_user_data(object->handle, UINT64_MAX)); /* the one at the moment of the poll counts */
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 1);
    assert_true(out.user_data == UINT64_MAX);
    assert_ptr_equal(out.handle, object->handle);
    assert_ptr_equal(out.data, buf->data);
    assert_int_equal(out.len, 3);
    assert_int_equal(out.type, HIJACK_EVENT_REQUEST);
    assert_int_equal(out.status, -5);
    assert_int_equal(atomic_load(&buf->refs), 2); /* the payload lives until the next poll */
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 0);
    assert_int_equal(atomic_load(&buf->refs), 1);
    hj_buf_unref(buf);
    end_object(object);
}

static void payloads_end_with_the_queue(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    struct hj_buf *buf = hj_buf_copy("x", 1);
    hijack_event out;
    hj_queue_push(fixture->queue, hj_event_new(HIJACK_EVENT_DATA, object, hj_buf_ref(buf)));
    hj_queue_push(fixture->queue, hj_event_new(HIJACK_EVENT_DATA, object, hj_buf_ref(buf)));
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 1);
    assert_int_equal(atomic_load(&buf->refs), 3);
    hijack_queue_free(fixture->handle);
    assert_int_equal(atomic_load(&buf->refs), 1);
    hj_buf_unref(buf);
    end_object(object);
    assert_int_equal(destroyed, 1);
}

/* An event inside its object: pushed without memory of its own, freed with the object. */
static void an_embedded_event_is_not_freed_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(3);
    struct hj_event last;
    hijack_event out;
    hj_event_embed(&last, HIJACK_EVENT_CLOSED, object, HIJACK_ERESET);
    assert_true(last.embedded);
    assert_int_equal(atomic_load(&object->refs), 3);
    hj_queue_push(fixture->queue, &last);
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 1);
    assert_int_equal(out.type, HIJACK_EVENT_CLOSED);
    assert_int_equal(out.status, HIJACK_ERESET);
    assert_null(out.data);
    assert_int_equal(out.len, 0);
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 0);
    assert_int_equal(atomic_load(&object->refs), 2);
    end_object(object);
}

static void freeing_an_event_says_whether_it_was_delivered(void **state)
{
    (void)state;
    struct hj_object *object = make_object(0);
    hj_event_free(make_event(object, 0), true);
    assert_int_equal(undelivered, 0);
    hj_event_free(make_event(object, 0), false);
    assert_int_equal(undelivered, 1);
    end_object(object);
    hj_event_free(hj_event_new(HIJACK_EVENT_WAKE, NULL, NULL), false);
}

static void events_of_dead_handles_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *live = make_object(1), *dead = make_object(2);
    hijack_event out[8];
    for (int i = 0; i < 4; ++i) {
        push(fixture, dead, 100 + i, 1);
        push(fixture, live, i, 1);
    }
    end_object(dead);
    assert_int_equal(destroyed, 0); /* its events keep it */
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 4);
    for (int i = 0; i < 4; ++i) {
        assert_ptr_equal(out[i].handle, live->handle);
        assert_int_equal(out[i].status, i);
    }
    assert_int_equal(undelivered, 4);
    assert_int_equal(destroyed, 1);
    end_object(live);
}

/* A whole batch of dead ones is not "nothing came in time". */
static void a_poll_looks_past_dead_handles(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *live = make_object(1), *dead = make_object(2);
    hijack_event out[2];
    push(fixture, dead, 0, 9);
    push(fixture, live, 42, 1);
    end_object(dead);
    CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 1);
    assert_int_equal(out[0].status, 42);
    CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 0);
    assert_int_equal(undelivered, 9);
    end_object(live);
}

/* As a descriptor is taken out of its event: once, by the poll or by whoever closes it. */
static bool take_or_drop(struct hj_event *event, enum hj_event_end end)
{
    if (end == HJ_EVENT_DROPPED)
        return note_undelivered(event, end);
    event->status = event->status == 0 ? -1 : 17;
    return event->status != -1;
}

static void the_poll_asks_the_hook(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(1);
    hijack_event out[2];
    for (int i = 0; i < 2; ++i) {
        struct hj_event *event = make_event(object, i);
        event->hook = take_or_drop;
        hj_queue_push(fixture->queue, event);
    }
    CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 1);
    assert_int_equal(out[0].status, 17);
    assert_int_equal(undelivered, 1);
    end_object(object);
}

static void the_descriptor_is_readable_until_a_poll_finds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    hijack_event out[4];
    int fd = OK(hijack_queue_fd(fixture->handle));
    assert_int_equal(readable(fd), 0);
    for (int round = 0; round < 3; ++round) {
        push(fixture, object, 0, 3);
        assert_int_equal(readable(fd), 1);
        assert_int_equal(readable(fd), 1); /* looking takes nothing away */
        CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 2);
        assert_int_equal(readable(fd), 1);
        CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 1);
        assert_int_equal(readable(fd), 1); /* more may be on its way */
        CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 0);
        assert_int_equal(readable(fd), 0);
    }
    OK(hijack_queue_wake(fixture->handle));
    assert_int_equal(readable(fd), 1);
    CODE(hijack_queue_poll(out, fixture->handle, 4, 0), 1);
    CODE(hijack_queue_poll(out, fixture->handle, 4, 0), 0);
    assert_int_equal(readable(fd), 0);
    end_object(object);
}

static void wakes_become_one(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(5);
    hijack_event out[8];
    push(fixture, object, 1, 1);
    for (int i = 0; i < 1000; ++i)
        OK(hijack_queue_wake(fixture->handle));
    push(fixture, object, 2, 1);
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 3);
    assert_int_equal(out[0].status, 1);
    assert_int_equal(out[1].type, HIJACK_EVENT_WAKE);
    assert_null(out[1].handle);
    assert_null(out[1].data);
    assert_true(out[1].user_data == 0 && out[1].len == 0 && out[1].status == 0);
    assert_int_equal(out[2].status, 2);
    OK(hijack_queue_wake(fixture->handle)); /* and again, now that it has been polled */
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 1);
    assert_int_equal(out[0].type, HIJACK_EVENT_WAKE);
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 0);
    end_object(object);
}

/* A loop that waits for room: its mailbox, and what keeps that alive. */
struct waiter {
    struct hj_waiter waiter;
    struct hj_mailbox mailbox;
    struct hj_object owner;
};

static void keep(struct hj_object *object)
{
    (void)object;
}

static void waiter_open(struct waiter *waiter)
{
    *waiter = (struct waiter){.waiter = {.mailbox = &waiter->mailbox, .owner = &waiter->owner}};
    CODE(hj_mailbox_open(&waiter->mailbox), 0);
    hj_object_init(&waiter->owner, HJ_KIND_SERVER, keep);
    assert_true(hj_mailbox_sleep(&waiter->mailbox));
}

static void waiter_close(struct waiter *waiter)
{
    assert_int_equal(atomic_load(&waiter->owner.refs), 1);
    hj_mailbox_dispose(&waiter->mailbox);
}

/* Whether it was resumed since the last look, and then woken; it sleeps again. */
static int told(struct waiter *waiter)
{
    bool woken = readable(waiter->mailbox.notify.fd) == 1;
    hj_notify_clear(&waiter->mailbox.notify);
    assert_int_equal(hj_mailbox_take_resumed(&waiter->mailbox), woken);
    assert_true(hj_mailbox_sleep(&waiter->mailbox));
    return woken;
}

static void a_full_queue_takes_events_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    hijack_event out[8];
    set_capacity(fixture, "4");
    push(fixture, object, 0, 3);
    assert_false(hj_queue_full(fixture->queue));
    push(fixture, object, 3, 1);
    assert_true(hj_queue_full(fixture->queue));
    push(fixture, object, 4, 2);
    assert_int_equal(atomic_load(&fixture->queue->count), 6);
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 6);
    assert_int_equal(out[5].status, 5);
    assert_false(hj_queue_full(fixture->queue));
    end_object(object);
}

static void waiters_are_told_at_half(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    struct waiter a, b;
    hijack_event out[8];
    set_capacity(fixture, "8");
    waiter_open(&a);
    waiter_open(&b);
    assert_false(hj_queue_wait(fixture->queue, &a.waiter)); /* there is room */
    push(fixture, object, 0, 8);
    assert_true(hj_queue_wait(fixture->queue, &a.waiter));
    assert_true(hj_queue_wait(fixture->queue, &a.waiter)); /* twice is once */
    assert_true(hj_queue_wait(fixture->queue, &b.waiter));
    CODE(hijack_queue_poll(out, fixture->handle, 3, 0), 3);
    assert_int_equal(told(&a) + told(&b), 0); /* 5 of 8 */
    CODE(hijack_queue_poll(out, fixture->handle, 1, 0), 1);
    assert_int_equal(told(&a), 1); /* 4 of 8 */
    assert_int_equal(told(&b), 1);
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 4);
    assert_int_equal(told(&a) + told(&b), 0); /* each wait is told once */
    push(fixture, object, 0, 8);
    assert_true(hj_queue_wait(fixture->queue, &b.waiter));
    CODE(hijack_queue_poll(out, fixture->handle, 8, 0), 8);
    assert_int_equal(told(&a), 0);
    assert_int_equal(told(&b), 1);
    waiter_close(&a);
    waiter_close(&b);
    end_object(object);
}

/* The smallest capacity: half of it is nothing left. Dead events give room as well. */
static void a_capacity_of_one(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    struct waiter waiter;
    hijack_event out;
    set_capacity(fixture, "1");
    waiter_open(&waiter);
    push(fixture, object, 0, 1);
    assert_true(hj_queue_wait(fixture->queue, &waiter.waiter));
    end_object(object);
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 0);
    assert_int_equal(told(&waiter), 1);
    assert_false(hj_queue_wait(fixture->queue, &waiter.waiter));
    waiter_close(&waiter);
}

static void a_cancelled_waiter_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    struct waiter waiters[3];
    hijack_event out[2];
    set_capacity(fixture, "2");
    push(fixture, object, 0, 2);
    for (int i = 0; i < 3; ++i) {
        waiter_open(&waiters[i]);
        hj_queue_wait_cancel(fixture->queue, &waiters[i].waiter); /* not waiting: nothing happens */
        assert_true(hj_queue_wait(fixture->queue, &waiters[i].waiter));
    }
    hj_queue_wait_cancel(fixture->queue, &waiters[1].waiter);
    CODE(hijack_queue_poll(out, fixture->handle, 2, 0), 2);
    for (int i = 0; i < 3; ++i) {
        assert_int_equal(told(&waiters[i]), i != 1);
        waiter_close(&waiters[i]);
    }
    end_object(object);
}

static void a_freed_queue_drops_what_comes(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object *object = make_object(0);
    hijack_event out;
    push(fixture, object, 0, 5);
    OK(hijack_queue_wake(fixture->handle));
    hijack_queue_free(fixture->handle);
    assert_int_equal(undelivered, 5);
    push(fixture, object, 5, 3); /* a loop may still hold the queue */
    assert_int_equal(undelivered, 8);
    assert_int_equal(atomic_load(&fixture->queue->count), 0);
    end_object(object);
    assert_int_equal(destroyed, 1);
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), HIJACK_EHANDLE);
    CODE(hijack_queue_wake(fixture->handle), HIJACK_EHANDLE);
    CODE(hijack_queue_fd(fixture->handle), HIJACK_EHANDLE);
    hijack_queue_free(fixture->handle);
}

static void arguments_are_checked(void **state)
{
    struct fixture *fixture = *state;
    hijack_event out;
    CODE(hijack_queue_new(NULL), HIJACK_EINVAL);
    CODE(hijack_queue_poll(NULL, fixture->handle, 1, 0), HIJACK_EINVAL);
    CODE(hijack_queue_poll(&out, fixture->handle, 0, 0), HIJACK_EINVAL);
    CODE(hijack_queue_poll(&out, NULL, 1, 0), HIJACK_EHANDLE);
    CODE(hijack_queue_poll(&out, fixture->handle, UINT32_MAX, 0), 0);
    CODE(hijack_queue_fd(NULL), HIJACK_EHANDLE);
    CODE(hijack_queue_wake(NULL), HIJACK_EHANDLE);
    CODE(hijack_queue_set(NULL, LIT("capacity"), LIT("1")), HIJACK_EHANDLE);
    CODE(hijack_queue_set(fixture->handle, LIT("capacit"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_queue_set(fixture->handle, LIT("threads"), LIT("1")), HIJACK_EOPTION); /* of another scope */
    CODE(hijack_queue_set(fixture->handle, NULL, 0, LIT("1")), HIJACK_EOPTION);
    CODE(hijack_queue_set(fixture->handle, NULL, 8, LIT("1")), HIJACK_EINVAL);
    CODE(hijack_queue_set(fixture->handle, LIT("capacity"), LIT("0")), HIJACK_ERANGE);
    CODE(hijack_queue_set(fixture->handle, LIT("capacity"), NULL, 0), HIJACK_ERANGE);
    atomic_store(&fixture->queue->in_use, true);
    CODE(hijack_queue_set(fixture->handle, LIT("capacity"), LIT("1")), HIJACK_ESTATE);
    hijack_queue_free(NULL);
}

static void a_short_wait_ends(void **state)
{
    struct fixture *fixture = *state;
    hijack_event out;
    uint64_t start = clock_ms();
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 20), 0);
    assert_true(clock_ms() - start >= 19);
}

enum {
    PUSHERS = 4,
    EACH = 5000
};

struct pusher {
    struct hj_queue *queue;
    struct hj_object *object;
};

static void *push_many(void *argument)
{
    struct pusher *pusher = argument;
    for (int i = 0; i < EACH; ++i) {
        struct hj_event *event = hj_event_new(HIJACK_EVENT_DATA, pusher->object, NULL);
        event->status = i;
        hj_queue_push(pusher->queue, event);
        if (i % 64 == 0)
            hijack_queue_wake(pusher->queue->object.handle);
    }
    return NULL;
}

/* None lost, none twice, each pusher's in order; the poller sleeps without an end in between. */
static void many_push_and_one_polls(void **state)
{
    struct fixture *fixture = *state;
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    int next[PUSHERS] = {0}, total = 0;
    for (int i = 0; i < PUSHERS; ++i) {
        pushers[i] = (struct pusher){fixture->queue, make_object((uint64_t)i)};
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, &pushers[i]), 0);
    }
    while (total < PUSHERS * EACH) {
        hijack_event out[50];
        int count = hijack_queue_poll(out, fixture->handle, 50, (int)clock_limit_ms());
        assert_true(count > 0);
        for (int i = 0; i < count; ++i) {
            if (out[i].type == HIJACK_EVENT_WAKE)
                continue;
            assert_int_equal(out[i].status, next[out[i].user_data]++);
            ++total;
        }
    }
    for (int i = 0; i < PUSHERS; ++i) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], EACH);
        end_object(pushers[i].object);
    }
}

struct poller {
    hijack_queue *handle;
    _Atomic bool polling; /* about to poll */
    int result;
    hijack_event event;
};

static void *poll_without_end(void *argument)
{
    struct poller *poller = argument;
    atomic_store(&poller->polling, true);
    poller->result = hijack_queue_poll(&poller->event, poller->handle, 1, -1);
    return NULL;
}

static void one_polls_at_a_time_and_a_wake_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct poller poller = {.handle = fixture->handle};
    pthread_t thread;
    hijack_event out;
    assert_int_equal(pthread_create(&thread, NULL, poll_without_end, &poller), 0);
    WAIT_FOR(atomic_load(&fixture->queue->polling));
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), HIJACK_EBUSY);
    OK(hijack_queue_wake(fixture->handle));
    pthread_join(thread, NULL);
    CODE(poller.result, 1);
    assert_int_equal(poller.event.type, HIJACK_EVENT_WAKE);
    CODE(hijack_queue_poll(&out, fixture->handle, 1, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_the_order_of_the_pushes),
        TEST(an_event_says_everything),
        TEST(payloads_end_with_the_queue),
        TEST(an_embedded_event_is_not_freed_by_itself),
        TEST(freeing_an_event_says_whether_it_was_delivered),
        TEST(events_of_dead_handles_are_left_out),
        TEST(a_poll_looks_past_dead_handles),
        TEST(the_poll_asks_the_hook),
        TEST(the_descriptor_is_readable_until_a_poll_finds_nothing),
        TEST(wakes_become_one),
        TEST(a_full_queue_takes_events_and_says_so),
        TEST(waiters_are_told_at_half),
        TEST(a_capacity_of_one),
        TEST(a_cancelled_waiter_is_not_told),
        TEST(a_freed_queue_drops_what_comes),
        TEST(arguments_are_checked),
        TEST(a_short_wait_ends),
        TEST(many_push_and_one_polls),
        TEST(one_polls_at_a_time_and_a_wake_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
