"""Clients that leave: requests, streams and sockets learn of it at once, whoever waits, under threads and asyncio."""

import asyncio
import contextlib
import gc
import logging
import queue
import socket as sockets
import sys
import threading
from typing import Any, Callable, List, Optional, Type, Union

import pytest

import hijack
import hijack.aio
from support import Client, Serving, get, in_thread, port_of, wait_until
from test_aio import Run, eventually

Thing = Union[hijack.Request, hijack.Stream, hijack.Socket]
MAKE = {
    "request": lambda request: request,
    "stream": lambda request: request.stream(),
    "sse": lambda request: request.sse(),
    "socket": lambda request: request.hijack(),
    "partial": lambda request: request.hijack_partial(),
}
LEAVE = {
    "fin": lambda client: client.socket.close(),
    "half": lambda client: client.socket.shutdown(sockets.SHUT_WR),
    "rst": lambda client: client.reset(),
}


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("kind", MAKE)
def test_who_waits_is_woken(server: hijack.Server, kind: str, how: str) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        thing: Any = MAKE[kind](server.accept(20))
        reasons: "queue.SimpleQueue[Optional[BaseException]]" = queue.SimpleQueue()
        thing.on_close(reasons.put)
        assert not thing.closed and thing.reason is None and not thing.wait_closed(0) and reasons.empty()
        with in_thread(lambda: thing.wait_closed(20)) as waited:
            wait_until(lambda: thing._changed._sleepers, "wait_closed waits")
            LEAVE[how](client)
        assert waited == [True] and thing.closed
        reason = reasons.get(timeout=20)
        if how == "half":  # nothing that is sent provokes a reset
            assert reason is None and thing.reason is None
        if how == "rst":
            assert isinstance(reason, hijack.ResetError)
        again: List[Any] = []
        thing.on_close(again.append)
        assert len(again) == 1 and reasons.empty(), "called at once, and nobody twice"
        thing.close()


@pytest.mark.parametrize("kind", ["stream", "socket"])
@pytest.mark.parametrize("unread", [b"", b"unread"])
def test_a_client_that_left_before(server: hijack.Server, kind: str, unread: bytes) -> None:
    """Also what a request becomes afterwards knows."""
    with Client(port_of(server)) as client:
        client.ask().socket.sendall(unread)
        client.socket.shutdown(sockets.SHUT_WR)
        request = server.accept(20)
        assert request.wait_closed(20)
        thing: Any = MAKE[kind](request)
        assert thing.wait_closed(20) and thing.closed
        thing.send(b"still read")
        thing.close()
        assert b"still read" in client.rest()


