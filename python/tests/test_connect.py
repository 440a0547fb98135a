"""Connections to elsewhere, which the program asks for, in both faces."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from pathlib import Path
from typing import Any, Callable, Coroutine, Iterator, List, Type

import pytest

import hijack
import hijack.aio
from support import PATIENCE, in_thread, wait_until
from test_aio import eventually

Run = Callable[[Coroutine[Any, Any, Any]], Any]
NOBODY = "the other side refused the connection; nothing listens at that address"
NO_HOST = "the host does not exist, no route leads to it, or no local port is free"
FORMS = (
    "expected 127.0.0.1:80, [::1]:80, example.org:80 (a port from 1 to 65535), tls: before one of these, or unix:/path"
)

#: what is wrong with an address, and what the error says
WRONG = [
    ("a..b:80", hijack.AddressNotAvailableError, OSError, NO_HOST),
    ("", hijack.AddressError, OSError, FORMS),
    ("localhost", hijack.AddressError, OSError, FORMS),
    ("127.0.0.1:0", hijack.AddressError, OSError, FORMS),
    ("*:80", hijack.AddressError, OSError, FORMS),
    ("fd:3", hijack.AddressError, OSError, FORMS),
    ("localhost:65536", hijack.OutOfRangeError, ValueError, "expected a port from 1 to 65535"),
    (f"unix:/{'x' * 107}", hijack.TooBigError, ValueError, "expected at most 107 bytes as the path of a unix socket"),
    ("unix:/nothing/is/here", hijack.NotFoundError, FileNotFoundError, "this unix path does not exist"),
    ("tls:unix:/nothing", hijack.AddressError, OSError, FORMS),
]


@pytest.fixture
def running() -> Iterator[hijack.Server]:
    with hijack.Server(threads=1) as server:
        server.start()
        yield server


@pytest.fixture
def full() -> Iterator[str]:
    """The address of a listener whose queue is full, so that nobody gets an answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield address_of(listener)


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def accept(listener: socket.socket) -> socket.socket:
    other, _ = listener.accept()
    other.settimeout(PATIENCE)
    return other


def exactly(other: socket.socket, data: bytes) -> None:
    assert other.recv(len(data), socket.MSG_WAITALL) == data


def is_empty(server: Any) -> bool:
    """Whether there is neither an object of a connection, nor anything of the library."""
    return server.stats()["connections"] == 0 and not server._core.table and not server._core.kept


def nothing_is_left(server: Any) -> None:
    wait_until(lambda: is_empty(server), "nothing of the connections is left")


