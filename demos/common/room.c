/* SPDX-License-Identifier: MIT
 * The chat's room: who is in it, what its paths answer, and what its members say; see room.h.
 *
 * One thread. A connection is a struct member in one list, whose address is the user_data by which its events find it.
 * All of them are members of one broadcaster, which alone sends to them: a member that does not read is closed by it
 * (option overflow), and nobody waits for it. A WebSocket is read one message at a time. */
#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo.h"
#include "text.h"

#define NAME_CHARS 32
#define NAME_SIZE (NAME_CHARS * 4 + 8) /* room for " 1000" and a NUL */
#define MEMBERS_MAX 1000
#define MESSAGES_MAX 20 /* of one member in WINDOW_MS */
#define WINDOW_MS 5000
#define TEXT_BYTES_MAX "1000"
#define BACKLOG_BYTES "1m" /* a burst of messages behind the longest list of names */
#define ONE_MESSAGE 1      /* a message comes whole, however little credit there is */

struct member {
    struct member *next;
    hijack_socket *socket; /* NULL: it reads /events */
    hijack_stream *stream; /* NULL: it is a WebSocket */
    int64_t window;        /* when the first message of those counted came */
    int messages;          /* since then */
    char name[NAME_SIZE];
};

static struct member *members; /* in the order of joining */
static hijack_broadcaster *room;

/* Result of a call on a connection whose client may have gone a moment ago: CLOSED says so in its own time. */
static int on_the_way(int result, const char *what)
{
    return result == HIJACK_ECLOSED || result == HIJACK_EAGAIN ? result : demo_check(result, what);
}

static FILE *open_text(char **text, size_t *len)
{
    FILE *out = open_memstream(text, len);
    if (out == NULL)
        demo_check(HIJACK_ENOMEM, "open_memstream");
    return out;
}

static void put_text_and_time(FILE *out, const char *text, size_t len)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fputs(",\"text\":", out);
    text_put_json(out, text, len);
    fprintf(out, ",\"time\":\"%s\"", stamp);
}

/* To everyone. text NULL: "joined" and "left" have none. */
static void publish(const char *type, const char *name, const char *text, size_t len)
{
    char *json;
    size_t json_len;
    FILE *out = open_text(&json, &json_len);
    fprintf(out, "{\"type\":\"%s\",\"name\":", type);
    text_put_json(out, name, strlen(name));
    if (text != NULL)
        put_text_and_time(out, text, len);
    fputc('}', out);
    fclose(out);
    demo_check(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, json, json_len), "hijack_broadcaster_publish");
    free(json);
}

static void send_names(const struct member *to)
{
    char *json;
    size_t len;
    FILE *out = open_text(&json, &len);
    fputs("{\"type\":\"here\",\"names\":", out);
    for (const struct member *member = members; member != NULL; member = member->next) {
        fputc(member == members ? '[' : ',', out);
        text_put_json(out, member->name, strlen(member->name));
    }
    fputs("]}", out);
    fclose(out);
    if (to->socket != NULL)
        on_the_way(hijack_socket_send_message(to->socket, HIJACK_MESSAGE_TEXT, json, len),
                   "hijack_socket_send_message");
    else
        on_the_way(hijack_stream_send_sse(to->stream, NULL, 0, NULL, 0, json, len, -1), "hijack_stream_send_sse");
    free(json);
}

