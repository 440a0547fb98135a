"""Histories: positions, members that return, and what a member is sent first."""

import asyncio
import json
import socket as sockets
from typing import Any, Dict, List, Tuple

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

import hijack
import hijack.aio
import hijack.asgi
import hijack.testing
import hijack.wsgi
from support import TEXT, Client, WebSocketClient, port_of, read_all, wait_until
from test_adopt import pair_over_tcp
from test_aio import Run
from test_wsgi import Program


def joined(room: hijack.Broadcaster, count: int) -> None:
    wait_until(lambda: len(room) == count, f"{count} members are in the room")


def event(client: Client) -> Dict[str, str]:
    """The next event of an unchunked body; comments, and what has no data, are left out."""
    while True:
        lines = client.until(b"\n\n").decode().splitlines()
        fields = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(":"))
        if "data" in fields:
            return fields


def ask(client: Client, path: str, headers: str = "") -> Client:
    """By HTTP/1.0, whose bodies have no chunks."""
    client.socket.sendall(f"GET {path} HTTP/1.0\r\nHost: test\r\n{headers}\r\n".encode())
    client.until(b"\r\n\r\n")
    return client


@pytest.mark.parametrize("order", [("history_messages", "gap_event"), ("gap_event", "history_messages")])
def test_a_client_that_returns(server: hijack.Server, order: Tuple[str, str]) -> None:
    values: Dict[str, Any] = {"history_messages": 3, "gap_event": "missed"}
    room = server.broadcaster(**{name: values[name] for name in order})
    server.hold("/sse", room)
    server.start()
    port = port_of(server)
    assert room.position.endswith("-0")
    with Client(port) as client:
        ask(client, "/sse")
        joined(room, 1)
        room.publish("1")
        last = event(client)
        assert last == {"id": room.position, "data": "1"}
    joined(room, 0)
    for number in "234":
        room.publish(number)
    returns = f"Last-Event-ID: {last['id']}\r\n"
    with Client(port) as client:
        ask(client, "/sse", returns)
        assert [event(client)["data"] for _ in range(3)] == ["2", "3", "4"]
        joined(room, 1)
        room.publish("5")
        assert event(client) == {"id": room.position, "data": "5"}
    with Client(port) as client:
        ask(client, "/sse", returns)
        gap = event(client)
        assert gap["event"] == "missed" and gap["data"].endswith("-3")
        assert [event(client)["data"] for _ in range(3)] == ["3", "4", "5"]
    stats = server.stats()
    assert (stats["resumed"], stats["gaps"]) == (2, 1)


def test_a_snapshot_and_then_live(server: hijack.Server) -> None:
    room = server.broadcaster(history_messages=100)
    state: List[int] = []

    def count() -> None:
        state.append(len(state))
        room.publish(str(state[-1]))

    def handler(request: hijack.Request) -> None:
        position = room.position
        first = hijack.sse_event(json.dumps(state), event="snapshot", id=position)
        count()  # at the worst moment
        request.hold(room, first=first, position=position)

    server.start(handler)
    for _ in range(3):
        count()
    with Client(port_of(server)) as client:
        ask(client, "/")
        assert event(client) == {"event": "snapshot", "id": room.position[:-1] + "3", "data": "[0, 1, 2]"}
        assert event(client)["data"] == "3"
        count()
        assert event(client)["data"] == "4"


FIRST = "f\xfcrst"


def test_first_of_each_kind(server: hijack.Server) -> None:
    room = server.broadcaster()

    def handler(request: hijack.Request) -> None:
        kind: Any = request.path[1:]
        request.hold(room, kind, first=hijack.sse_event(FIRST) if kind == "sse" else FIRST)

    server.start(handler)
    port = port_of(server)
    with Client(port) as sse, Client(port) as stream, Client(port) as raw, WebSocketClient(port) as websocket:
        ask(sse, "/sse")
        ask(stream, "/stream")
        raw.ask("/raw")
        websocket.shake("/websocket")
        joined(room, 4)
        room.publish("later")
        assert sse.until(b"later\n\n") == f"data: {FIRST}\n\ndata: later\n\n".encode()
        assert stream.until(b"later") == raw.until(b"later") == f"{FIRST}later".encode()
        assert [websocket.frame(), websocket.frame()] == [(TEXT, FIRST.encode()), (TEXT, b"later")]


def test_members_of_other_doors(server: hijack.Server) -> None:
    """add, adopt and adopt_request."""
    room = server.broadcaster(history_messages=10)
    server.start(lambda request: room.add(request.sse(), user=9, position=position))
    room.publish("1")
    position = room.position
    room.publish("2")
    (ours, theirs), (second, other) = pair_over_tcp(), pair_over_tcp()
    with theirs, other, Client(port_of(server)) as client:
        room.adopt(ours, user="ann", first=b"first,", position=position, kind="stream")
        head = hijack.request_head("GET", "/", {"Host": "x"}, "HTTP/1.0")
        server.adopt_request(second, head).hold(room, "stream", user="ann", first="first,", position="*")
        ask(client, "/")
        joined(room, 3)
        assert event(client)["data"] == "2"
        room.publish_to("ann", "|")
        room.publish_to(9, "end")
        room.close()
        assert event(client)["data"] == "end"
        assert read(theirs) == b"first,2|" and read(other) == b"first,12|"


