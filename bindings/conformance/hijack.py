"""Hijacked connections: the exact bytes of full, partial and detached ones, and the echo."""

import random
import time

from harness import equal, eventually, scenario, took

FULL = (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
        b"This program wrote every byte of this response. Send something, it comes back.\n")
DETACHED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nWritten with write(2).\n"
LINES = b"".join(b"line %d of 10\n" % number for number in range(1, 11))
TICK = 0.2  # seconds between two lines


def bytes_of(count, seed=1):
    """Bytes that show where something is missing, doubled or disordered."""
    return random.Random(seed).getrandbits(8 * count).to_bytes(count, "little") if count else b""


def echo_client(case, demo=None, **options):
    """A client of /hijack that has read what comes first."""
    demo = demo or case.demo("hijack")
    client = case.connect(demo, **options)
    client.request("/hijack")
    equal("the first bytes of /hijack", client.exactly(len(FULL)), FULL)
    return client


@scenario
def full(case):
    """A full hijack writes the program's bytes and nothing else, and keeps the connection."""
    echo_client(case).silent(0.3)


@scenario
def full_for_any_method(case):
    """A request with a body is hijacked after its body."""
    client = case.connect(case.demo("hijack"))
    client.request("/hijack?x", method="POST", body=b"the body is not echoed")
    equal("the first bytes", client.exactly(len(FULL)), FULL)
    client.send(b"this is")
    equal("the echo", client.exactly(7), b"this is")


@scenario
def echo(case):
    """What is sent comes back, in all sizes around those of buffers and windows."""
    client = echo_client(case)
    for size in (1, 2, 3, 100, 1460, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 65535, 65536, 65537, 131072):
        data = bytes_of(size, size)
        client.send(data)
        equal(f"the echo of {size} bytes", client.exactly(size, f"the echo of {size} bytes"), data)
    client.silent(0.05)


@scenario
def echo_of_special_bytes(case):
    """Bytes mean nothing: NUL, line ends, chunk lines, whole requests come back as they are."""
    client = echo_client(case)
    for data in (b"\x00", bytes(range(256)), b"\r\n\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                 "gr\u00fc\u00dfe \u2603\n".encode(), b"\xff\xfe\x80", b"QUIT\n", b"\x04\x03"):
        client.send(data)
        equal(f"the echo of {data!r}", client.exactly(len(data)), data)


@scenario
def echo_in_bits(case):
    """A thousand small messages come back in order."""
    client = echo_client(case)
    data = bytes_of(5000)
    for at in range(0, len(data), 5):
        client.send(data[at:at + 5])
    equal("the echo", client.exactly(len(data)), data)


@scenario
def echo_of_a_mebibyte(case):
    """1 MiB that is sent while it is read comes back byte for byte, and the end of sending ends the connection."""
    client, data, back = echo_client(case), bytes_of(1 << 20), []
    for at in range(0, len(data), 65536):
        client.send(data[at:at + 65536])
        back.append(client.exactly(32768))
    client.finish()
    back.append(client.rest("the rest of the echo"))
    equal("the echo of 1 MiB", b"".join(back), data)


@scenario
def end_of_echo(case):
    """A client that ends its sending gets the rest of its echo and then the end."""
    client = echo_client(case)
    client.send(b"last words")
    client.finish()
    equal("the rest", client.rest(), b"last words")


@scenario
def end_without_echo(case):
    """A client that ends without having sent anything gets the end at once."""
    client = echo_client(case)
    client.finish()
    client.ends("after the client's end")


@scenario
def partial(case):
    """A partial hijack has the library's head, exactly ten lines over time, and the end."""
    start = time.monotonic()
    client = case.ask(case.demo("hijack"), "/partial")
    head = client.response_head()
    took("seconds until the head", time.monotonic() - start, 0, 1)
    equal("the status line", head.first, "HTTP/1.1 200 OK")
    for name, value in (("connection", "close"), ("content-type", "text/plain"), ("content-length", None),
                        ("transfer-encoding", None)):
        equal(f"the header {name}", head.get(name), value)
    equal("the body", client.rest(), LINES)
    took("seconds for ten lines", time.monotonic() - start, 9 * TICK - 0.1, 10 * TICK + 1)


@scenario
def partial_over_time(case):
    """The lines come one by one, as time goes by."""
    client = case.ask(case.demo("hijack"), "/partial")
    client.response_head()
    times = []
    for number in range(1, 11):
        equal("a line", client.line(), b"line %d of 10\n" % number)
        times.append(time.monotonic())
    took("seconds from the first to the tenth line", times[9] - times[0], 9 * TICK - 0.3, 9 * TICK + 0.5)
    client.ends("after the tenth line")


@scenario
def partials_side_by_side(case):
    """Each connection has its own ten lines, whenever it came."""
    clients = []
    for _ in range(8):
        clients.append(case.ask(case.demo("hijack"), "/partial"))
        clients[-1].response_head()
        equal("the first line", clients[-1].line(), LINES[:13])
    for client in clients:
        equal("the other lines", client.rest(), LINES[13:])


@scenario
def partial_and_half_close(case):
    """A client that ends its sending side still gets all ten lines."""
    client = case.ask(case.demo("hijack"), "/partial")
    client.finish()
    client.response_head()
    equal("the body", client.rest(), LINES)


@scenario
def partial_ignores_input(case):
    """What a client of /partial sends is not echoed and does not spoil the end."""
    client = case.connect(case.demo("hijack"))
    client.send(client.head("/partial") + b"some bytes")
    client.response_head()
    equal("a line", client.line(), b"line 1 of 10\n")
    client.send(b"more bytes" * 100)
    equal("what was read before the end", client.rest(reset_is_fine=True)[:len(LINES) - 13], LINES[13:])


@scenario
def partial_for_http_1_0(case):
    """An HTTP/1.0 client gets the same."""
    client = case.ask(case.demo("hijack"), "/partial", version="1.0")
    equal("Connection", client.response_head().get("connection"), "close")
    equal("the body", client.rest(), LINES)


@scenario
def detach(case):
    """A detached descriptor gets the program's bytes and the end, and no descriptor is left behind."""
    demo = case.start("hijack")
    case.ask(demo, "/detach").rest()
    eventually("connections after the first", demo.connections, 0)
    before = demo.descriptors()
    for _ in range(20):
        equal("the bytes of /detach", case.ask(demo, "/detach").rest(), DETACHED)
    eventually("descriptors of the demo, as before", demo.descriptors, lambda count: count <= before)


@scenario
def detach_and_half_close(case):
    """A client that ends its sending side along with its request gets the same."""
    demo = case.start("hijack")
    for number in range(50):
        client = case.connect(demo)
        client.send(client.head("/detach") + b"left over" * (number % 2))
        client.finish()
        equal("the bytes of /detach", client.rest(), DETACHED)
    demo.stop("after clients of /detach that half-closed")


@scenario
def full_for_http_1_0(case):
    """An HTTP/1.0 client is hijacked like any other."""
    client = case.ask(case.demo("hijack"), "/hijack", version="1.0")
    equal("the first bytes", client.exactly(len(FULL)), FULL)
    client.send(b"hello")
    equal("the echo", client.exactly(5), b"hello")


@scenario
def after_a_request(case):
    """A connection that was used for other requests can be hijacked, in each way."""
    for path, rest in (("/hijack", FULL), ("/detach", DETACHED)):
        client = case.connect(case.demo("hijack"))
        for before in ("/", "/nowhere"):
            client.request(before)
            client.response()
        client.request(path)
        equal(f"the bytes of {path}", client.exactly(len(rest)), rest)
