"""Rooms: WebSockets as members of broadcasters, beside Server-Sent Events and streams, with and without an object."""

import asyncio
import contextlib
import logging
import socket as sockets
import sys
import threading
from typing import Any, List

import pytest

import hijack
import hijack.aio
from hijack_ffi import _core
from hijack_ffi._constants import EVENT_MEMBER_MESSAGE
from support import (
    BINARY,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Client,
    WebSocketClient,
    close_frame,
    frame,
    port_of,
    wait_until,
)
from test_aio import Run, eventually
from test_events import Later


def joined(room: hijack.Broadcaster, count: int) -> None:
    wait_until(lambda: len(room) == count, f"{count} members are in the room")


def test_members_of_every_kind_get_the_same(server: hijack.Server) -> None:
    room = server.broadcaster()
    server.hold("/ws", room, kind="websocket", headers={"X-Mine": "yes"})
    server.hold("/sse", room)
    port = port_of(server)

    def handler(request: hijack.Request) -> None:
        if request.path == "/add":
            websocket = request.websocket()
            room.add(websocket)
            assert list(websocket) == ["to the program"]
        else:
            request.hold(room, "websocket", {"X-Mine": "yes"}) if request.wants_websocket else request.hold(room, "sse")

    server.start(handler)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(WebSocketClient(port)) for _ in range(3)]
        for peer, path in zip(peers, ("/ws", "/handler", "/add")):
            assert peer.shake(path).headers.get("x-mine") == (None if path == "/add" else "yes")
        readers = [stack.enter_context(Client(port)) for _ in range(2)]
        for reader, path in zip(readers, ("/sse", "/handler")):
            reader.ask(path).until(b"\r\n\r\n")
        joined(room, 5)
        assert room.publish("gr\xfc\xdfe\nall") == 5 and room.publish(b"\xff binary") == 5
        assert room.publish("with a name", event="e", id="1") == 5
        for peer in peers:
            assert peer.frame() == (TEXT, "gr\xfc\xdfe\nall".encode()) and peer.frame() == (BINARY, b"\xff binary")
            assert peer.frame() == (TEXT, b"with a name")
        for reader in readers:
            assert "data: gr\xfc\xdfe\ndata: all\n\n".encode() in reader.until(b"all\n\n")
            reader.until(b"data: \xff binary\n\n")
            reader.until(b"event: e\nid: 1\ndata: with a name\n\n")
        peers[2].send(frame(TEXT, b"to the program"), close_frame(1000))
        assert peers[2].closing()[0] == 1000
        peers[0].send(frame(TEXT, b"thrown away"), frame(PING, b"x"))
        assert peers[0].frame() == (PONG, b"x")
        peers[1].send(close_frame(4000, "bye"))
        assert peers[1].closing() == (4000, "bye")
        joined(room, 3)
        room.close()
        assert peers[0].closing() == (1000, "")


