"""WebSocket in hijack.aio, under asyncio and under uvloop: what a cancelled task leaves behind, and who waits."""

import asyncio
from typing import Any, Awaitable, Callable, Coroutine, List, Optional

import pytest
import websockets.asyncio.client

import hijack
import hijack.aio
from support import BINARY, HANDSHAKE, TEXT, WebSocketClient, close_frame, frame, port_of
from test_aio import Run, eventually, waiting

MEGA = 1 << 20
FLOOD = "x" * (12 << 20)  #: more than the kernel takes for a client that does not read


class Peer:
    """A WebSocketClient whose calls do not block the loop."""

    def __init__(self, port: int) -> None:
        self.client = WebSocketClient(port)

    async def call(self, method: str, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, getattr(self.client, method), *args)

    def send(self, *frames: bytes) -> None:
        self.client.send(*frames)

    async def frame(self) -> Any:
        return await self.call("frame")


Test = Callable[[hijack.aio.WebSocket, Peer], Awaitable[None]]


def talking(test: Test, **options: Any) -> Coroutine[Any, Any, None]:
    """Runs test with both ends of a WebSocket."""

    async def main() -> None:
        async with hijack.aio.Server(threads=1, **options) as server:
            peer = Peer(server.listen("127.0.0.1:0"))
            with peer.client:
                peer.client.ask(headers=HANDSHAKE)
                websocket = (await server.accept()).websocket()
                await peer.call("response")
                await test(websocket, peer)
        await asyncio.get_running_loop().shutdown_default_executor()

    return main()


def answering(
    handler: Callable[[hijack.aio.Request], Awaitable[None]],
    test: Callable[[hijack.aio.Server, int], Awaitable[None]],
    **start: Any,
) -> Coroutine[Any, Any, None]:
    """Runs test with a server that has this handler."""

    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0")
            server.start(handler, **start)
            await test(server, port)
        await asyncio.get_running_loop().shutdown_default_executor()

    return main()


async def echo(request: hijack.aio.Request) -> None:
    async with request.websocket() as websocket:
        async for message in websocket:
            await websocket.send(message)


def test_messages_come_back_as_they_were(run: Run) -> None:
    messages: List[hijack.Message] = ["hello", "", "gr\xfc\xdfe \U0001f600", b"", b"\0\xff"]
    messages += ["x" * MEGA, b"\x80" * MEGA, bytes(65536)]

    async def test(server: hijack.aio.Server, port: int) -> None:
        async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/", max_size=None) as peer:
            for message in messages:
                await peer.send(message)
                assert await peer.recv() == message
            for message in messages:
                await peer.send(message)
            assert [await peer.recv() for _ in messages] == messages
        await eventually(lambda: not server._core.tasks)

    run(answering(echo, test))


def test_a_cancelled_recv_loses_no_message(run: Run) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        count, cancelled = 300, 0
        got: List[hijack.Message] = []
        sending = asyncio.ensure_future(peer.call("send", *(frame(TEXT, b"%d" % i) for i in range(count))))
        while len(got) < count:
            task = asyncio.ensure_future(websocket.recv())
            for _ in range((len(got) + cancelled) % 4):
                await asyncio.sleep(0)
            task.cancel()
            try:
                got.append(await task)
            except asyncio.CancelledError:
                cancelled += 1
                await asyncio.sleep(0.0001 if cancelled % 3 else 0)
        await sending
        assert got == [str(i) for i in range(count)] and cancelled > 20
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(websocket.recv(), 0.01)
        peer.send(frame(BINARY, b"after"))
        assert await asyncio.wait_for(websocket.recv(), 20) == b"after"
        websocket.abort()

    run(talking(test))


def test_two_tasks_receive(run: Run) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        async def receive() -> List[Any]:
            return [message async for message in websocket]

        tasks = [asyncio.ensure_future(receive()) for _ in range(2)]
        peer.send(*(frame(TEXT, b"%d" % i) for i in range(100)), close_frame(1000))
        both = await asyncio.gather(*tasks)
        assert sorted(map(int, both[0] + both[1])) == list(range(100))
        for one in both:
            assert one == sorted(one, key=int)

    run(talking(test))


