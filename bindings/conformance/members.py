"""Members of the chat: clients that have joined, and what they expect to see."""

import json
import re
import urllib.parse

from client import Client, Failed, shown
from harness import equal, matches
from websocket import CLOSE, HANDSHAKE, PING, PONG, TEXT, frame, next_frame

BAD_NAME = (b"Expected ?name=NAME with 1 to 32 characters of UTF-8, no control character among them and no space at "
            b"either end.\n")
EVENT = rb"(event: hijack-gap\n)?(?:id: ([0-9a-f]{16}-\d+))?\n?(?:data: ([^\n]*))?"


def path(kind, name):
    return f"/{kind}?name={urllib.parse.quote_plus(name)}"


def after(position, messages):
    epoch, _, offset = position.rpartition("-")
    return f"{epoch}-{int(offset) + messages}"


class Member:
    """A client that has joined: by WebSocket, or by Server-Sent Events and POST."""

    def __init__(self, case, demo, name, kind, query=None, wait=True, **options):
        self.case, self.demo, self.kind = case, demo, kind
        self.text = b""  # of events, not yet taken
        self.position = ""  # of the last message; of a WebSocket if its query asks for it
        self.gaps = 0  # of which it was told
        self.client = case.connect(demo, **options)
        target = path(kind, name) if query is None else f"/{kind}?{query}"
        self.client.request(target, headers=HANDSHAKE if kind == "chat" else [])
        if wait:
            self.welcome()

    def welcome(self):
        """Reads the head and who is here; the last one is this."""
        equal(f"the status of {self.kind}", self.client.response_head().status, 101 if self.kind == "chat" else 200)
        first = self.parsed()
        equal("the keys of the first message", list(first), ["type", "names"])
        equal("the type of the first message", first["type"], "here")
        self.names = first["names"]
        self.name = self.names[-1]

    def next(self):
        """The next message's bytes."""
        if self.kind == "chat":
            opcode, data = next_frame(self.client)
            while opcode == PING:  # after half a minute without a byte of ours
                self.client.send(frame(PONG, data))
                opcode, data = next_frame(self.client)
            equal(f"the kind of frame with {shown(data)}", opcode, TEXT)
            if data.startswith(b"\x1e"):
                what, at = matches("what a WebSocket is told", data, rb"\x1ehijack-(position|gap) (\S+)").groups()
                self.gaps += what == b"gap"
                self.position = after(at.decode(), -(what == b"gap"))
                return self.next()
            if self.position and data.startswith(b'{"type":"message"'):
                self.position = after(self.position, 1)
            return data
        while True:
            event, end, rest = self.text.partition(b"\n\n")
            if not end:
                part = self.client.chunk()
                if part == b"":
                    raise Failed("the events", "another one", "the last chunk")
                self.text += part
                continue
            self.text = rest
            if event.startswith(b":"):  # a heartbeat
                continue
            gap, position, data = matches("an event", event, EVENT).groups()
            self.position = position.decode() if position else self.position
            self.gaps += gap is not None
            if data is not None and not gap:
                return data

    def parsed(self):
        return json.loads(self.next())

    def expect(self, *messages):
        for message in messages:
            equal("the next message", self.next(), message.encode())

    def hears(self, name, text):
        """The next message is this one. text: as in JSON. Returns its bytes."""
        seen = self.next()
        matches("a message", seen, re.escape(f'{{"type":"message","name":"{name}","text":"{text}","time":"'.encode()) +
                rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}')
        return seen

    def say(self, text):
        """By WebSocket without waiting; else the answer must be 204."""
        data = text.encode() if isinstance(text, str) else text
        if self.kind == "chat":
            self.client.send(frame(TEXT, data))
        else:
            equal("the status of a POST", self.post(data).status, 204)

    def post(self, data):
        return say(self.case, self.demo, self.name, data)

    def is_closed(self, code, reason):
        """The next thing is the demo's close frame, which is answered, and then the end."""
        opcode, data = next_frame(self.client)
        equal("the close frame", (opcode, int.from_bytes(data[:2], "big"), data[2:]), (CLOSE, code, reason))
        self.client.send(frame(CLOSE, data[:2]))
        self.client.ends("after the close frame", reset_is_fine=True)

    def silent(self):
        """Nothing comes: what was published before would be here."""
        self.client.silent(0.3, f"what {self.name} gets")


def say(case, demo, name, data):
    """The answer to a POST."""
    return case.ask(demo, path("say", name), method="POST", body=data).response()


def kinds():
    """How one can join."""
    return ("events",) if Client.http2 else ("chat", "events")


def joined(name):
    return f'{{"type":"joined","name":"{name}"}}'


def left(name):
    return f'{{"type":"left","name":"{name}"}}'


def room(case, *names, demo="chat", kind=None):
    """A new demo and members that have seen each other, of every kind in turn."""
    demo, members = case.start(demo), []
    for at, name in enumerate(names):
        members.append(Member(case, demo, name, kind or kinds()[at % len(kinds())]))
        for other in members[:-1]:
            other.expect(joined(name))
    return (demo, *members)
