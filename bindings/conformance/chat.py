"""The chat demo: who is there, what everyone sees, and what a client may not do; also the room in the sse demo."""

import calendar
import json
import pathlib
import signal
import time

from client import Client
from harness import equal, eventually, http1, scenario, took
from heads import HTML, is_text
from members import BAD_NAME, Member, joined, kinds, left, path, room, say
from sse import event, subscribed
from websocket import BINARY, CLOSE, HANDSHAKE, PING, PONG, TEXT, frame, next_frame

PAGES = pathlib.Path(__file__).resolve().parent.parent / "pages"
NOBODY = b"Nobody of this name reads /events; open /events?name=NAME first.\n"
TOO_MANY = b"Too many messages: at most 20 within 5 seconds.\n"
MANY = 20  # messages in
WINDOW = 5  # seconds


@scenario
def pages(case):
    """/ is the page, other paths are 404 with a text, and each response says what it is."""
    client = case.connect(case.demo("chat"))
    client.request("/")
    response = client.response()
    equal("the content type", response.get("content-type"), HTML)
    equal("the page", response.body, (PAGES / "chat.html").read_bytes())
    client.request("/healthz")
    is_text("/healthz", client.response(), (200, "OK"), b"ok\n")
    for target in ("/nowhere", "/chat/", "/events/x", "/room", "/CHAT"):
        client.request(target)
        is_text(target, client.response(), (404, "Not Found"), b"Only /, /chat, /events, /say and /healthz are here.\n")


@scenario
def coming_and_going(case):
    """A newcomer is told who is here in the order of joining, and the others that there is one, and who leaves."""
    demo, ada, bob, cy = room(case, "Ada", "Bob", "Cy")
    equal("who is here for the first", ada.names, ["Ada"])
    equal("who is here for the third", cy.names, ["Ada", "Bob", "Cy"])
    bob.client.close()
    for member in (ada, cy):
        member.expect(left("Bob"))
    for kind in kinds():
        dan = Member(case, demo, "Dan", kind)
        equal("who is here for the next", dan.names, ["Ada", "Cy", "Dan"])
        for member in (ada, cy):
            member.expect(joined("Dan"))
        dan.client.close()
        for member in (ada, cy):
            member.expect(left("Dan"))
    for member in (ada, cy):
        member.silent()


@scenario
def head_of_events(case):
    """/events answers as an event stream."""
    _, ada = room(case, "Ada", kind="events")
    ada.say("one line")
    ada.hears("Ada", "one line")
    head = case.ask(ada.demo, "/events?name=Bob").response_head()
    for name, value in (("content-type", "text/event-stream"), ("cache-control", "no-cache"),
                        ("transfer-encoding", "chunked"), ("content-length", None)):
        equal(f"the header {name}", head.get(name), value)


@scenario
def taken_names(case):
    """A name that is taken gets " 2", " 3" and so on; one that was left is free again."""
    demo, *_ = room(case)
    members = [Member(case, demo, "Ada", kind) for kind in kinds() * 2]
    equal("the names of those who want the same", [member.name for member in members],
          ["Ada", "Ada 2", "Ada 3", "Ada 4"][:len(members)])
    for kind in kinds():
        members[1].client.close()
        eventually("the members", lambda: Member(case, demo, "Guest", "events").names, lambda n: "Ada 2" not in n)
        members[1] = Member(case, demo, "Ada", kind)
        equal("the name that is free again", members[1].name, "Ada 2")
    equal("the name of one who wants a name with a number", Member(case, demo, "Ada 2", kinds()[0]).name, "Ada 2 2")
    longest = "\U0001f600" * 32
    equal("the longest name", Member(case, demo, longest, "events").name, longest)
    equal("the longest name with a number", Member(case, demo, longest, kinds()[0]).name, longest + " 2")


