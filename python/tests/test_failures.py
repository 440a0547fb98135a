"""What becomes of a handler's exceptions: only that its own client has left is silent."""

import asyncio
import contextvars
import functools
import logging
import sys
import threading
from typing import Any, Callable, List

import pytest

import hijack
import hijack.aio
from hijack_ffi._library import ffi
from support import Client, get, port_of, wait_until
from test_aio import Run


@pytest.mark.parametrize("what", ["send", "add"])
def test_the_end_of_another_client_is_a_failure(
    server: hijack.Server, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client of the request gets a 500, and the log has the exception."""
    room, others = server.broadcaster(), list[hijack.Stream]()

    def answer(request: hijack.Request) -> None:
        if request.path == "/other":
            others.append(request.stream())
        else:
            others[0].send("x") if what == "send" else room.add(others[0])

    server.start(answer)
    with Client(port_of(server)) as client:
        client.ask("/other").until(b"\r\n\r\n")
        client.reset()
    wait_until(lambda: others and others[0].closed)
    with caplog.at_level(logging.INFO, "hijack"):
        assert get(port_of(server)).status == 500
        wait_until(lambda: caplog.records)
    assert len(caplog.records) == 1 and caplog.records[0].levelname == "ERROR"
    assert f"ClosedError: {what}" in caplog.text and ": the peer reset the connection" in caplog.text


@pytest.mark.parametrize(
    "call",
    [
        lambda room, request: room.publish("x"),
        lambda room, request: room.publish("x", event="y"),
        lambda room, request: request.hold(room),
        lambda room, request: room.add(request.stream()),
        lambda room, request: len(room),
        lambda room, request: room.set(backlog_bytes="1k"),
        lambda room, request: room.close(),
        lambda room, request: room.stats(),
        lambda room, request: room.on_message(print),
        lambda room, request: room.on_join(print),
        lambda room, request: room.members,
        lambda room, request: room.position,
        lambda room, request: room.publish_to("ann", "x"),
        lambda room, request: room.close_user("ann"),
    ],
)
def test_a_freed_broadcaster_is_named(
    server: hijack.Server,
    call: Callable[[hijack.Broadcaster, hijack.Request], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with server.broadcaster() as room:
        pass
    server.start(lambda request: call(room, request))
    with Client(port_of(server)) as client, caplog.at_level(logging.INFO, "hijack"):
        client.ask()
        wait_until(lambda: caplog.records)
    assert "ClosedError" in caplog.text and "the broadcaster was freed, by free()" in caplog.text
    assert not server._core.rooms


def test_its_own_client_is_silent(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def handler(request: hijack.Request) -> None:
        thing: Any = request if request.path == "/" else getattr(request, request.path[1:])()
        calls.append("begun")
        assert thing.wait_closed(20)
        calls.append("left")
        while True:
            thing.respond(200) if thing is request else thing.send(b"x")

    server.start(handler)
    with caplog.at_level(logging.INFO, "hijack"):
        for path in ("/", "/stream", "/hijack"):
            with Client(port_of(server)) as client:
                client.ask(path)
                wait_until(lambda: calls[-1:] == ["begun"])
                client.reset()
            wait_until(lambda: calls[-1:] == ["left"])
        server.stop()
    assert not caplog.records


def test_a_client_that_left_needs_no_answer(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    ended = []

    def handler(request: hijack.Request) -> None:
        assert request.wait_closed(20)
        wait_until(lambda: request.reason)
        ended.append(request)

    server.start(handler)
    with Client(port_of(server)) as client, caplog.at_level(logging.INFO, "hijack"):
        client.ask()
        wait_until(lambda: server._core.requests)
        client.reset()
        wait_until(lambda: ended and ended[0]._handle == ffi.NULL)
        server.stop()
    assert not caplog.records


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ExceptionGroup is of Python 3.11")
@pytest.mark.parametrize("other_failure", [False, True])
def test_a_group_of_errors(run: Run, caplog: pytest.LogCaptureFixture, other_failure: bool) -> None:
    """A TaskGroup puts what its tasks raise into a group, also if it is only that the client has left."""
    ended = []

    async def handler(request: hijack.aio.Request) -> None:
        stream = request.stream()

        async def write() -> None:
            while True:
                await stream.send("x" * 10000)
                await asyncio.sleep(0)

        async def fail() -> None:
            try:
                await stream.wait_closed()
            finally:
                if other_failure:
                    raise LookupError("another failure")

        try:
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
                group.create_task(write())
                group.create_task(fail())
        finally:
            ended.append(1)

    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0")
            server.start(handler)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
            while not ended:
                await asyncio.sleep(0.001)

    with caplog.at_level(logging.INFO, "hijack"):
        run(main())
    assert ("another failure" in caplog.text) == other_failure == bool(caplog.records)


async def awaited(request: hijack.aio.Request) -> None:
    request.respond(200)


class Awaited:
    async def __call__(self, request: hijack.aio.Request) -> None:
        request.respond(200)


def plain(request: Any) -> None:
    request.respond(200)


@functools.wraps(awaited)
def decorated(request: hijack.aio.Request) -> Any:
    return awaited(request)


@functools.wraps(awaited)
def running(request: Any) -> None:
    """A plain function, whatever it wraps."""
    asyncio.run(awaited(request))


KINDS: List[Any] = [awaited, Awaited(), functools.partial(awaited)]


@pytest.mark.parametrize("handler", [*KINDS, 5])
def test_handlers_for_the_other_server(server: hijack.Server, handler: Any) -> None:
    match = "an async def.; use hijack.aio.Server" if callable(handler) else "a function that takes a request .got 5"
    for call in (server.start, server.serve):
        with pytest.raises(TypeError, match=match):
            call(handler)
    server.start(running)
    assert get(port_of(server)).status == 200


@pytest.mark.parametrize("call", [*KINDS, 5, None])
def test_calls_that_nobody_would_await(server: hijack.Server, call: Any) -> None:
    match = "expected a plain function .*async def" if callable(call) else rf"expected a function .*got {call!r}"
    room = server.broadcaster()
    for what in ("on_message", "on_join", "on_leave"):
        with pytest.raises(TypeError, match=f"{what}: {match}"):
            getattr(room, what)(call)
    assert not server._core.rooms
    with Client(port_of(server)) as client:
        client.ask()
        with server.accept(20) as request, pytest.raises(TypeError, match=f"on_close: {match}"):
            request.on_close(call)
        assert not server._core.kept


def test_a_plain_function_may_wrap_an_async_one(server: hijack.Server) -> None:
    called = threading.Event()

    @functools.wraps(awaited)
    def call(news: Any) -> None:
        called.set()

    server.broadcaster().on_message(call)
    with Client(port_of(server)) as client:
        client.ask()
        request = server.accept(20)
        request.on_close(call)
        request.close()
    assert called.wait(20)


def test_handlers_for_the_other_server_of_asyncio(run: Run) -> None:
    async def main() -> None:
        wrong: Any = plain
        async with hijack.aio.Server(threads=1) as server:
            with pytest.raises(TypeError, match="expected an async def .* use hijack.Server"):
                server.start(wrong)
            with pytest.raises(TypeError, match="expected an async def .* use hijack.Server"):
                await server.serve(functools.partial(wrong))
        for handler in (*KINDS, decorated, lambda request: awaited(request)):
            async with hijack.aio.Server(threads=1) as server:
                port = server.listen("127.0.0.1:0")
                server.start(handler)
                assert (await asyncio.to_thread(get, port)).status == 200

    run(main())


def test_context_variables(server: hijack.Server) -> None:
    """Each handler has a copy of the context in which the server was started."""
    user = contextvars.ContextVar("user", default="nobody")

    def handler(request: hijack.Request) -> None:
        before = user.get()
        user.set(request.path)
        request.respond(200, before)

    user.set("starter")
    server.start(handler, workers=1)
    assert [get(port_of(server), "/a").body, get(port_of(server), "/b").body] == [b"starter", b"starter"]
    assert user.get() == "starter"
