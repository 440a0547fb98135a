"""Two connections that get each other's bytes, in both faces."""

import asyncio
import gc
import socket
import struct
import threading
from typing import Any, Callable, Coroutine, Iterator, List, NamedTuple, Tuple

import pytest

import hijack
import hijack.aio
from support import BINARY, PATIENCE, TEXT, WebSocketClient, close_frame, frame, in_thread, port_of, wait_until
from test_aio import eventually
from test_connect import accept, address_of

Run = Callable[[Coroutine[Any, Any, Any]], Any]
RELAYED = "it is relayed: its bytes go to the other connection, and come from there"
LINES = [b"%d\n" % i for i in range(4000)]


class Ends(NamedTuple):
    """An adopted connection and an outgoing one, with both other ends."""

    client: socket.socket
    near: hijack.Socket
    far: hijack.Socket
    origin: socket.socket


@pytest.fixture
def pairs(listener: socket.socket) -> Iterator[Callable[[], Ends]]:
    """Makes pairs that are not relayed yet."""
    made: List[Ends] = []
    with hijack.Server(threads=2) as server:
        server.start()

        def pair() -> Ends:
            ours, client = tcp_pair()
            near = server.adopt(ours)
            far = server.connect(address_of(listener), timeout=PATIENCE)
            made.append(Ends(client, near, far, accept(listener)))
            return made[-1]

        yield pair
        for it in made:
            it.client.close()
            it.origin.close()


