"""The TCP proxy: bytes, ends, resets, a target that refuses, many connections, and its own beeps without a target."""

import contextlib
import signal
import socket
import threading

from client import SECONDS, Client
from harness import HOST, STOP_SECONDS, eventually, equal, free_port, matches, scenario
from hijack import bytes_of

MEGABYTE = 1 << 20
MANY = 200


@contextlib.contextmanager
def origin(case, backlog=512):
    """A listener as the target, and the proxy in front of it."""
    with socket.create_server((HOST, 0), backlog=backlog) as listener:
        listener.settimeout(SECONDS)
        yield case.start("relay", RELAY_TARGET=f"{HOST}:{listener.getsockname()[1]}"), listener


def accepted(case, listener):
    """The other end of a connection, as a client of it."""
    end = Client.__new__(Client)
    end.sock, _ = listener.accept()
    end.port, end.data = listener.getsockname()[1], b""
    end.sock.settimeout(SECONDS)
    end.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    case.closing(end.close)
    return end


def pair(case, proxy, listener):
    """A client and its other end, between which something has gone both ways."""
    client = case.connect(proxy)
    other = accepted(case, listener)
    passes(client, other, b"hello")
    passes(other, client, b"welcome")
    return client, other


def passes(source, to, data):
    sender = threading.Thread(target=source.send, args=(data,))
    sender.start()
    equal(f"{len(data)} bytes on the other side", to.exactly(len(data)), data)
    sender.join()


def is_reset(what, end):
    try:
        seen = end.sock.recv(1)
    except ConnectionResetError:
        seen = "a reset"
    equal(what, seen, "a reset")


def none_left(proxy):
    eventually("connections of the proxy", proxy.connections, 0)


@scenario
def start_line(case):
    """It says from where to where it relays."""
    port = free_port()
    demo = case.start("relay", port=port, RELAY_TARGET="127.0.0.1:1")
    equal("its port", demo.port(), int(port))
    equal("the first line", demo.lines[0][1], f"relays 127.0.0.1:{port} to 127.0.0.1:1\n")
    demo.stop("after it has done nothing")
    equal("the number of lines", len(demo.lines), 1)


@scenario
def beeps(case):
    """Without a target it has one of its own, whose events come through it."""
    demo = case.start("relay")
    demo.port()
    equal("the second line", demo.line(1, SECONDS), f"try: curl -N http://127.0.0.1:{demo.port()}/\n")
    client = case.ask(demo, "/")
    equal("the type", client.response_head().get("content-type"), "text/event-stream")
    for _ in range(2):
        client.until("the event", lambda: b"data: BEEP\n\n" in client.data)
        client.data = client.data.partition(b"data: BEEP\n\n")[2]
    demo.stop("while a client has beeps")


@scenario
def one_after_the_other(case):
    """Many connections, each with a few bytes both ways and its ends, and nothing of them stays."""
    with origin(case) as (proxy, listener):
        proxy.port()
        before = None
        for number in range(100):
            client, other = pair(case, proxy, listener)
            (client if number % 2 else other).finish()
            (other if number % 2 else client).ends("of what the other side sent")
            (other if number % 2 else client).close()
            (client if number % 2 else other).close()
            if before is None:
                none_left(proxy)
                before = proxy.descriptors()
        none_left(proxy)
        eventually("descriptors", proxy.descriptors, lambda count: count <= before)
        proxy.stop("after many connections")


@scenario
def a_megabyte_both_ways(case):
    """A megabyte each way at the same time comes byte for byte."""
    with origin(case) as (proxy, listener):
        client, other = pair(case, proxy, listener)
        up, down = bytes_of(MEGABYTE, 1), bytes_of(MEGABYTE, 2)
        senders = [threading.Thread(target=end.send, args=(data,)) for end, data in ((client, up), (other, down))]
        readers = []
        for sender in senders:
            sender.start()
        reader = threading.Thread(target=lambda: readers.append(other.exactly(MEGABYTE)))
        reader.start()
        equal("what the client got", client.exactly(MEGABYTE), down)
        reader.join()
        equal("what the target got", readers, [up])
        for sender in senders:
            sender.join()


@scenario
def half_close(case):
    """The end of one side is passed on, and the other direction goes on."""
    with origin(case) as (proxy, listener):
        for first, second in ((0, 1), (1, 0)):
            ends = pair(case, proxy, listener)
            ends[first].finish()
            ends[second].ends("after the end of the other side")
            for size in (1, 100, 70000):
                passes(ends[second], ends[first], bytes_of(size))
            ends[second].finish()
            ends[first].ends("after both have ended")
        for end in ends:
            end.close()
        none_left(proxy)


@scenario
def resets(case):
    """A reset of one side resets the other one."""
    with origin(case) as (proxy, listener):
        for first, second in ((0, 1), (1, 0)):
            ends = pair(case, proxy, listener)
            ends[first].reset()
            is_reset("the other side of a reset", ends[second])
        none_left(proxy)
        proxy.stop("after resets")


@scenario
def refused(case):
    """If nobody listens at the target, the client is reset, a line on stderr says why, and the proxy goes on."""
    port = free_port()
    proxy = case.start("relay", RELAY_TARGET=f"{HOST}:{port}")
    for count in (1, 2, 3):
        with contextlib.suppress(ConnectionResetError):  # it may come before connect has returned
            is_reset("a client whose target refuses", case.connect(proxy))
        eventually("lines on stderr", lambda: proxy.stderr().count("\n"), count)
    for line in proxy.stderr().splitlines():
        matches("a line on stderr", line, rf"connect 127\.0\.0\.1:{port}: [^\n]*refused[^\n]*")
    with socket.create_server((HOST, int(port))) as listener:
        listener.settimeout(SECONDS)
        pair(case, proxy, listener)
    proxy.signal(signal.SIGTERM)
    equal("the exit code", proxy.wait(STOP_SECONDS), 0)


@scenario
def many_at_once(case):
    """200 connections at the same time each have their own other end; afterwards there is none, and no descriptor."""
    with origin(case) as (proxy, listener):
        for end in pair(case, proxy, listener):
            end.close()
        none_left(proxy)
        before = proxy.descriptors()
        clients = [case.connect(proxy) for _ in range(MANY)]
        for number, client in enumerate(clients):
            client.send(b"%04d" % number)
        others = {}
        for _ in clients:
            other = accepted(case, listener)
            others[int(other.exactly(4))] = other
        equal("the number of other ends", len(others), MANY)
        for number, client in enumerate(clients):
            passes(others[number], client, b"for %d" % number)
            client.close()
            others[number].ends("after the end of the client")
            others[number].close()
        none_left(proxy)
        eventually("descriptors", proxy.descriptors, lambda count: count <= before)
        proxy.stop("after many connections")


@scenario
def stops(case):
    """SIGTERM and SIGINT end it in time and silently, and its connections with it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with origin(case) as (proxy, listener):
            ends = [end for _ in range(5) for end in pair(case, proxy, listener)]
            proxy.signal(number)
            proxy.expect_end("with open connections")
            for end in ends:
                end.sock.settimeout(SECONDS)
                with contextlib.suppress(ConnectionResetError):
                    equal("what comes at the end", end.sock.recv(1), b"")
