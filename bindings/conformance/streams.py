"""HTTP/2 alone: many requests at the same time on one connection."""

import re
import time

from client import SECONDS, Failed, shown
from harness import between, equal, eventually, scenario

MANY = 50
CHAT = "/chat?name=Ada"


def ask(client, path):
    """A new stream of the client's connection."""
    client.request(path)
    return client.sock.streams[-1]


def until(client, what, done):
    """Reads the client's connection until done()."""
    try:
        client.sock.until(done, SECONDS)
    except OSError as error:
        texts = [bytes(stream.text) for stream in client.sock.streams]
        raise Failed(what, f"within {SECONDS} s", f"{error}, after {shown(texts, 500)}") from None


def answered(client, stream, status):
    """The stream's response is complete, and has this status. Returns its body."""
    until(client, f"a response with {status}", lambda: stream.ended or stream.reset is not None)
    head, _, body = bytes(stream.text).partition(b"\r\n\r\n")
    equal("the status", head.split(b" ")[1:2], [b"%d" % status])
    client.sock.streams.remove(stream)
    return body


def ids(stream):
    return re.findall(rb"\nid: (\d+)\n", stream.text)


@scenario
def many_on_one(case):
    """Many event streams share a connection with ordinary requests, and get the same events."""
    client = case.connect(case.demo("sse"))
    streams = []
    for _ in range(MANY):
        streams.append(ask(client, "/sse"))
        equal("the body of /healthz", answered(client, ask(client, "/healthz"), 200), b"ok\n")
    until(client, "two events for each", lambda: all(len(ids(stream)) > 1 for stream in streams))
    equal("events that all of them have", len(set.intersection(*(set(ids(stream)) for stream in streams))) > 0, True)


@scenario
def one_of_many_goes(case):
    """Streams of which the client wants no more leave the room; those beside them on the connection go on."""
    demo = case.start("beep", BEEP_INTERVAL_MS="50")
    client = case.connect(demo)
    streams = [ask(client, "/") for _ in range(MANY)]
    until(client, "a run for each", lambda: all(b"BEEP" in stream.text for stream in streams))
    demo.told_clients(MANY)
    for stream in streams[::2]:
        client.sock.cancel(stream)
    demo.told_clients(MANY // 2)
    before = [len(stream.text) for stream in streams[1::2]]
    until(client, "a run for those that stay",
          lambda: all(len(stream.text) > length for stream, length in zip(streams[1::2], before)))
    eventually("the connections of the demo", demo.connections, 1)
    client.close()
    demo.told_clients(0)
    demo.stop("after streams that came and went")


@scenario
def window_of_one(case):
    """A stream whose window is shut delays no other one, and gets what it has missed once it reads."""
    demo = case.start("beep", BEEP_INTERVAL_MS="5")
    client = case.connect(demo)
    client.sock.shrink(100)
    slow = ask(client, "/")
    slow.paused = True
    until(client, "a shut window", lambda: slow.text.count(b"BEEP\n") == 20)
    quick, other = ask(client, "/"), ask(client, "/nowhere")
    answered(client, other, 404)
    until(client, "runs beside a shut window", lambda: quick.text.count(b"BEEP\n") > 40)
    equal("runs for the one that does not read", slow.text.count(b"BEEP\n"), 20)
    client.sock.resume(slow)
    behind = len(demo.beeps())
    until(client, "the runs that were missed", lambda: slow.text.count(b"BEEP\n") > 60)
    between("runs for the one that reads again", slow.text.count(b"BEEP\n"), 61, behind + 1000)


@scenario
def no_connection_to_take(case):
    """What takes the connection is refused in a sentence, and the connection goes on."""
    for name, paths in (("hijack", ("/hijack", "/partial", "/detach")), ("beep", ("/raw",)), ("chat", (CHAT,))):
        client = case.connect(case.demo(name))
        for path in paths * 2:
            equal(f"{path} of {name} speaks of HTTP/1.1", b"HTTP/1.1" in answered(client, ask(client, path), 505), True)
            answered(client, ask(client, "/nowhere"), 404)
            client.request(path, method="HEAD")
            equal(f"the body of HEAD {path}", answered(client, client.sock.streams[-1], 505), b"")


@scenario
def no_websocket(case):
    """A chat's WebSocket is refused in a sentence that says what to do, after the name was looked at."""
    client = case.connect(case.demo("chat"))
    equal("the answer", answered(client, ask(client, CHAT), 505),
          b"A WebSocket needs HTTP/1.1 here; /events does not.\n")
    answered(client, ask(client, "/chat?name="), 400)


@scenario
def goaway(case):
    """A demo that ends says so to those who share a connection, with no error."""
    demo = case.start("sse")
    client = case.connect(demo)
    for _ in range(MANY):
        ask(client, "/sse")
    until(client, "the heads", lambda: all(stream.text for stream in client.sock.streams))
    start = time.monotonic()
    demo.stop("with many streams")
    until(client, "GOAWAY", lambda: client.sock.goaway is not None)
    equal("the error code of GOAWAY", int(client.sock.goaway), 0)
    between("seconds until the demo has ended", time.monotonic() - start, 0, 10)
