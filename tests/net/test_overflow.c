/* SPDX-License-Identifier: MIT
 *
 * Members that do not read: their backlog is bounded, the policy decides, and nobody else notices.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    MESSAGE = 8192, /* bytes of every message: "<number 8 digits>:" and filling, ended by LF */
    LIMIT = 65536   /* backlog_bytes */
};

static char *message_of(int number)
{
    static char text[MESSAGE + 1];

    memset(text, 'a' + number % 26, MESSAGE);
    snprintf(text, 10, "%08d", number);
    text[8] = ':';
    text[MESSAGE - 1] = '\n';
    return text;
}

/* Every message that came is whole and the numbers rise; the last of them, and how many, come back. */
static int check_messages(const char *data, size_t len, int *count)
{
    int last = -1;

    CHECK(len % MESSAGE == 0);
    *count = (int)(len / MESSAGE);
    for (size_t at = 0; at < len; at += MESSAGE) {
        int number = atoi(data + at);
        if (memcmp(data + at, message_of(number), MESSAGE) != 0)
            check_fail(__FILE__, __LINE__, "message %d is torn", number);
        CHECK(number > last);
        last = number;
    }
    return last;
}

/* With one loop thread, an answered request is a proof that all that was published before has been written or queued.
 */
static void loop_turn(struct fixture *f)
{
    struct client *c;

    reply(f, request_open(f, &c, "/turn"), "turn");
    response_expect(c, 200, "turn");
    client_close(c);
    stat_wait(f->server, HIJACK_STAT_HTTP, 0);
}

static hijack_broadcaster *room_with(struct fixture *f, const char *policy, struct client **slow, struct client **fast)
{
    char limit[32];

    snprintf(limit, sizeof(limit), "%d", LIMIT);
    fixture_option(f, OPT_THREADS, "1");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), STR(policy)));
    OK(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), STR(limit)));
    fixture_start(f);
    *slow = client_connect_slow(f->port);
    ask(*slow, "/raw");
    *fast = client_connect(f->port);
    ask(*fast, "/raw");
    members_wait(room, 2);
    return room;
}

/* Publishes until something was dropped or closed, and some more; the fast member gets each at once. How many. */
static int flood(struct fixture *f, hijack_broadcaster *room, struct client *fast, uint32_t stat)
{
    int number = 0, more = 60;

    while (more > 0) {
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message_of(number), MESSAGE));
        client_expect_bytes(fast, message_of(number), MESSAGE);
        number++;
        CHECK(number < 4000);
        CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= LIMIT + 2 * MESSAGE);
        if (broadcaster_stat(room, stat) > 0)
            more--;
    }
    loop_turn(f);
    return number;
}

static void test_close(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;
    int count;

    hijack_broadcaster *room = room_with(f, "close", &slow, &fast);
    flood(f, room, fast, HIJACK_BROADCASTER_STAT_CLOSED);
    members_wait(room, 1);
    stat_wait(f->server, HIJACK_STAT_CLOSED_SLOW, 1);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED) == 1);
    client_rst(slow); /* what our kernel had for it is gone */
    slow->len -= slow->len % MESSAGE;
    check_messages(slow->buf, slow->len, &count);
}

static void test_close_with_handle(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast, *mine;

    hijack_broadcaster *room = room_with(f, "close", &slow, &fast);
    client_close(slow);
    members_wait(room, 1);
    mine = client_connect_slow(f->port);
    ask(mine, "/");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    flood(f, room, fast, HIJACK_BROADCASTER_STAT_CLOSED);
    events_closed(&f->events, stream, HIJACK_ESLOW);
    members_wait(room, 1);
    CODE(hijack_stream_send(stream, LIT("x")), HIJACK_ECLOSED);
    struct response r;
    response_head(&r, mine);
    response_broken(&r);
    response_free(&r);
}

static void test_drop_newest(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;
    int count;

    hijack_broadcaster *room = room_with(f, "drop_newest", &slow, &fast);
    int published = flood(f, room, fast, HIJACK_BROADCASTER_STAT_DROPPED);
    int dropped = (int)broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED);
    client_want(slow, (size_t)(published - dropped) * MESSAGE);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    int last = check_messages(slow->buf, slow->len, &count);
    CHECK(count == published - dropped);
    CHECK(last == count - 1); /* the oldest, without a gap */
    WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) == (uint64_t)(2 * published - dropped));
    CHECK(stat_of(f->server, HIJACK_STAT_DROPPED) == (uint64_t)dropped);
    client_consume(slow, slow->len);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("again")), 2);
    client_expect(slow, "again");
}

static void test_drop_oldest(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;
    int count;

    hijack_broadcaster *room = room_with(f, "drop_oldest", &slow, &fast);
    int published = flood(f, room, fast, HIJACK_BROADCASTER_STAT_DROPPED);
    int dropped = (int)broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED);
    client_want(slow, (size_t)(published - dropped) * MESSAGE);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    int last = check_messages(slow->buf, slow->len, &count);
    CHECK(count == published - dropped);
    CHECK(last == published - 1);
}

