/* SPDX-License-Identifier: MIT
 *
 * Scenarios of relayed sockets, of one loop and of two; see run.h. Run on the thread of the test. A pair that meets the
 * failure is closed on both sides.
 */
#include "fault/run.h"
#include "support/websocket_client.h"

#include <sys/socket.h>
#include <unistd.h>

/* A socket of the server whose other end is *client; NULL if the fault has closed it. */
static hijack_socket *adopt_one(struct run *run, struct client **client)
{
    hijack_socket *socket = NULL;
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *client = client_wrap(fds[0]);
    int code = hijack_server_adopt(&socket, run->fixture.server, fds[1], LIT("unread "));
    if (run_may_repeat(run, code))
        code = hijack_server_adopt(&socket, run->fixture.server, fds[1], LIT("unread "));
    if (code < 0)
        close(fds[1]);
    if (!run_went_well(run, code, "adopt", __FILE__, __LINE__))
        return NULL;
    run_note(run, socket, KIND_SOCKET);
    return socket;
}

static void play_relay(struct run *run, const char *threads)
{
    struct client *c, *d;
    hijack_socket *first, *second;

    fixture_option(&run->fixture, "threads", threads);
    run_start(run);
    MUST_HAVE((first = adopt_one(run, &c)) != NULL);
    MUST_HAVE((second = adopt_one(run, &d)) != NULL);
    DO(run, hijack_socket_send(second, LIT("sent ")));
    DO(run, hijack_socket_relay(first, second));
    client_puts(c, "from c");
    MUST_HAVE(run_read(run, d, "sent unread from c"));
    client_puts(d, "from d");
    MUST_HAVE(run_read(run, c, "unread from d"));
    client_close(c);
    run_end(run, d);
    client_close(d);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, first) != NULL);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, second) != NULL);
}

static void play_relay_here(struct run *run)
{
    play_relay(run, "1");
}

static void play_relay_between_loops(struct run *run)
{
    play_relay(run, "2");
}

static void play_relay_websocket(struct run *run)
{
    struct client *c, *d;
    hijack_socket *near = NULL, *far;

    fixture_option(&run->fixture, "threads", "2");
    fixture_option(&run->fixture, "websocket_pong_ms", "100"); /* one that is closed by the failure does not answer */
    run_start(run);
    hijack_request *request = run_ask(run, &c, WS_HEAD("/") WS_KEY "\r\n");
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_websocket(&near, request, NULL, 0, NULL, 0));
    run_note(run, near, KIND_SOCKET);
    run_forget(run, request);
    MUST_HAVE((far = adopt_one(run, &d)) != NULL);
    ws_send(c, WS_MORE_TEXT, LIT("a message "));
    DO(run, hijack_socket_relay(far, near));
    ws_send(c, WS_LAST, LIT("in parts"));
    MUST_HAVE(run_read(run, d, "a message in parts"));
    client_puts(d, "an answer");
    MUST_HAVE(run_read(run, c, "an answer"));
    client_close(d);
    MUST_HAVE(run_read(run, c, "\x88\x02\x03\xe8"));
    ws_send(c, WS_CLOSE, LIT("\x03\xe8"));
    run_end(run, c);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, near) != NULL);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, far) != NULL);
}

const struct scenario scenarios_relay[] = {
    {"relay", play_relay_here},
    {"relay between loops", play_relay_between_loops},
    {"relay of a websocket", play_relay_websocket},
    {NULL, NULL},
};
