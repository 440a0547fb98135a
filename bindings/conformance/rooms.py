"""The rooms demo: who is in which room, what is kept for those who come back, and what a client may not do."""

import json
import pathlib
import re
import signal
import time

from client import SECONDS, Client, Failed, shown
from harness import equal, eventually, scenario, took
from heads import HTML, is_text
from sse import POSITION, block

PAGE = pathlib.Path(__file__).resolve().parent.parent / "pages" / "rooms.html"
BAD_PATH = b"Expected /rooms/ROOM/USER: ROOM is 1 to 32 of a-z, 0-9 and -, USER is 1 to 8 of A-Z, a-z, 0-9, - and _.\n"
BAD_TEXT = b"Expected a text in UTF-8 that is not empty.\n"
KEPT = 100  # messages of a room, and the most rooms, and the most connections in one
NOT_FOUND, FULL = (404, "Not Found"), (503, "Service Unavailable")


class Person:
    """A client that has entered a room. What comes is filed: who is where, and what was said, with its id."""

    def __init__(self, case, demo, room, name, last=None, wait=True):
        self.case, self.demo, self.room, self.name = case, demo, room, name
        self.people, self.heard, self.gaps = {}, [], 0
        self.client = case.ask(demo, path(room, name), headers=[f"Last-Event-ID: {last}"] if last else [])
        if wait:
            self.welcome()

    def welcome(self):
        head = self.client.response_head()
        equal(f"the status for {self.name}", head.status, 200)
        equal("the content type", head.get("content-type"), "text/event-stream")
        self.wait(f"whether {self.name} is in {self.room}", lambda: self.name in self.people.get(self.room, ()), True,
                  lambda: self.people)

    def take(self):
        """Files the next event."""
        text = block(self.client)
        if text == b"":
            raise Failed("the events", "another one", "the last chunk")
        if text.startswith(b":") or re.fullmatch(POSITION, text):  # a heartbeat; where the client is
            return
        fields = dict(line.split(": ", 1) for line in text.decode().split("\n") if line)
        if fields.get("event") == "hijack-gap":
            self.gaps += 1
            return
        data = json.loads(fields["data"])
        if data["type"] == "here":
            equal("the fields of who is here", (list(fields), sorted(data)), (["data"], ["names", "room", "type"]))
            self.people[data["room"]] = sorted(data["names"])
        else:
            equal("the keys of a message", sorted(data), ["name", "text", "time", "type"])
            took("the age of a message in seconds", time.time() - data["time"], -1.5, 60)
            self.heard.append((fields["id"], data["name"], data["text"]))

    def wait(self, what, done, expected, seen):
        """Takes events until done(), whatever else comes, such as heartbeats."""
        deadline = time.monotonic() + SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise Failed(f"{what}, within {SECONDS} s", shown(expected), shown(seen()))
            self.take()

    def sees(self, room, *names):
        """Waits until these are in a room, as far as this person is told."""
        self.wait(f"who is in {room}, as {self.name} is told", lambda: self.people.get(room, []) == list(names), names,
                  lambda: self.people.get(room))

    def hears(self, *messages):
        """The next messages are these; a message is (name, text). Returns their ids."""
        self.wait(f"what {self.name} hears", lambda: len(self.heard) >= len(messages), messages, lambda: self.heard)
        taken, self.heard = self.heard[:len(messages)], self.heard[len(messages):]
        equal(f"what {self.name} hears", [(name, text) for _, name, text in taken], list(messages))
        return [number for number, _, _ in taken]

    def says(self, text):
        equal("the answer to a POST", post(self.case, self.demo, self.room, self.name, text.encode()).first,
              "HTTP/1.1 204 No Content")

    def leaves(self):
        self.client.close()

    def has_heard_nothing(self):
        """A visit to another room shows when everything before it has come."""
        visitor = Person(self.case, self.demo, "visited", "visitor")
        self.sees("visited", "visitor")
        visitor.leaves()
        self.sees("visited")
        equal(f"what {self.name} has heard", self.heard, [])


def path(room, name):
    return f"/rooms/{room}/{name}"


