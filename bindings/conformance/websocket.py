"""The websocket demo: handshake, greeting, echo, closing, and clients that break the rules or do not read."""

import os
import pathlib
import signal

from client import Failed
from harness import all_read, equal, eventually, http1, scenario, window_shut

PAGE = pathlib.Path(__file__).resolve().parent.parent / "pages" / "websocket.html"
GREETING = b"Hello world!"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
HANDSHAKE = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]


def frame(opcode, data, final=True, mask=b"\x12\xa5\xff\x00"):
    """The bytes of a client's frame."""
    size = len(data)
    length = (bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big") if size < 65536
              else bytes([255]) + size.to_bytes(8, "big"))
    repeated = mask * (size // 4 + 1)
    masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated[:size], "big")).to_bytes(size, "big")
    return bytes([128 * final | opcode]) + length + mask + masked


def next_frame(client):
    """The opcode and the data of the server's next frame, which is whole and not masked."""
    first, size = client.exactly(2, "a frame's head")
    equal("the first bit of a frame, and those of extensions", first & 0xf0, 0x80)
    if size >= 126:
        size = int.from_bytes(client.exactly(2 if size == 126 else 8, "a frame's length"), "big")
    return first & 15, client.exactly(size, "a frame's data")


def expect(client, opcode, data, what="the next frame"):
    equal(what, next_frame(client), (opcode, data))


def opened(case, path="/echo", demo=None, headers=(), **options):
    """A client whose handshake was answered."""
    client = case.connect(demo or case.demo("websocket"), **options)
    client.request(path, headers=[*HANDSHAKE, *headers])
    head = client.response_head()
    equal("the status line", head.first, "HTTP/1.1 101 Switching Protocols")
    equal("Sec-WebSocket-Accept", head.get("sec-websocket-accept"), ACCEPT)
    equal("Upgrade", (head.get("upgrade") or "").lower(), "websocket")
    client.head_of_websocket = head
    return client


def echoed(client, opcode, data):
    client.send(frame(opcode, data))
    expect(client, opcode, data, f"the echo of {len(data)} bytes")


def closed(client, code):
    """The server closes with this code, and ends the connection."""
    opcode, data = next_frame(client)
    equal("the close frame", (opcode, int.from_bytes(data[:2], "big")), (CLOSE, code))
    client.ends("after the close frame", reset_is_fine=True)


@scenario
@http1
def greeting(case):
    """/ says hello and then echoes; /echo only echoes."""
    client = opened(case, "/")
    expect(client, TEXT, GREETING, "the first frame of /")
    echoed(client, TEXT, b"and then")
    client = opened(case)
    client.silent(0.2)
    echoed(client, TEXT, b"only this")


@scenario
@http1
def echo(case):
    """Messages come back whole, in all lengths around those where a frame's head changes, and of the same kind."""
    client = opened(case)
    for size in (0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 5 << 20):
        data = os.urandom(size)
        echoed(client, BINARY, data)
        echoed(client, TEXT, data.hex()[:size].encode())
    echoed(client, TEXT, "gr\u00fc\u00dfe \u2603 \U0001f600".encode())


@scenario
@http1
def pieces(case):
    """Fragments are one message; a ping between them is answered before it."""
    client = opened(case)
    client.send(frame(TEXT, b"a\xc3", False) + frame(PING, b"between") + frame(0, b"", False) + frame(0, b"\xa4b"))
    expect(client, PONG, b"between")
    expect(client, TEXT, b"a\xc3\xa4b")


@scenario
@http1
def byte_by_byte(case):
    """Frames that come byte by byte are frames."""
    client = opened(case)
    for byte in frame(TEXT, b"slowly") + frame(PING, b"?") + frame(BINARY, b"\x00"):
        client.send(bytes([byte]))
    expect(client, TEXT, b"slowly")
    expect(client, PONG, b"?")
    expect(client, BINARY, b"\x00")


@scenario
@http1
def many_messages(case):
    """A thousand messages that are sent at once come back in order."""
    client = opened(case)
    client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(1000)))
    for number in range(1000):
        expect(client, TEXT, b"%d" % number)


