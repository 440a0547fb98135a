"""Connections of another server: Puma, uvicorn or net/http accepts and reads the request, and libhijack has the rest.

/ is the other server's own answer, /sse is held, /echo is a WebSocket. C has no such server: run.py --adopt runs these.
"""

import signal
import time

from client import Client
from harness import equal, eventually, scenario, took
from sse import event
from websocket import BINARY, HANDSHAKE, PING, PONG, TEXT, closed, echoed, expect, frame, opened

MANY = 200
ENDS = {"close": Client.close, "reset": Client.reset, "half-close": Client.finish}


def held(case, demo=None, **options):
    """A client that has read the head of /sse."""
    return sse_begun(case.ask(demo or case.demo("adopt"), "/sse", **options))


def sse_begun(client):
    """The client, which has read the head of its response. Each server may hand over with chunks or without."""
    client.first_head = client.response_head()
    equal("the status line", client.first_head.first, "HTTP/1.1 200 OK")
    equal("the type", client.first_head.get("content-type"), "text/event-stream")
    return client


def next_event(client):
    return event(client, plain=client.first_head.get("transfer-encoding") is None)


def home(case, demo):
    client = case.ask(demo, "/")
    equal("the status of /", client.response().status, 200)
    client.close()


@scenario
def events(case):
    """The head says event stream, not to be stored or buffered; every client gets the same events, one a second."""
    first, second = held(case), held(case)
    for name, value in (("cache-control", "no-cache"), ("x-accel-buffering", "no"), ("content-length", None)):
        equal(f"the header {name}", first.first_head.get(name), value)
    seen = [next_event(second) for _ in range(3)]
    number, _ = seen[0]
    equal("the ids", [each[0] for each in seen], [number, number + 1, number + 2])
    others = next_event(first)
    while others[0] < number:
        others = next_event(first)
    equal("the same event for the other client", others, seen[others[0] - number])


@scenario
def head_alone(case):
    """HEAD gets the head alone, and the end."""
    client = case.ask(case.demo("adopt"), "/sse", method="HEAD")
    equal("the status line", client.response_head().first, "HTTP/1.1 200 OK")
    client.ends("after the head")


@scenario
def old_client(case):
    """A client of HTTP/1.0 gets events too, without chunks."""
    client = held(case, version="1.0")
    equal("Transfer-Encoding", client.first_head.get("transfer-encoding"), None)
    next_event(client)


@scenario
def after_another(case):
    """A connection on which the other server has answered before can be taken."""
    client = case.ask(case.demo("adopt"), "/")
    equal("the status of /", client.response().status, 200)
    client.request("/sse")
    next_event(sse_begun(client))


@scenario
def pipelined(case):
    """The same where both requests come in one piece."""
    client = case.connect(case.demo("adopt"))
    client.send(client.head("/") + client.head("/sse"))
    equal("the status of /", client.response().status, 200)
    next_event(sse_begun(client))


@scenario
def beside(case):
    """The other server still answers while many connections are held, and they cost it no worker."""
    demo = case.demo("adopt")
    clients = [held(case, demo) for _ in range(MANY)]
    start = time.monotonic()
    for _ in range(20):
        home(case, demo)
    took("seconds for 20 answers", time.monotonic() - start, 0, 5)
    for client in clients[::50]:
        next_event(client)


@scenario
def departures(case):
    """Clients that leave, in any way, are gone, with their descriptors."""
    demo = case.start("adopt")
    home(case, demo)
    eventually("connections of the other server", demo.connections, 0)
    before = demo.descriptors()
    for how, leave in ENDS.items():
        clients = [held(case, demo) for _ in range(20)]
        for client in clients:
            leave(client)
        eventually(f"connections after clients that {how}", demo.connections, 0)
    eventually("descriptors", demo.descriptors, lambda count: count <= before)
    demo.stop("after all of them have left")


@scenario
def gone_before(case):
    """A client that resets just after its request is normal: nobody says a word, and nothing stays open."""
    demo = case.start("adopt")
    home(case, demo)
    eventually("connections of the other server", demo.connections, 0)
    before = demo.descriptors()
    for number in range(100):
        client = case.ask(demo, ("/sse", "/echo")[number % 2], headers=HANDSHAKE)
        client.reset()
    eventually("connections", demo.connections, 0)
    home(case, demo)
    eventually("descriptors", demo.descriptors, lambda count: count <= before)
    demo.stop("after clients that reset")


@scenario
def echo(case):
    """A WebSocket whose handshake the other server has read echoes, answers pings, and closes as it is asked to."""
    client = opened(case, demo=case.demo("adopt"))
    for size in (0, 1, 125, 126, 65536, 1 << 20):
        echoed(client, BINARY, bytes(size))
        echoed(client, TEXT, b"t" * size)
    client.send(frame(PING, b"still there?"))
    expect(client, PONG, b"still there?")
    client.send(frame(8, b"\x03\xe8bye"))
    closed(client, 1000)


@scenario
def refused_handshakes(case):
    """libhijack answers what is not a handshake, or comes from a page of another origin."""
    demo = case.demo("adopt")
    for status, headers in ((426, []), (403, [*HANDSHAKE, "Origin: https://elsewhere.example"])):
        client = case.ask(demo, "/echo", headers=headers)
        equal("the status", client.response().status, status)
        client.ends("after the refusal")


@scenario
def sigterm(case):
    """SIGTERM ends the program in time and silently though connections are held, and they get the end."""
    demo = case.start("adopt")
    clients = [held(case, demo) for _ in range(20)] + [opened(case, demo=demo)]
    demo.signal(signal.SIGTERM)
    demo.expect_end("after SIGTERM with held connections")
    for client in clients:
        client.rest("the end of a held connection", reset_is_fine=True)