def test_a_room_hears_its_members(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    room, other = server.broadcaster(), server.broadcaster()
    server.hold("/room", room, kind="websocket")
    server.hold("/other", other, kind="websocket")
    heard: List[Any] = []
    server.start()
    port = port_of(server)
    with WebSocketClient(port) as a, WebSocketClient(port) as b, WebSocketClient(port) as c:
        a.shake("/room")
        b.shake("/room")
        c.shake("/other")
        joined(room, 2)
        joined(other, 1)
        room.on_message(room.publish)
        a.send(frame(TEXT, "gr\xfc\xdfe".encode()), frame(BINARY, b"\0\xff"), frame(TEXT, b"fr", last=False),
               frame(0, b"ag"), frame(BINARY))
        for peer in (a, b):
            assert [peer.frame() for _ in range(4)] == [
                (TEXT, "gr\xfc\xdfe".encode()), (BINARY, b"\0\xff"), (TEXT, b"frag"), (BINARY, b"")
            ]
        c.send(frame(TEXT, b"to nobody"), frame(PING))
        assert c.frame() == (PONG, b"")

        def fail(message: object) -> None:
            heard.append((message, threading.current_thread().name))
            raise ValueError("from on_message")

        with caplog.at_level(logging.ERROR, "hijack"):
            room.on_message(fail)
            b.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
            wait_until(lambda: len(heard) == 2)
        assert heard == [("one", "hijack-events"), ("two", "hijack-events")] and "from on_message" in caplog.text
        room.set(member_messages="drop")
        b.send(frame(TEXT, b"three"), frame(PING))
        assert b.frame() == (PONG, b"")
        room.free()
        other.free()
        assert not server._core.rooms and len(heard) == 2


def test_an_exit_in_on_message_does_not_end_the_events(
    server: hijack.Server, caplog: pytest.LogCaptureFixture
) -> None:
    room = server.broadcaster()
    server.hold("/room", room, kind="websocket")
    room.on_message(lambda message: sys.exit(str(message)))
    server.start()
    with WebSocketClient(port_of(server)) as client, caplog.at_level(logging.ERROR, "hijack"):
        client.shake("/room")
        client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
        wait_until(lambda: len(caplog.records) == 2)
        assert "SystemExit: one" in caplog.text and "SystemExit: two" in caplog.text
        client.send(frame(PING))
        assert client.frame() == (PONG, b"")


def test_a_member_whose_object_was_released(server: hijack.Server) -> None:
    room = server.broadcaster()
    heard: List[Any] = []
    room.on_message(heard.append)
    with WebSocketClient(port_of(server)) as client:
        client.ask(headers=HANDSHAKE)
        websocket = server.accept(20).websocket()
        assert client.response().status == 101
        room.add(websocket)
        client.send(frame(TEXT, b"to the object"))
        assert websocket.recv(20) == "to the object"
        room.publish("both")
        websocket.send("one")
        websocket.release()
        assert client.frame() == (TEXT, b"both") and client.frame() == (TEXT, b"one") and not server._core.table
        client.send(frame(TEXT, b"to the room"), frame(PING))
        wait_until(lambda: heard)
        assert heard == ["to the room"] and client.frame() == (PONG, b"")
        assert room.publish("still") == 1 and client.frame() == (TEXT, b"still")
        with pytest.raises(hijack.ConnectionClosed):
            websocket.send("x")
        client.send(close_frame(1000))
        joined(room, 0)


def test_a_handshake_that_a_room_refuses(server: hijack.Server) -> None:
    room = server.broadcaster()
    server.hold("/ws", room, kind="websocket")
    answered: List[bool] = []

    def handler(request: hijack.Request) -> None:
        with pytest.raises(hijack.ProtocolError, match="hold of GET /handler: the handshake was wrong"):
            request.hold(room, "websocket")
        answered.append(request.answered)

    server.start(handler)
    for path in ("/ws", "/handler"):
        with Client(port_of(server)) as client:
            assert client.ask(path, headers=HANDSHAKE + "Origin: http://evil.example\r\n").response().status == 403
        with Client(port_of(server)) as client:
            assert client.ask(path).response().status == 426
    wait_until(lambda: answered == [True, True])
    assert not server._core.requests and len(room) == 0


def test_a_connection_whose_handshake_another_server_has_done(server: hijack.Server) -> None:
    server.start()
    room = server.broadcaster()
    heard: List[Any] = []
    room.on_message(heard.append)
    ours, theirs = sockets.socketpair()
    with pytest.raises(hijack.HijackError):
        room.adopt(ours, kind="websocket")  # its request is needed
    room.adopt(ours, kind="websocket_open")
    with WebSocketClient(port_of(server)) as client:
        client.socket.close()
        client.socket = theirs
        room.publish("hello")
        assert client.frame() == (TEXT, b"hello")
        client.send(frame(BINARY, b"back"))
        wait_until(lambda: heard == [b"back"])
        room.close()
        assert client.closing() == (1000, "")


def test_what_comes_from_a_room_without_a_listener(server: hijack.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    later = Later()
    monkeypatch.setattr(_core, "lib", later)
    server.start()
    room = server.broadcaster()
    later.add(server._core, EVENT_MEMBER_MESSAGE, 1, room._handle)
    wait_until(lambda: not later.rows, "the event is polled")
    room.set(member_messages="deliver")
    assert not server._core.over


def test_a_room_under_asyncio(run: Run) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port, room = server.listen("127.0.0.1:0"), server.broadcaster()
            server.hold("/room", room, kind="websocket")
            loop = asyncio.get_running_loop()
            heard: "asyncio.Queue[Any]" = asyncio.Queue()
            room.on_message(heard.put_nowait)
            server.start()
            with WebSocketClient(port) as client:
                await loop.run_in_executor(None, client.shake, "/room")
                await eventually(lambda: len(room) == 1)
                client.send(frame(TEXT, b"one"), frame(BINARY, b"two"))
                assert [await heard.get(), await heard.get()] == ["one", b"two"]
                room.publish("three")
                assert await loop.run_in_executor(None, client.frame) == (TEXT, b"three")
            await loop.shutdown_default_executor()

    run(main())