def read(theirs: sockets.socket) -> bytes:
    """The body, up to the end."""
    return read_all(theirs).encode().partition(b"\r\n\r\n")[2]


def test_members_of_an_asgi_program() -> None:
    newcomer: Any = {"user": "ann", "first": "first,", "position": "*"}

    async def hold(request: Request) -> Response:
        hijack.asgi.hold(request.scope, room, "stream", **newcomer)
        return Response()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/adopt":
            await hijack.asgi.adopt(receive, room, "stream", **newcomer)
        else:
            await holding(scope, receive, send)

    holding = hijack.asgi.Middleware(Starlette(routes=[Route("/hold", hold)]))
    with hijack.Server(threads=1) as server, hijack.testing.Uvicorn(app) as uvicorn:
        room = server.broadcaster(history_messages=10)
        server.start()
        room.publish("kept,")
        for path in ("/hold", "/adopt"):
            TestClient(uvicorn).get(path)
        joined(room, 2)
        room.publish_to("ann", "for ann")
        room.close()
        assert [read_all(it) for it in uvicorn.connections] == ["first,kept,for ann"] * 2


def test_a_member_of_a_wsgi_program(server: hijack.Server) -> None:
    room = server.broadcaster(history_messages=10)
    server.start()
    room.publish("kept,")
    with Program(server, SERVER_PROTOCOL="HTTP/1.0") as program:
        def app(environ: Any, start_response: Any) -> List[bytes]:
            hijack.wsgi.hold(environ, room, "stream", user=5, first="first,", position="*")
            start_response("200 OK", [])
            return []

        with pytest.raises(hijack.wsgi.HandedOver):
            program.run(app)
        joined(room, 1)
        room.publish_to(5, "for 5")
        room.close()
        assert read(program.theirs) == b"first,kept,for 5"


def test_what_is_wrong_with_a_newcomer(server: hijack.Server) -> None:
    room, plain = server.broadcaster(history_messages=10), server.broadcaster()
    with pytest.raises(hijack.StateError, match="position: this broadcaster keeps no history; set .*history_messages"):
        plain.position
    with Client(port_of(server)) as client:
        client.ask()
        wrong: Any = server.accept().hold
        for number in (-1, 2**64):
            with pytest.raises(hijack.OutOfRangeError, match=rf"hold: user: expected .* 2\*\*64 - 1 \(got {number}\)"):
                wrong(room, user=number)
        for user in (True, 1.5, b"ann"):
            with pytest.raises(TypeError, match=rf"hold: user: expected a whole number, a str or None \(got {user!r}"):
                wrong(room, user=user)
        with pytest.raises(TypeError, match=r"hold: first: expected str, bytes, .* \(got 5\)"):
            wrong(room, first=5)
        with pytest.raises(hijack.InvalidError, match=r"hold: first: expected a text, in UTF-8, .* \(got b'\\xff'\)"):
            wrong(room, "websocket", first=b"\xff")
        with pytest.raises(TypeError, match=r"hold: position: expected a str, .* \(got 5\)"):
            wrong(room, position=5)
        with pytest.raises(hijack.StateError, match="hold: position 'x': the broadcaster keeps no history; set"):
            wrong(plain, position="x")
        wrong(room, position="x", user=2**64 - 1)
        client.until(b"event: hijack-gap\n")
    with pytest.raises(hijack.StateError, match="adopt: position 'x': the broadcaster keeps no history"):
        plain.adopt(0, position="x")
    fields: List[Dict[str, Any]] = [{"event": "a\nb"}, {"id": "a\rb"}, {"id": "\0"}]
    for field in fields:
        with pytest.raises(hijack.InvalidError, match="sse_event: neither event nor id may hold a line break"):
            hijack.sse_event("x", **field)
    assert hijack.sse_event("a\nb", "e", "", 5) == b"event: e\nid:\nretry: 5\ndata: a\ndata: b\n\n"


def test_a_history_under_asyncio(run: Run) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port, room = server.listen("127.0.0.1:0"), server.broadcaster(history_messages=10)

            async def handler(request: hijack.aio.Request) -> None:
                if request.path == "/hold":
                    request.hold(room, "stream", user=5, first="first,", position=position)
                else:
                    room.add(request.stream(), user=5, position=position)

            server.start(handler)
            room.publish("1")
            position = room.position
            room.publish("2")
            for path, expected in (("/hold", b"first,2 for 5"), ("/add", b"2 for 5")):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(len(expected) - 6) == expected[:-6]
                room.publish_to(5, " for 5")
                assert await reader.readexactly(6) == b" for 5"
                room.close_user(5)
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()

    run(main())
