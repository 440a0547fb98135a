/* SPDX-License-Identifier: MIT
 *
 * Answers that race with the end of their request: at the one moment that matters, when an answer has been checked and
 * made and not yet claimed, another thread's work is done. hj_command_new is that moment; the linker leads its calls
 * here (--wrap). The loop is made by hand and has no thread.
 */
#include <stdlib.h>

#include "base/handle.h"
#include "core/request.h"
#include "core/worker.h"
#include "support/check.h"

struct fixture {
    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *room;
    struct hj_worker worker;
    struct hj_request *request;
    hijack_request *handle;
    void (*meanwhile)(struct fixture *fixture); /* what the other threads do; once */
};

static struct fixture *racing; /* whose answer is under way */

struct hj_command *__real_hj_command_new(enum hj_op op, struct hj_object *object, struct hj_object *other);
struct hj_command *__wrap_hj_command_new(enum hj_op op, struct hj_object *object, struct hj_object *other);

struct hj_command *__wrap_hj_command_new(enum hj_op op, struct hj_object *object, struct hj_object *other)
{
    struct fixture *fixture = racing;
    racing = NULL;
    if (fixture != NULL)
        fixture->meanwhile(fixture);
    return __real_hj_command_new(op, object, other);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    OK(hijack_queue_new(&fixture->queue));
    OK(hijack_server_new(&fixture->server, fixture->queue));
    OK(hijack_broadcaster_new(&fixture->room, fixture->server));
    OK(hj_mailbox_open(&fixture->worker.mailbox));
    *state = fixture;
    return 0;
}

static void free_asked(struct fixture *fixture)
{
    struct hj_object *freed;
    struct hj_command *command = hj_mailbox_take(&fixture->worker.mailbox, &freed);
    while (command != NULL) {
        struct hj_command *next = command->next;
        hj_command_free(command);
        command = next;
    }
    while (freed != NULL) {
        struct hj_object *next = freed->next_freed;
        hj_object_unref(freed);
        freed = next;
    }
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    hijack_broadcaster_free(fixture->room);
    hijack_server_free(fixture->server);
    hijack_queue_free(fixture->queue);
    free_asked(fixture);
    hj_mailbox_dispose(&fixture->worker.mailbox);
    free(fixture);
    return 0;
}

/* A request that the program has. */
static void make_request(struct fixture *fixture)
{
    struct hj_server *server;
    struct hj_queue *queue;
    struct hj_head head = {.method = HJ_SLICE("GET"),
                           .target = HJ_SLICE("/"),
                           .version = HJ_SLICE("HTTP/1.1"),
                           .minor_version = 1,
                           .keep_alive = true};
    OK(hj_server_pin(&server, fixture->server));
    fixture->worker.server = server;
    OK(hj_handle_pin((struct hj_object **)&queue, fixture->queue, 1u << HJ_KIND_QUEUE));
    OK(hj_request_new(&fixture->request, server, &fixture->worker, queue, &head, HJ_SLICE("peer"), NULL, 0));
    hj_handle_unpin(fixture->queue);
    hj_handle_unpin(fixture->server);
    fixture->handle = fixture->request->object.handle;
    fixture->request->delivered = true;
}

/* The loop: the client has left. */
static void end_connection(struct fixture *fixture)
{
    hj_request_end(fixture->request, HIJACK_ECLOSED);
}

/* The thread that polls frees the handle at CLOSED. */
static void free_at_closed(struct fixture *fixture)
{
    hijack_event event;
    CODE(hijack_queue_poll(&event, fixture->queue, 1, 0), 1);
    CHECK(event.type == HIJACK_EVENT_CLOSED && event.handle == fixture->handle);
    hijack_request_free(fixture->handle);
}

static void end_and_free(struct fixture *fixture)
{
    end_connection(fixture);
    free_at_closed(fixture);
}

static void answer_first(struct fixture *fixture)
{
    OK(hijack_request_respond(fixture->handle, 204, NULL, 0, NULL, 0));
}

static void answer_first_and_end(struct fixture *fixture)
{
    answer_first(fixture);
    end_connection(fixture);
}

static void nothing(struct fixture *fixture)
{
    (void)fixture;
}

static int respond(struct fixture *fixture)
{
    return hijack_request_respond(fixture->handle, 200, NULL, 0, LIT("body"));
}

static int stream(struct fixture *fixture)
{
    hijack_stream *stream = NULL;
    int rc = hijack_request_stream(&stream, fixture->handle, 200, NULL, 0);
    hijack_stream_free(stream);
    return rc;
}

static int sse(struct fixture *fixture)
{
    hijack_stream *stream = NULL;
    int rc = hijack_request_sse(&stream, fixture->handle, NULL, 0);
    hijack_stream_free(stream);
    return rc;
}

static int hijack(struct fixture *fixture)
{
    hijack_socket *socket = NULL;
    int rc = hijack_request_hijack(&socket, fixture->handle);
    hijack_socket_free(socket);
    return rc;
}

static int hijack_partial(struct fixture *fixture)
{
    hijack_socket *socket = NULL;
    int rc = hijack_request_hijack_partial(&socket, fixture->handle, 101, NULL, 0);
    hijack_socket_free(socket);
    return rc;
}

static int hold(struct fixture *fixture)
{
    return hijack_request_hold(fixture->handle, fixture->room, HIJACK_HOLD_SSE, 0, NULL, 0, NULL, 0, NULL, 0);
}

static int (*const answers[])(struct fixture *fixture) = {respond, stream, sse, hijack, hijack_partial, hold};

/* Each way of answering, with this before it and that in the middle of it. */
static void race(struct fixture *fixture, void (*before)(struct fixture *), void (*meanwhile)(struct fixture *),
                 int code)
{
    hijack_event event;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); ++i) {
        check_context("answer %zu", i);
        make_request(fixture);
        before(fixture);
        fixture->meanwhile = meanwhile;
        racing = fixture;
        CODE(answers[i](fixture), code);
        CHECK(racing == NULL);
        if (code != 0)
            CODE(hijack_broadcaster_count(fixture->room), 0); /* a member that was refused is not counted */
        hijack_request_free(fixture->handle);
        free_asked(fixture);
        hj_object_unref(&fixture->request->object);
        while (hijack_queue_poll(&event, fixture->queue, 1, 0) > 0)
            ;
    }
}

static void freed_at_closed_is_closed(void **state)
{
    race(*state, end_connection, free_at_closed, HIJACK_ECLOSED);
}

static void ended_and_freed_is_closed(void **state)
{
    race(*state, nothing, end_and_free, HIJACK_ECLOSED);
}

static void ended_is_closed(void **state)
{
    race(*state, nothing, end_connection, HIJACK_ECLOSED);
}

/* What was answered stays so, whether the connection goes on or not. */
static void answered_twice_is_a_wrong_state(void **state)
{
    race(*state, nothing, answer_first, HIJACK_ESTATE);
    race(*state, nothing, answer_first_and_end, HIJACK_ESTATE);
}

static void undisturbed_is_taken(void **state)
{
    race(*state, nothing, nothing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(freed_at_closed_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(ended_and_freed_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(ended_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(answered_twice_is_a_wrong_state, setup, teardown),
        cmocka_unit_test_setup_teardown(undisturbed_is_taken, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