def post(case, demo, room, name, data, method="POST"):
    """The answer; each on a connection of its own."""
    client = case.ask(demo, path(room, name), method=method, body=data)
    answer = client.response()
    client.close()
    return answer


def people(case, demo, room, *names):
    """These, in a room. All of them know of all."""
    all_of_them = [Person(case, demo, room, name) for name in names]
    for person in all_of_them:
        person.sees(room, *sorted(names))
    return all_of_them


@scenario
def pages(case):
    """/ is the page, other paths are 404 with a text."""
    client = case.connect(case.demo("rooms"))
    client.request("/")
    response = client.response()
    equal("the content type", response.get("content-type"), HTML)
    equal("the page", response.body, PAGE.read_bytes())
    client.request("/healthz")
    is_text("/healthz", client.response(), (200, "OK"), b"ok\n")
    for target in ("/rooms", "/nowhere", "/room/tea/Ada", "/ROOMS/tea/Ada", "//rooms/tea/Ada"):
        client.request(target)
        is_text(target, client.response(), NOT_FOUND, b"Only /, /rooms/ROOM/USER and /healthz are here.\n")


@scenario
def coming_and_going(case):
    """Everyone is told who is in which room, also of those that they are not in, and who has left, in whatever way."""
    demo = case.start("rooms")
    ada, bob = people(case, demo, "tea", "Ada", "Bob")
    cy = Person(case, demo, "garden", "Cy")
    cy.sees("tea", "Ada", "Bob")
    for person in (ada, bob):
        person.sees("garden", "Cy")
    for leave in ("close", "reset") if Client.http2 else ("close", "reset", "finish"):
        dan = Person(case, demo, "tea", "Dan")
        for person in (ada, cy):
            person.sees("tea", "Ada", "Bob", "Dan")
        getattr(dan.client, leave)()
        for person in (ada, cy):
            person.sees("tea", "Ada", "Bob")
    cy.leaves()
    ada.sees("garden")
    equal("who is in the garden for a newcomer", Person(case, demo, "tea", "Eve").people.get("garden", []), [])


@scenario
def several_connections(case):
    """A user is in a room as long as one connection is, and may be in several rooms."""
    demo = case.start("rooms")
    ada, first = people(case, demo, "tea", "Ada", "Bob")
    second, third = Person(case, demo, "tea", "Bob"), Person(case, demo, "garden", "Bob")
    first.leaves()
    third.leaves()
    ada.sees("garden", "Bob")
    ada.sees("garden")
    ada.sees("tea", "Ada", "Bob")
    second.says("still here")
    for person in (ada, second):
        person.hears(("Bob", "still here"))
    second.leaves()
    ada.sees("tea", "Ada")


@scenario
def names(case):
    """Every name of a room and of a user that is allowed comes back as it was."""
    demo = case.start("rooms")
    watcher = Person(case, demo, "watched", "watcher")
    for room, name in (("a", "A"), ("-", "-"), ("z" * 32, "abcdefgh"), ("0-9", "_-_"), ("tea", "00000000"),
                       ("zzz", "ZZZZZZZZ"), ("00", "0")):
        person = Person(case, demo, room, name)
        watcher.sees(room, name)
        person.says("x")
        person.hears((name, "x"))
        person.leaves()
        watcher.sees(room)


@scenario
def everyone_hears(case):
    """A message goes to all who are in the room, also to who wrote it, and to nobody else; any text does."""
    demo = case.start("rooms")
    ada, bob = people(case, demo, "tea", "Ada", "Bob")
    cy = Person(case, demo, "garden", "Cy")
    for person in (ada, bob):
        person.sees("garden", "Cy")
    for text in ("Hello", " ", '"\\/\b\f\n\r\t', "\0\x01\x1f\x7f\x9f", "<b>&'</b>", "\u2028\ufeff\U0001f600",
                 "data: x\n\nid: 1\n", "x" * 1000, "\x01" * 1000):
        bob.says(text)
        equal("the ids of a message", ada.hears(("Bob", text)), bob.hears(("Bob", text)))
    cy.says("alone")
    cy.hears(("Cy", "alone"))
    for person in (ada, bob, cy):
        person.has_heard_nothing()


