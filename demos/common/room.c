/* SPDX-License-Identifier: MIT
 * The chat's room: who is in it, what its paths answer, and what its members say; see room.h.
 *
 * One thread. A connection is a struct member in one list, whose address is the user_data by which its events find it.
 * All of them are members of two broadcasters, which alone send to them: one for who comes and goes, and that of log.c
 * for the messages, which are kept. A member that does not read is closed by them (option overflow), and nobody waits
 * for it. A WebSocket is read one message at a time. */
#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo.h"
#include "log.h"
#include "text.h"

#define NAME_CHARS 32
#define NAME_SIZE (NAME_CHARS * 4 + 8) /* room for " 1000" and a NUL */
#define MEMBERS_MAX 1000
#define MESSAGES_MAX 20 /* of one member in WINDOW_MS */
#define WINDOW_MS 5000
#define TEXT_BYTES_MAX "1000"
#define BACKLOG_BYTES "1m"   /* a burst of messages behind the longest list of names */
#define HEAD_BYTES_MAX 12288 /* as of option max_head_bytes */
#define ONE_MESSAGE 1        /* a message comes whole, however little credit there is */

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

/* To everyone: "joined" or "left". */
static void publish(const char *type, const char *name)
{
    char *json;
    size_t len;
    FILE *out = open_text(&json, &len);
    fprintf(out, "{\"type\":\"%s\",\"name\":", type);
    text_put_json(out, name, strlen(name));
    fputc('}', out);
    fclose(out);
    demo_check(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, json, len), "hijack_broadcaster_publish");
    free(json);
}

/* id: "" for none. */
static void publish_text(const char *name, const char *text, size_t text_len, const char *id)
{
    char *json, stamp[32];
    size_t len;
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    FILE *out = open_text(&json, &len);
    fputs("{\"type\":\"message\",\"name\":", out);
    text_put_json(out, name, strlen(name));
    fputs(",\"text\":", out);
    text_put_json(out, text, text_len);
    fprintf(out, ",\"time\":\"%s\"", stamp);
    if (*id != '\0')
        fprintf(out, ",\"id\":\"%s\"", id);
    fputc('}', out);
    fclose(out);
    log_publish(json, len, id);
    free(json);
}