def test_a_client_that_only_ended_its_sending_side_is_answered(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        client.ask().socket.shutdown(sockets.SHUT_WR)
        request = server.accept(20)
        assert request.wait_closed(20) and request.closed and not request.answered
        request.respond(200, "here you are")
        assert client.response().body == b"here you are"


def test_an_end_by_the_program_ends_the_waiting(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        request = server.accept(20)
        reasons: List[Any] = []
        request.on_close(reasons.append)
        with in_thread(request.wait_closed) as waited:
            wait_until(lambda: request._changed._sleepers, "wait_closed waits")
            request.respond(200, "x")
        assert waited == [True] and reasons == [None] and request.closed and request.reason is None
        assert client.response().body == b"x"
        client.ask()
        stream, ends = server.accept(20).stream(), threading.Event()
        stream.on_close(lambda reason: ends.set())
        assert not stream.wait_closed(0)
        stream.abort()
        assert ends.wait(20) and isinstance(stream.reason, hijack.AbortedError)


@pytest.mark.parametrize("kind", MAKE)
def test_the_end_of_the_server(server: hijack.Server, kind: str) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        thing: Any = MAKE[kind](server.accept(20))
        reasons: List[Any] = []
        thing.on_close(reasons.append)
        server.stop()
        assert thing.wait_closed(20)
        assert [type(reason) for reason in reasons] == [hijack.ShutdownError] == [type(thing.reason)]
        thing.close()


def test_quiet_streams_give_their_workers_back(server: hijack.Server) -> None:
    """Three workers wait for news that never come, for clients that have left."""
    port = port_of(server)

    def handler(request: hijack.Request) -> None:
        if request.path == "/":
            request.respond(200, "ok")
            return
        news: "queue.SimpleQueue[Optional[str]]" = queue.SimpleQueue()
        with request.sse() as stream:
            stream.on_close(lambda reason: news.put(None))
            stream.send_event("hello")
            assert news.get(timeout=20) is None

    server.start(handler, workers=3)
    for _ in range(3):
        with Client(port) as client:
            client.ask("/quiet").until(b"data: hello\n\n")
    assert get(port).body == b"ok"


def test_the_end_of_what_a_socket_reads(server: hijack.Server) -> None:
    """It is over when all was read, not before: a loop "until closed" loses nothing."""
    with Client(port_of(server)) as client:
        client.ask()
        socket = server.accept(20).hijack()
        told: List[Any] = []
        socket.on_close(told.append)
        with pytest.raises(hijack.TimedOutError):
            socket.recv(timeout=0.01)  # from now on the peer may send ahead
        client.socket.sendall(b"last words")
        client.socket.shutdown(sockets.SHUT_WR)
        wait_until(lambda: socket._eof, "the end has come")
        assert not socket.closed and not socket.wait_closed(0) and not told
        assert socket.recv(5) == b"last " and not socket.closed
        with in_thread(lambda: socket.wait_closed(20)) as waited:
            wait_until(lambda: socket._changed._sleepers, "wait_closed waits")
            assert socket.recv() == b"words"
        assert waited == [True] and socket.closed and told == [None] and socket.recv() == b""
        socket.send(b"and mine")
        socket.close()
        assert client.rest() == b"and mine"


def test_after_shutdown_the_end_comes_by_itself(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        socket = server.accept(20).hijack()
        socket.shutdown()
        assert client.rest() == b"" and not socket.wait_closed(0)
        client.socket.close()
        assert socket.wait_closed(20) and socket.recv() == b"" and socket.reason is None
        wait_until(lambda: not server._core.table, "it has its last event")


def test_a_failure_in_on_close_harms_nobody(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    def fail(reason: object) -> None:
        raise ValueError("from on_close")

    done = threading.Event()

    def handler(request: hijack.Request) -> None:
        stream = request.stream()
        stream.on_close(fail)
        stream.on_close(lambda reason: done.set())
        assert stream.wait_closed(20)
        stream.on_close(fail)  # also where it is called at once

    with caplog.at_level(logging.ERROR, "hijack"), Serving(server, handler) as port:
        with Client(port) as client:
            client.ask().until(b"\r\n\r\n")
        assert done.wait(20)
    assert "from on_close" in caplog.text and "Stream" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_in_on_close_does_not_end_the_events(
    server: hijack.Server, caplog: pytest.LogCaptureFixture, error: Type[BaseException]
) -> None:
    def leave(reason: object) -> None:
        raise error("from on_close")

    def handler(request: hijack.Request) -> None:
        request.stream().on_close(leave) if request.path == "/stream" else request.respond(200)

    with caplog.at_level(logging.ERROR, "hijack"), Serving(server, handler) as port:
        with Client(port) as client:
            client.ask("/stream").until(b"\r\n\r\n")
            wait_until(lambda: server._core.kept, "on_close has been called: after the end it would call leave itself")
        wait_until(lambda: caplog.records)
        assert "from on_close" in caplog.text and get(port).status == 200


def test_an_exit_of_the_program_itself_is_raised(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        client.ask()
        stream = server.accept(20).stream()
        client.socket.close()
        assert stream.wait_closed(20)
        with pytest.raises(SystemExit):
            stream.on_close(lambda reason: sys.exit())


def test_a_server_that_takes_no_events_any_more_has_stopped(server: hijack.Server) -> None:
    """As where the program's logging raises: nobody would answer its clients."""

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.ERROR:
                raise LookupError("from logging")

    failing, logger = Failing(), logging.getLogger("hijack")

    def handler(request: hijack.Request) -> None:
        request.stream().on_close(lambda reason: 1 // 0)

    port = port_of(server)
    server.start(handler)
    logger.addHandler(failing)
    try:
        with Client(port) as other, Client(port) as client:
            client.ask().until(b"\r\n\r\n")
            client.reset()
            assert other.rest() == b""
        server.serve()
        with pytest.raises(ConnectionRefusedError):
            sockets.create_connection(("127.0.0.1", port), 20)
    finally:
        logger.removeHandler(failing)


def test_a_refusal_names_the_reason(server: hijack.Server) -> None:
    calls: List[Callable[[hijack.Request], object]] = [
        lambda request: request.respond(200),
        lambda request: request.stream(),
        lambda request: request.hold(clients),
    ]
    clients = server.broadcaster()
    for call in calls:
        with Client(port_of(server) if not server._core.started else int(server.addresses[0].split(":")[1])) as client:
            client.ask()
            request = server.accept(20)
            client.reset()
            wait_until(lambda: request.reason, "the reset has come")
            with pytest.raises(hijack.ClosedError, match="GET /: the peer reset") as caught:
                call(request)
            assert isinstance(caught.value.__cause__, hijack.ResetError)
            assert not server._core.requests


def with_aio(test: Callable[[hijack.aio.Server, int], Any]) -> Any:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            await test(server, server.listen("127.0.0.1:0"))

    return main()


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("kind", MAKE)
def test_a_task_that_waits_is_woken(run: Run, kind: str, how: str) -> None:
    async def test(server: hijack.aio.Server, port: int) -> None:
        with Client(port) as client:
            client.ask()
            thing: Any = MAKE[kind](await server.accept())
            reasons: List[Any] = []
            thing.on_close(reasons.append)
            assert not thing.closed and not await thing.wait_closed(0.01) and not reasons
            waited = asyncio.ensure_future(thing.wait_closed())
            await asyncio.sleep(0)
            LEAVE[how](client)
            assert await asyncio.wait_for(waited, 20) is True and thing.closed and len(reasons) == 1
            if how == "rst":
                assert isinstance(reasons[0], hijack.ResetError)
            thing.close()

    run(with_aio(test))


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("cancels", [True, False])
def test_the_task_of_a_handler_is_cancelled_by_option(run: Run, kind: str, how: str, cancels: bool) -> None:
    async def test(server: hijack.aio.Server, port: int) -> None:
        begun, ended, go_on = asyncio.Event(), [], asyncio.Event()

        async def handler(request: hijack.aio.Request) -> None:
            try:
                thing = MAKE[kind](request)
                begun.set()
                await go_on.wait()
                await thing.wait_closed()
                ended.append("noticed")
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
            finally:
                thing.close()

        server.start(handler, cancel_on_disconnect=cancels)
        with Client(port) as client:
            client.ask()
            await asyncio.wait_for(begun.wait(), 20)
            LEAVE[how](client)
            if not cancels:
                go_on.set()
            await eventually(lambda: ended)
        await eventually(lambda: not server._core.tasks)
        expected = ["cancelled"] if cancels else ["noticed"]
        assert ended == expected

    run(with_aio(test))


def test_what_a_handler_drops_ends_also_with_the_option(run: Run) -> None:
    """At the end of its task: until then that is to be cancelled."""

    async def test(server: hijack.aio.Server, port: int) -> None:
        go_on = asyncio.Event()

        async def handler(request: hijack.aio.Request) -> None:
            request.stream() if request.path == "/stream" else request.hijack()
            await go_on.wait()

        server.start(handler, cancel_on_disconnect=True)
        loop = asyncio.get_running_loop()
        gc.disable()
        try:
            for path in ("/stream", "/socket"):
                go_on.clear()
                with Client(port) as client, pytest.warns(ResourceWarning, match="was dropped while it was open"):
                    client.ask(path)
                    await eventually(lambda: server._core.table)
                    ended = loop.run_in_executor(None, lambda: suppressed(client.rest))
                    await asyncio.sleep(0)
                    assert len(server._core.table) == 1
                    go_on.set()
                    await ended
                assert not server._core.table and not server._core.kept
        finally:
            gc.enable()

    run(with_aio(test))


def suppressed(call: Callable[[], object]) -> None:
    with contextlib.suppress(ConnectionResetError):
        call()


def test_a_task_is_not_cancelled_by_its_own_end(run: Run) -> None:
    async def test(server: hijack.aio.Server, port: int) -> None:
        done: List[str] = []

        async def handler(request: hijack.aio.Request) -> None:
            if request.path == "/stream":
                async with request.stream() as stream:
                    await stream.send("x")
                await stream.wait_closed()
            elif request.path == "/echo":
                async with request.hijack() as socket:
                    async for data in socket:
                        await socket.send(data)
                    await asyncio.sleep(0.01)
                    await socket.send(b" bye")
            else:
                request.respond(200, "x")
            await asyncio.sleep(0.01)
            done.append(request.path)

        server.start(handler, cancel_on_disconnect=True)
        loop = asyncio.get_running_loop()
        for path in ("/", "/stream"):
            answer = await loop.run_in_executor(None, get, port, path)
            assert answer.body == b"x"
            await eventually(lambda: path in done)

        def echo() -> bytes:
            with Client(port) as client:
                client.ask("/echo").socket.sendall(b"hello")
                client.until(b"hello")  # so it is being read
                client.socket.shutdown(sockets.SHUT_WR)
                return client.rest()

        assert await loop.run_in_executor(None, echo) == b" bye"
        await eventually(lambda: "/echo" in done)

    run(with_aio(test))