@scenario
def good_names(case):
    """The query is decoded as a form, and its first name counts; any character will do that is no control character."""
    demo, watcher = room(case, "Watcher", kind="events")
    for query, name in (("name=Ada", "Ada"), ("name=%42ob", "Bob"), ("name=A+B", "A B"), ("name=A%20+B", "A  B"),
                        ("name=1%2B1", "1+1"), ("name=%c3%BC", "\u00fc"), ("name=a=b", "a=b"), ("name=a%26b", "a&b"),
                        ("x=1&&name=Cy&name=Dan", "Cy"), ("name&name=Fay", "Fay"), ("name=/?", "/?"),
                        ("name=%F0%9F%98%80", "\U0001f600"),
                        ("name=%E2%80%A8", "\u2028"), ("name=%C2%A0", "\u00a0"), ("name=%22%5C%3C", "\"\\<"),
                        ("%zz=%&name=Eve", "Eve"), ("name=x;y", "x;y"), ("name=%EF%BF%BD", "\ufffd"),
                        ("name=" + "n" * 32, "n" * 32), ("name=%E1%88%B4%CC%88", "\u1234\u0308")):
        for kind in kinds():
            member = Member(case, demo, name, kind, query=query)
            equal(f"the name of {query}", member.name, name)
            member.client.close()
            equal("what the others hear", [watcher.parsed() for _ in range(2)],
                  [{"type": "joined", "name": name}, {"type": "left", "name": name}])


@scenario
def bad_names(case):
    """No name, an empty one, a long one, one with control characters, with spaces around it or not UTF-8 is a 400."""
    demo = case.demo("chat")
    queries = ["", "?", "?name", "?name=", "?Name=Ada", "?%6eame=Ada", "?xname=Ada", "?name=&name=Ada"]
    queries += ["?name=" + value for value in (
        "+Ada", "Ada+", "%20", "n" * 33, "n" * 2000, "%00", "A%00", "A%0a", "%1f", "%7F", "%C2%80", "%C2%9F", "%", "A%",
        "%4", "%zz", "A%4g", "%%41", "%ff", "%C3", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "%C3%28", "%E2%82")]
    queries.append("?name=%zz&name=Ada")
    for kind in ("chat", "events"):
        client = case.connect(demo)
        for query in queries:
            client.request(f"/{kind}{query}")
            is_text(f"/{kind}{query}", client.response(), (400, "Bad Request"), BAD_NAME)


@scenario
def everyone_sees(case):
    """A message goes to everyone, also to who wrote it, the same for WebSocket and events, with the time in UTC."""
    _, *members = room(case, "Ada", "Bob", "Cy", "Dan")
    for number, member in enumerate(members * 2):
        member.say(f"number {number}")
        seen = [other.hears(member.name, f"number {number}") for other in members]
        equal("different forms of a message", len(set(seen)), 1)
        at = calendar.timegm(time.strptime(json.loads(seen[0])["time"], "%Y-%m-%dT%H:%M:%SZ"))
        took("the age of a message in seconds", time.time() - at, -0.5, 3)


@scenario
def escapes(case):
    """Names and texts are escaped as by JSON.stringify, and else come as they are."""
    _, *members = room(case, *("Ada", "Bob")[:len(kinds())])
    texts = [("", ""), (" ", " "), ('"\\/', '\\"\\\\/'), ("\b\f\n\r\t", r"\b\f\n\r\t"),
             ("\0\x01\x1f", r"\u0000\u0001\u001f"),
             ("\x7f\x80\x9f", "\x7f\x80\x9f"), ("<b>&'</b>", "<b>&'</b>"), ("\u2028\u2029\ufeff", "\u2028\u2029\ufeff"),
             ("gr\u00fc\u00dfe \u2603 \U0001f600 \U0010ffff", "gr\u00fc\u00dfe \u2603 \U0001f600 \U0010ffff"),
             ("data: x\n\nid: 1\n", r"data: x\n\nid: 1\n"), ("%41+%", "%41+%"), ("\ufffe\uffff", "\ufffe\uffff")]
    for text, escaped in texts:
        for writer in members:
            writer.say(text)
            for member in members:
                member.hears(writer.name, escaped)
    for kind in kinds():
        guest = Member(case, members[0].demo, '"<\\\u2028\U0001f600', kind)
        for member in members:
            member.expect(joined('\\"<\\\\\u2028\U0001f600'))
        guest.say("!")
        for member in (*members, guest):
            member.hears('\\"<\\\\\u2028\U0001f600', "!")
        guest.client.close()
        for member in members:
            member.expect(left('\\"<\\\\\u2028\U0001f600'))


@scenario
def longest_text(case):
    """A text of 1,000 bytes is taken; one byte more is 413 by POST, and nobody sees it."""
    _, *members = room(case, *("Ada", "Bob")[:len(kinds())])
    for text in ("x" * 1000, "\u00fc" * 500):
        for writer in members:
            writer.say(text)
            for member in members:
                member.hears(writer.name, text)
    reader = members[-1]
    for data in (b"x" * 1001, b"\xff" * 20000):
        equal(f"the status of a POST of {len(data)} bytes", reader.post(data).status, 413)
    reader.silent()


