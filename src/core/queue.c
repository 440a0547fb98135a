/* The event queue; see queue.h. Any thread. */
#include "core/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <hijack/hijack.h>

#include "base/clock.h"
#include "base/handle.h"

#define QUEUE (1u << HJ_KIND_QUEUE)

static void destroy_queue(struct hj_object *object)
{
    struct hj_queue *queue = (struct hj_queue *)object;
    hj_notify_close(&queue->notify);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static int pin_queue(struct hj_queue **out, hijack_queue *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, QUEUE);
}

int hijack_queue_new(hijack_queue **out)
{
    if (out == NULL)
        return HIJACK_EINVAL;
    struct hj_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return HIJACK_ENOMEM;
    hj_object_init(&queue->object, HJ_KIND_QUEUE, destroy_queue);
    pthread_mutex_init(&queue->lock, NULL);
    hj_options_default(&queue->options, HJ_SCOPE_QUEUE);
    int rc = hj_notify_open(&queue->notify);
    if (rc == 0)
        rc = hj_handle_new(&queue->object);
    if (rc == 0)
        *out = queue->object.handle;
    hj_object_unref(&queue->object); /* on success the handle keeps its own reference */
    return rc;
}

int hijack_queue_set(hijack_queue *handle, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct hj_queue *queue;
    if ((name == NULL && name_len != 0) || (value == NULL && value_len != 0))
        return HIJACK_EINVAL;
    int rc = pin_queue(&queue, handle);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&queue->lock);
    if (atomic_load(&queue->in_use))
        rc = HIJACK_ESTATE;
    else
        rc = hj_option_set(&queue->options, HJ_SCOPE_QUEUE, hj_slice(name, name_len), hj_slice(value, value_len));
    pthread_mutex_unlock(&queue->lock);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_queue_fd(hijack_queue *handle)
{
    struct hj_queue *queue;
    int rc = pin_queue(&queue, handle);
    if (rc != 0)
        return rc;
    int fd = queue->notify.fd;
    hj_handle_unpin(handle);
    return fd;
}

void hj_queue_use(struct hj_queue *queue)
{
    hj_object_ref(&queue->object);
    pthread_mutex_lock(&queue->lock);
    atomic_store(&queue->in_use, true);
    pthread_mutex_unlock(&queue->lock);
}

/* Whether the caller has to signal, once it has unlocked. */
static bool claim_signal_locked(struct hj_queue *queue)
{
    bool claimed = !queue->signalled;
    queue->signalled = true;
    return claimed;
}

static void append_locked(struct hj_queue *queue, struct hj_event *event)
{
    event->next = NULL;
    if (queue->head == NULL)
        queue->head = event;
    else
        queue->tail->next = event;
    queue->tail = event;
    atomic_fetch_add_explicit(&queue->count, 1, memory_order_relaxed);
}

static bool is_wanted(const struct hj_event *event)
{
    return event->object == NULL || hj_handle_alive(event->object->handle);
}