def tcp_pair() -> Tuple[socket.socket, socket.socket]:
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        client.settimeout(PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener.accept()[0], client


def exactly(other: socket.socket, data: bytes) -> None:
    got = b""
    while len(got) < len(data):
        piece = other.recv(len(data) - len(got))
        assert piece, f"the end came after {got!r}"
        got += piece
    assert got == data


def passes(data: bytes, source: socket.socket, to: socket.socket) -> None:
    source.sendall(data)
    exactly(to, data)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def is_reset(other: socket.socket) -> None:
    with pytest.raises(ConnectionResetError):
        other.recv(1)


def relayed(pair: Ends) -> Ends:
    pair.near.relay(pair.far, timeout=PATIENCE)
    return pair


def rest(other: socket.socket) -> bytes:
    return b"".join(iter(lambda: other.recv(65536), b""))


def send_lines(client: socket.socket) -> None:
    for line in LINES:
        client.sendall(line)
    client.shutdown(socket.SHUT_WR)


def test_both_ways_and_a_half_close(pairs: Callable[[], Ends]) -> None:
    it = relayed(pairs())
    passes(b"ping", it.client, it.origin)
    passes(b"pong", it.origin, it.client)
    counted = it.near._core.server
    assert counted is not None
    it.client.shutdown(socket.SHUT_WR)
    assert it.origin.recv(1) == b""
    passes(b"still", it.origin, it.client)
    assert not it.near.closed
    it.origin.close()
    assert it.client.recv(1) == b""
    for side in (it.near, it.far):
        assert side.wait_closed(PATIENCE) and side.reason is None


def test_what_was_sent_and_what_was_not_received(pairs: Callable[[], Ends]) -> None:
    it = pairs()
    it.near.send(b"welcome\n")
    it.client.sendall(b"CONNECT there\nfirst ")
    assert it.near.recv(14) == b"CONNECT there\n"
    it.origin.sendall(b"banner ")
    assert it.far.recv(1) == b"b"
    relayed(it)
    it.client.sendall(b"second")
    it.origin.sendall(b"end")
    exactly(it.origin, b"first second")
    exactly(it.client, b"welcome\nanner end")


def test_bytes_that_come_ahead_keep_their_order(pairs: Callable[[], Ends]) -> None:
    """The client goes on sending all the time: nothing that is on its way is lost."""
    for _ in range(10):
        it = pairs()
        sender = threading.Thread(target=send_lines, args=(it.client,))
        sender.start()
        assert it.near.recv(2) == LINES[0]
        relayed(it)
        assert rest(it.origin) == b"".join(LINES[1:])
        sender.join()
        it.near.abort()


@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_reset_passes_on(pairs: Callable[[], Ends], who: str) -> None:
    it = relayed(pairs())
    passes(b"paired", it.client, it.origin)
    reasons: List[Any] = []
    it.far.on_close(reasons.append)
    reset(getattr(it, who))
    is_reset(it.origin if who == "client" else it.client)
    wait_until(lambda: reasons)
    assert isinstance(reasons[0], hijack.ResetError)
    assert it.near.wait_closed(PATIENCE) and isinstance(it.near.reason, hijack.ResetError)


def test_close_and_abort_end_both(pairs: Callable[[], Ends]) -> None:
    it = relayed(pairs())
    it.near.close()
    assert (it.origin.recv(1), it.client.recv(1)) == (b"", b"")
    assert it.far.wait_closed(PATIENCE)
    it = relayed(pairs())
    it.far.abort()
    is_reset(it.client)
    is_reset(it.origin)


def test_it_needs_no_objects(listener: socket.socket) -> None:
    """Neither with blocks, nor errors in them, nor the collector end it; nor does release."""
    with hijack.Server(threads=2) as server:
        server.start()
        ends: List[Tuple[socket.socket, socket.socket]] = []
        for i in range(12):
            ours, client = tcp_pair()
            try:
                with server.adopt(ours) as near, server.connect(address_of(listener)) as far:
                    near.relay(far)
                    if i % 3 == 1:
                        raise ZeroDivisionError
                    if i % 3 == 2:
                        near.release()
            except ZeroDivisionError:
                pass
            del near, far
            ends.append((client, accept(listener)))
        gc.collect()
        assert not server._core.table
        wait_until(lambda: server.stats()["relayed"] == 24)  # of two loops, one side is on its way
        for client, origin in ends:
            passes(b"alive", client, origin)
            passes(b"here", origin, client)
            client.close()
            assert origin.recv(1) == b""
            origin.close()
        wait_until(lambda: server.stats()["connections"] == 0 and server.stats()["relayed"] == 0)
        assert server.stats()["relayed_bytes"] == 12 * 9


def test_who_waits_to_receive_is_told(pairs: Callable[[], Ends]) -> None:
    it = pairs()
    with in_thread(it.near.recv) as near, in_thread(it.far.recv) as far:
        wait_until(lambda: it.near._changed._sleepers and it.far._changed._sleepers, "both wait")
        relayed(it)
    for result in (near, far):
        assert isinstance(result[0], hijack.StateError) and str(result[0]) == f"read: {RELAYED}"
    passes(b"ping", it.client, it.origin)


def test_states(pairs: Callable[[], Ends]) -> None:
    it, other = relayed(pairs()), pairs()
    calls: List[Callable[[], object]] = [
        lambda: it.near.send(b"x"), lambda: it.near.try_send(b"x"), it.near.recv, it.near.shutdown, it.near.detach,
        lambda: other.near.relay(it.near), lambda: it.near.relay(other.near),
    ]
    for call in calls:
        with pytest.raises(hijack.StateError, match=f": {RELAYED}$"):
            call()
    wrong: List[Any] = [it.near, None, "x"]
    for what in wrong:
        with pytest.raises(hijack.InvalidError, match="^relay: expected another socket or WebSocket of this server"):
            it.near.relay(what)
    with hijack.Server(threads=1) as server:
        server.start()
        ours, client = tcp_pair()
        with client, server.adopt(ours) as foreign, pytest.raises(hijack.InvalidError):
            other.near.relay(foreign)
    passes(b"still", it.client, it.origin)
    other.far.close()
    with pytest.raises(hijack.ClosedError):
        other.near.relay(other.far)
    other.client.sendall(b"as before")
    assert other.near.recv(100) == b"as before"


def test_a_member(listener: socket.socket) -> None:
    with hijack.Server(threads=1) as server, server.broadcaster() as room:
        server.start()
        ours, client = tcp_pair()
        near, far = server.adopt(ours), server.connect(address_of(listener))
        with client, accept(listener) as origin:
            room.add(far)
            with pytest.raises(hijack.StateError, match="^relay: one of the two is a broadcaster's member"):
                near.relay(far)
            client.sendall(b"as before")
            assert near.recv(100) == b"as before"
            room.remove(far)
            near.relay(far)
            passes(b"now", client, origin)
            near.close()


def test_a_websocket_and_bytes(server: hijack.Server, listener: socket.socket) -> None:
    with WebSocketClient(port_of(server)) as client:
        made: List[hijack.WebSocket] = []
        server.start(lambda request: made.append(request.websocket()))
        client.shake()
        wait_until(lambda: made)
        far = server.connect(address_of(listener))
        with accept(listener) as origin:
            client.send(frame(TEXT, b"received"), frame(TEXT, b"ahead"))
            assert made[0].recv() == "received"
            made[0].send("greeting")
            made[0].relay(far)
            assert client.frame() == (TEXT, b"greeting")
            exactly(origin, b"ahead")
            client.send(frame(BINARY, b"more"))
            exactly(origin, b"more")
            origin.sendall(b"bytes")
            assert client.frame() == (BINARY, b"bytes")
            for call in (lambda: made[0].send("x"), made[0].recv):
                with pytest.raises(hijack.StateError, match=RELAYED):
                    call()
            assert not made[0].closed
            client.send(close_frame(1000))
            assert origin.recv(1) == b""
            assert made[0].wait_closed(PATIENCE) and made[0].close_code == 1000


def test_two_websockets(server: hijack.Server) -> None:
    made: List[hijack.WebSocket] = []
    server.start(lambda request: made.append(request.websocket()))
    with WebSocketClient(port_of(server)) as one, WebSocketClient(port_of(server)) as other:
        one.shake()
        wait_until(lambda: len(made) == 1)
        other.shake()
        wait_until(lambda: len(made) == 2)
        one.send(frame(TEXT, b"ahead"))
        wait_until(lambda: made[0]._pieces, "it has come")
        with made[0], made[1]:
            made[0].relay(made[1])
        one.send(frame(BINARY, b"bytes"))
        assert [other.frame(), other.frame()] == [(TEXT, b"ahead"), (BINARY, b"bytes")]
        other.send(frame(TEXT, b"back"))
        assert one.frame() == (TEXT, b"back")


def test_asyncio(run: Run, listener: socket.socket) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=2) as server:
            server.start()
            for _ in range(5):
                await conversation(server, listener)
            await eventually(lambda: server.stats()["connections"] == 0 and server.stats()["relayed"] == 0)
            await refusing(server, listener)
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