@scenario
@http1
def longer_text(case):
    """A WebSocket that sends more than 1,000 bytes is closed with 1009, in one frame or in pieces; it has left."""
    demo, ada = room(case, "Ada", kind="events")
    for data in (frame(TEXT, b"x" * 1001), frame(BINARY, b"x" * 1001),
                 frame(TEXT, b"x" * 999, False) + frame(0, b"xx")):
        bob = Member(case, demo, "Bob", "chat")
        bob.client.send(data)
        opcode, payload = next_frame(bob.client)
        equal("the close frame", (opcode, int.from_bytes(payload[:2], "big")), (CLOSE, 1009))
        bob.client.ends("after the close frame", reset_is_fine=True)
        ada.expect(joined("Bob"), left("Bob"))


@scenario
def not_utf8_by_post(case):
    """A POST that is not UTF-8 is a 400 and nobody sees it; it counts as a message."""
    _, ada = room(case, "Ada", kind="events")
    start = time.monotonic()
    for data in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"ok \xc0\x80", b"\xf4\x90\x80\x80") * 4:
        is_text("a POST that is not UTF-8", ada.post(data), (400, "Bad Request"), b"The text must be UTF-8.\n")
    took("seconds for 20 messages", time.monotonic() - start, 0, WINDOW - 0.5)
    is_text("the 21st POST", ada.post(b"x"), (429, "Too Many Requests"), TOO_MANY)
    ada.silent()


@scenario
@http1
def not_text_by_websocket(case):
    """A text that is not UTF-8 closes with 1007, a binary message with 1003; what follows is not looked at."""
    demo, ada = room(case, "Ada", kind="events")
    bob = Member(case, demo, "Bob", "chat")
    bob.client.send(frame(TEXT, b"\xc3\x28"))
    opcode, payload = next_frame(bob.client)
    equal("the close frame", (opcode, int.from_bytes(payload[:2], "big")), (CLOSE, 1007))
    bob.client.ends("after the close frame", reset_is_fine=True)
    ada.expect(joined("Bob"), left("Bob"))
    bob = Member(case, demo, "Bob", "chat")
    bob.client.send(frame(TEXT, b"before") + frame(BINARY, b"\0") + frame(TEXT, b"after") + frame(TEXT, b"x" * 1001))
    bob.hears("Bob", "before")
    bob.is_closed(1003, b"only text")
    ada.expect(joined("Bob"))
    ada.hears("Bob", "before")
    ada.expect(left("Bob"))
    ada.silent()


@scenario
@http1
def too_many_by_websocket(case):
    """The 21st message within 5 seconds, of whatever kind, closes with 1008; the 20 before it were seen."""
    demo, ada = room(case, "Ada", kind="events")
    for last in (frame(TEXT, b"one too many"), frame(BINARY, b"")):
        bob = Member(case, demo, "Bob", "chat")
        ada.expect(joined("Bob"))
        bob.client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(MANY)) + last * 5)
        for number in range(MANY):
            bob.hears("Bob", str(number))
        bob.is_closed(1008, b"too many messages")
        for number in range(MANY):
            ada.hears("Bob", str(number))
        ada.expect(left("Bob"))
    ada.silent()


@scenario
def too_many_by_post(case):
    """The 21st message within 5 seconds is a 429; 5 seconds after the first one there may be another 20."""
    _, ada, bob = room(case, "Ada", "Bob", kind="events")
    start = time.monotonic()
    for number in range(MANY):
        ada.say(str(number))
    sent = time.monotonic()
    took("seconds for 20 messages", sent - start, 0, WINDOW - 0.5)
    is_text("the 21st POST", ada.post(b"x"), (429, "Too Many Requests"), TOO_MANY)
    bob.say("others may")
    eventually("the status of a POST later", lambda: ada.post(b"again").status, 204)
    start, before = time.monotonic(), start
    took("seconds until there may be another one", start - before, WINDOW - 0.1, WINDOW + (sent - before) + 2)
    for number in range(MANY - 1):
        ada.say(str(number))
    took("seconds for 19 messages", time.monotonic() - start, 0, WINDOW - 0.5)
    equal("the status of the next 21st", ada.post(b"x").status, 429)
    for member in (ada, bob):
        for number in range(MANY):
            member.hears("Ada", str(number))
        member.hears("Bob", "others may")
        member.hears("Ada", "again")
        for number in range(MANY - 1):
            member.hears("Ada", str(number))


