/* SPDX-License-Identifier: MIT
 * Rooms: who is in which, and messages that survive a reload.
 *
 *     GET    /                   the page
 *     GET    /rooms/ROOM/USER    USER enters ROOM: Server-Sent Events, beginning with the messages that it keeps
 *     POST   /rooms/ROOM/USER    USER says the body there; the answer is 204
 *     DELETE /rooms/ROOM/USER    removes USER from ROOM; the answer is 204
 *     GET    /healthz            "ok"
 *
 * ROOM is 1 to 32 of a-z, 0-9 and '-', and is made when somebody enters it. USER is 1 to 8 of A-Z, a-z, 0-9, '-' and
 * '_', and may enter any number of times. The data of an event is one JSON object:
 *
 *     {"type":"message","name":"Bob","text":"Hello","time":1764201600}
 *     {"type":"here","room":"tea","names":["Ada","Bob"]}
 *
 * A message goes to everyone in its room; the time is in seconds since 1970. It has an id, and the room keeps the last
 * 100. A browser that reconnects sends the last id that it has as Last-Event-ID, and gets what it has missed; without
 * that header one gets all that are kept. If some that were missed are not kept any more, an event hijack-gap comes
 * before the others.
 *
 * Who is here, in any order, goes to everyone in any room: of each room that somebody is in when one enters, and of
 * each that changes. It has no id and is not kept. Who is removed from a room hears no more messages, but stays
 * connected and is told who is where, until the page enters again.
 *
 *     what is wrong                                                     is answered with
 *     ROOM or USER; a text that is empty or not UTF-8                   400
 *     a POST or DELETE for a USER who is not in ROOM                    404
 *     another method                                                    405
 *     a text of more than 1,000 bytes                                   413
 *     a 101st room while none is empty; a 101st connection in a room    503
 *
 * When there are 100 rooms, an empty one is freed for a new one. Nobody proves who they are.
 *
 * A room is a broadcaster, which keeps its last messages. Everyone is in the lobby as well, by the same connection, and
 * learns there who is in which room. One thread of ours; no connection has a handle or memory of this program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "page.h"
#include "text.h"

#define ROOMS_MAX 100
#define CONNECTIONS_MAX 100 /* in one room */
#define ROOM_SIZE 33
#define USER_SIZE 9

struct person {
    struct person *next;
    uint64_t user;
    int connections;
};

struct room {
    char name[ROOM_SIZE];
    hijack_broadcaster *broadcaster; /* its user_data is the address of the room; NULL: the place is free */
    struct person *people;
};

static struct room rooms[ROOMS_MAX];
static hijack_broadcaster *lobby;

/* A user is a number. A program has it from its database; here it is the name itself, in 8 bytes. */
static uint64_t user_number(const char *name)
{
    uint64_t number = 0;
    memcpy(&number, name, strlen(name));
    return number;
}

/* A buffer for one JSON object, which the caller frees after it has closed the file. */
static FILE *begin_json(char **json, size_t *len)
{
    FILE *out = open_memstream(json, len);
    if (out == NULL)
        demo_check(HIJACK_ENOMEM, "open_memstream");
    return out;
}

/* Tells one user, or with 0 everyone, who is in the room. */
static void tell(const struct room *room, uint64_t user)
{
    char *json;
    size_t len;
    FILE *out = begin_json(&json, &len);
    fprintf(out, "{\"type\":\"here\",\"room\":\"%s\",\"names\":[", room->name);
    for (const struct person *person = room->people; person != NULL; person = person->next)
        fprintf(out, "\"%.8s\"%s", (const char *)&person->user, person->next == NULL ? "" : ",");
    fputs("]}", out);
    fclose(out);
    if (user != 0)
        demo_check(hijack_broadcaster_send_user(lobby, user, HIJACK_MESSAGE_TEXT, json, len), "send_user");
    else
        demo_check(hijack_broadcaster_publish(lobby, HIJACK_MESSAGE_TEXT, json, len), "publish");
    free(json);
}

static struct person **find_person(struct room *room, uint64_t user)
{
    struct person **it = &room->people;
    while (*it != NULL && (*it)->user != user)
        it = &(*it)->next;
    return it;
}

static void joined(struct room *room, uint64_t user)
{
    struct person **it = find_person(room, user);
    if (*it == NULL && (*it = calloc(1, sizeof **it)) == NULL)
        demo_check(HIJACK_ENOMEM, "calloc");
    (*it)->user = user;
    ++(*it)->connections;
    demo_check(hijack_broadcaster_join_user(lobby, room->broadcaster, user), "join_user");
    for (int i = 0; i < ROOMS_MAX; ++i)
        if (rooms[i].broadcaster != NULL && &rooms[i] != room)
            tell(&rooms[i], user);
}

