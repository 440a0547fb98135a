"""hijack.aio, under asyncio and under uvloop."""

import asyncio
import gc
import logging
import os
import time
from typing import Any, Awaitable, Callable, Coroutine, List

import pytest

import hijack
import hijack.aio
from hijack_ffi import _core
from hijack_ffi._peer import WINDOW
from support import PATIENCE, Client, fill, port_of
from test_stream import PIECE

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Peer:
    """A client on the same loop."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "Peer":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=4096)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    async def ask(self, path: str = "/", follows: bytes = b"") -> "Peer":
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode() + follows)
        await self.writer.drain()
        return self

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def get(self, path: str = "/") -> bytes:
        await self.ask(path)
        head = (await self.head()).lower()
        return await self.reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


async def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)


async def waiting(task: "asyncio.Future[Any]", channel: Any, count: int = 1) -> None:
    """Until so many tasks wait for the channel; this one has not ended."""
    await eventually(lambda: len(channel._changed._waiting) == count)
    assert not task.done(), "it did not wait"


def serving(test: Callable[[hijack.aio.Server, Peer], Awaitable[None]]) -> Coroutine[Any, Any, None]:
    """Runs test with a server that listens, and a client of it. The server is not started."""

    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            server.listen("127.0.0.1:0")
            async with Peer(port_of(server)) as peer:
                await test(server, peer)

    return main()


def test_serve_and_cancel(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        cancelled = asyncio.Event()

        async def handler(request: hijack.aio.Request) -> None:
            if request.path == "/hangs":
                try:
                    await asyncio.sleep(1000)
                finally:
                    cancelled.set()
            request.respond(200, f"hello {request.path}")

        serving = asyncio.create_task(server.serve(handler))
        assert await peer.get("/a") == b"hello /a" and await peer.get("/b") == b"hello /b"
        await peer.ask("/hangs")
        await eventually(lambda: server._core.tasks)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert cancelled.is_set()
        assert "stopped" in repr(server) and not server._core.tasks

    run(serving(test))


def test_iteration(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        async def ask() -> bytes:
            body = await peer.get("/first")
            server.stop()
            return body

        asking = asyncio.create_task(ask())
        paths = []
        async for request in server:
            paths.append(request.path)
            request.respond(200, "from the loop")
        assert paths == ["/first"] and await asking == b"from the loop"
        with pytest.raises(hijack.ShutdownError):
            await server.accept()

    run(serving(test))


def test_a_send_waits_for_the_peer(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask()
        stream = (await server.accept()).stream()
        sent = fill(stream)
        with pytest.raises(hijack.WouldBlockError):
            stream.try_send(PIECE)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.send(PIECE), 0.05)
        sending = asyncio.create_task(stream.send(PIECE))
        await waiting(sending, stream)
        await peer.head()
        total, wanted = 0, sent + len(PIECE)
        while total < wanted or not sending.done():
            size = int(await peer.reader.readline(), 16)
            total += len((await peer.reader.readexactly(size + 2))[:-2])
        await sending
        assert total == wanted
        stream.close()
        assert (await peer.reader.readline()) == b"0\r\n"
        await stream.wait_closed()
        assert stream.reason is None

    run(serving(test))


def test_cancelling_a_send_or_a_read_leaves_everything_usable(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask()
        socket = (await server.accept()).hijack()
        for call in (socket.read(10), socket.readuntil(), socket.readexactly(5), socket.wait_closed()):
            task = asyncio.ensure_future(call)
            await waiting(task, socket)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not socket._changed._waiting
        peer.writer.write(b"begin")
        for call in (socket.readexactly(10), socket.read()):
            task = asyncio.ensure_future(call)
            await eventually(lambda: socket._credit == WINDOW - 5 and not socket._buffer)  # it has taken what came
            await waiting(task, socket)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await socket.readexactly(5) == b"begin"
        peer.writer.write(b"data")
        assert await socket.read(10) == b"data"
        await socket.send(b"answer")
        assert await peer.reader.readexactly(6) == b"answer"
        fill(socket)
        sending = asyncio.ensure_future(socket.send(PIECE))
        await waiting(sending, socket)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        socket.abort()

    run(serving(test))


def test_a_cancelled_block_breaks_off(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        async def handler(request: hijack.aio.Request) -> None:
            async with request.stream() as stream:
                await stream.send("begun")
                await asyncio.sleep(1000)

        serving = asyncio.create_task(server.serve(handler))
        await peer.ask()
        await peer.head()
        await peer.reader.readuntil(b"begun\r\n")
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        try:
            assert await peer.reader.read() == b"", "the body looks finished"
        except ConnectionError:
            pass

    run(serving(test))


def test_reading_like_a_stream_reader(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask(follows=b"line\n12345sep|rest\nlast")
        async with (await server.accept()).hijack() as socket:
            assert await socket.read(0) == b""
            assert await socket.readline() == b"line\n"
            assert await socket.readexactly(5) == b"12345"
            assert await socket.readuntil(b"|") == b"sep|"
            peer.writer.write_eof()
            assert await socket.readline() == b"rest\n"
            assert await socket.readline() == b"last"
            assert await socket.readline() == b"" and await socket.read(5) == b"" and await socket.read() == b""
            with pytest.raises(asyncio.IncompleteReadError):
                await socket.readexactly(1)
            with pytest.raises(hijack.InvalidError):
                await socket.readuntil(b"")
            await socket.send(b"bye")
        assert await peer.reader.read() == b"bye"

    run(serving(test))


def test_reading_to_the_end(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        data = bytes(range(256)) * 2000
        for read_all in (True, False):
            async with Peer(port_of(server)) as other:
                await other.ask()
                socket = (await server.accept()).hijack()
                other.writer.write(data)
                other.writer.write_eof()
                assert (await socket.read() if read_all else b"".join([piece async for piece in socket])) == data
                socket.close()

    run(serving(test))


def test_what_a_stream_writer_and_a_stream_reader_tell(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask(follows=b"last")
        peer.writer.write_eof()
        async with (await server.accept()).hijack() as socket:
            assert socket.get_extra_info("peername") == peer.writer.get_extra_info("sockname") == socket.getpeername()
            assert socket.get_extra_info("sslcontext", "none") == "none"
            assert not socket.at_eof() and not socket.is_closing()
            assert await socket.read() == b"last" and socket.at_eof() and not socket.is_closing()
            socket.close()
            assert socket.is_closing()

    run(serving(test))


def test_a_line_without_an_end(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask(follows=b"x" * 200000)
        socket = (await server.accept()).hijack()
        with pytest.raises(asyncio.LimitOverrunError):
            await socket.readuntil(b"\n")
        with pytest.raises(ValueError, match="^readline: no separator"):
            await socket.readline()
        assert await socket.read(3) == b"xxx"
        socket.abort()

    run(serving(test))


def test_events(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask()
        async with (await server.accept()).sse({"X-Mine": "yes"}) as stream:
            await stream.send_event("two\nlines", event="greeting", id="1", retry=3000)
            await stream.send_event("reset", id="")
            await stream.comment("quiet")
        assert b"X-Mine: yes" in await peer.head()
        body = await peer.reader.readuntil(b"0\r\n\r\n")
        assert b"event: greeting\nid: 1\nretry: 3000\ndata: two\ndata: lines\n\n" in body and b": quiet\n\n" in body
        assert b"id:\ndata: reset\n\n" in body

    run(serving(test))


def test_detach(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask(follows=b"abcdef")
        socket = (await server.accept()).hijack()
        assert await socket.read(2) == b"ab"
        connection, unread = await socket.detach()
        with connection:
            assert unread == b"cdef" and not connection.getblocking()
            connection.send(b"mine")
        assert await peer.reader.read() == b"mine"
        with pytest.raises(hijack.ClosedError):
            await socket.read(1)

    run(serving(test))


def test_a_cancelled_detach_closes_the_descriptor(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        await peer.ask()
        socket = (await server.accept()).hijack()
        fill(socket)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(socket.detach(), 0.02)
        await peer.reader.read()
        await socket.wait_closed()

    run(serving(test))


@pytest.mark.parametrize("end", ["reset", "abort", "stop", "release", "close"])
def test_whoever_waits_is_woken_by_the_end(run: Run, end: str) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        with Client(port_of(server)) as client:
            client.ask()
            socket = (await server.accept()).hijack()
            fill(socket)
            others = [asyncio.ensure_future(call) for call in (socket.read(1), socket.send(PIECE))]
            closed = asyncio.ensure_future(socket.wait_closed())
            await waiting(closed, socket, 3)
            ends = {"reset": client.reset, "abort": socket.abort, "stop": server.stop, "release": socket.release}
            ends.get(end, socket.close)()
            for result in await asyncio.gather(*others, return_exceptions=True):
                assert isinstance(result, hijack.ClosedError), result
            if end == "close":
                assert not closed.done()
                client.rest()
            await closed

    run(serving(test))


def test_drain(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        steps: List[str] = []

        async def handler(request: hijack.aio.Request) -> None:
            async with request.stream() as stream:
                await stream.send("first ")
                steps.append("sent")
                await eventually(lambda: "draining" in steps)
                await stream.send("last")
            await eventually(lambda: server._core.over)
            steps.append("after the answer")

        serving = asyncio.create_task(server.serve(handler))
        await peer.ask()
        await eventually(lambda: steps)
        draining = asyncio.create_task(server.drain(20))
        steps.append("draining")
        await draining
        await serving
        assert steps[-1] == "after the answer"
        assert b"last" in await peer.reader.read()

    run(serving(test))


def test_handlers_that_fail(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        async def handler(request: hijack.aio.Request) -> None:
            if request.path == "/raises":
                raise LookupError("on purpose")

        server.start(handler)
        for path in ("/raises", "/forgets"):
            async with Peer(port_of(server)) as other:
                assert b"500 Internal Server Error" in await other.get(path)
        with pytest.raises(hijack.StateError):
            await server.accept()
        with pytest.raises(hijack.StateError):
            server.start(handler)

    caplog.set_level(logging.ERROR)
    run(serving(test))
    assert [record.name for record in caplog.records] == ["hijack", "hijack"]
    assert caplog.records[0].exc_info and caplog.records[0].exc_info[0] is LookupError


def test_a_handler_may_stop_the_server(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        ended: List[str] = []

        async def handler(request: hijack.aio.Request) -> None:
            request.respond(200, "bye")
            server.stop()
            await asyncio.sleep(0)
            ended.append(request.path)

        serving = asyncio.create_task(server.serve(handler))
        await peer.ask("/stop")
        await serving
        assert ended == ["/stop"]

    run(serving(test))


def test_held_routes_and_publish_from_a_thread(run: Run) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port, clients = server.listen("127.0.0.1:0"), server.broadcaster()
            server.hold("/sse", clients)
            server.start()
            async with Peer(port) as peer:
                await (await peer.ask("/sse")).head()
                await eventually(lambda: len(clients) == 1)
                assert await asyncio.get_running_loop().run_in_executor(None, clients.publish, "from a thread") == 1
                await peer.reader.readuntil(b"data: from a thread\n\n")
            async with Peer(port) as peer:
                assert b"nothing is served here" in await peer.get("/else")
            await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_drained_may_come_before_the_refusal(run: Run) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1, high_water_bytes=1, low_water_bytes=0) as server:
            port = server.listen("127.0.0.1:0")

            async def handler(request: hijack.aio.Request) -> None:
                async with request.stream() as stream:
                    for i in range(1000):
                        await stream.send(b"%5d" % i)

            async def read() -> bytes:
                def blocking() -> bytes:
                    with Client(port) as client:
                        return client.ask().response().body

                return await asyncio.get_running_loop().run_in_executor(None, blocking)

            server.start(handler)
            bodies = await asyncio.gather(read(), read(), read())
            assert list(bodies) == [b"".join(b"%5d" % i for i in range(1000))] * 3
            await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_a_handler_that_sleeps_after_a_drain_is_cancelled(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        serving = asyncio.create_task(server.serve(lambda request: asyncio.sleep(1000)))
        await peer.ask()
        await eventually(lambda: server._core.tasks)
        await server.drain(0.1)
        await asyncio.wait_for(serving, 10)
        assert not server._core.tasks

    run(serving(test))


def test_drain_while_close(run: Run) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        server.start()
        draining = asyncio.create_task(server.drain(5))
        await asyncio.sleep(0)
        server.close()
        await draining

    run(serving(test))


def test_a_task_cancelled_before_its_first_step(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        server.start(lambda request: asyncio.sleep(0))
        deliver = server._core.deliver

        def deliver_and_cancel(request: hijack.aio.Request) -> None:
            deliver(request)
            for task in server._core.tasks:
                task.cancel()

        server._core.deliver = deliver_and_cancel  # type: ignore[method-assign]
        await peer.ask()
        assert b" 500 " in await asyncio.wait_for(peer.reader.readline(), 10)
        await eventually(lambda: "CancelledError" in caplog.text)

    run(serving(test))


def test_a_cancellation_from_elsewhere_is_a_failure(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """That of a future for which a handler waits. Those of tasks that the package has cancelled are silent."""

    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        shared = asyncio.get_running_loop().create_future()

        async def wait_for_others(request: hijack.aio.Request) -> None:
            await (shared if request.path == "/shared" else asyncio.sleep(1000))

        server.start(wait_for_others, cancel_on_disconnect=True)
        await peer.ask("/shared")
        await eventually(lambda: server._core.tasks)
        shared.cancel()
        assert b" 500 " in await asyncio.wait_for(peer.reader.readline(), 10)
        await eventually(lambda: "the handler failed" in caplog.text)
        assert "<GET /shared from " in caplog.text and "the handler failed" in caplog.text
        assert "CancelledError" in caplog.text and "in wait_for_others" in caplog.text
        caplog.clear()
        async with Peer(int(server.addresses[0].rpartition(":")[2])) as leaving:
            await leaving.ask("/leaves")
            await eventually(lambda: server._core.tasks)
        await eventually(lambda: not server._core.tasks)
        async with Peer(leaving.port) as stopped:
            await stopped.ask("/stopped")
            await eventually(lambda: server._core.tasks)
            server.stop()
            await eventually(lambda: not server._core.tasks)
        assert "hijack" not in [it.name for it in caplog.records] and not server._core.cancelled

    with caplog.at_level(logging.INFO, "hijack"):
        run(serving(test))


def test_a_start_that_fails_can_be_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: hijack.aio.Server, peer: Peer) -> None:
        def fail(descriptor: int) -> int:
            raise OSError(24, "Too many open files")

        async def handler(request: hijack.aio.Request) -> None:
            request.respond()

        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", fail)
            with pytest.raises(OSError, match="Too many open files"):
                server.start(handler)
        server.start(handler)
        await peer.ask()
        assert b" 200 " in await asyncio.wait_for(peer.reader.readline(), 10)
        with pytest.raises(hijack.StateError):
            server.start(handler)
        await peer.ask()  # the first start still holds
        await asyncio.wait_for(peer.reader.readuntil(b" 200 "), 10)

    run(serving(test))


def test_a_server_that_outlives_its_loop_frees_everything(run: Run) -> None:
    kept: List[hijack.aio.Server] = []

    async def main() -> None:
        server = hijack.aio.Server(threads=1)
        port = server.listen("127.0.0.1:0")
        server.start(lambda request: request.respond())  # type: ignore[arg-type, return-value]
        kept.append(server)
        with Client(port) as client:
            client.ask()
            await eventually(lambda: server.stats()["requests"])

    run(main())
    core = kept[0]._core
    with pytest.warns(ResourceWarning):
        kept.clear()
        gc.collect()
    assert core.over and core not in _core._running and not core.requests