@scenario
@http1
def patient_websocket(case):
    """A WebSocket may send 20 messages in each 5 seconds, for as long as it likes."""
    _, ada = room(case, "Ada", kind="chat")
    for pause in (WINDOW, 0.3):
        for number in range(MANY):
            ada.say(str(number))
        for number in range(MANY):
            ada.hears("Ada", str(number))
        ada.client.silent(pause, "messages")  # from here on, as all were counted before


@scenario
def who_may_post(case):
    """Only a name that reads /events can post; others get 403, and a WebSocket's name does too."""
    demo, ada = room(case, "Ada", kind="events")
    for query in ("", "?", "?name=", "?name=Eve", "?name=ada", "?name=Ada+2", "?name=Ada%00", "?name=Ada+", "?name=%ff",
                  "?name=%zz", "?name=%zz&name=Ada", "?Name=Ada"):
        answer = case.ask(demo, f"/say{query}", method="POST", body=b"x").response()
        is_text(f"a POST to /say{query}", answer, (403, "Forbidden"), NOBODY)
    is_text("a POST of no body", case.ask(demo, "/say?name=Eve", method="POST").response(), (403, "Forbidden"), NOBODY)
    equal("the status of a POST with a name in another form",
          case.ask(demo, "/say?x&name=%41da&name=Eve", method="POST", body=b"x").response().status, 204)
    ada.hears("Ada", "x")
    if not Client.http2:
        bob = Member(case, demo, "Bob", "chat")
        ada.expect(joined("Bob"))
        is_text("a POST of a WebSocket's name", say(case, demo, "Bob", b"x"), (403, "Forbidden"), NOBODY)
        bob.silent()
    cy = Member(case, demo, "Cy", "events")
    ada.expect(joined("Cy"))
    cy.say("")
    ada.hears("Cy", "")
    cy.client.close()
    ada.expect(left("Cy"))
    is_text("a POST of one who has left", say(case, demo, "Cy", b"x"), (403, "Forbidden"), NOBODY)
    answer = say(case, demo, "Ada", b"x")
    equal("the answer", (answer.first, answer.body), ("HTTP/1.1 204 No Content", b""))
    ada.hears("Ada", "x")


@scenario
def methods(case):
    """Another method than GET for /events, or than POST for /say, is a 405 that names the right one."""
    client = case.connect(case.demo("chat"))
    for target, methods, allowed, body in (
            ("/events?name=Eve", ("POST", "PUT", "HEAD", "DELETE", "get"), "GET", b"Read /events with GET.\n"),
            ("/events", ("POST",), "GET", b"Read /events with GET.\n"),
            ("/say?name=Eve", ("GET", "PUT", "HEAD", "post"), "POST", b"Write to /say with POST.\n")):
        for method in methods:
            client.request(target, method=method)
            answer = client.response(method)
            equal(f"Allow for {method} {target}", answer.get("allow"), allowed)
            if method != "HEAD":
                is_text(f"{method} {target}", answer, (405, "Method Not Allowed"), body)
            equal(f"the order of the headers for {method} {target}", [name for name, _ in answer.headers][-2:],
                  ["allow", "content-type"])


@scenario
@http1
def refused_handshakes(case):
    """What is no handshake, or comes from a page of another origin, is refused, and nobody has joined."""
    demo, ada = room(case, "Ada", kind="events")
    for headers, method, status in (([], "GET", 426), (HANDSHAKE[:2] + HANDSHAKE[3:], "GET", 426),
                                    (HANDSHAKE[:3], "GET", 400), ([*HANDSHAKE, "Origin: http://foe"], "GET", 403),
                                    (HANDSHAKE, "POST", 405)):
        client = case.ask(demo, "/chat?name=Bob", method=method, headers=headers)
        equal(f"the status of {method} with {headers}", client.response(method).status, status)
        client.ends("after a refusal")
    ada.silent()
    bob = Member(case, demo, "Bob", "chat")
    equal("who is here afterwards", bob.names, ["Ada", "Bob"])