/* returns: it goes on from where it was. */
static void send_names(const struct member *to, bool returns)
{
    char *json, now[LOG_POSITION_SIZE];
    size_t len, now_len = log_position(now);
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
        on_the_way(
            hijack_stream_send_sse(to->stream, NULL, 0, returns ? NULL : now, returns ? 0 : now_len, json, len, -1),
            "hijack_stream_send_sse");
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

/* Where a client goes on. */
struct start {
    char from[HEAD_BYTES_MAX]; /* of the query */
    const char *position;      /* what it gives, NULL for nothing; lives as long as the request */
    size_t len;
};

/* One of socket and stream is NULL. Every call takes effect in its order: the others hear of the newcomer, who gets the
 * names and then what it has missed and all that is published. */
static void join(hijack_socket *socket, hijack_stream *stream, const char *wanted, const struct start *start)
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

    publish("joined", member->name);
    send_names(member, start->len != 0);
    on_the_way(hijack_broadcaster_add(room, connection, 0, NULL, 0), "hijack_broadcaster_add");
    on_the_way(log_add(connection, start->position, start->len), "hijack_broadcaster_add");
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
    publish("left", name);
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

static void close_with(hijack_socket *socket, uint32_t code, const char *reason)
{
    on_the_way(hijack_socket_close_message(socket, code, reason, strlen(reason)), "hijack_socket_close_message");
}

/* Takes the id from the front of a text that has one; false if it is not one. */
static bool take_id(char id[LOG_ID_SIZE], const char **text, size_t *len)
{
    id[0] = '\0';
    if (*len == 0 || **text != '\x1e')
        return true;
    const char *at = *text + 1, *end = *text + *len, *space = memchr(at, ' ', *len - 1);
    const size_t id_len = (size_t)((space != NULL ? space : end) - at);
    *text = space != NULL ? space + 1 : end;
    *len = (size_t)(end - *text);
    snprintf(id, LOG_ID_SIZE, "%.*s", id_len < LOG_ID_SIZE ? (int)id_len : 0, at);
    return log_is_id(id, id_len);
}

/* The library has seen to UTF-8 and the length. */
static void on_message(struct member *member, const hijack_event *event)
{
    char id[LOG_ID_SIZE];
    const char *text = event->len == 0 ? "" : event->data;
    size_t len = event->len;
    const bool good = take_id(id, &text, &len);
    if (!may_say(member)) {
        close_with(member->socket, 1008, "too many messages");
    } else if (event->status != HIJACK_MESSAGE_TEXT) {
        close_with(member->socket, 1003, "only text");
    } else if (!good) {
        close_with(member->socket, 1008, "bad id");
    } else {
        publish_text(member->name, text, len, id);
        on_the_way(hijack_socket_read(member->socket, ONE_MESSAGE), "hijack_socket_read");
    }
}

/* The NAME of "?name=NAME", for example; false: there is none that fits. */
static bool asked(char *out, size_t size, size_t *len, hijack_request *request, const char *key)
{
    const char *target;
    size_t target_len;
    return hijack_request_target(&target, &target_len, request) == 0 &&
           text_query(out, size, len, target, target_len, key);
}

/* The name, whoever has it; false also with a NUL within. */
static bool asked_name(char name[NAME_SIZE], size_t *len, hijack_request *request)
{
    return asked(name, NAME_SIZE, len, request, "name") && strlen(name) == *len;
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

static void find_start(struct start *it, hijack_request *request)
{
    it->position = NULL;
    it->len = 0;
    if (hijack_request_header(&it->position, &it->len, request, HIJACK_STR("last-event-id"), 0) != 1 &&
        asked(it->from, sizeof it->from, &it->len, request, "from"))
        it->position = it->from;
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
    struct start start;
    hijack_socket *socket;
    if (!may_join(name, request))
        return;
    int result = hijack_request_websocket(&socket, request, NULL, 0, NULL, 0);
    if (result == HIJACK_ENOTSUP) {
        demo_answer_text(request, 505, "A WebSocket needs HTTP/1.1 here; /events does not.\n");
        return;
    }
    find_start(&start, request);
    /* a client whose handshake is wrong has its answer */
    if (result != HIJACK_EPROTOCOL && on_the_way(result, "hijack_request_websocket") == HIJACK_OK) {
        join(socket, NULL, name, &start);
        on_the_way(hijack_socket_read(socket, ONE_MESSAGE), "hijack_socket_read");
    }
    hijack_request_free(request);
}

static void join_by_events(hijack_request *request)
{
    char name[NAME_SIZE];
    struct start start;
    hijack_stream *stream;
    if (!demo_method_is(request, "GET")) {
        demo_answer_with(request, 405, "allow: GET\r\ncontent-type: " DEMO_TEXT "\r\n", "Read /events with GET.\n");
        return;
    }
    if (!may_join(name, request))
        return;
    find_start(&start, request);
    if (on_the_way(hijack_request_sse(&stream, request, NULL, 0), "hijack_request_sse") == HIJACK_OK)
        join(NULL, stream, name, &start);
    hijack_request_free(request);
}

static void say(hijack_request *request)
{
    char name[NAME_SIZE], id[HEAD_BYTES_MAX] = "";
    const char *text;
    size_t name_len, id_len, len;
    if (!demo_method_is(request, "POST")) {
        demo_answer_with(request, 405, "allow: POST\r\ncontent-type: " DEMO_TEXT "\r\n", "Write to /say with POST.\n");
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
    } else if (asked(id, sizeof id, &id_len, request, "id") && !log_is_id(id, id_len)) {
        demo_answer_text(request, 400, "Expected &id=ID with 1 to 64 letters, digits and '-'.\n");
    } else {
        publish_text(member->name, len == 0 ? "" : text, len, id);
        demo_answer_with(request, 204, "", "");
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
    log_open(server);
}

void room_close(void)
{
    while (members != NULL)
        member_free(members);
    log_close();
    hijack_broadcaster_free(room);
}
