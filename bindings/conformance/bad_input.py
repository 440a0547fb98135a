"""Requests that are wrong, ambiguous or no requests at all: 4xx or 5xx and the end, and the server lives on."""

import random

from harness import between, equal, scenario

LINE = b"GET / HTTP/1.1\r\n"
HOST_LINE = b"Host: x\r\n"
GET = LINE + HOST_LINE
POST = b"POST / HTTP/1.1\r\n" + HOST_LINE
CHUNKED = b"Transfer-Encoding: chunked\r\n"

HEADS = [  # (status, bytes)
    (400, LINE + b"\r\n"),  # no Host
    (400, GET + b"Host: y\r\n\r\n"),
    (400, LINE + b"Host: a b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\nHost: x\n\n"),
    (400, GET + b"A: b\n\r\n"),
    (400, b"GET  / HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET / HTTP/1.1 \r\n" + HOST_LINE + b"\r\n"),
    (400, b" GET / HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET /\r\n\r\n"),
    (400, b"GET /a b HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET /\x01 HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET /\xff\xfe HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET nowhere HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"G\x00T / HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, b"GET / http/1.1\r\n" + HOST_LINE + b"\r\n"),
    (400, GET + b"A : b\r\n\r\n"),
    (400, GET + b" A: b\r\n\r\n"),
    (400, GET + b"A: b\r\n c\r\n\r\n"),
    (400, GET + b": b\r\n\r\n"),
    (400, GET + b"no colon\r\n\r\n"),
    (400, GET + b"A(b: c\r\n\r\n"),
    (400, GET + b"A: b\x00c\r\n\r\n"),
    (400, GET + b"A: b\rc\r\n\r\n"),
    (417, GET + b"Expect: the unexpected\r\n\r\n"),
    (501, b"CONNECT x:1 HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (505, b"GET / HTTP/2.0\r\n" + HOST_LINE + b"\r\n"),
    (505, b"GET / HTTP/0.9\r\n" + HOST_LINE + b"\r\n"),
]
LONG = [
    (414, b"GET /" + b"a" * 13000 + b" HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (431, GET + b"A: " + b"a" * 13000 + b"\r\n\r\n"),
    (431, GET + b"A: b\r\n" * 3000 + b"\r\n"),
    (431, GET + b"a" * 13000),
    (501, b"A" * 13000 + b" / HTTP/1.1\r\n" + HOST_LINE + b"\r\n"),
    (413, POST + b"Content-Length: 1048577\r\n\r\n"),
    (413, POST + b"Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"),
]
AMBIGUOUS = [
    (400, POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    (400, POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    (400, POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    (400, POST + b"Content-Length: +3\r\n\r\nabc"),
    (400, POST + b"Content-Length: -3\r\n\r\nabc"),
    (400, POST + b"Content-Length: 0x3\r\n\r\nabc"),
    (400, POST + b"Content-Length: 3 0\r\n\r\nabc"),
    (400, POST + b"Content-Length:\r\n\r\nabc"),
    (400, POST + b"Content-Length: 99999999999999999999\r\n\r\nabc"),
    (400, POST + b"Content-Length: 3\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    (400, POST + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n"),
    (400, POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (501, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    (400, POST + CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n"),
    (400, POST + CHUNKED + b"\r\n-1\r\nabc\r\n0\r\n\r\n"),
    (400, POST + CHUNKED + b"\r\n3\r\nabcde\r\n0\r\n\r\n"),
    (413, POST + CHUNKED + b"\r\nffffffffffffffffff\r\n"),
]
FOREIGN = [
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2),  # TLS
    (400, b"SSH-2.0-OpenSSH_9.2\r\n"),
    (400, b"\x05\x01\x00" + b"\r\n\r\n"),  # SOCKS
    (400, b"*1\r\n$4\r\nPING\r\n"),  # Redis
    (400, b"\x00" * 100),
    (400, b"\r\n\r\n\r\n"),
    (400, b"hello\r\n\r\n"),
]


def refused(what, client, status):
    """One response with this status, which says Connection: close and what is wrong, and then the end."""
    response = client.response()
    equal(f"the status of {what}", response.status, status)
    equal(f"Connection of {what}", response.get("connection"), "close")
    equal(f"the beginning of the text of {what}", response.body[:3], str(status).encode())
    client.ends(f"after {what}")


def all_refused(case, requests, behind=b""):
    for name in ("sse", "beep", "hijack"):
        demo = case.demo(name)
        for status, data in requests:
            client = case.connect(demo)
            client.send(data + behind)
            refused(f"{data[:70]!r} on {name}", client, status)
            client.close()
        case.lives(demo)


@scenario
def malformed_heads(case):
    """Each malformed head is refused with its own status, and the connection ends."""
    all_refused(case, HEADS)


@scenario
def too_long(case):
    """Lines, heads and bodies over the limits are refused."""
    all_refused(case, LONG)


@scenario
def ambiguous_bodies(case):
    """Where a body's length could be read in two ways, nothing is read: refused, and what follows is no request."""
    all_refused(case, AMBIGUOUS)
    all_refused(case, AMBIGUOUS[:-4], behind=GET + b"\r\n" + GET + b"\r\n")


@scenario
def other_protocols(case):
    """Those who speak something else are refused."""
    all_refused(case, FOREIGN)


@scenario
def noise(case):
    """Random bytes are refused or cut, and hurt nobody."""
    demo, noise_of = case.demo("hijack"), random.Random(4)
    for _ in range(150):
        client = case.connect(demo)
        client.send(noise_of.getrandbits(8 * 300).to_bytes(300, "little") + b"\r\n\r\n")
        between("the status of noise", client.response().status, 400, 505)
        client.ends("after noise", reset_is_fine=True)
        client.close()
    case.lives(demo)


@scenario
def damaged_requests(case):
    """A good request with one damaged byte is answered, good or bad, or waits for more; the server lives on."""
    demo, chance = case.demo("sse"), random.Random(5)
    for _ in range(200):
        client = case.connect(demo)
        data = bytearray(client.head("/healthz", "POST", headers=["Content-Length: 2", "A: b"]) + b"ab")
        data[chance.randrange(len(data))] = chance.randrange(256)
        client.send(bytes(data))
        client.finish()
        seen = client.rest(reset_is_fine=True)
        equal(f"the beginning of the answer to {bytes(data)!r}", seen[:9] in (b"", b"HTTP/1.1 "), True)
        client.close()
    case.lives(demo)


@scenario
def after_good_requests(case):
    """A bad request behind good ones ends the connection, but the good ones are answered first."""
    client = case.connect(case.demo("sse"))
    client.send(client.head("/healthz") * 3 + b"bad\r\n\r\n" + client.head("/healthz"))
    for _ in range(3):
        equal("the body of a good request", client.response().body, b"ok\n")
    refused("the bad one", client, 400)


@scenario
def half_requests(case):
    """Clients that end in the middle of a head or a body are closed, without an answer."""
    for name in ("sse", "beep", "hijack"):
        for data in (b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", POST + b"Content-Length: 10\r\n\r\nabc"):
            client = case.connect(case.demo(name))
            client.send(data)
            client.finish()
            client.ends(f"of a client that ends after {data!r} on {name}")
        case.lives(case.demo(name))


@scenario
def many_half_requests(case):
    """Clients that have begun a head and say no more are in nobody's way."""
    for name in ("sse", "beep", "hijack"):
        for _ in range(60):
            case.connect(case.demo(name)).send(b"GET / HTTP/1.1\r\nHost:")
        case.lives(case.demo(name))