@scenario
def not_reading(case):
    """A member that does not read delays nobody, is closed when too much waits for it, and has left."""
    demo = case.start("chat")
    slow = [Member(case, demo, f"slow {kind}", kind, receive_buffer=4096) for kind in kinds()]
    names = {f"slow {kind}" for kind in kinds()}
    writers = [Member(case, demo, f"w{number}", kinds()[number % len(kinds())]) for number in range(16)]
    for at, writer in enumerate(writers):
        writer.expect(*(joined(other.name) for other in writers[at + 1:]))
    gone = [set() for _ in writers]
    for writer in writers:
        for number in range(MANY):
            writer.say("\x01" * 990 + f"{number}")  # six times as long in JSON
            for member, seen in zip(writers, gone):
                while (message := member.parsed())["type"] == "left":
                    seen.add(message["name"])
                equal("the message", (message["name"], message["text"][990:]), (writer.name, str(number)))
    for member, seen in zip(writers, gone):
        while seen != names:
            message = member.parsed()
            equal("what follows", message["type"], "left")
            seen.add(message["name"])
    equal("who is here afterwards", len(Member(case, demo, "late", "events").names), len(writers) + 1)
    if not Client.http2:  # there it is a stream that was reset
        for member in slow:
            eventually(f"the connection of {member.name}", member.client.other_end, None)


@scenario
def ways_to_leave(case):
    """Who closes, resets, or ends its side has left, once, whatever it is in the middle of."""
    demo, ada = room(case, "Ada", kind="events")
    ways = [("events", lambda client: client.close()), ("events", lambda client: client.reset())]
    if not Client.http2:
        ways += [("events", lambda client: client.finish()), ("chat", lambda client: client.close()),
                 ("chat", lambda client: client.reset()), ("chat", lambda client: client.finish()),
                 ("chat", lambda client: client.send(frame(CLOSE, b"\x03\xe8"))),
                 ("chat", lambda client: client.send(frame(CLOSE, b""))),
                 ("chat", lambda client: client.send(b"\x81\x02hi")),  # not masked
                 ("chat", lambda client: (client.send(frame(TEXT, b"half", False)), client.reset()))]
    for kind, leave in ways:
        bob = Member(case, demo, "Bob", kind)
        ada.expect(joined("Bob"))
        leave(bob.client)
        ada.expect(left("Bob"))
    eventually("connections afterwards", demo.connections, 1)
    ada.silent()
    demo.stop("after members that left")


@scenario
@http1
def last_words(case):
    """What a WebSocket has sent right before its close frame, or the end of its side, is seen."""
    demo, ada = room(case, "Ada", kind="events")
    for end in (lambda client: client.send(frame(TEXT, b"bye") + frame(CLOSE, b"\x03\xe8")),
                lambda client: (client.send(frame(TEXT, b"bye")), client.finish())):
        bob = Member(case, demo, "Bob", "chat")
        end(bob.client)
        ada.expect(joined("Bob"))
        ada.hears("Bob", "bye")
        ada.expect(left("Bob"))