@contextlib.contextmanager
def refused(kind: Type[BaseException], also: Type[BaseException], said: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert isinstance(caught.value, also) and str(caught.value) == said


def test_a_conversation(running: hijack.Server, listener: socket.socket) -> None:
    made = running.connect(address_of(listener), timeout=PATIENCE)
    made.send(b"before anything is read")
    with accept(listener) as other, made:
        exactly(other, b"before anything is read")
        assert made.getpeername() == listener.getsockname() and running.stats()["outgoing"] == 1
        other.sendall(b"hello")
        assert made.recv(100, timeout=PATIENCE) == b"hello"
        made.close()
        assert other.recv(1) == b""
    nothing_is_left(running)


def test_the_other_side_ends(running: hijack.Server, listener: socket.socket) -> None:
    with running.connect(address_of(listener)) as made:
        accept(listener).close()
        assert made.recv(timeout=PATIENCE) == b"" and made.closed

        def fails() -> bool:
            try:
                made.send(b"x")
            except hijack.ClosedError as error:
                return str(error).startswith("send: ")
            return False

        wait_until(fails)
    nothing_is_left(running)


def test_blocks(running: hijack.Server, listener: socket.socket) -> None:
    with running.connect(f"localhost:{listener.getsockname()[1]}") as made:
        made.send(b"in the block")
    with accept(listener) as other:
        exactly(other, b"in the block")
        assert other.recv(1) == b""
    with pytest.raises(ZeroDivisionError), running.connect(address_of(listener)):
        raise ZeroDivisionError
    with accept(listener) as other, pytest.raises(ConnectionResetError):
        other.recv(1)
    nothing_is_left(running)


def test_a_unix_socket(running: hijack.Server, tmp_path: Path) -> None:
    path = str(tmp_path / "here\udcff:80")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with running.connect(f"unix:{path}") as made, accept(listener) as other:
            other.sendall(b"from a file")
            assert made.recv(timeout=PATIENCE) == b"from a file" and made.getpeername() == path
    with pytest.raises(hijack.RefusedError):
        running.connect(f"unix:{path}")


@pytest.mark.parametrize("address, kind, also, text", WRONG, ids=[it[0][:20] for it in WRONG])
def test_what_is_wrong(
    running: hijack.Server, address: str, kind: Type[BaseException], also: Type[BaseException], text: str
) -> None:
    with refused(kind, also, f"connect {address}: {text}"):
        running.connect(address)
    nothing_is_left(running)


def test_nobody_listens(running: hijack.Server, listener: socket.socket) -> None:
    address = address_of(listener)
    listener.close()
    with refused(hijack.RefusedError, ConnectionRefusedError, f"connect {address}: {NOBODY}"):
        running.connect(address)
    nothing_is_left(running)


def test_it_takes_too_long(running: hijack.Server, full: str) -> None:
    for timeout in (0.05, 0):
        with refused(hijack.TimedOutError, TimeoutError, f"connect {full}: not possible within {timeout} s"):
            running.connect(full, timeout)
        nothing_is_left(running)
    with hijack.Server(threads=1, connect_timeout_ms=100) as server:
        server.start()
        said = f"connect {full}: it was not open within the time of the option connect_timeout_ms"
        with refused(hijack.TimedOutError, TimeoutError, said):
            server.connect(full)
        nothing_is_left(server)


def test_an_exception_from_a_signal(running: hijack.Server, full: str) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            running.connect(full)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    nothing_is_left(running)


def test_a_server_that_does_not_run(full: str) -> None:
    with hijack.Server(threads=1) as server:
        with refused(hijack.StateError, RuntimeError, "connect a:1: the server is not running yet; start it first"):
            server.connect("a:1")
        server.start()
        with in_thread(lambda: server.connect(full)) as result:
            wait_until(lambda: server.stats()["connections"] == 1)
            server.stop()
        assert isinstance(result[0], hijack.ShutdownError), result
        assert str(result[0]) == f"connect {full}: the server stops or has stopped"
        with refused(hijack.ShutdownError, ConnectionError, "connect a:1: the server stops or has stopped"):
            server.connect("a:1")
    with pytest.raises(hijack.ClosedError, match="connect a:1: the server was closed"):
        server.connect("a:1")


def test_one_that_is_dropped(running: hijack.Server, listener: socket.socket) -> None:
    with pytest.warns(ResourceWarning, match="Socket open> was dropped while it was open"):
        made: Any = running.connect(address_of(listener))
        del made
        gc.collect()
    with accept(listener) as other, pytest.raises(ConnectionResetError):
        other.recv(1)
    nothing_is_left(running)


def test_a_member(running: hijack.Server, listener: socket.socket) -> None:
    with running.broadcaster() as room:
        room.add(running.connect(address_of(listener)))
        room.publish("to all")
        with accept(listener) as other:
            exactly(other, b"to all")


def test_asyncio(run: Run, listener: socket.socket, full: str) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            with refused(hijack.StateError, RuntimeError, "connect a:1: the server is not running yet; start it first"):
                await server.connect("a:1")
            server.start()
            async with await server.connect(address_of(listener)) as made:
                with accept(listener) as other:
                    assert made.get_extra_info("peername") == listener.getsockname()
                    await made.send(b"before anything is read")
                    exactly(other, b"before anything is read")
                    other.sendall(b"hello")
                    assert await made.readexactly(5) == b"hello"
            for address, kind, also, text in WRONG:
                with refused(kind, also, f"connect {address}: {text}"):
                    await server.connect(address)
            await eventually(lambda: is_empty(server))
            await cancelling(server, full)
            waiting = asyncio.ensure_future(server.connect(full))
            await asyncio.sleep(0)
            server.stop()
            with refused(hijack.ShutdownError, ConnectionError, f"connect {full}: the server stops or has stopped"):
                await waiting

    run(main())


async def cancelling(server: hijack.aio.Server, full: str) -> None:
    descriptors: List[int] = []
    for _ in range(3):
        task = asyncio.ensure_future(server.connect(full))
        await eventually(lambda: server.stats()["connections"] == 1 and server._core.kept)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(server.connect(full), 0.05)
        await eventually(lambda: is_empty(server))
        await eventually(lambda: not descriptors or len(os.listdir("/proc/self/fd")) <= descriptors[0])
        descriptors.append(len(os.listdir("/proc/self/fd")))
