"""Errors say what was expected, what came, and what to do, in the words of Python."""

import contextlib
import re
import socket
from typing import Any, Callable, Iterator

import pytest

import hijack
from support import Client, port_of, read_all
from test_adopt import pair_over_tcp


@pytest.fixture
def fresh() -> Iterator[hijack.Server]:
    with hijack.Server(threads=1) as server:
        yield server


CALLS = [
    ("Server(thread=2)", "OptionError: option thread: unknown here; did you mean threads?"),
    ("Server(threads='many')", "OutOfRangeError: option threads=many: expected a whole number from 0 to 64"),
    ("Server(threads=1.5)", "TypeError: option threads: expected a whole number from 0 to 64 (got 1.5)"),
    ("Server(server_name='x' * 64)", "expected a text of 0 to 63 bytes"),
    ("Server(unix_mode='9')", "expected text of four octal digits from 0000 to 0777"),
    ("Server(max_head_bytes=5)", "expected a number of bytes from 1024 to 12288"),
    ("Server(http2='maybe')", "option http2=maybe: expected one of its choices (on: "),
    ("room.set(backlog=1)", "OptionError: broadcaster: option backlog: unknown here; did you mean backlog_bytes?"),
    ("s.route_set('/', colour='red')", "OptionError: route /: option colour: unknown here"),
    ("s.listen(8080)", "TypeError: listen: expected text such as '127.0.0.1:8080', or a listening socket (got 8080)"),
    ("s.listen('127.0.0.1:99999')", "OutOfRangeError: listen 127.0.0.1:99999: expected a port from 0 to 65535"),
    ("s.listen('8080')", "AddressError: listen 8080: expected 127.0.0.1:8080, "),
    ("s.hold('sse', room)", "InvalidError: hold sse: expected a path"),
    ("s.hold('/\\u00fc', room)", "InvalidError: hold /\u00fc: expected a path as it is in a URL"),
    ("s.hold('/', None)", "TypeError: hold /: expected a Broadcaster (got None)"),
    ("s.hold('/', room, kind='sse_body')", "InvalidError: hold /: expected kind sse, stream, long_poll, websocket"),
    ("s.hold('/', room), s.hold('/', room)", "StateError: hold /: this path is held already"),
    ("s.drain('x')", "TypeError: drain: expected a number of seconds (got 'x')"),
    ("s.drain(-1)", "OutOfRangeError: drain: seconds must not be negative (got -1)"),
    ("room.publish('x')", "StateError: publish: the server is not running yet; start it first"),
    ("room.adopt(pair[0])", "the server is not running yet; start it first"),
    ("room.publish(None)", "TypeError: publish: expected str, bytes, bytearray or memoryview (got None)"),
    ("s.start(), s.start()", "StateError: start: the server is running already"),
    ("s.start(), s.listen('127.0.0.1:0')", "the server is running already; do that before start"),
    ("s.start(), s.hold('/', room)", "the server is running already; do that before start"),
    ("s.start(), s.route_set('/', max_body_bytes=1)", "the server is running already; do that before start"),
    ("s.start(), s.stop(), s.start()", "StateError: start: the server has ended; make a new one"),
    ("s.start(), s.accept()", "StateError: accept: start() without a handler answers all requests; leave it out"),
    ("s.start(), room.publish(b'x' * (16 * 2**20 + 1))", "TooBigError: publish: expected at most 16 MiB"),
    ("s.start(), room.publish('x', event='a\\nb')", "InvalidError: publish: an event must not hold a line break"),
    ("s.start(), room.adopt(-1)", "NotSocketError: adopt descriptor -1: expected a connected stream socket"),
    ("s.connect(8080)", "TypeError: connect: expected text such as '127.0.0.1:80' or 'unix:/path' (got 8080)"),
    ("s.start(), room.adopt(True)", "TypeError: adopt: expected a socket, a transport, a StreamWriter or a descriptor"),
    ("s.close(), s.start()", "ClosedError: start: the server was closed, by close() or"),
    ("s.close(), s.serve()", "ClosedError: start: the server was closed, by close() or"),
    ("s.close(), s.broadcaster()", "ClosedError: broadcaster: the server was closed, by close() or"),
    ("s.close(), room.publish('x')", "ClosedError: publish: the broadcaster's server was closed"),
    ("room.add(None)", "TypeError: add: expected a Stream, Socket or WebSocket (got None)"),
    ("room.remove(5)", "TypeError: remove: expected a Stream, Socket or WebSocket (got 5)"),
    ("room.free(), len(room)", "ClosedError: len: the broadcaster was freed, by free() or"),
]


