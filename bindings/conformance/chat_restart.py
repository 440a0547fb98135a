"""The chat over the end of its process: nothing is lost and nothing comes twice, with the variable CHAT_LOG."""

import json
import pathlib
import shutil
import signal
import tempfile
import urllib.parse

from client import Client, shown
from harness import STOP_SECONDS, equal, eventually, free_port, matches, scenario
from heads import is_text
from members import Member, joined, kinds, left, path, room
from websocket import TEXT, frame

EPOCH = "0123456789abcdef"
KEPT = 1000
ROUNDS = 3
BAD_ID = b"Expected &id=ID with 1 to 64 letters, digits and '-'.\n"


class Page:
    """Does what the page does: it returns with its position, and sends again what has not come back."""

    def __init__(self, case, name, kind):
        self.case, self.name, self.kind = case, name, kind
        self.member, self.position, self.gaps = None, "", 0
        self.seen = []  # messages
        self.unseen = {}  # text by id, of its own
        self.said = 0

    def connect(self, demo):
        query = f"name={self.name}&from={urllib.parse.quote(self.position)}"
        self.member = Member(self.case, demo, self.name, self.kind, query=query)
        equal("the name", self.member.name, self.name)
        for id in self.unseen:
            self.send(id)

    def send(self, id):
        """Does not wait for an answer."""
        data = self.unseen[id].encode()
        if self.kind == "chat":
            self.member.client.send(frame(TEXT, b"\x1e" + id.encode() + b" " + data))
        else:
            self.case.ask(self.member.demo, f"{path('say', self.name)}&id={id}", method="POST", body=data)

    def say(self, text):
        """Now, or when it has returned."""
        self.said += 1
        id = f"{self.name}-{self.said}"
        self.unseen[id] = text
        if self.member:
            self.send(id)

    def sees(self, *texts):
        """These are the next messages, whatever else comes."""
        for text in texts:
            message = b""
            while not message.startswith(b'{"type":"message"'):
                message = self.member.next()
                self.position, self.gaps = self.member.position, self.gaps + self.member.gaps
                self.member.gaps = 0
            equal(f"what {self.name} sees", json.loads(message)["text"], text)
            self.seen.append(message)
            self.unseen.pop(json.loads(message).get("id"), None)

    def loses_connection(self):
        self.member.client.close()
        self.member = None


def log_file(case):
    folder = tempfile.mkdtemp()
    case.closing(lambda: shutil.rmtree(folder))
    return pathlib.Path(folder, "log")


def killed(demo):
    """As by kill -9."""
    demo.signal(signal.SIGKILL)
    equal("the exit code of a demo that was killed", demo.wait(STOP_SECONDS), -signal.SIGKILL)


def pages(case):
    """One for each way to join, or two of the only one."""
    return [Page(case, name, kind) for name, kind in zip(("Ada", "Bob"), kinds() * 2)]


def return_both(case, port, log, ada, bob, round):
    """One after the other, to a new process, with all that they get then. Returns the demo."""
    demo = case.start("chat", port=port, CHAT_LOG=str(log))
    missed = [f"by Bob, lost {round}"] if round else []  # in the first round there was nothing before
    from_ada, from_bob = ([f"by {name}, away {round}"] if round else [] for name in ("Ada", "Bob"))
    ada.connect(demo)
    ada.sees(*missed, *from_ada)
    bob.connect(demo)
    bob.sees(*missed, *from_ada, *from_bob)
    ada.sees(*from_bob)
    return demo


@scenario
def nothing_lost(case):
    """The process is killed again and again: who returns has every line once and in order, also those whose
    acknowledgement was lost, and those that were written while it was away."""
    log, port, (ada, bob) = log_file(case), free_port(), pages(case)
    for round in range(ROUNDS):
        demo = return_both(case, port, log, ada, bob, round)
        for page in (ada, bob):
            page.say(f"by {page.name}, seen")
            for other in (ada, bob):
                other.sees(f"by {page.name}, seen")
        bob.say(f"by Bob, lost {round + 1}")
        eventually("the log", lambda: f"by Bob, lost {round + 1}".encode() in log.read_bytes(), True)
        killed(demo)
        for page in (ada, bob):
            page.loses_connection()
            page.say(f"by {page.name}, away {round + 1}")
        with log.open("ab") as file:  # as if it had been killed in the middle of a line
            file.write('{"type":"message","name":"\u00fc'.encode()[:-1])
    demo = return_both(case, port, log, ada, bob, ROUNDS)
    equal("what both have seen", ada.seen, bob.seen)
    epoch, *lines = log.read_bytes().splitlines()
    equal("the messages of the log", lines, ada.seen)
    equal("the positions at the end", {ada.position, bob.position}, {f"{epoch.decode()}-{len(lines)}"})
    equal("gaps and what did not come back", (ada.gaps + bob.gaps, {**ada.unseen, **bob.unseen}), (0, {}))
    for kind in kinds():
        late = Page(case, f"late-{kind}", kind)
        late.position = f"{epoch.decode()}-0"
        late.connect(demo)
        late.sees(*(json.loads(line)["text"] for line in lines))
        late.loses_connection()
    demo.stop("with a log")


