"""Request: what it tells, the ways to answer it, and headers that must not smuggle anything."""

import threading
from typing import Any, Callable, List

import pytest

import hijack
from support import Client, Serving, get, port_of, wait_until


def test_everything_of_a_request(server: hijack.Server) -> None:
    seen: List[hijack.Request] = []

    def handler(request: hijack.Request) -> None:
        seen.append(request)
        request.respond()

    with Serving(server, handler) as port, Client(port) as client:
        headers = "X-Two: one\r\nX-Other: \xe9\r\nx-two:two, three\r\nEmpty:\r\n"
        client.ask("/a%20b?c=d?e", "POST", headers, b"body\r\n\r\nmore").response()
        peer = "%s:%d" % client.socket.getsockname()
        client.ask("/").response()
    request, plain = seen
    assert (request.method, request.target, request.version) == ("POST", "/a%20b?c=d?e", "HTTP/1.1")
    assert (request.path, request.query, request.scheme, request.peer) == ("/a%20b", "c=d?e", "http", peer)
    assert request.body == b"body\r\n\r\nmore" and plain.body == b"" and plain.query == ""
    assert request.headers["HOST"] == "test" and request.headers["x-two"] == "one"
    assert request.headers.get_all("X-TWO") == ["one", "two, three"] and request.headers.get_all("none") == []
    assert request.headers["x-other"] == "\xe9" and request.headers["empty"] == ""
    assert "Content-Length" in request.headers and "none" not in request.headers
    assert request.headers.get("none", "default") == "default"
    assert list(request.headers) == ["host", "content-length", "x-two", "x-other", "empty"]
    assert len(request.headers) == 5 and len(request.headers.pairs) == 6
    assert request.headers.pairs[0] == ("host", "test")
    assert request.answered and "POST /a%20b?c=d?e" in repr(request) and "x-two" in repr(request.headers)
    with pytest.raises(KeyError):
        request.headers["none"]


@pytest.mark.parametrize(
    "target, path",
    [
        ("/", "/"),
        ("//a://b", "//a://b"),
        ("http://host/a/b?c=d", "/a/b"),
        ("HTTP://host:80", "/"),
        ("http://host?/x", "/"),
    ],
)
def test_paths(server: hijack.Server, target: str, path: str) -> None:
    with Serving(server, lambda request: request.respond(200, request.path)) as port:
        assert get(port, target).body.decode() == path


@pytest.mark.parametrize("body", ["g\xe9", "g\xe9".encode(), bytearray("g\xe9".encode()), memoryview("g\xe9".encode())])
def test_bodies_of_every_type(server: hijack.Server, body: Any) -> None:
    with Serving(server, lambda request: request.respond(201, body, {"X-My": "header"})) as port:
        answer = get(port)
    assert (answer.status, answer.body, answer.headers["x-my"]) == (201, "g\xe9".encode(), "header")


@pytest.mark.parametrize("body", [5, 1.5, ["x"], None])
def test_a_body_of_another_type(server: hijack.Server, body: Any) -> None:
    with Serving(server, lambda request: raises(TypeError, request, lambda: request.respond(200, body))) as port:
        assert get(port).body == b"TypeError"


def raises(kind: "type[BaseException]", request: hijack.Request, call: Callable[[], object]) -> None:
    """Answers with what call raises, which must be of this kind: a refused call leaves the request open."""
    with pytest.raises(kind) as caught:
        call()
    assert not request.answered
    request.respond(200, type(caught.value).__name__)


SMUGGLERS = [
    {"x": "y\r\nset-cookie: stolen"},
    {"x": "y\nset-cookie: stolen"},
    {"x": "y\rset-cookie: stolen"},
    {"x": "y\0"},
    {"x\r\nset-cookie": "stolen"},
    {"x: y\r\nset-cookie": "stolen"},
    {"set-cookie: stolen; x": "y"},
    {"x:y": "z"},
    {"": "y"},
    {"x y": "z"},
    {" x": "y"},
    {"x": "\x01"},
    {"x": "\u20ac"},
    {"Transfer-Encoding": "chunked"},
    {"Content-Length": "77"},
    [("x", "fine"), ("x", "y\r\n\r\nHTTP/1.1 200 OK")],
]


@pytest.mark.parametrize("headers", SMUGGLERS)
def test_headers_cannot_smuggle(server: hijack.Server, headers: Any) -> None:
    calls: List[Callable[[hijack.Request], object]] = [lambda request: request.respond(200, "body", headers)]
    if "Content-Length" not in headers:
        calls += [lambda request: request.stream(200, headers), lambda request: request.sse(headers)]
    if "Transfer-Encoding" not in headers:
        calls += [lambda request: request.hijack_partial(200, headers)]
    if "Content-Length" in headers:
        calls = calls[:1]

    def handler(request: hijack.Request) -> None:
        for call in calls:
            with pytest.raises(hijack.HeaderError):
                call(request)
        raises(hijack.HeaderError, request, lambda: request.hold(clients, "sse", headers))

    clients = server.broadcaster()
    with Serving(server, handler) as port:
        answer = get(port)
    assert answer.body == b"HeaderError" and "set-cookie" not in answer.headers
    with hijack.Server() as other, pytest.raises(hijack.HeaderError):
        other.hold("/", other.broadcaster(), "sse", headers)


def test_headers_as_pairs_may_repeat(server: hijack.Server) -> None:
    pairs = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    with Serving(server, lambda request: request.respond(200, headers=pairs)) as port, Client(port) as client:
        head = client.ask().until(b"\r\n\r\n")
    assert b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in head


def test_answered_only_once(server: hijack.Server) -> None:
    def handler(request: hijack.Request) -> None:
        request.respond(200, "first")
        for call in (request.respond, request.stream, request.sse, request.hijack, request.hijack_partial):
            with pytest.raises(hijack.StateError, match="answered before"):
                call()
        request.close()

    with Serving(server, handler) as port:
        assert get(port).body == b"first"


def test_a_status_out_of_range(server: hijack.Server) -> None:
    with Serving(server, lambda request: raises(hijack.InvalidError, request, lambda: request.respond(99))) as port:
        assert get(port).body == b"InvalidError"


def test_the_answer_may_come_later_and_from_elsewhere(server: hijack.Server) -> None:
    def later(request: hijack.Request) -> None:
        with request:
            request.respond(200, threading.current_thread().name)

    with Client(port_of(server)) as client:
        client.ask()
        thread = threading.Thread(target=later, args=(server.accept(),), name="another")
        thread.start()
        assert client.response().body == b"another"
        thread.join()


def test_a_block_answers_what_it_left_open(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        with server.accept() as request:
            assert not request.answered
        assert client.response().status == 500
        with pytest.raises(hijack.ClosedError):
            request.respond()


def test_hold_makes_a_member(server: hijack.Server) -> None:
    clients = server.broadcaster()
    with Serving(server, lambda request: request.hold(clients, "sse", {"X-Room": "kitchen"})) as port:
        with Client(port) as client:
            head = client.ask().until(b"\r\n\r\n")
            assert b"text/event-stream" in head and b"X-Room: kitchen" in head
            wait_until(lambda: len(clients) == 1)
            assert clients.publish("soup") == 1
            assert b"data: soup\n\n" in client.until(b"soup\n\n")
        assert not server._core.table and not server._core.requests


def test_an_unknown_kind_is_named(server: hijack.Server) -> None:
    clients = server.broadcaster()
    kind: Any = "web_socket"
    with pytest.raises(hijack.InvalidError, match="web_socket.*raw, stream, sse.*websocket"):
        server.hold("/", clients, kind)