static void left(struct room *room, uint64_t user)
{
    struct person **it = find_person(room, user), *person = *it;
    if (--person->connections == 0) {
        *it = person->next;
        free(person);
    }
}

static void on_members(const hijack_event *event)
{
    struct record {
        uint64_t user;
        int32_t what;
        uint32_t zero;
    } record;
    struct room *room = (struct room *)(uintptr_t)event->user_data;
    for (int i = 0; i < event->status; ++i) {
        memcpy(&record, event->data + (size_t)i * sizeof record, sizeof record);
        (record.what == 1 ? joined : left)(room, record.user);
        tell(room, 0);
    }
}

static struct room *find_room(const char *name)
{
    for (int i = 0; i < ROOMS_MAX; ++i)
        if (rooms[i].broadcaster != NULL && strcmp(rooms[i].name, name) == 0)
            return &rooms[i];
    return NULL;
}

/* A free place, or that of a room which nobody is in, and everyone has heard of it. */
static struct room *find_place(void)
{
    for (int i = 0; i < ROOMS_MAX; ++i)
        if (rooms[i].broadcaster == NULL)
            return &rooms[i];
    for (int i = 0; i < ROOMS_MAX; ++i)
        if (rooms[i].people == NULL && hijack_broadcaster_count(rooms[i].broadcaster) == 0)
            return &rooms[i];
    return NULL;
}

/* NULL: there are too many, and somebody is in each of them. */
static struct room *make_room(hijack_server *server, const char *name)
{
    struct room *room = find_place();
    if (room == NULL)
        return NULL;
    hijack_broadcaster_free(room->broadcaster);
    snprintf(room->name, sizeof room->name, "%s", name);
    demo_check(hijack_broadcaster_new(&room->broadcaster, server), "hijack_broadcaster_new");
    hijack_handle_set_user_data(room->broadcaster, (uintptr_t)room);
    demo_check(hijack_broadcaster_set(room->broadcaster, HIJACK_STR("history_messages"), HIJACK_STR("100")), "history");
    demo_check(hijack_broadcaster_set(room->broadcaster, HIJACK_STR("member_events"), HIJACK_STR("on")), "members");
    return room;
}

/* A browser that reconnects sends the id of the last event that it has; a page loaded anew has none. */
static void hold(hijack_request *request, hijack_broadcaster *room, uint64_t user)
{
    const char *id;
    size_t len;
    const bool returns = hijack_request_header(&id, &len, request, HIJACK_STR("last-event-id"), 0) == 1;
    int result = hijack_request_hold(request, room, HIJACK_HOLD_SSE, user, NULL, 0, NULL, 0, "*", returns ? 0 : 1);
    if (result != HIJACK_ECLOSED)
        demo_check(result, "hijack_request_hold");
    hijack_request_free(request);
}

static void enter(hijack_request *request, hijack_server *server, const char *name, const char *user)
{
    char why[64];
    struct room *room = find_room(name);
    if (room == NULL)
        room = make_room(server, name);
    if (room == NULL) {
        demo_answer_text(request, 503, "There are 100 rooms, and none is empty.\n");
    } else if (hijack_broadcaster_count(room->broadcaster) >= CONNECTIONS_MAX) {
        snprintf(why, sizeof why, "There are 100 connections in %s.\n", name);
        demo_answer_text(request, 503, why);
    } else {
        hold(request, room->broadcaster, user_number(user));
    }
}

static void say(hijack_request *request, const struct room *room, const char *user)
{
    const char *text;
    char *json;
    size_t len, json_len;
    demo_check(hijack_request_body(&text, &len, request), "hijack_request_body");
    if (len == 0 || !text_is_utf8(text, len)) {
        demo_answer_text(request, 400, "Expected a text in UTF-8 that is not empty.\n");
        return;
    }
    FILE *out = begin_json(&json, &json_len);
    fprintf(out, "{\"type\":\"message\",\"name\":\"%s\",\"text\":", user);
    text_put_json(out, text, len);
    fprintf(out, ",\"time\":%lld}", (long long)time(NULL));
    fclose(out);
    demo_check(hijack_broadcaster_publish(room->broadcaster, HIJACK_MESSAGE_TEXT, json, json_len), "publish");
    free(json);
    demo_answer_with(request, 204, "", "");
}