static struct member *find_member(const char *name)
{
    struct member *member = members;
    while (member != NULL && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

static bool room_is_full(void)
{
    int count = 0;
    for (const struct member *member = members; member != NULL; member = member->next)
        ++count;
    return count >= MEMBERS_MAX;
}

/* One of socket and stream is NULL. Every call takes effect in its order: the others hear of the newcomer, who gets the
 * names and then all that is published. */
static void join(hijack_socket *socket, hijack_stream *stream, const char *wanted)
{
    struct member *member = calloc(1, sizeof *member), **end = &members;
    if (member == NULL)
        demo_check(HIJACK_ENOMEM, "calloc");
    member->socket = socket;
    member->stream = stream;
    void *connection = socket != NULL ? (void *)socket : (void *)stream;
    demo_check(hijack_handle_set_user_data(connection, (uintptr_t)member), "hijack_handle_set_user_data");

    snprintf(member->name, NAME_SIZE, "%s", wanted);
    for (int n = 2; find_member(member->name) != NULL; ++n)
        snprintf(member->name, NAME_SIZE, "%s %d", wanted, n);
    while (*end != NULL)
        end = &(*end)->next;
    *end = member;

    publish("joined", member->name, NULL, 0);
    send_names(member);
    on_the_way(hijack_broadcaster_add(room, connection, 0, NULL, 0), "hijack_broadcaster_add");
}

static void member_free(struct member *member)
{
    struct member **at = &members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    hijack_socket_free(member->socket);
    hijack_stream_free(member->stream);
    free(member);
}

static void leave(struct member *member)
{
    char name[NAME_SIZE];
    memcpy(name, member->name, sizeof name);
    member_free(member);
    publish("left", name, NULL, 0);
}

/* Counts the message too. */
static bool may_say(struct member *member)
{
    const int64_t now = demo_now();
    if (now - member->window >= WINDOW_MS) {
        member->window = now;
        member->messages = 0;
    }
    return ++member->messages <= MESSAGES_MAX;
}

/* The library has seen to UTF-8 and the length. */
static void on_message(struct member *member, const hijack_event *event)
{
    hijack_socket *socket = member->socket;
    if (!may_say(member)) {
        on_the_way(hijack_socket_close_message(socket, 1008, HIJACK_STR("too many messages")),
                   "hijack_socket_close_message");
    } else if (event->status != HIJACK_MESSAGE_TEXT) {
        on_the_way(hijack_socket_close_message(socket, 1003, HIJACK_STR("only text")), "hijack_socket_close_message");
    } else {
        publish("message", member->name, event->len == 0 ? "" : event->data, event->len);
        on_the_way(hijack_socket_read(socket, ONE_MESSAGE), "hijack_socket_read");
    }
}

static bool method_is(hijack_request *request, const char *method)
{
    const char *it;
    size_t len;
    return hijack_request_method(&it, &len, request) == 0 && len == strlen(method) && memcmp(it, method, len) == 0;
}

static void answer_with(hijack_request *request, uint32_t status, const char *headers, const char *text)
{
    on_the_way(hijack_request_respond(request, status, headers, strlen(headers), text, strlen(text)),
               "hijack_request_respond");
    hijack_request_free(request);
}

/* The NAME of "?name=NAME", whoever has it; false also with a NUL within. */
static bool asked_name(char name[NAME_SIZE], size_t *len, hijack_request *request)
{
    const char *target;
    size_t target_len;
    return hijack_request_target(&target, &target_len, request) == 0 &&
           text_query(name, NAME_SIZE, len, target, target_len, "name") && strlen(name) == *len;
}

static bool is_good_name(const char *name, size_t len)
{
    const char *at = name, *end = name + len;
    int chars = 0;
    for (; at < end; ++chars) {
        const int32_t code = text_next(&at, end);
        if (code < 0x20 || (code >= 0x7F && code <= 0x9F))
            return false;
    }
    return chars >= 1 && chars <= NAME_CHARS && name[0] != ' ' && end[-1] != ' ';
}

/* Whether it may join under this name; else it has its answer, and the request is freed. */
static bool may_join(char name[NAME_SIZE], hijack_request *request)
{
    size_t len;
    if (!asked_name(name, &len, request) || !is_good_name(name, len))
        demo_answer_text(request, 400,
                         "Expected ?name=NAME with 1 to 32 characters of UTF-8, no control character among them and "
                         "no space at either end.\n");
    else if (room_is_full())
        demo_answer_text(request, 503, "The room is full; try again later.\n");
    else
        return true;
    return false;
}

static void join_by_websocket(hijack_request *request)
{
    char name[NAME_SIZE];
    hijack_socket *socket;
    if (!may_join(name, request))
        return;
    int result = hijack_request_websocket(&socket, request, NULL, 0, NULL, 0);
    if (result == HIJACK_ENOTSUP) {
        demo_answer_text(request, 505, "A WebSocket needs HTTP/1.1 here; /events does not.\n");
        return;
    }
    hijack_request_free(request);
    /* a client whose handshake is wrong has its answer */
    if (result == HIJACK_EPROTOCOL || on_the_way(result, "hijack_request_websocket") < 0)
        return;
    join(socket, NULL, name);
    on_the_way(hijack_socket_read(socket, ONE_MESSAGE), "hijack_socket_read");
}

static void join_by_events(hijack_request *request)
{
    char name[NAME_SIZE];
    hijack_stream *stream;
    if (!method_is(request, "GET")) {
        answer_with(request, 405, "allow: GET\r\ncontent-type: " DEMO_TEXT "\r\n", "Read /events with GET.\n");
        return;
    }
    if (!may_join(name, request))
        return;
    int result = on_the_way(hijack_request_sse(&stream, request, NULL, 0), "hijack_request_sse");
    hijack_request_free(request);
    if (result == HIJACK_OK)
        join(NULL, stream, name);
}

static void say(hijack_request *request)
{
    char name[NAME_SIZE];
    const char *text;
    size_t name_len, len;
    if (!method_is(request, "POST")) {
        answer_with(request, 405, "allow: POST\r\ncontent-type: " DEMO_TEXT "\r\n", "Write to /say with POST.\n");
        return;
    }
    struct member *member = asked_name(name, &name_len, request) ? find_member(name) : NULL;
    demo_check(hijack_request_body(&text, &len, request), "hijack_request_body");
    if (member == NULL || member->stream == NULL) {
        demo_answer_text(request, 403, "Nobody of this name reads /events; open /events?name=NAME first.\n");
    } else if (!may_say(member)) {
        demo_answer_text(request, 429, "Too many messages: at most 20 within 5 seconds.\n");
    } else if (!text_is_utf8(text, len)) {
        demo_answer_text(request, 400, "The text must be UTF-8.\n");
    } else {
        publish("message", member->name, len == 0 ? "" : text, len);
        answer_with(request, 204, "", "");
    }
}

bool room_answer(hijack_request *request)
{
    if (demo_path_is(request, "/chat"))
        join_by_websocket(request);
    else if (demo_path_is(request, "/events"))
        join_by_events(request);
    else if (demo_path_is(request, "/say"))
        say(request);
    else
        return false;
    return true;
}

void room_event(const hijack_event *event)
{
    struct member *member = (struct member *)(uintptr_t)event->user_data;
    if (member == NULL)
        return; /* a request's own last events */
    if (event->type == HIJACK_EVENT_MESSAGE)
        on_message(member, event);
    else if (event->type == HIJACK_EVENT_HANGUP && member->stream != NULL)
        on_the_way(hijack_stream_abort(member->stream), "hijack_stream_abort"); /* it has left; CLOSED follows */
    else if (event->type == HIJACK_EVENT_CLOSED)
        leave(member);
}

void room_open(hijack_server *server)
{
    demo_check(hijack_server_set(server, HIJACK_STR("websocket_message_bytes"), HIJACK_STR(TEXT_BYTES_MAX)),
               "hijack_server_set");
    demo_check(
        hijack_server_route_set(server, HIJACK_STR("/say"), HIJACK_STR("max_body_bytes"), HIJACK_STR(TEXT_BYTES_MAX)),
        "hijack_server_route_set");
    demo_check(hijack_broadcaster_new(&room, server), "hijack_broadcaster_new");
    demo_check(hijack_broadcaster_set(room, HIJACK_STR("backlog_bytes"), HIJACK_STR(BACKLOG_BYTES)),
               "hijack_broadcaster_set");
}

void room_close(void)
{
    while (members != NULL)
        member_free(members);
    hijack_broadcaster_free(room);
}
