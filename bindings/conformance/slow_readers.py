"""Clients that do not read: what waits for them is bounded, others do not wait with them, and nothing is lost."""

import os

from harness import all_read, between, equal, eventually, scenario, window_shut
from hijack import FULL, LINES, bytes_of, echo_client
from sse import event, subscribed
from streaming import listener

SMALL = 4096  # receive buffer of a client that is slow
MUCH = 48 << 20  # more than the system's buffers of both sides hold
MIB = 1 << 20
GROWTH = 64 if "ASAN_OPTIONS" in os.environ else 16  # MiB; a sanitizer keeps what was freed for a while
PAGES = 200  # more than such a client takes, and less than the system keeps for it


def resident(demo):
    """Bytes of memory that the demo's process has resident."""
    with open(f"/proc/{demo.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def stalled(client):
    """Sends until the demo reads no more, because its echo is not taken. Returns what it took."""
    data = bytes_of(MIB) * (MUCH // MIB)
    sent = client.send_some(data, 0.7)
    between("bytes that went into an echo that nobody reads", sent, SMALL, MUCH // 2)
    window_shut(client)
    return data[:sent]


def shut(client, path):
    """Asks for pages that it does not read, until the window is shut, and then for path."""
    client.send(client.head("/nowhere") * PAGES)
    window_shut(client)
    client.send(client.head(path))
    all_read(client)


def opened(client):
    """Reads those pages."""
    for _ in range(PAGES):
        equal("the status of /nowhere", client.response().status, 404)


@scenario
def echo_stops_reading(case):
    """A client that does not take its echo is read no further, at a bounded cost; then all of it arrives."""
    demo = case.start("hijack")
    client = echo_client(case, demo, receive_buffer=SMALL)
    before = resident(demo)
    data = stalled(client)
    between("growth of the process in MiB", (resident(demo) - before) / MIB, -64, GROWTH)
    equal("the echo is right byte for byte", client.exactly(len(data), "the echo") == data, True)
    client.send(b"awake again")
    equal("the echo afterwards", client.exactly(11), b"awake again")


@scenario
def echo_then_end(case):
    """The same, where the client ends its sending before it reads: everything comes, then the end."""
    client = echo_client(case, receive_buffer=SMALL)
    data = stalled(client)
    client.finish()
    equal("the echo is right byte for byte", client.exactly(len(data), "the echo") == data, True)
    client.ends("after the echo")


@scenario
def echo_of_others(case):
    """Clients that do not take their echo delay nobody else's."""
    demo = case.start("hijack")
    for _ in range(5):
        stalled(echo_client(case, demo, receive_buffer=SMALL))
    client = echo_client(case, demo)
    for size in (10, 10000, 100000):
        data = bytes_of(size)
        client.send(data)
        equal(f"the echo of {size} bytes", client.exactly(size), data)
    equal("the lines of /partial", case.ask(demo, "/partial").rest()[-len(LINES):], LINES)


@scenario
def slow_but_steady(case):
    """A client that reads a little at a time gets everything."""
    client, data = echo_client(case, receive_buffer=SMALL), bytes_of(200000)
    client.send(data)
    window_shut(client)
    got = b""
    while len(got) < len(data):
        got += client.exactly(min(5000, len(data) - len(got)))
    equal("the echo", got, data)


@scenario
def beep_member(case):
    """A client of beep whose window is shut stays a member: others get every run, and it gets them when it reads."""
    demo = case.start("beep", BEEP_INTERVAL_MS="20")
    slow, quick = case.connect(demo, receive_buffer=SMALL), listener(case, demo, "/raw")
    shut(slow, "/raw")
    demo.told_clients(2)
    before = len(demo.beeps())
    equal("what another one gets", quick.exactly(5 * 100), b"BEEP\n" * 100)
    window_shut(slow)
    count = eventually("the lines of runs", lambda: len(demo.beeps()) - before, lambda count: count >= 95)
    equal("the clients of these runs", {clients for _, clients in demo.beeps()[before:]}, {2})
    opened(slow)
    equal("what the slow one gets", slow.exactly(5 * count), b"BEEP\n" * count)


@scenario
def sse_member(case):
    """Clients of sse whose window is shut stay subscribed: others get each event, and they get them when they read."""
    slow = []
    for _ in range(3):  # one after the other: a window takes a while to shut, and a silent client has 10 seconds
        client = case.connect(case.demo("sse"), receive_buffer=SMALL)
        shut(client, "/sse")
        slow.append(client)
    quick = subscribed(case)
    first, _ = event(quick)
    equal("the ids of another client", [event(quick)[0] for _ in range(3)], [first + 1, first + 2, first + 3])
    for client in slow:
        window_shut(client)
        opened(client)
        client.response_head()
        number, _ = event(client)
        between("the first id of a slow client, which came before the other one", number, 1, first)
        equal("the following ids of a slow client", [event(client)[0] for _ in range(3)],
              [number + 1, number + 2, number + 3])


@scenario
def page_reader(case):
    """Clients that ask for many pages and do not read them delay nobody, and get them all when they read."""
    count = 900  # a connection serves 1000 (option requests_per_connection)
    client = case.connect(case.demo("sse"), receive_buffer=SMALL)
    sent = client.send_some(client.head("/") * count, 0.7)
    window_shut(client)
    case.lives(case.demo("sse"))
    bodies = {client.response().body for _ in range(sent // len(client.head("/")))}
    equal("different pages", len(bodies), 1)


@scenario
def hijacked_and_forgotten(case):
    """Clients that are hijacked and never read a byte do no harm, not even at the end."""
    demo = case.start("hijack")
    for path in ("/hijack", "/partial", "/detach", "/") * 5:
        client = case.connect(demo, receive_buffer=SMALL)
        client.send(client.head(path) + b"x" * 65536)
    equal("the bytes of another client", case.ask(demo, "/hijack").exactly(len(FULL)), FULL)
    demo.stop("with clients that never read")
