"""Socket: the connection itself; reading by credit, half-close, detach."""

import contextlib
import io
import socket as sockets
import threading
from typing import Any

import pytest

import hijack
from support import PATIENCE, Client, fill, in_thread, port_of, wait_until
from test_stream import PIECE


def socket_of(server: hijack.Server, client: Client, follows: bytes = b"") -> hijack.Socket:
    client.ask(body=b"", headers="")
    if follows:
        client.socket.sendall(follows)
    return server.accept().hijack()


@pytest.fixture
def client(server: hijack.Server) -> Any:
    with Client(port_of(server)) as client:
        yield client


def test_full_hijack_writes_nothing(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client, b"left over") as socket:
        assert socket.recv() == b"left over"
        assert socket.send(b"raw ") == 4
        socket.sendall(bytearray(b"bytes"))
        with pytest.raises(TypeError):
            socket.send("text")  # type: ignore[arg-type]
        with pytest.raises(io.UnsupportedOperation):
            socket.fileno()
    assert client.rest() == b"raw bytes"


def test_partial_hijack_writes_the_head(server: hijack.Server, client: Client) -> None:
    client.ask()
    with server.accept().hijack_partial(101, {"Upgrade": "mine", "Connection": "upgrade"}) as socket:
        socket.send(b"hello")
    head, _, body = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"Upgrade: mine" in head and body == b"hello"


def test_receiving_in_pieces(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client, b"0123456789") as socket:
        assert socket.recv(4) == b"0123"
        buffer = bytearray(b"------")
        assert socket.recv_into(memoryview(buffer), 3) == 3 and buffer == b"456---"
        assert socket.recv_into(buffer) == 3 and buffer == b"789---"
        with pytest.raises(hijack.InvalidError):
            socket.recv(-1)
        client.socket.shutdown(sockets.SHUT_WR)
        assert socket.recv() == b"" and socket.recv() == b""
        assert socket.closed, "the client has ended, and all was read"
        socket.send(b"still")
    assert client.rest() == b"still"


def test_timeouts_are_those_of_sockets(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client)
    with pytest.raises(TimeoutError, match="recv.*0.02 s"):
        socket.recv(timeout=0.02)
    socket.settimeout(0.03)
    assert socket.gettimeout() == 0.03
    with pytest.raises(hijack.TimedOutError, match="0.03"):
        socket.recv()
    fill(socket)
    with pytest.raises(hijack.TimedOutError, match="0.03"):
        socket.send(PIECE)
    socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        socket.recv()
    with pytest.raises(BlockingIOError):
        socket.send(PIECE)
    socket.abort()


def test_iterating_gives_everything(server: hijack.Server, client: Client) -> None:
    data = bytes(range(256)) * 4000

    def send() -> None:
        client.socket.sendall(data)
        client.socket.shutdown(sockets.SHUT_WR)

    with socket_of(server, client) as socket, in_thread(send):
        assert b"".join(socket) == data


def test_a_peer_cannot_fill_the_memory(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client)
    total = 0
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            total += client.socket.send(PIECE)
    before = server.stats()["bytes_in"]
    first = socket.recv(1)
    wait_until(lambda: server.stats()["bytes_in"] - before >= 65536)
    for _ in range(3):  # the loop's thread gets round, and could have read more
        with Client(port_of(server)) as other:
            other.ask()
            server.accept().respond(200)
            other.response()
    assert server.stats()["bytes_in"] - before <= 65536 + 32768
    assert len(socket._buffer) <= 65536
    client.socket.setblocking(True)
    client.socket.shutdown(sockets.SHUT_WR)
    assert len(first) + sum(map(len, socket)) == total
    socket.close()


def test_half_close(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client) as socket:
        socket.send(b"my last word")
        socket.shutdown()
        with pytest.raises(hijack.InvalidError):
            socket.shutdown(sockets.SHUT_RDWR)
        assert client.rest() == b"my last word"
        with pytest.raises(hijack.ClosedError):
            socket.send(b"x")
        client.socket.sendall(b"yours")
        assert socket.recv() == b"yours"
        client.socket.shutdown(sockets.SHUT_WR)
        assert socket.recv() == b""
        socket.wait_closed(10)
        assert socket.recv() == b"" and socket.reason is None


def test_what_came_before_a_reset_is_received_first(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client, b"first")
    assert socket.recv(0) == b"" and socket.recv(1) == b"f"
    client.reset()
    socket.wait_closed(10)
    assert socket.recv() == b"irst"
    with pytest.raises(hijack.ClosedError) as caught:
        socket.recv()
    assert isinstance(caught.value.__cause__, hijack.ResetError) and isinstance(socket.reason, hijack.ResetError)


@pytest.mark.parametrize("end", ["close", "abort", "stop", "release"])
def test_a_waiting_receive_is_woken_by_the_end(server: hijack.Server, client: Client, end: str) -> None:
    socket = socket_of(server, client)
    with in_thread(socket.recv) as result:
        wait_until(lambda: socket._changed._sleepers, "recv waits")
        {"close": socket.close, "abort": socket.abort, "stop": server.stop, "release": socket.release}[end]()
    assert isinstance(result[0], hijack.ClosedError), result