@scenario
@http1
def client_closes(case):
    """A close frame is answered with its code, and the connection ends."""
    for data, code in ((b"\x03\xe8", 1000), (b"\x0f\xa1bye", 4001)):
        client = opened(case)
        client.send(frame(TEXT, b"last") + frame(CLOSE, data))
        expect(client, TEXT, b"last")
        closed(client, code)
    client = opened(case)
    client.send(frame(CLOSE, b""))
    expect(client, CLOSE, b"", "the answer to a close frame without a code")
    client.ends("after the close frame")


@scenario
@http1
def broken_rules(case):
    """Who breaks the protocol is told so with the right code; others go on."""
    stays = opened(case)
    for data, code in ((b"\x81\x02hi", 1002), (frame(3, b""), 1002), (frame(TEXT, b"\xff"), 1007),
                       (frame(0, b"of nothing"), 1002), (frame(PING, b"", False), 1002), (b"\xc1\x80\0\0\0\0", 1002),
                       (frame(CLOSE, b"\x03\xed"), 1002), (frame(CLOSE, b"x"), 1002),
                       (b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", 1009)):
        client = opened(case)
        client.send(data)
        closed(client, code)
    echoed(stays, TEXT, b"still here")


@scenario
@http1
def refused(case):
    """What is no handshake, or a page's of another origin, is refused with the right status."""
    demo = case.demo("websocket")
    for path, headers, status in (("/echo", [], 426), ("/echo", HANDSHAKE[:2] + HANDSHAKE[3:], 426),
                                  ("/echo", HANDSHAKE[:3], 400), ("/echo", [*HANDSHAKE, "Origin: http://foe"], 403),
                                  ("/", [*HANDSHAKE, "Origin: null"], 403)):
        client = case.ask(demo, path, headers=headers)
        equal(f"the status of {path} with {headers}", client.response().status, status)
        client.ends("after a refusal")
    host = f"127.0.0.1:{demo.port()}"
    opened(case, headers=[f"Origin: http://{host}"])


@scenario
def pages(case):
    """/ is a page for a browser; other paths are 404."""
    client = case.connect(case.demo("websocket"))
    client.request("/")
    response = client.response()
    equal("the content type", response.get("content-type"), "text/html; charset=utf-8")
    equal("the page", response.body, PAGE.read_bytes())
    client.request("/", headers=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"])
    equal("the page for who would rather upgrade to something else", client.response().body, PAGE.read_bytes())
    client.request("/nowhere")
    equal("the status of /nowhere", (response := client.response()).status, 404)
    equal("the body of /nowhere", response.body, b"Only / and /echo are here.\n")


@scenario
@http1
def slow_reader(case):
    """A client that does not take its echo is read no further, and gets all of it in the end."""
    client = opened(case, receive_buffer=4096)
    message = os.urandom(1 << 18)
    data = frame(BINARY, message) * 60
    sent = client.send_some(data, 0.7)
    if sent == len(data):
        raise Failed("bytes that went into an echo that nobody reads", "fewer than all", sent)
    window_shut(client)
    whole = sent // len(frame(BINARY, message))
    for _ in range(whole):
        expect(client, BINARY, message, "an echo")
    echoed(opened(case), TEXT, b"others are served")


@scenario
@http1
def stopping(case):
    """A demo that ends tells its clients so with code 1001."""
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = case.start("websocket")
        clients = [opened(case, path, demo) for path in ("/", "/echo") * 5]
        for client in clients[::2]:
            expect(client, TEXT, GREETING)
        clients[1].send(frame(TEXT, b"half a message", False))
        all_read(clients[1])
        demo.signal(number)
        demo.expect_end(f"after {number.name} with WebSockets")
        for client in clients:
            closed(client, 1001)


@scenario
@http1
def gone(case):
    """Clients that go, in order or not, in the middle of anything, leave nothing behind."""
    demo = case.start("websocket")
    for number in range(60):
        client = opened(case, "/", demo)
        client.send((frame(TEXT, b"x" * 70000), frame(TEXT, b"half", False), b"\x81\xfe\x01", b"")[number % 4])
        (client.close, client.reset, client.finish)[number % 3]()
    eventually("connections after they have gone", demo.connections, 0)
    case.lives(demo)
    demo.stop("after WebSockets that went")
