/* SPDX-License-Identifier: MIT
 * A chat: everyone sees what anyone writes, and who is there.
 *
 *     /                   the page
 *     /chat?name=NAME     a WebSocket, to read and to write
 *     /events?name=NAME   the same to read, as Server-Sent Events, for those without WebSocket
 *     /say?name=NAME      POST: they write with it; the body is the text, the answer 204
 *     /healthz            "ok"
 *
 * The protocol. What the server sends is a WebSocket text, or the data of an event without a name: one JSON object
 * without spaces between its parts, keys in the order shown, and escaped as by JSON.stringify.
 *
 *     {"type":"here","names":["Ada","Bob"]}    the first, to the newcomer alone: who is there in the order of joining;
 *                                              the last of them is the newcomer
 *     {"type":"joined","name":"Bob"}           to the others
 *     {"type":"left","name":"Bob"}             to the others
 *     {"type":"message","name":"Bob","text":"Hello","time":"2026-11-26T12:00:00Z"}
 *                                              to everyone, also to who wrote it; the time is UTC;
 *                                              "id" comes last, if the client has given one
 *
 * What a client sends on the WebSocket is the text itself. A name has 1 to 32 characters of UTF-8, none of them a
 * control character (U+0000 to U+001F, U+007F to U+009F), and does not begin or end with a space; one that is taken
 * gets " 2", " 3" and so on appended. The query is decoded as a form: '+' is a space.
 *
 * Nothing is lost while a client is away. The last 1,000 messages ("type":"message") are kept, and each has a position,
 * which is the id of its event; that of "here" is where the chat is now. Who returns with the position of the last
 * message that it has, in &from=POSITION or the header Last-Event-ID, gets what it has missed, or the event hijack-gap
 * first. A WebSocket that gives &from=, empty at first, is told where it is and counts the messages from there: see
 * docs/guides/missed-events.md. Who returns has no id in its "here".
 *
 * A client may give each text an id of 1 to 64 letters, digits and '-': &id=ID for /say, and on the WebSocket U+001E,
 * the id and a space before the text. What has one of the last 1,000 messages' ids is not published again. So a client
 * that has returned sends again whatever of its own has not come back, and it is there once.
 *
 * With the variable CHAT_LOG, a file, all this holds over the end of the process, however it ends: see common/log.h.
 *
 *     what is wrong                                            WebSocket closed with      POST answered with
 *     the text, with its id, is longer than 1,000 bytes        1009                       413
 *     the text is not UTF-8                                    1007                       400
 *     the 21st message within 5 seconds of the first           1008 "too many messages"   429
 *     a binary message                                         1003 "only text"
 *     the id is not one                                        1008 "bad id"              400
 *     nobody of this name reads /events                                                   403
 *
 * Messages are counted from the first one on; 5 seconds after it the next one is again a first one. A method other than
 * GET for /events, or POST for /say, is answered with 405. A bad name is answered with 400 by /chat and /events, a room
 * with 1,000 members with 503. Nobody proves who they are: whoever can reach /say can write as a reader of /events.
 *
 * The room is in common/room.c, which the sse demo has as well. */
#include <unistd.h>

#include "demo.h"
#include "page.h"
#include "room.h"

static void on_request(hijack_request *request)
{
    if (demo_path_is(request, "/"))
        demo_answer(request, 200, DEMO_HTML, demo_chat_page, (size_t)(demo_chat_page_end - demo_chat_page));
    else if (demo_path_is(request, "/healthz"))
        demo_answer_text(request, 200, "ok\n");
    else if (!room_answer(request))
        demo_answer_text(request, 404, "Only /, /chat, /events, /say and /healthz are here.\n");
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
    room_open(server);
    demo_start(server, demo_port(argc, argv));

    while (demo_wait(queue, signals, 60000)) {
        hijack_event events[64];
        int n = demo_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll");
        for (int i = 0; i < n; ++i) {
            if (events[i].type == HIJACK_EVENT_REQUEST)
                on_request(events[i].handle);
            else
                room_event(&events[i]);
        }
    }

    demo_stop(server, queue);
    room_close();
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