def test_an_own_close_is_not_the_end_of_the_peer(server: hijack.Server, client: Client) -> None:
    """Also where CLOSED comes before the call that closes has returned."""
    socket, came = socket_of(server, client), threading.Event()
    finish, on_event = type(socket)._finish, socket._on_event
    with in_thread(socket.recv) as result:
        wait_until(lambda: socket._changed._sleepers, "recv waits")

        def finish_slowly(handle: Any) -> int:
            code = finish(handle)
            assert came.wait(PATIENCE), "CLOSED has not come"
            with contextlib.suppress(AssertionError):  # recv has a moment in which it could return
                wait_until(lambda: result, patience=0.2)
            return code

        def tell(*event: Any) -> None:
            came.set()
            on_event(*event)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(socket), "_finish", staticmethod(finish_slowly))
            patch.setattr(socket, "_on_event", tell)
            socket.close()
    assert isinstance(result[0], hijack.ClosedError), result


def test_abort_is_a_reset(server: hijack.Server, client: Client) -> None:
    with pytest.raises(ValueError), socket_of(server, client) as socket:
        raise ValueError
    with pytest.raises(ConnectionResetError):
        client.rest()
    socket.wait_closed(10)
    assert isinstance(socket.reason, hijack.AbortedError)


def test_makefile(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client, b"one\ntwo\nthr\xc3\xa9e") as socket:
        client.socket.shutdown(sockets.SHUT_WR)
        with socket.makefile("rwb") as file:
            assert file.readline() == b"one\n"
            file.write(b"answer\n")
            file.flush()
            assert file.read() == b"two\nthr\xc3\xa9e"
        with socket.makefile("w") as text:
            print("t\xe9xt", file=text)
        socket.send(b"")  # it is still open
        for mode in ("rw", "a", "b", ""):
            with pytest.raises(hijack.InvalidError):
                socket.makefile(mode)
    assert client.rest() == b"answer\nt\xc3\xa9xt\n"


def test_makefile_of_text(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client, "one\r\ntw\xf6".encode()) as socket, socket.makefile("r") as file:
        client.socket.shutdown(sockets.SHUT_WR)
        assert file.readlines() == ["one\n", "tw\xf6"]


def test_detach_gives_the_connection_and_what_was_not_received(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client, b"abcdef")
    assert socket.recv(2) == b"ab"
    socket.send(b"before ")
    connection, unread = socket.detach()
    with connection:
        assert unread == b"cdef" and connection.getblocking()
        connection.sendall(b"after")
        assert connection.getpeername() == client.socket.getsockname()
    assert client.rest() == b"before after"
    assert socket.closed
    for call in (socket.recv, socket.detach, lambda: socket.send(b"x")):
        with pytest.raises(hijack.ClosedError):
            call()


def test_a_descriptor_that_comes_too_late_is_closed(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client)
    fill(socket)
    with pytest.raises(hijack.TimedOutError):
        socket.detach(timeout=0.02)
    client.rest()
    socket.wait_closed(10)


def test_detach_when_the_peer_goes_first(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client)
    fill(socket)
    with in_thread(socket.detach) as result:
        wait_until(lambda: socket._changed._sleepers, "detach waits")
        client.reset()
    assert isinstance(result[0], hijack.ClosedError), result


def test_an_event_of_a_released_socket_is_ignored(server: hijack.Server, client: Client) -> None:
    clients = server.broadcaster()
    socket = socket_of(server, client)
    clients.add(socket)
    socket.release()
    socket.release()
    assert len(clients) == 1 and not server._core.table
    clients.publish("to a member without an object")
    client.until(b"object")
    client.reset()
    wait_until(lambda: len(clients) == 0)


def test_sizes_of_a_receive(server: hijack.Server, client: Client) -> None:
    socket = socket_of(server, client)
    assert socket.recv(0) == b"" and socket.recv_into(bytearray()) == 0
    client.socket.sendall(b"hello world")
    for size in (-1, 5):
        with pytest.raises(ValueError, match=f"a size of {size}"):
            socket.recv_into(bytearray(4), size)
    buffer = bytearray(4)
    assert socket.recv_into(buffer, timeout=10) == 4 and buffer == b"hell"
    assert socket.recv_into(buffer, 2, timeout=10) == 2 and buffer == b"o ll"
    socket.close()


def test_the_address_of_the_peer(server: hijack.Server, client: Client) -> None:
    with socket_of(server, client) as socket:
        assert socket.getpeername() == client.socket.getsockname()
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        with sockets.create_connection(listener.getsockname()) as theirs:
            with server.adopt(listener.accept()[0]) as socket:
                assert socket.getpeername() == theirs.getsockname()
    ours, theirs = sockets.socketpair()
    with theirs, server.adopt(ours) as socket:
        assert socket.getpeername() == ""