@scenario
def reload(case):
    """Who enters gets all messages that the room keeps; who comes back with the id of one gets those after it; both go
    on with what is said then."""
    demo = case.start("rooms")
    ada, bob = people(case, demo, "tea", "Ada", "Bob")
    cy = Person(case, demo, "garden", "Cy")
    cy.says("in the garden")
    texts = [("Ada", str(number)) for number in range(3)]
    for _, text in texts:
        ada.says(text)
    ids = bob.hears(*texts)
    ada.leaves()
    bob.leaves()
    cy.sees("tea")
    again = Person(case, demo, "tea", "Ada")
    equal("the ids of what is kept", again.hears(*texts), ids)
    for last, missed in ((ids[0], texts[1:]), (ids[2], [("Ada", "live")])):
        back = Person(case, demo, "tea", "Bob", last=last)
        back.hears(*missed)
        again.says("live")
        back.hears(("Ada", "live"))
        equal("gaps", back.gaps, 0)
        back.leaves()
        again.hears(("Ada", "live"))


@scenario
def gap(case):
    """Who has missed more than a room keeps is told so before the rest; who enters anew gets what is kept."""
    demo = case.start("rooms")
    ada, = people(case, demo, "tea", "Ada")
    poster = case.connect(demo)
    texts = [("Ada", str(number)) for number in range(KEPT + 5)]
    for _, text in texts:
        poster.request(path("tea", "Ada"), method="POST", body=text.encode())
        equal("the status of a POST", poster.response().status, 204)
    ids = ada.hears(*texts)
    for last, kept, gaps in ((ids[0], texts[-KEPT:], 1), (ids[4], texts[-KEPT:], 0), ("x-1", texts[-KEPT:], 1),
                             (None, texts[-KEPT:], 0)):
        bob = Person(case, demo, "tea", "Bob", last=last)
        bob.hears(*kept)
        equal(f"the gaps after {last}", bob.gaps, gaps)
        bob.leaves()
        ada.sees("tea", "Ada", "Bob")
        ada.sees("tea", "Ada")


@scenario
def removed(case):
    """Who is removed from a room sees that, hears no more of it, is connected still, and may enter again."""
    demo = case.start("rooms")
    ada, bob, cy = people(case, demo, "tea", "Ada", "Bob", "Cy")
    other = Person(case, demo, "garden", "Bob")
    for name in ("Bob", "Ada"):
        answer = post(case, demo, "tea", name, None, "DELETE")
        equal("the answer to a DELETE", (answer.first, answer.body), ("HTTP/1.1 204 No Content", b""))
    for person in (ada, bob, cy, other):
        person.sees("tea", "Cy")
    for name in ("Bob", "Ada", "Dan"):
        for method in ("POST", "DELETE"):
            is_text(f"{method} for {name}", post(case, demo, "tea", name, b"x", method), NOT_FOUND,
                    f"{name} is not in tea.\n".encode())
    cy.says("without you")
    cy.hears(("Cy", "without you"))
    other.says("here")
    other.hears(("Bob", "here"))
    bob.has_heard_nothing()
    again = Person(case, demo, "tea", "Bob")
    again.hears(("Cy", "without you"))
    for person in (ada, bob, cy, other):
        person.sees("tea", "Bob", "Cy")
    bob.has_heard_nothing()