static void test_latest(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;
    int published[2] = {-1, -1}, seen[2] = {-1, -1}, number = 0;

    hijack_broadcaster *room = room_with(f, "latest", &slow, &fast);
    for (int more = 60; more > 0; number++) {
        char *text = message_of(number);
        OK(hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, text, MESSAGE, number % 2 ? "odd" : "even",
                                          number % 2 ? 3 : 4, -1));
        client_expect_bytes(fast, message_of(number), MESSAGE);
        published[number % 2] = number;
        CHECK(number < 4000);
        CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= LIMIT + 2 * MESSAGE);
        if (broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) > 0)
            more--;
    }
    loop_turn(f);
    int dropped = (int)broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED);
    client_want(slow, (size_t)(number - dropped) * MESSAGE);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    CHECK(client_peek(slow) == (size_t)(number - dropped) * MESSAGE);
    for (size_t at = 0; at < slow->len; at += MESSAGE) {
        int got = atoi(slow->buf + at);
        CHECK(memcmp(slow->buf + at, message_of(got), MESSAGE) == 0);
        CHECK(got > seen[got % 2]);
        seen[got % 2] = got;
    }
    CHECK(seen[0] == published[0] && seen[1] == published[1]);
}

/* SSE members get whole events or none, chunk framing and all. */
static void test_sse_not_torn(void **state)
{
    struct fixture *f = *state;
    struct response r;
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);

    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), LIT("drop_oldest")));
    OK(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("65536")));
    fixture_start(f);
    struct client *slow = client_connect_slow(f->port);
    ask(slow, "/sse");
    members_wait(room, 1);
    int number = 0;
    for (int more = 30; more > 0; number++) {
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message_of(number), MESSAGE - 1), 1);
        CHECK(number < 4000);
        if (broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) > 0)
            more--;
        WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) +
                     broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) >
                 (uint64_t)number);
    }
    OK(hijack_broadcaster_close(room));
    response_head(&r, slow);
    response_finish(&r);
    int last = -1;
    for (char *at = r.body; at < r.body + r.body_len;) {
        if (*at == ':') {
            at = strstr(at, "\n\n") + 2;
            continue;
        }
        CHECK(strncmp(at, "data: ", 6) == 0);
        int got = atoi(at + 6);
        CHECK(got > last && memcmp(at + 6, message_of(got), MESSAGE - 1) == 0);
        last = got;
        at += 6 + MESSAGE - 1;
        CHECK(strncmp(at, "\n\n", 2) == 0);
        at += 2;
    }
    CHECK(last == number - 1);
    response_free(&r);
}

/* A member that goes while a message is half written is gone from every count. */
static void test_gone_in_mid_write(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;

    hijack_broadcaster *room = room_with(f, "drop_newest", &slow, &fast);
    flood(f, room, fast, HIJACK_BROADCASTER_STAT_DROPPED);
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) > 0);
    client_reset(slow);
    members_wait(room, 1);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    stat_wait(f->server, HIJACK_STAT_HELD, 1);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 1);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("on")), 1);
    client_expect(fast, "on");
}

/* A message larger than the limit still gets to a member that is idle. */
static void test_large_message(void **state)
{
    struct fixture *f = *state;
    struct client *slow, *fast;
    size_t len = 4u << 20;
    char *data = malloc(len);

    CHECK(data != NULL);
    memset(data, 'L', len);
    hijack_broadcaster *room = room_with(f, "drop_newest", &slow, &fast);
    OK(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("8m")));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, data, len), 2);
    client_want(fast, len);
    client_want(slow, len);
    BYTES(fast->buf, fast->len, data, len);
    BYTES(slow->buf, slow->len, data, len);
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) == 0);
    free(data);
}

/* What may be published to it at most; a tunnel has buffers of its own. */
static int most_until_closed(void)
{
    return transport_is_tls() ? 1024 * 1024 : 512 * 1024;
}

/* How much is published to a member that never reads before the policy acts. */
static int published_until_closed(struct fixture *f, hijack_broadcaster *room)
{
    int bytes = 0, len = 3000;
    uint64_t before = broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED);

    for (; broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED) == before; bytes += len) {
        uint64_t delivered = broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED);
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message_of(0), (size_t)len));
        WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) > delivered ||
                 broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED) > before);
        CHECK(bytes < 64 << 20);
    }
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    return bytes;
}

/* Our kernel takes little of it, so that the policy acts on what is new, and not on what is megabytes behind: with the
 * defaults, for a client with a small buffer of its own and one with an ordinary one, and however it became a member.
 */
static void test_little_in_our_kernel(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *held = fixture_hold(f, "/raw", HIJACK_HOLD_RAW), *room;

    fixture_start(f);
    ask(client_connect_slow(f->port), "/raw");
    members_wait(held, 1);
    CHECK(published_until_closed(f, held) <= most_until_closed());

    struct client *c = client_connect_slow(f->port);
    struct response r;
    size_t len = 1 << 20; /* of which the kernel takes as much as it likes */
    char *data = calloc(1, len);
    CHECK(data != NULL);
    ask(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, NULL, 0, data, len));
    free(data);
    response_head(&r, c);
    response_finish(&r);
    response_free(&r);
    events_closed(&f->events, request, 0);
    request_free(f, request);
    ask(c, "/raw");
    members_wait(held, 1);
    CHECK(published_until_closed(f, held) <= most_until_closed());

    room = fixture_broadcaster(f);
    ask(client_connect(f->port), "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CHECK(published_until_closed(f, room) <= most_until_closed());
    events_closed(&f->events, socket, HIJACK_ESLOW);
}