/* The connection stays in the lobby. close_user would end it, and the browser would come back. */
static void remove_user(hijack_request *request, const struct room *room, const char *user)
{
    demo_check(hijack_broadcaster_remove_user(room->broadcaster, user_number(user)), "remove_user");
    demo_answer_with(request, 204, "", "");
}

/* Splits "/rooms/ROOM/USER". */
static bool parse_path(char room[ROOM_SIZE], char user[USER_SIZE], hijack_request *request)
{
    static const char format[] = "/rooms/%32[abcdefghijklmnopqrstuvwxyz0123456789-]/"
                                 "%8[ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-]%n";
    char path[64];
    const char *it;
    size_t len;
    int parsed = 0;
    if (!demo_path(&it, &len, request) || len >= sizeof path)
        return false;
    memcpy(path, it, len);
    path[len] = '\0';
    return sscanf(path, format, room, user, &parsed) == 2 && (size_t)parsed == len;
}

static void on_room_request(hijack_request *request, hijack_server *server)
{
    static const char allow[] = "allow: GET, POST, DELETE\r\ncontent-type: " DEMO_TEXT "\r\n";
    char name[ROOM_SIZE], user[USER_SIZE], why[64];
    if (!parse_path(name, user, request)) {
        demo_answer_text(request, 400,
                         "Expected /rooms/ROOM/USER: ROOM is 1 to 32 of a-z, 0-9 and -, USER is 1 to 8 of A-Z, a-z, "
                         "0-9, - and _.\n");
        return;
    }
    const bool is_post = demo_method_is(request, "POST");
    struct room *room = find_room(name);
    if (demo_method_is(request, "GET")) {
        enter(request, server, name, user);
    } else if (!is_post && !demo_method_is(request, "DELETE")) {
        demo_answer_with(request, 405, allow, "Enter with GET, speak with POST, remove with DELETE.\n");
    } else if (room == NULL || *find_person(room, user_number(user)) == NULL) {
        snprintf(why, sizeof why, "%s is not in %s.\n", user, name);
        demo_answer_text(request, 404, why);
    } else if (is_post) {
        say(request, room, user);
    } else {
        remove_user(request, room, user);
    }
}

static void on_request(hijack_request *request, hijack_server *server)
{
    const char *path;
    size_t len;
    if (demo_path_is(request, "/"))
        demo_answer(request, 200, DEMO_HTML, demo_rooms_page, (size_t)(demo_rooms_page_end - demo_rooms_page));
    else if (demo_path_is(request, "/healthz"))
        demo_answer_text(request, 200, "ok\n");
    else if (demo_path(&path, &len, request) && len >= 7 && memcmp(path, "/rooms/", 7) == 0)
        on_room_request(request, server);
    else
        demo_answer_text(request, 404, "Only /, /rooms/ROOM/USER and /healthz are here.\n");
}

static void free_rooms(void)
{
    for (int i = 0; i < ROOMS_MAX; ++i) {
        for (struct person *it; (it = rooms[i].people) != NULL; free(it))
            rooms[i].people = it->next;
        hijack_broadcaster_free(rooms[i].broadcaster);
    }
    hijack_broadcaster_free(lobby);
}

int main(int argc, char **argv)
{
    int signals = demo_signals();
    demo_raise_descriptor_limit();

    hijack_queue *queue;
    hijack_server *server;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_queue_new(&queue), "hijack_queue_new");
    demo_check(hijack_server_new(&server, queue), "hijack_server_new");
    demo_check(
        hijack_server_route_set(server, HIJACK_STR("/rooms/*"), HIJACK_STR("max_body_bytes"), HIJACK_STR("1000")),
        "max_body_bytes");
    demo_check(hijack_broadcaster_new(&lobby, server), "hijack_broadcaster_new");
    demo_check(hijack_broadcaster_set(lobby, HIJACK_STR("backlog_bytes"), HIJACK_STR("1m")), "backlog_bytes");
    demo_start(server, demo_port(argc, argv));

    while (demo_wait(queue, signals, 60000)) {
        hijack_event events[64];
        int n = demo_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll");
        for (int i = 0; i < n; ++i) {
            if (events[i].type == HIJACK_EVENT_REQUEST)
                on_request(events[i].handle, server);
            else if (events[i].type == HIJACK_EVENT_MEMBERS)
                on_members(&events[i]);
        }
    }

    demo_stop(server, queue);
    free_rooms();
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