void hj_queue_push(struct hj_queue *queue, struct hj_event *event)
{
    bool signal = false;
    bool wanted = is_wanted(event);
    pthread_mutex_lock(&queue->lock);
    if (wanted && !queue->closed) {
        append_locked(queue, event);
        signal = claim_signal_locked(queue);
        event = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    if (signal)
        hj_notify_signal(&queue->notify);
    if (event != NULL)
        hj_event_free(event, false);
}

bool hj_queue_append(struct hj_queue *queue, struct hj_event *event)
{
    bool unsignalled = false;
    bool wanted = is_wanted(event);
    pthread_mutex_lock(&queue->lock);
    if (wanted && !queue->closed) {
        append_locked(queue, event);
        unsignalled = !queue->signalled;
        event = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    if (event != NULL)
        hj_event_free(event, false);
    return unsignalled;
}

void hj_queue_signal(struct hj_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool signal = queue->head != NULL && claim_signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    if (signal)
        hj_notify_signal(&queue->notify);
}

bool hj_queue_full(struct hj_queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed) >= queue->options.capacity;
}

bool hj_queue_wait(struct hj_queue *queue, struct hj_waiter *waiter)
{
    pthread_mutex_lock(&queue->lock);
    bool full = hj_queue_full(queue);
    if (full && !waiter->waiting) {
        waiter->waiting = true;
        waiter->next = queue->waiters;
        queue->waiters = waiter;
    }
    pthread_mutex_unlock(&queue->lock);
    return full;
}

void hj_queue_wait_cancel(struct hj_queue *queue, struct hj_waiter *waiter)
{
    pthread_mutex_lock(&queue->lock);
    for (struct hj_waiter **link = &queue->waiters; *link != NULL; link = &(*link)->next) {
        if (*link == waiter) {
            *link = waiter->next;
            break;
        }
    }
    waiter->waiting = false;
    pthread_mutex_unlock(&queue->lock);
}

/* Waiters are resumed at half of the capacity, not at each event. */
static bool has_waiters_locked(const struct hj_queue *queue)
{
    return queue->waiters != NULL &&
           atomic_load_explicit(&queue->count, memory_order_relaxed) <= queue->options.capacity / 2;
}

/* Resumes the loops that wait, one at a time: once the lock is released, a waiter may wait anew or go, and with it the
 * loop, unless its owner is held. */
static void resume_waiters(struct hj_queue *queue)
{
    for (;;) {
        struct hj_mailbox *mailbox = NULL;
        struct hj_object *owner = NULL;
        pthread_mutex_lock(&queue->lock);
        if (has_waiters_locked(queue)) {
            struct hj_waiter *waiter = queue->waiters;
            queue->waiters = waiter->next;
            waiter->waiting = false;
            mailbox = waiter->mailbox;
            owner = waiter->owner;
            hj_object_ref(owner);
        }
        pthread_mutex_unlock(&queue->lock);
        if (mailbox == NULL)
            return;
        hj_mailbox_resume(mailbox);
        hj_object_unref(owner);
    }
}

/* Unlinks up to max events. If there are none the descriptor becomes quiet; woken: it may be readable although the flag
 * is not set. A closed queue stays readable, which ends every wait. */
static struct hj_event *take_events(struct hj_queue *queue, uint32_t max, bool woken, bool *closed)
{
    struct hj_event *first = NULL, **link = &first;
    uint64_t taken = 0;
    pthread_mutex_lock(&queue->lock);
    *closed = queue->closed;
    while (queue->head != NULL && taken < max) {
        struct hj_event *event = queue->head;
        queue->head = event->next;
        if (event == queue->wake)
            queue->wake = NULL;
        event->next = NULL;
        *link = event;
        link = &event->next;
        ++taken;
    }
    atomic_fetch_sub_explicit(&queue->count, taken, memory_order_relaxed);
    if (taken == 0 && !queue->closed && (queue->signalled || woken)) {
        queue->signalled = false;
        hj_notify_clear(&queue->notify);
    }
    bool waiters = taken != 0 && has_waiters_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    if (waiters)
        resume_waiters(queue);
    return first;
}

static void free_events(struct hj_event *event, bool delivered)
{
    while (event != NULL) {
        struct hj_event *next = event->next;
        hj_event_free(event, delivered);
        event = next;
    }
}

/* Fills out with those of the list that somebody still wants; the rest is freed. */
static int deliver(hijack_event *out, struct hj_queue *queue, struct hj_event *list)
{
    int count = 0;
    struct hj_event **link = &queue->delivered;
    while (list != NULL) {
        struct hj_event *event = list;
        list = event->next;
        bool wanted = is_wanted(event);
        if (wanted && event->hook != NULL)
            wanted = event->hook(event, HJ_EVENT_POLLED);
        if (!wanted) {
            hj_event_free(event, false);
            continue;
        }
        out[count++] = (hijack_event){
            .user_data = event->object == NULL ? 0 : atomic_load(&event->object->user_data),
            .handle = event->object == NULL ? NULL : event->object->handle,
            .data = event->buf == NULL ? NULL : event->buf->data,
            .len = event->buf == NULL ? 0 : event->buf->len,
            .type = event->type,
            .status = event->status,
        };
        event->next = NULL;
        *link = event;
        link = &event->next;
    }
    return count;
}

/* 1: readable; 0: timed out or interrupted. */
static int wait_readable(struct hj_queue *queue, int timeout_ms)
{
    struct pollfd pfd = {.fd = queue->notify.fd, .events = POLLIN};
    int n = poll(&pfd, 1, timeout_ms);
    return n == -1 ? (errno == EINTR ? 0 : HIJACK_EIO) : n;
}

static int poll_events(hijack_event *out, struct hj_queue *queue, uint32_t max, int timeout_ms)
{
    uint64_t deadline = timeout_ms > 0 ? hj_clock_ms() + (uint64_t)timeout_ms : 0;
    bool woken = timeout_ms == 0; /* perhaps: the program waits in its own way */
    free_events(queue->delivered, true);
    queue->delivered = NULL;
    for (;;) {
        /* a batch may consist of events of freed handles alone: then there is more to take, or to wait for */
        bool closed;
        struct hj_event *list = take_events(queue, max, woken, &closed);
        if (closed) {
            free_events(list, false);
            return HIJACK_EHANDLE;
        }
        if (list != NULL) {
            int count = deliver(out, queue, list);
            if (count != 0)
                return count;
            continue;
        }
        if (timeout_ms == 0)
            return 0;
        int wait_ms = -1;
        if (timeout_ms > 0) {
            uint64_t now = hj_clock_ms();
            if (now >= deadline)
                return 0;
            wait_ms = (int)(deadline - now);
        }
        int rc = wait_readable(queue, wait_ms);
        if (rc <= 0)
            return rc;
        woken = true;
    }
}

int hijack_queue_poll(hijack_event *out, hijack_queue *handle, uint32_t max, int timeout_ms)
{
    struct hj_queue *queue;
    if (out == NULL || max == 0)
        return HIJACK_EINVAL;
    int rc = pin_queue(&queue, handle);
    if (rc != 0)
        return rc;
    if (atomic_exchange(&queue->polling, true)) {
        rc = HIJACK_EBUSY;
    } else {
        rc = poll_events(out, queue, max > INT32_MAX ? INT32_MAX : max, timeout_ms);
        atomic_store(&queue->polling, false);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_queue_wake(hijack_queue *handle)
{
    struct hj_queue *queue;
    int rc = pin_queue(&queue, handle);
    if (rc != 0)
        return rc;
    bool signal = false;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_WAKE, NULL, NULL);
    if (event == NULL) {
        hj_handle_unpin(handle);
        return HIJACK_ENOMEM;
    }
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        rc = HIJACK_EHANDLE; /* freed after the pin; nobody would take the event out again */
    } else if (queue->wake == NULL) {
        queue->wake = event;
        append_locked(queue, event);
        signal = claim_signal_locked(queue);
        event = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    if (signal)
        hj_notify_signal(&queue->notify);
    if (event != NULL)
        hj_event_free(event, false);
    hj_handle_unpin(handle);
    return rc;
}

/* Events hold objects, which hold the queue: a queue that is freed drops its events, or the ring would keep itself
 * alive. A thread that polls meanwhile, which the header forbids, is woken and leaves its payloads to nobody. */
static void close_queue(struct hj_queue *queue)
{
    bool closed;
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_mutex_unlock(&queue->lock);
    hj_notify_signal(&queue->notify);
    if (!atomic_exchange(&queue->polling, true)) {
        free_events(queue->delivered, true);
        queue->delivered = NULL;
    }
    free_events(take_events(queue, INT32_MAX, false, &closed), false);
}

void hijack_queue_free(hijack_queue *handle)
{
    struct hj_queue *queue;
    if (pin_queue(&queue, handle) != 0)
        return;
    if (hj_handle_kill(handle))
        close_queue(queue);
    hj_handle_unpin(handle);
}
