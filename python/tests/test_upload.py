"""Request bodies: read whole or in pieces, with back-pressure, trailers, and clients that leave in the middle."""

import asyncio
import hashlib
import os
import socket as sockets
from typing import Any, Callable, Iterator, List

import pytest

import hijack
import hijack.aio
from hijack_ffi._peer import WINDOW
from support import Client, Serving, in_thread, port_of, wait_until
from test_aio import Run, eventually, waiting

MEGA = 1 << 20
BLOCK = bytes(range(256)) * 256


@pytest.fixture
def pieces() -> Iterator[hijack.Server]:
    with hijack.Server(threads=1, request_body="pieces") as server:
        server.listen("127.0.0.1:0")
        yield server


def begin(client: Client, length: int, first: bytes = b"", headers: str = "") -> Client:
    client.ask("/", "POST", f"Content-Length: {length}\r\n{headers}")
    client.socket.sendall(first)
    return client


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("option", ["whole", "pieces"])
def test_the_same_calls_for_both(option: str) -> None:
    """One handler, whichever way the body comes."""

    def handler(request: hijack.Request) -> None:
        parts = [request.read(0), request.read(3), request.read(), request.read(), request.read(5)]
        assert parts == [b"", b"012", b"3456789", b"", b""], parts
        assert list(request) == [] and not request.trailers
        if option == "whole":
            assert request.body == b"0123456789"
        else:
            with pytest.raises(hijack.StateError, match="read()"):
                request.body
        request.respond(200, "ok")
        assert request.read() == b""

    with hijack.Server(threads=1) as server:
        server.listen("127.0.0.1:0")
        server.route_set("/", request_body=option)
        with Serving(server, handler) as port, Client(port) as client:
            for _ in range(2):
                assert client.ask("/", "POST", body=b"0123456789").response().body == b"ok"


def test_a_request_without_a_body(pieces: hijack.Server) -> None:
    def handler(request: hijack.Request) -> None:
        assert request.body == b"" == request.read() == request.read(10) and list(request) == []
        request.respond(200, "none")

    with Serving(pieces, handler) as port, Client(port) as client:
        assert client.ask().response().body == b"none"


