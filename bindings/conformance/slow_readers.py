"""Clients that do not read: what waits for them is bounded, others do not wait with them, and nothing is lost."""

import time

from harness import between, equal, eventually, scenario, took
from hijack import FULL, LINES, bytes_of, echo_client
from sse import event, subscribed
from streaming import listener

SMALL = 4096  # receive buffer of a client that is slow
MUCH = 48 << 20  # more than the system's buffers of both sides hold
MIB = 1 << 20


def resident(demo):
    """Bytes of memory that the demo's process has resident."""
    with open(f"/proc/{demo.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def stalled(client, data):
    """Sends until the demo reads no more, and returns how many bytes it took."""
    return client.send_some(data, 0.7)


@scenario
def echo_stops_reading(case):
    """A client that does not take its echo is read no further, at a bounded cost; then all of it arrives."""
    demo = case.start("hijack")
    client, data = echo_client(case, demo, receive_buffer=SMALL), bytes_of(MIB) * (MUCH // MIB)
    before = resident(demo)
    sent = stalled(client, data)
    between("bytes that went into an echo that nobody reads", sent, 1, MUCH // 2)
    between("growth of the process in MiB", (resident(demo) - before) / MIB, -64, 16)
    equal("the echo is right byte for byte", client.exactly(sent, "the echo", 20) == data[:sent], True)
    client.send(b"awake again")
    equal("the echo afterwards", client.exactly(11), b"awake again")


@scenario
def echo_then_end(case):
    """The same, where the client ends its sending before it reads: everything comes, then the end."""
    client, data = echo_client(case, receive_buffer=SMALL), bytes_of(MIB) * 16
    sent = stalled(client, data)
    client.finish()
    time.sleep(0.3)
    equal("the echo is right byte for byte", client.exactly(sent, "the echo", 20) == data[:sent], True)
    client.ends("after the echo")


@scenario
def echo_of_others(case):
    """Clients that do not take their echo delay nobody else's."""
    demo = case.start("hijack")
    for _ in range(5):
        stalled(echo_client(case, demo, receive_buffer=SMALL), bytes_of(MIB) * 16)
    client = echo_client(case, demo)
    for size in (10, 10000, 100000):
        start, data = time.monotonic(), bytes_of(size)
        client.send(data)
        equal(f"the echo of {size} bytes", client.exactly(size), data)
        took("seconds for an echo beside clients that do not read", time.monotonic() - start, 0, 1)
    equal("the lines of /partial", case.ask(demo, "/partial").rest()[-len(LINES):], LINES)


@scenario
def slow_but_steady(case):
    """A client that reads a little at a time gets everything."""
    client, data = echo_client(case, receive_buffer=SMALL), bytes_of(200000)
    client.send(data)
    got = b""
    while len(got) < len(data):
        got += client.exactly(min(5000, len(data) - len(got)))
        time.sleep(0.002)
    equal("the echo", got, data)


@scenario
def beep_member(case):
    """A client of beep that does not read delays no run of the others, and gets all of them when it reads."""
    demo = case.start("beep", BEEP_INTERVAL_MS="20")
    slow, quick = [listener(case, demo, "/raw", ) for _ in range(2)]
    demo.told_clients(2)
    quick.exactly(5)
    before, start = len(demo.beeps()), time.monotonic()
    quick.exactly(5 * 100)
    took("seconds for 100 runs beside a client that does not read", time.monotonic() - start, 0, 3)
    count = eventually("the lines of runs", lambda: len(demo.beeps()) - before, lambda count: count >= 95)
    equal("what the slow one gets", slow.exactly(5 * count), b"BEEP\n" * count)


@scenario
def sse_member(case):
    """A client of sse that does not read delays no event of the others, and gets all of them when it reads."""
    slow = [case.connect(case.demo("sse"), receive_buffer=SMALL) for _ in range(3)]
    for client in slow:
        client.request("/sse")
    quick = subscribed(case)
    first, _ = event(quick)
    start = time.monotonic()
    while event(quick)[0] < first + 3:
        pass
    took("seconds for three events beside clients that do not read", time.monotonic() - start, 2.5, 3.5)
    for client in slow:
        client.response_head()
        number, _ = event(client)
        equal("the following ids of a slow client", [event(client)[0] for _ in range(3)],
              [number + 1, number + 2, number + 3])


@scenario
def page_reader(case):
    """Clients that ask for many pages and do not read them delay nobody, and get them all when they read."""
    count = 2000
    client = case.connect(case.demo("sse"), receive_buffer=SMALL)
    sent = client.send_some(client.head("/") * count, 0.7)
    start = time.monotonic()
    case.lives(case.demo("sse"))
    took("seconds for another client", time.monotonic() - start, 0, 1)
    bodies = {client.response().body for _ in range(sent // len(client.head("/")))}
    equal("different pages", len(bodies), 1)


@scenario
def hijacked_and_forgotten(case):
    """Clients that are hijacked and never read a byte do no harm, not even at the end."""
    demo = case.start("hijack")
    for path in ("/hijack", "/partial", "/detach", "/") * 5:
        client = case.connect(demo, receive_buffer=SMALL)
        client.send(client.head(path) + b"x" * 5000)
    equal("the bytes of another client", case.ask(demo, "/hijack").exactly(len(FULL)), FULL)
    demo.stop("with clients that never read")