@scenario
def gone_at_once(case):
    """Who leaves before the answer has come leaves nobody behind."""
    demo, *_ = room(case)
    for number in range(60):
        kind = kinds()[number % len(kinds())]
        client = Member(case, demo, "Eve", kind, wait=False).client
        (client.close, client.reset, client.finish)[number // 2 % (2 if Client.http2 else 3)]()
    eventually("connections after they have gone", demo.connections, 0)
    eventually("who is here afterwards", lambda: Member(case, demo, "Ada", "events").names[0], "Ada")


@scenario
def same_order(case):
    """Everyone sees all messages in one order, also when many write at the same time."""
    _, *members = room(case, *(f"m{number}" for number in range(8)))
    posts = []
    for number in range(MANY):
        for member in members:
            if member.kind == "chat":
                member.say(str(number))
            else:
                posts.append(case.ask(member.demo, path("say", member.name), method="POST", body=b"%d" % number))
        while posts:  # one at a time for each, so that they keep their order
            equal("the status of a POST", posts.pop().response().status, 204)
    seen = [[member.next() for _ in range(MANY * len(members))] for member in members]
    for other in seen[1:]:
        equal("what another one has seen", other, seen[0])
    for member in members:
        texts = [json.loads(message)["text"] for message in seen[0] if json.loads(message)["name"] == member.name]
        equal(f"the messages of {member.name}", texts, [str(number) for number in range(MANY)])


def newcomer(case, demo, count):
    """One that makes the room one of so many, as soon as those who leave have left."""
    def attempt():
        member = Member(case, demo, "last", "events")
        if len(member.names) == count:
            return member
        member.client.close()
        return None
    return eventually(f"a room of {count}", attempt, lambda member: member is not None)


@scenario
def same_view(case):
    """However many come and go at the same time, all who stay agree upon who is here."""
    demo, *_ = room(case)
    members = [Member(case, demo, "Ada" if number % 3 else f"m{number}", kinds()[number % len(kinds())], wait=False)
               for number in range(60)]
    leavers, stayers = members[::2], members[1::2]
    for member in leavers:
        member.client.close()
    views = []
    for member in stayers:
        member.welcome()
        views.append(list(member.names))
    last = newcomer(case, demo, len(stayers) + 1)
    last.say("end")
    for member, view in zip(stayers, views):
        while (message := member.parsed())["type"] != "message":
            if message["type"] == "left":
                equal(f"{message['name']} is there to leave", message["name"] in view, True)
                view.remove(message["name"])
            else:
                equal(f"{message['name']} is new", message["name"] in view, False)
                view.append(message["name"])
        equal("who is here, as one has heard of it", view, last.names)


@scenario
def stopping(case):
    """A demo that ends says so to WebSockets with code 1001, and ends the events; nobody is told that all leave."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo, *members = room(case, *(f"m{number}" for number in range(20)))
        members[0].say("hello")
        for member in members:
            member.hears("m0", "hello")
        demo.signal(number)
        demo.expect_end(f"after {number.name} with members")
        equal("the lines of the demo", len(demo.lines), 1)
        for member in members:
            if member.kind == "chat":
                opcode, data = next_frame(member.client)
                equal("the close frame", (opcode, int.from_bytes(data[:2], "big")), (CLOSE, 1001))
            rest = member.client.rest("the end of a member", reset_is_fine=True)
            equal("what a member gets at the end", b"left" in rest, False)


@scenario
def stopping_in_use(case):
    """A demo ends silently also while members come, go, and write."""
    for number in (signal.SIGINT, signal.SIGTERM) * 2:
        demo, *members = room(case, "Ada", "Bob", "Cy", "Dan")
        for member in members:
            for _ in range(MANY):
                if member.kind == "chat":
                    member.say("x" * 1000)
                else:
                    case.ask(demo, path("say", member.name), method="POST", body=b"x" * 1000)
        for at in range(20):
            Member(case, demo, "Eve", kinds()[at % len(kinds())], wait=False)
        for member in members[:2]:
            member.client.close()
        demo.signal(number)
        demo.expect_end(f"after {number.name} in the middle of it all")


@scenario
@http1
def ping_pong(case):
    """A member's ping is answered, in the middle of a message too, and it sees what is said meanwhile."""
    _, ada, bob = room(case, "Ada", "Bob", kind="chat")
    bob.client.send(frame(TEXT, b"in ", False) + frame(PING, b"?"))
    equal("the pong", next_frame(bob.client), (PONG, b"?"))
    ada.say("hello")
    bob.hears("Ada", "hello")
    bob.client.send(frame(0, b"two"))
    for member in (ada, bob):
        if member is ada:
            member.hears("Ada", "hello")
        member.hears("Bob", "in two")


@scenario
def in_the_sse_demo(case):
    """The page of the sse demo links to /room, which is the page of a chat that works, beside the time."""
    demo, ada, bob = room(case, "Ada", "Bob", demo="sse")
    clock = subscribed(case, demo)
    equal("the page links to /room", b'href="/room"' in case.ask(demo, "/").response().body, True)
    page = case.ask(demo, "/room").response()
    equal("the content type of /room", page.get("content-type"), HTML)
    equal("the page of /room", page.body, (PAGES / "chat.html").read_bytes())
    for writer in (ada, bob):
        writer.say("hello")
        for member in (ada, bob):
            member.hears(writer.name, "hello")
    equal("the status of a long POST", say(case, demo, "Bob", b"x" * 1001).status, 413)
    first, _ = event(clock)
    equal("the next event of the clock", event(clock)[0], first + 1)
    ada.client.close()
    bob.expect(left("Ada"))
    demo.stop("with a chat")