def test_more_than_memory_should_hold(pieces: hijack.Server) -> None:
    """64 MiB go through some windows."""
    size, grown, seen = 64 * MEGA, [0], hashlib.sha256()

    def handler(request: hijack.Request) -> None:
        before = resident()
        for piece in request:
            assert 0 < len(piece) <= WINDOW
            seen.update(piece)
            grown[0] = max(grown[0], resident() - before)
        request.respond(200, "all")

    def upload() -> bytes:
        with Client(port) as client:
            begin(client, size)
            for _ in range(size // len(BLOCK)):
                client.socket.sendall(BLOCK)
            return client.response().body

    with hijack.Server(threads=1, request_body="pieces", max_body_bytes=size) as server:
        server.listen("127.0.0.1:0")
        with Serving(server, handler) as port, in_thread(upload) as answer:
            pass
    assert answer == [b"all"] and seen.digest() == hashlib.sha256(BLOCK * (size // len(BLOCK))).digest()
    assert grown[0] < 8 * MEGA, f"the process grew by {grown[0]} bytes"


def fill_up(client: Client) -> int:
    """Sends until nobody takes more for a moment; returns how many bytes that were."""
    client.socket.settimeout(0.3)
    sent = 0
    with pytest.raises(sockets.timeout):
        while True:
            sent += client.socket.send(BLOCK)
    return sent


def test_who_does_not_read_makes_the_client_wait() -> None:
    length = 256 * MEGA
    with hijack.Server(threads=1, request_body="pieces", max_body_bytes=length) as server:
        with Client(server.listen("127.0.0.1:0")) as client:
            begin(client, length)
            with server.accept(20) as request:
                sent = fill_up(client)
                assert sent < length / 4 and not request._buffer, "it was read without being asked for"
                assert request.read(10) == BLOCK[:10]
                wait_until(lambda: len(request._buffer) == WINDOW - 10, "the window is filled")
                sent += fill_up(client)
                assert sent < length / 4 and len(request._buffer) == WINDOW - 10, "no more than the window comes"
                left = sent - 10
                while left:
                    left -= len(request.read(min(left, WINDOW), timeout=20))


def test_continue_is_sent_when_it_is_read(pieces: hijack.Server) -> None:
    with Client(port_of(pieces)) as client:
        begin(client, 4, headers="Expect: 100-continue\r\n")
        request = pieces.accept(20)
        client.socket.settimeout(0.1)
        with pytest.raises(sockets.timeout):
            client.socket.recv(1)
        client.socket.settimeout(20)
        with in_thread(request.read) as body:
            assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
            client.socket.sendall(b"body")
        assert body == [b"body"]
        request.respond(200, "thanks")
        assert client.response().body == b"thanks"


def test_trailers(pieces: hijack.Server) -> None:
    with Client(port_of(pieces)) as client:
        client.ask("/", "POST", "Transfer-Encoding: chunked\r\n")
        client.socket.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum:  5 \r\nx-other:y\r\n\r\n")
        with pieces.accept(20) as request:
            assert not request.trailers
            assert request.read() == b"abcde"
            assert request.trailers["x-sum"] == "5" and request.trailers.pairs == [("x-sum", "5"), ("x-other", "y")]
            request.respond(200, "x")
        assert client.response().body == b"x"


@pytest.mark.parametrize("how", ["fin", "rst", "stop"])
def test_an_upload_that_breaks_off(pieces: hijack.Server, how: str) -> None:
    with Client(port_of(pieces)) as client:
        begin(client, 100, b"half of it")
        request = pieces.accept(20)
        assert request.read(4) == b"half"
        with in_thread(request.read) as result:
            wait_until(lambda: request._changed._sleepers, "read waits")
            {"fin": client.socket.close, "rst": client.reset, "stop": pieces.stop}[how]()
        assert isinstance(result[0], hijack.ClosedError), result
        cause = {"fin": type(None), "rst": hijack.ResetError, "stop": hijack.ShutdownError}[how]
        assert isinstance(result[0].__cause__, cause)
        assert request.read(100) == b" of it", "a read of all that fails takes nothing"
        with pytest.raises(hijack.ClosedError):
            request.read(1)
        assert request.closed
        with pytest.raises(hijack.ClosedError):
            request.respond(200)
        request.close()


@pytest.mark.parametrize("first", [b"", b"3\r\nabc\r\n"])
def test_an_upload_that_breaks_the_rules(pieces: hijack.Server, first: bytes) -> None:
    with Client(port_of(pieces)) as client:
        client.ask("/", "POST", "Transfer-Encoding: chunked\r\n").socket.sendall(first + b"0x5\r\nabcde")
        with pieces.accept(20) as request:
            if first:
                assert request.read(3) == b"abc"
            with pytest.raises(hijack.ClosedError, match="rules") as caught:
                request.read()
            assert isinstance(caught.value.__cause__, hijack.ProtocolError)
        assert client.response().status == 400


def test_a_read_has_a_limit(pieces: hijack.Server) -> None:
    with Client(port_of(pieces)) as client:
        begin(client, 5)
        with pieces.accept(20) as request:
            with pytest.raises(hijack.WouldBlockError, match="read"):
                request.read(1, timeout=0)
            with pytest.raises(hijack.TimedOutError, match="0.02 s"):
                request.read(timeout=0.02)
            client.socket.sendall(b"later")
            assert request.read(timeout=20) == b"later"
            request.respond(200, "x")
        assert client.response().body == b"x"


def test_a_body_that_nobody_reads_is_thrown_away(pieces: hijack.Server) -> None:
    def handler(request: hijack.Request) -> None:
        request.respond(200, request.path)
        with pytest.raises(hijack.ClosedError, match="read: the request was closed"):
            request.read()

    with Serving(pieces, handler) as port, Client(port) as client:
        for path in ("/1", "/2"):
            assert client.ask(path, "POST", body=BLOCK).response().body == path.encode()


def test_an_answer_that_begins_before_the_end(pieces: hijack.Server) -> None:
    """An echo, in pieces both ways."""

    def handler(request: hijack.Request) -> None:
        with request.stream() as stream:
            for piece in request:
                stream.send(piece.upper())
        with pytest.raises(hijack.StateError):
            request.respond(200)

    with Serving(pieces, handler) as port, Client(port) as client:
        for _ in range(2):
            begin(client, 10)
            assert b"chunked" in client.until(b"\r\n\r\n")
            client.socket.sendall(b"hello")
            assert client.until(b"HELLO\r\n") == b"5\r\nHELLO\r\n"
            client.socket.sendall(b"world")
            assert client.chunks() == b"WORLD"
    assert not pieces._core.requests


def test_the_connection_is_not_given_away_before_the_end(pieces: hijack.Server) -> None:
    with Client(port_of(pieces)) as client:
        begin(client, 5, b"hel")
        request = pieces.accept(20)
        for call in (request.hijack, request.hijack_partial, lambda: request.hold(pieces.broadcaster())):
            with pytest.raises(hijack.StateError, match="POST /"):
                call()
        client.socket.sendall(b"lo")
        assert request.read() == b"hello"
        with request.hijack() as socket:
            socket.send(b"taken")
        assert client.rest() == b"taken"


def with_pieces(test: Callable[[hijack.aio.Server, Client], Any], **options: Any) -> Any:
    async def main() -> None:
        async with hijack.aio.Server(threads=1, request_body="pieces", **options) as server:
            with Client(server.listen("127.0.0.1:0")) as client:
                await test(server, client)

    return main()


def test_aio_reads(run: Run) -> None:
    async def test(server: hijack.aio.Server, client: Client) -> None:
        begin(client, 10, b"01234")
        request = await server.accept()
        assert await request.read(2) == b"01"
        rest = asyncio.ensure_future(request.read())
        await waiting(rest, request)
        rest.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rest
        client.socket.sendall(b"56789")
        assert await request.read(3) == b"234", "what was cancelled has taken nothing"
        assert await request.read() == b"56789" and await request.read() == b"" == await request.read(1)
        request.respond(200, "x")
        assert client.response().body == b"x"

        begin(client, 10, b"0123456789")
        collected: List[bytes] = []
        request = await server.accept()
        async for piece in request:
            collected.append(piece)
        assert b"".join(collected) == b"0123456789"
        request.respond(200, "y")
        assert client.response().body == b"y"

        begin(client, 10, b"0123")
        request = await server.accept()
        rest = asyncio.ensure_future(request.read())
        await waiting(rest, request)
        client.reset()
        with pytest.raises(hijack.ClosedError) as caught:
            await rest
        assert isinstance(caught.value.__cause__, hijack.ResetError)
        request.close()

    run(with_pieces(test))


def test_aio_streams_an_upload(run: Run) -> None:
    """Larger than what may wait anywhere, and echoed at the same time."""

    async def test(server: hijack.aio.Server, client: Client) -> None:
        async def handler(request: hijack.aio.Request) -> None:
            async with request.stream() as stream:
                async for piece in request:
                    await stream.send(piece)

        server.start(handler)
        count = 16 * MEGA // len(BLOCK)

        def upload() -> None:
            begin(client, count * len(BLOCK))
            for _ in range(count):
                client.socket.sendall(BLOCK)

        def download() -> bytes:
            client.until(b"\r\n\r\n")
            return client.chunks()

        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(None, upload)
        assert await loop.run_in_executor(None, download) == BLOCK * count
        await sending
        await eventually(lambda: not server._core.requests)

    run(with_pieces(test, max_body_bytes=64 * MEGA))