@scenario
def connection_lost(case):
    """Nothing is lost either when it is the connection alone that ends, without a log; an EventSource returns with the
    header Last-Event-ID. After a restart without a log there is a gap, which is told."""
    port, (ada, bob) = free_port(), pages(case)
    demo = case.start("chat", port=port)
    for page in (ada, bob):
        page.connect(demo)
    bob.say("one")
    ada.sees("one")
    bob.sees("one")
    ada.loses_connection()
    bob.member.expect(left("Ada"))
    bob.say("two")
    bob.sees("two")
    source = case.ask(demo, "/events?name=Cy", headers=[f"Last-Event-ID: {ada.position}"])
    source.response_head()
    text = b""
    while b'"text":"two"' not in text:
        text += source.chunk()
    equal("whether the first one comes again", b'"text":"one"' in text, False)
    ada.connect(demo)
    ada.sees("two")
    killed(demo)
    demo = case.start("chat", port=port)
    for page in (ada, bob):
        page.connect(demo)
    ada.say("three")
    for page in (ada, bob):
        page.sees("three")
    equal("the gaps of which they were told", (ada.gaps, bob.gaps), (1, 1))


@scenario
def ids(case):
    """A line with an id is there once; the same text with another id, or without one, is another line."""
    _, *members = room(case, *("Ada", "Bob")[:len(kinds())])
    for member in members:
        for id, comes in ((f"{member.kind}-1", True), (f"{member.kind}-1", False), ("x" * 63 + member.kind[0], True),
                          (f"{member.kind}-2", True), (f"{member.kind}-1", False)):
            if member.kind == "chat":
                member.client.send(frame(TEXT, f"\x1e{id}  two words".encode()))
            else:
                answer = case.ask(member.demo, f"{path('say', member.name)}&id={id}", method="POST",
                                  body=b" two words").response()
                equal("the status of a POST with an id", answer.status, 204)
            for other in members if comes else ():
                message = other.parsed()
                equal("the message", list(message.items())[-1], ("id", id))
                equal("its text", message["text"], " two words")
        member.say("no id")
        for other in members:
            other.hears(member.name, "no id")
    for id in ("", "a b", "x" * 65, "%00", "\u00fc", "a_b", "%22"):
        answer = case.ask(members[-1].demo, f"{path('say', members[-1].name)}&id={urllib.parse.quote(id, safe='%')}",
                          method="POST", body=b"x").response()
        is_text(f"a POST with the id {shown(id)}", answer, (400, "Bad Request"), BAD_ID)
    if not Client.http2:
        for data in (b"\x1e", b"\x1e text", b"\x1ea_b text", b"\x1e" + b"x" * 65 + b" text"):
            guest = Member(case, members[0].demo, "Guest", "chat")
            guest.client.send(frame(TEXT, data))
            guest.is_closed(1008, b"bad id")
            members[0].expect(joined("Guest"), left("Guest"))


@scenario
def long_log(case):
    """Of a longer log the last 1,000 lines are kept, and their positions count all; an id of one of them is known."""
    log = log_file(case)
    lines = [f'{{"type":"message","name":"Eve","text":"{number}","time":"2026-11-26T12:00:00Z","id":"e-{number}"}}'
             for number in range(1, KEPT + 501)]
    log.write_text("\n".join([EPOCH, *lines, ""]))
    demo = case.start("chat", CHAT_LOG=str(log))
    for kind in kinds():
        for start, first, gaps in ((900, 901, 0), (500, 501, 0), (499, 501, 1), (0, 501, 1), (9999, 501, 1)):
            page = Page(case, f"{kind}-{start}", kind)
            page.position = f"{EPOCH}-{start}"
            page.connect(demo)
            page.sees(*(str(number) for number in range(first, len(lines) + 1)))
            equal(f"gaps from {start}", page.gaps, gaps)
            equal("the position at the end", page.position, f"{EPOCH}-{len(lines)}")
            page.loses_connection()
    ada = pages(case)[-1]
    ada.connect(demo)
    ada.unseen = {"e-1500": "known", "e-502": "known", "e-500": "no longer kept"}
    for id in ada.unseen:
        ada.send(id)
    ada.sees("no longer kept")
    equal("the lines of the log", len(log.read_text().splitlines()), len(lines) + 2)


@scenario
def unusable_log(case):
    """A file that cannot be the log ends the demo with a sentence."""
    folder = log_file(case).parent
    folder.joinpath("prose").write_text("This is not a log.\n")
    for name, why in (("nowhere/log", "[Nn]o such file"), ("", "[Ii]s a directory"), ("prose", "[^\n]+")):
        demo = case.start("chat", CHAT_LOG=f"{folder}/{name}")
        equal("the exit code", demo.wait(STOP_SECONDS), 1)
        matches("stderr", demo.stderr(), rf"[^\n]*{why}[^\n]*\n")
        equal("CHAT_LOG is named", demo.stderr().startswith("CHAT_LOG"), True)