def test_a_client_that_does_not_read(run: Run) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        await websocket.send(FLOOD)
        with pytest.raises(hijack.WouldBlockError):
            websocket.try_send("no")
        sending = asyncio.ensure_future(websocket.send("cancelled"))
        await waiting(sending, websocket)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        others = [asyncio.ensure_future(websocket.send(f"{i}")) for i in range(20)]
        await waiting(others[-1], websocket, 20)
        assert await peer.frame() == (TEXT, FLOOD.encode())
        assert {(await peer.frame())[1] for _ in others} == {b"%d" % i for i in range(20)}
        await asyncio.gather(*others)
        websocket.abort()

    run(talking(test))


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "bye"), (3001, "gr\xfcn")])
def test_the_program_closes(run: Run, code: int, reason: str) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        receiving = asyncio.ensure_future(websocket.recv())
        closing = asyncio.ensure_future(websocket.close(code, reason))
        assert await peer.call("closing") == (code, reason)
        assert not closing.done() and not receiving.done()
        peer.send(close_frame(code))
        await closing
        kind = hijack.ConnectionClosedError if code == 3001 else hijack.ConnectionClosedOK
        with pytest.raises(kind) as caught:
            await receiving
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert (websocket.close_code, websocket.close_reason) == (code, reason)
        for call in (websocket.send("x"), websocket.ping(), websocket.recv()):
            with pytest.raises(kind):
                await call
        await websocket.close()

    run(talking(test))


def test_a_cancelled_close_has_closed(run: Run) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(websocket.close(1001), 0.01)
        assert await peer.call("closing") == (1001, "")
        peer.send(close_frame(1001))
        assert await websocket.wait_closed(20) and websocket.close_code == 1001

    run(talking(test))


@pytest.mark.parametrize("how, code", [("end", 1000), ("raise", 1011), ("cancel", 1011)])
def test_the_end_of_a_block(run: Run, how: str, code: int) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        async def block() -> None:
            async with websocket as same:
                assert same is websocket
                if how == "raise":
                    raise LookupError
                if how == "cancel":
                    await websocket.recv()

        task = asyncio.ensure_future(block())
        if how == "cancel":
            await eventually(lambda: websocket._receiving)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):  # it waits for no client
                await task
        assert await peer.call("closing") == (code, "")
        peer.send(close_frame(code))
        if how == "raise":
            with pytest.raises(LookupError):
                await task
        assert await websocket.wait_closed(20) and websocket.close_code == code

    run(talking(test))


def test_pieces(run: Run) -> None:
    async def test(websocket: hijack.aio.WebSocket, peer: Peer) -> None:
        text = "\u20ac" * 5000
        peer.send(frame(TEXT, text.encode()), frame(TEXT, text.encode()), frame(BINARY, bytes(2500)))
        assert await websocket.recv() == text
        pieces = [piece async for piece in websocket.recv_streaming()]
        assert "".join(map(str, pieces)) == text and len(pieces) == 15
        streaming = websocket.recv_streaming()
        assert await streaming.__anext__() == bytes(1000)
        with pytest.raises(hijack.StateError):
            await websocket.recv()
        assert [piece async for piece in streaming] == [bytes(1000), bytes(500)]
        websocket.abort()

    run(talking(test, websocket_piece_bytes=1000))