/* The options have an effect, also when they are set after listening: less than the default, and no bound by us. */
static void test_bounds_of_the_kernel(void **state)
{
    static const char *const names[] = {"unsent_bytes", "send_buffer_bytes"};
    struct fixture *f = *state;
    int bytes[2];

    for (int i = 0; i < 2; i++) {
        struct fixture other;
        fixture_init(&other);
        fixture_option(&other, "unsent_bytes", "0");
        fixture_option(&other, names[i], "8192");
        hijack_broadcaster *room = fixture_hold(&other, "/raw", HIJACK_HOLD_RAW);
        fixture_start(&other);
        for (int loop = 0; loop < 8; loop++) /* of either loop */
            ask(client_connect_slow(other.port), "/raw");
        members_wait(room, 8);
        bytes[i] = 0;
        while (hijack_broadcaster_count(room) > 0) {
            OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message_of(0), 1000));
            bytes[i] += 1000;
            CHECK(bytes[i] < 64 << 20);
            clock_tick();
        }
        fixture_end(&other);
        /* 64 KiB of backlog, twice 8 KiB, the client's, and what is published before the loops have seen it; without a
         * bound it would be megabytes */
        CHECK(bytes[i] < 500000);
    }
    fixture_start(f);
}

/* A member that leaves takes as much as any connection again. */
static void test_unbound_after_leaving(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_broadcaster(f);
    size_t len = 1 << 20;
    char *data = calloc(1, len);
    uint64_t backlog[2] = {0};

    CHECK(data != NULL);
    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    for (int member = 0; member < 2; member++) {
        struct client *c = client_connect_slow(f->port);
        ask(c, "/");
        hijack_socket *socket = socket_of(f, next_request(f));
        OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
        if (member == 0)
            OK(hijack_broadcaster_remove(room, socket));
        OK(hijack_socket_send(socket, data, len));
        loop_turn(f);
        if (member == 0)
            stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
        backlog[member] = stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES);
        OK(hijack_socket_abort(socket));
        events_closed(&f->events, socket, HIJACK_EABORTED);
        stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    }
    CHECK(backlog[1] > len - 300000);
    free(data);
}

/* A message that no backlog has room for: whoever reads again is served again, and meanwhile nobody spins. */
static void check_small_backlog(struct fixture *f, const char *policy, int local)
{
    size_t len = local ? 1000 : 30000; /* a local socket takes a message whole or not at all */
    int fds[2], number = 0;
    struct client *c;
    hijack_broadcaster *room = f->broadcasters[local];
    char *text = malloc(len);

    CHECK(text != NULL);
    memset(text, 'm', len);
    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), STR(policy)));
    if (local) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        c = client_wrap(fds[0]);
        OK(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0));
    } else {
        c = client_connect_slow(f->port);
        ask(c, "/raw");
    }
    members_wait(room, 1);
    for (int round = 0; round < 3; round++) {
        uint64_t before = broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED), seen;
        do {
            seen = broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) +
                   broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED);
            CODE(hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, text, len, "key", 3, -1), 1);
            WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) +
                         broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) >
                     seen);
            CHECK(number++ < 60000);
        } while (broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) == before);
        if (round == 0)
            clock_until_idle();
        WAIT_FOR((client_peek(c), stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) == 0));
        if (round == 0)
            clock_until_idle();
        for (int i = 0; i < 3; i++) {
            CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("<small>")), 1);
            size_t at = client_until(c, "<small>");
            CHECK(at % len == 0 && c->len == at + 7);
            client_consume(c, c->len);
        }
    }
    client_close(c);
    members_wait(room, 0);
    free(text);
}

static void test_small_backlog(void **state)
{
    static const char *const policies[] = {"drop_newest", "drop_oldest", "latest"};
    struct fixture *f = *state;

    fixture_option(f, OPT_THREADS, "1");
    OK(hijack_broadcaster_set(fixture_hold(f, "/raw", HIJACK_HOLD_RAW), LIT(OPT_BACKLOG), LIT("500")));
    OK(hijack_broadcaster_set(fixture_broadcaster(f), LIT(OPT_BACKLOG), LIT("500")));
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        check_small_backlog(f, policies[i], 0);
        check_small_backlog(f, policies[i], 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_close),
        TEST(test_close_with_handle),
        TEST(test_drop_newest),
        TEST(test_drop_oldest),
        TEST(test_latest),
        TEST(test_sse_not_torn),
        TEST(test_gone_in_mid_write),
        TEST(test_large_message),
        TEST(test_small_backlog),
        TEST(test_little_in_our_kernel),
        TEST(test_bounds_of_the_kernel),
        TEST(test_unbound_after_leaving),
    };

    return RUN_TESTS(tests, argc, argv);
}
