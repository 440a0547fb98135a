"""Events of types that this package does not know, as a later version of the library may bring them: nothing happens to
the objects they are about, and what follows still arrives."""

import os
from typing import Any, Iterator, List, Tuple

import pytest

import hijack
import hijack.aio
from hijack_ffi import _core
from hijack_ffi._constants import EVENT_CLOSED, EVENT_DETACHED, EVENT_STOPPED, EVENT_WAKE, KNOWN_EVENTS, LAST_EVENTS
from hijack_ffi._library import ffi, lib
from support import Client, port_of, wait_until
from test_aio import Run, eventually

UNKNOWN = [0, max(KNOWN_EVENTS) + 1, 2**31, 2**32 - 1]


class Later:
    """The library, whose next poll also brings the events that were added here."""

    def __init__(self) -> None:
        self.rows: List[Tuple[int, Any, int, int]] = []
        self.payload = ffi.new("char[]", b"of a later version")

    def __getattr__(self, name: str) -> Any:
        return getattr(lib, name)

    def add(self, core: _core.Core, kind: int, status: int, *things: Any) -> None:
        """An event about each of these: streams and sockets, else handles of what gets no user_data."""
        rows = [
            (thing._number, thing._handle, kind, status) if hasattr(thing, "_number") else (0, thing, kind, status)
            for thing in things
        ]
        with core.lock:
            self.rows += rows
        lib.hijack_queue_wake(core.queue)

    def hijack_queue_poll(self, out: Any, queue: Any, size: int, timeout: int) -> int:
        count: int = lib.hijack_queue_poll(out, queue, size - len(self.rows), timeout)
        for number, handle, kind, status in self.rows:
            out[count] = (number, ffi.cast("void *", handle), self.payload, 18, kind, status)
            count += 1
        self.rows.clear()
        return count


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    later = Later()
    monkeypatch.setattr(_core, "lib", later)
    return later


@pytest.fixture
def descriptor() -> Iterator[int]:
    """An open one, for the status: that of DETACHED is a descriptor, which may be closed by whoever gets it."""
    ours, other = os.pipe()
    yield ours
    os.close(ours)
    os.close(other)


def test_the_last_events_are_those_of_the_header() -> None:
    assert LAST_EVENTS == {EVENT_CLOSED, EVENT_DETACHED, EVENT_STOPPED}


@pytest.mark.parametrize("kind", [*UNKNOWN, EVENT_WAKE])
def test_threads_skip_an_unknown_type(server: hijack.Server, later: Later, descriptor: int, kind: int) -> None:
    port, members = port_of(server), server.broadcaster()
    with Client(port) as a, Client(port) as b, Client(port) as c:
        a.ask()
        socket = server.accept().hijack()
        b.ask()
        stream = server.accept().stream()
        c.ask()
        request = server.accept()
        core = server._core
        later.add(core, kind, descriptor, socket, stream, request._handle, core.server, members._handle)
        wait_until(lambda: not later.rows, "the events are polled")
        a.socket.sendall(b"later")
        assert socket.recv(timeout=20) == b"later"
        assert not socket.closed and not stream.closed and not core.over
        os.fstat(descriptor)

        stream.send("body")
        stream.close()
        assert b.response().body == b"body"
        stream.wait_closed(20)
        assert stream.reason is None
        request.respond(200, "answer")
        assert c.response().body == b"answer"
        members.add(socket)
        assert members.publish(b"to members") == 1
        a.until(b"to members")
        a.reset()
        socket.wait_closed(20)
        assert isinstance(socket.reason, hijack.ResetError)


@pytest.mark.parametrize("kind", [*UNKNOWN, EVENT_WAKE])
def test_aio_skips_an_unknown_type(run: Run, later: Later, descriptor: int, kind: int) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port, members = server.listen("127.0.0.1:0"), server.broadcaster()
            with Client(port) as a, Client(port) as b, Client(port) as c:
                a.ask()
                socket = (await server.accept()).hijack()
                b.ask()
                stream = (await server.accept()).stream()
                c.ask()
                request = await server.accept()
                core = server._core
                later.add(core, kind, descriptor, socket, stream, request._handle, core.server, members._handle)
                await eventually(lambda: not later.rows)
                a.socket.sendall(b"later")
                assert await socket.readexactly(5) == b"later"
                assert not socket.closed and not stream.closed and not core.over
                os.fstat(descriptor)

                await stream.send("body")
                stream.close()
                assert b.response().body == b"body"
                await stream.wait_closed()
                assert stream.reason is None
                request.respond(200, "answer")
                assert c.response().body == b"answer"
                a.reset()
                await socket.wait_closed()
                assert isinstance(socket.reason, hijack.ResetError)

    run(main())