async def conversation(server: hijack.aio.Server, listener: socket.socket) -> None:
    """A client that goes on sending, of whom a line is read; the objects go with their blocks."""
    call = asyncio.get_running_loop().run_in_executor
    ours, client = tcp_pair()
    sender = call(None, send_lines, client)
    async with server.adopt(ours) as near, await server.connect(address_of(listener)) as far:
        assert await near.readline() == LINES[0]
        waiting = asyncio.ensure_future(far.readline())
        await asyncio.sleep(0)
        await near.relay(far)
        for reading in (waiting, near.readline(), near.read(1), near.readexactly(3), near.send(b"x")):
            with pytest.raises(hijack.StateError, match=RELAYED):
                await reading
    with client, accept(listener) as origin:
        assert await call(None, rest, origin) == b"".join(LINES[1:])
        await sender
        origin.sendall(b"answer")
        exactly(client, b"answer")


async def refusing(server: hijack.aio.Server, listener: socket.socket) -> None:
    """Two at the same time: one of them gets it. What was cancelled leaves both as they were."""
    ends = [tcp_pair() for _ in range(3)]
    near, far, other = (server.adopt(ours) for ours, _ in ends)
    results = await asyncio.gather(near.relay(far), other.relay(far), return_exceptions=True)
    assert results[0] is None and isinstance(results[1], hijack.StateError), results
    passes(b"paired", ends[0][1], ends[1][1])
    await other.send(b"as before")
    exactly(ends[2][1], b"as before")
    for side in (near, other):
        side.abort()
    for _, client in ends:
        client.close()