@pytest.mark.parametrize("end", ["reset", "abort", "stop", "release"])
def test_whoever_waits_is_woken_by_the_end(run: Run, end: str) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            server.listen("127.0.0.1:0")
            with WebSocketClient(port_of(server)) as client:
                client.ask(headers=HANDSHAKE)
                websocket = (await server.accept()).websocket()
                await websocket.send(FLOOD)
                calls = [asyncio.ensure_future(it) for it in (websocket.recv(), websocket.send("x"))]
                await waiting(calls[1], websocket, 2)
                ends = {"abort": websocket.abort, "stop": server.stop, "release": websocket.release}
                ends.get(end, client.reset)()
                for result in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(result, hijack.ConnectionClosed), result
                    assert isinstance(result, hijack.ConnectionClosedOK) == (end == "stop")

    run(main())


class Handled:
    """A handler that is cancelled when its client leaves, and how it ended."""

    def __init__(self, run: Callable[[hijack.aio.WebSocket], Awaitable[object]]) -> None:
        self.run, self.ended = run, ""
        self.websocket: Optional[hijack.aio.WebSocket] = None

    async def __call__(self, request: hijack.aio.Request) -> None:
        try:
            async with request.websocket() as self.websocket:
                await self.run(self.websocket)
                self.ended = "by itself"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        except hijack.ConnectionClosed as error:
            self.ended = type(error).__name__
            raise


async def receive(websocket: hijack.aio.WebSocket) -> None:
    async for message in websocket:
        await websocket.send(message)  # with which the client's close frame came


async def sleep(websocket: hijack.aio.WebSocket) -> None:
    await asyncio.sleep(1000)


async def subscribe(websocket: hijack.aio.WebSocket) -> None:
    await websocket.recv()
    await websocket.send("you are")
    await asyncio.sleep(1000)


@pytest.mark.parametrize("what, ended", [(receive, "by itself"), (sleep, "cancelled"), (subscribe, "cancelled")])
def test_the_task_of_a_handler_is_cancelled_by_option(run: Run, what: Any, ended: str) -> None:
    handled = Handled(what)

    async def test(server: hijack.aio.Server, port: int) -> None:
        peer = Peer(port)
        with peer.client:
            await peer.call("shake")
            if what is sleep:
                peer.send(close_frame(1000))
            else:
                peer.send(frame(TEXT, b"last"), close_frame(1000))
                assert (await peer.frame())[0] == TEXT
            assert await peer.call("closing") == (1000, "")
            await eventually(lambda: handled.ended)
        assert handled.ended == ended and handled.websocket and handled.websocket.close_code == 1000
        await eventually(lambda: not server._core.tasks)

    run(answering(handled, test, cancel_on_disconnect=True))


def test_a_wrong_handshake_is_no_failure(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: hijack.aio.Server, port: int) -> None:
        for headers, status in (("", 426), (HANDSHAKE + "Origin: http://evil.example\r\n", 403)):
            peer = Peer(port)
            with peer.client:
                peer.client.ask(headers=headers)
                assert (await peer.call("response")).status == status
        await eventually(lambda: not server._core.tasks and not server._core.requests)
        assert not caplog.records

    run(answering(echo, test))


def test_many_at_once(run: Run) -> None:
    async def test(server: hijack.aio.Server, port: int) -> None:
        async def talk(number: int) -> None:
            async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/") as peer:
                for i in range(30):
                    await peer.send(f"{number} {i}")
                    assert await peer.recv() == f"{number} {i}"

        await asyncio.gather(*(talk(number) for number in range(40)))
        await eventually(lambda: not server._core.table and not server._core.tasks)

    run(answering(echo, test))


def test_a_drain_ends_loops_over_messages(run: Run) -> None:
    ended: List[Optional[int]] = []

    async def handler(request: hijack.aio.Request) -> None:
        websocket = request.websocket()
        async for _ in websocket:
            pass
        ended.append(websocket.close_code)

    async def test(server: hijack.aio.Server, port: int) -> None:
        peer = Peer(port)
        with peer.client:
            await peer.call("shake")
            draining = asyncio.ensure_future(server.drain(0.05))
            assert await peer.call("closing") == (1001, "")
            peer.send(close_frame(1001))
            await draining
            await eventually(lambda: ended)
        assert ended == [1001]

    run(answering(handler, test))
