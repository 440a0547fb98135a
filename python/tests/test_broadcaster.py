"""Broadcaster: members of every kind, messages, options, counters."""

from typing import List, Tuple

import pytest

import hijack
from support import Client, Serving, port_of, wait_until


def test_every_kind_of_member_gets_its_form() -> None:
    with hijack.Server(threads=1) as server:
        port = server.listen("127.0.0.1:0")
        clients = server.broadcaster()
        server.hold("/sse", clients, kind="sse", headers={"X-Held": "yes"})
        server.hold("/stream", clients, kind="stream")
        server.hold("/raw", clients, kind="raw")
        server.start()
        with Client(port) as sse, Client(port) as stream, Client(port) as raw:
            assert b"X-Held: yes" in sse.ask("/sse").until(b"\r\n\r\n")
            stream.ask("/stream").until(b"\r\n\r\n")
            raw.ask("/raw")
            wait_until(lambda: len(clients) == 3)
            assert clients.publish("t\xe9xt", event="news", id="7") == 3
            assert b"event: news\nid: 7\ndata: t\xc3\xa9xt\n\n" in sse.until(b"\n\n")
            assert b"t\xc3\xa9xt" in stream.until(b"xt\r\n")
            assert raw.until(b"xt") == b"t\xc3\xa9xt"
            assert clients.publish(b"bytes") == 3
            raw.until(b"bytes")
            assert b"data: bytes\n\n" in sse.until(b"bytes\n\n")
            assert clients.publish("reset", id="") == 3
            assert b"id:\ndata: reset\n\n" in sse.until(b"reset\n\n")
            raw.until(b"reset")
            assert clients.publish("later", retry=5) == 3
            assert b"retry: 5\ndata: later\n\n" in sse.until(b"later\n\n")
            raw.until(b"later")
            clients.close()
            assert raw.rest() == b""
            sse.until(b"0\r\n\r\n")
        wait_until(lambda: len(clients) == 0)
        assert clients.stats() == {"members": 0, "published": 4, "delivered": 12, "dropped": 0, "closed": 0}


def test_streams_and_sockets_join_and_leave(server: hijack.Server) -> None:
    made: List[Tuple[hijack.Stream, hijack.Socket]] = []
    with server.broadcaster() as room, Client(port_of(server)) as one, Client(port_of(server)) as two:
        one.ask()
        stream = server.accept().sse()
        two.ask()
        socket = server.accept().hijack()
        made.append((stream, socket))
        room.add(stream)
        room.add(socket)
        with pytest.raises(hijack.StateError, match="add <hijack.Stream open>"):
            room.add(stream)
        assert room.publish("both") == 2
        one.until(b"data: both\n\n")
        two.until(b"both")
        room.remove(socket)
        with pytest.raises(hijack.StateError):
            room.remove(socket)
        assert room.publish("one") == 1
        one.until(b"data: one\n\n")
        socket.abort()
        with hijack.Server() as other, pytest.raises(hijack.InvalidError):
            other.broadcaster().add(stream)
        one.reset()
        stream.wait_closed(10)
        with pytest.raises(hijack.ClosedError):
            room.add(stream)
    with pytest.raises(hijack.ClosedError):
        room.publish("freed")


def test_an_empty_one_is_true() -> None:
    with hijack.Server() as server:
        room = server.broadcaster()
        assert room and len(room) == 0


def test_options() -> None:
    with hijack.Server() as server:
        room = server.broadcaster(overflow="latest", backlog_bytes="4k")
        room.set(overflow="drop_oldest", backlog_bytes=100)
        with pytest.raises(hijack.OptionError, match="option threads: "):
            room.set(threads=1)
        with pytest.raises(hijack.OutOfRangeError, match="option overflow=never: "):
            server.broadcaster(overflow="never")
        assert len(server._core.broadcasters) == 1


def test_publish_before_start_and_after_stop(server: hijack.Server) -> None:
    room = server.broadcaster()
    with pytest.raises(hijack.StateError):
        room.publish("x")
    server.start()
    assert room.publish("x") == 0
    server.stop()
    with pytest.raises(hijack.ShutdownError):
        room.publish("x")


def test_bad_messages(server: hijack.Server) -> None:
    room = server.broadcaster()
    server.start()
    with pytest.raises(hijack.InvalidError):
        room.publish("x", event="a\nb")
    with pytest.raises(hijack.TooBigError):
        room.publish(b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(TypeError):
        room.publish(7)  # type: ignore[arg-type]


def test_the_latest_of_each_key(server: hijack.Server) -> None:
    room = server.broadcaster(overflow="latest", backlog_bytes=200000)

    def handler(request: hijack.Request) -> None:
        room.add(request.sse())

    with Serving(server, handler) as port, Client(port, receive_buffer=4096) as slow:
        slow.ask().until(b"\r\n\r\n")
        wait_until(lambda: len(room) == 1)
        for i in range(200):
            room.publish(f"{i} " + "x" * 50000, key="price")
            room.publish(f"{i} " + "y" * 10, key="name")
        room.close()
        body = slow.chunks()
    assert b"data: 199 x" in body and b"data: 199 y" in body
    assert body.count(b"data: ") < 300 and len(room) == 0


def test_a_slow_member_is_closed(server: hijack.Server) -> None:
    room = server.broadcaster(overflow="close", backlog_bytes=1000)
    with Client(port_of(server), receive_buffer=4096) as slow:
        slow.ask()
        stream = server.accept().stream()
        room.add(stream)
        for _ in range(400):
            if stream.closed:
                break
            room.publish(b"x" * 100000)
        stream.wait_closed(10)
    assert isinstance(stream.reason, hijack.SlowError)
    assert room.stats()["closed"] == 1