@pytest.mark.parametrize("call, text", CALLS, ids=[call for call, _ in CALLS])
def test_what_an_error_says(fresh: hijack.Server, call: str, text: str) -> None:
    pair = socket.socketpair()
    with pair[0], pair[1], pytest.raises(Exception) as caught:
        eval(call, {"Server": hijack.Server, "s": fresh, "room": fresh.broadcaster(), "pair": pair})
    said = f"{type(caught.value).__name__}: {caught.value}"
    assert text in said
    assert not re.search(r"NULL|hijack\.h|hijack_|the handle\b|DRAINED", said), said


def test_no_sentence_is_for_programs_in_c() -> None:
    from hijack_ffi._errors import ERRORS
    from hijack_ffi._library import error_of

    for code in ERRORS:
        assert not re.search(r"NULL|hijack\.h|hijack_|DRAINED|the handle", str(error_of(code, "x")))


HEADERS: Any = {
    "x-text": "a", "x-number": 5, "x-none": None, "x-list": ["b", 6], "x-tuple": ("c",), "x-empty": [],
    "Set-Cookie": ["d", "e"],
}
LINES = ["x-text: a", "x-number: 5", "x-list: b", "x-list: 6", "x-tuple: c", "Set-Cookie: d", "Set-Cookie: e"]


@pytest.mark.parametrize("form", [dict, lambda headers: list(headers.items())])
@pytest.mark.parametrize("how", ["respond", "stream", "sse", "hold", "hijack_partial", "route", "adopt"])
def test_one_rule_for_headers(fresh: hijack.Server, how: str, form: Callable[[Any], Any]) -> None:
    headers, room = form(HEADERS), fresh.broadcaster()
    fresh.hold("/route", room, headers=headers)
    port = fresh.listen("127.0.0.1:0")
    if how == "adopt":
        fresh.start()
        ours, theirs = pair_over_tcp()
        room.adopt(ours, headers=headers)
        room.close()
        with theirs:
            head = read_all(theirs)
    else:
        fresh.start(lambda request: answer(request, how, headers, room))
        with Client(port) as client:
            head = client.ask(f"/{how}").until(b"\r\n\r\n").decode()
    found = [line for line in head.split("\r\n") if line.startswith(("x-", "Set-Cookie"))]
    assert found == LINES


def answer(request: hijack.Request, how: str, headers: Any, room: hijack.Broadcaster) -> None:
    if how == "respond":
        request.respond(200, "", headers)
    elif how == "hold":
        request.hold(room, headers=headers)
    elif how == "hijack_partial":
        request.hijack_partial(200, headers).close()
    else:
        getattr(request, how)(headers=headers).close()


@pytest.mark.parametrize("headers, text", [
    ({"x": 1.5}, "header 'x': expected a str, an int, None, or a list or tuple of str and int (got 1.5)"),
    ({"x": True}, "(got True)"),
    ({"x": b"y"}, "(got b'y')"),
    ({"x": ["y", None]}, "(got None)"),
    ({b"x": "y"}, "header b'x': expected a str as its name"),
    ("a: b", "headers: expected a mapping or pairs of name and value (got 'a: b')"),
    (5, "headers: expected a mapping or pairs of name and value (got 5)"),
    (["a"], "headers: expected a mapping or pairs of name and value (got ['a'])"),
])
def test_headers_that_are_none(server: hijack.Server, headers: Any, text: str) -> None:
    room = server.broadcaster()
    with Client(port_of(server)) as client, socket.socket() as other:
        client.ask()
        request = server.accept(20)
        for call in (
            lambda: request.respond(200, "", headers), lambda: request.stream(headers=headers),
            lambda: request.hold(room, headers=headers), lambda: hijack.request_head("GET", "/", headers),
            lambda: request.sse(headers), lambda: room.adopt(other, headers=headers),
        ):
            with pytest.raises(TypeError) as caught:
                call()
            assert text in str(caught.value)
        request.respond(200)
        assert client.response().status == 200


def test_none_takes_away_what_middleware_has_set(fresh: hijack.Server) -> None:
    fresh.start()
    ours, theirs = pair_over_tcp()
    head = hijack.request_head("GET", "/", {"Host": "x"})
    with theirs, fresh.adopt_request(ours, head, headers=[("X-A", "1"), ("X-B", "2")]) as request:
        request.respond(200, "", {"x-a": None})
        answer = read_all(theirs)
    assert "X-A" not in answer and "X-B: 2" in answer


def test_a_socket_that_listens(fresh: hijack.Server) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = fresh.listen(listener)
        assert port == listener.getsockname()[1]
        with socket.socket() as other, pytest.raises(hijack.NotSocketError, match="expected a listening socket"):
            fresh.listen(other)
        fresh.close()
        with pytest.raises(hijack.ClosedError):
            fresh.listen(listener)