@scenario
def bad_input(case):
    """A bad name, text or method is answered with what was expected, and nothing comes of it."""
    demo = case.start("rooms")
    ada, = people(case, demo, "tea", "Ada")
    client = case.connect(demo)
    for target in ("", "tea", "tea/", "/Ada", "tea/Ada/", "tea/Ada/x", "Tea/Ada", "t_a/Ada", "tea/A.a", "tea/Ada%20",
                   "t%65a/Ada", "tea/%41da", "tea/Ada%00", "tea/" + "n" * 9, "r" * 33 + "/Ada",
                   "r" * 5000 + "/Ada", "tea/%0a", "../Ada", "tea/<b>"):
        for method in ("GET", "POST", "DELETE", "PUT"):
            client.request("/rooms/" + target, method=method)
            is_text(f"{method} {target}", client.response(), (400, "Bad Request"), BAD_PATH)
    for method in ("PUT", "HEAD", "OPTIONS", "get"):
        client.request(path("tea", "Ada"), method=method)
        answer = client.response(method)
        equal(f"Allow for {method}", (answer.status, answer.get("allow")), (405, "GET, POST, DELETE"))
    for text in (b"", b"\xff", b"a\xc3", b"\xed\xa0\x80"):
        is_text(f"a POST of {shown(text)}", post(case, demo, "tea", "Ada", text), (400, "Bad Request"), BAD_TEXT)
    equal("the status of a long POST", post(case, demo, "tea", "Ada", b"x" * 1001).status, 413)
    for method in ("POST", "DELETE"):
        is_text(f"{method} to no room", post(case, demo, "none", "Ada", b"x", method), NOT_FOUND,
                b"Ada is not in none.\n")
    ada.has_heard_nothing()


@scenario
def full_room(case):
    """A room has at most 100 connections; another one has place."""
    demo = case.start("rooms")
    everyone = [Person(case, demo, "tea", f"u{number}") for number in range(KEPT)]
    is_text("one more", case.ask(demo, path("tea", "Ada")).response(), FULL, b"There are 100 connections in tea.\n")
    Person(case, demo, "garden", "Ada").sees("tea", *sorted(person.name for person in everyone))
    everyone.pop().leaves()
    eventually("the status after one has left",
               lambda: case.ask(demo, path("tea", "Ada")).response_head().status, 200)


@scenario
def too_many_rooms(case):
    """There are at most 100 rooms. An empty one is freed for a new one, and what was said there is forgotten."""
    demo = case.start("rooms")
    first = Person(case, demo, "r0", "Ada")
    first.says("to be forgotten")
    others = [Person(case, demo, f"r{number}", f"u{number}") for number in range(1, KEPT)]
    is_text("one more", case.ask(demo, path("tea", "Ada")).response(), FULL,
            b"There are 100 rooms, and none is empty.\n")
    for number, person in enumerate(others, 1):
        others[-1].sees(f"r{number}", person.name)
    first.leaves()
    eventually("the status after one has left",
               lambda: case.ask(demo, path("tea", "Bob")).response_head().status, 200)
    others[0].leaves()
    others[1].sees("r1")
    back = Person(case, demo, "r0", "Ada")
    back.says("anew")
    back.hears(("Ada", "anew"))


@scenario
def same_view(case):
    """However many come and go at the same time, all who stay are told the same in the end, and it is right."""
    demo = case.start("rooms")
    everyone = [Person(case, demo, f"r{number % 3}", f"u{number // 2}", wait=False) for number in range(90)]
    stays = [number % 4 != 0 for number in range(90)]
    for person, stay in zip(everyone, stays):
        if not stay:
            person.leaves()
    staying = [person for person, stay in zip(everyone, stays) if stay]
    for person in staying:
        person.welcome()
    eventually("connections when the others have left", demo.connections, len(staying))
    last = Person(case, demo, "last", "last")
    for room in ("r0", "r1", "r2"):
        expected = sorted({person.name for person in staying if person.room == room})
        for person in (last, *staying):  # a connection that was accepted late may come and go in between
            person.sees("last", "last")
            person.sees(room, *expected)


@scenario
def stopping(case):
    """A demo that ends does so silently, with people in its rooms, who are not told that all leave."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("rooms")
        everyone = [Person(case, demo, f"r{at % 3}", f"u{at}") for at in range(20)]
        for person in everyone[:3]:
            person.leaves()
        for at in range(20):
            case.ask(demo, path("r1", "u4"), method="POST", body=b"x" * 1000)
            Person(case, demo, "r2", f"late{at}", wait=False)
        demo.signal(number)
        demo.expect_end(f"after {number.name} with people in its rooms")
        equal("the lines of the demo", len(demo.lines), 1)
