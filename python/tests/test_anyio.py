"""hijack.aio under anyio's asyncio backend, whose cancel scopes cancel what waits; and what trio gets."""

from typing import Any, List

import anyio
import pytest
import trio

import hijack
import hijack.aio
from support import get
from test_aio import Peer


def test_cancel_scopes() -> None:
    """A cancelled read, send or accept takes nothing, and leaves everything as it was."""

    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0")
            with anyio.move_on_after(0.05) as scope:
                await server.accept()
            assert scope.cancelled_caught
            async with Peer(port) as peer:
                await peer.ask()
                async with (await server.accept()).hijack() as socket:
                    for call in (socket.read, lambda: socket.readexactly(6), socket.readline, socket.wait_closed):
                        peer.writer.write(b"ab")
                        with anyio.move_on_after(0.05) as scope:
                            await call()
                        assert scope.cancelled_caught
                    assert await socket.readexactly(8) == b"abababab"
                    with anyio.move_on_after(0.05) as scope:
                        while True:
                            await socket.send(b"x" * 1_000_000)
                    assert scope.cancelled_caught and not socket.is_closing()

    anyio.run(main, backend="asyncio")


def test_task_groups() -> None:
    """One reads, one writes; the end of the one cancels the other, and the server's own end cancels both."""
    ended: List[str] = []

    async def main() -> None:
        async def handler(request: hijack.aio.Request) -> None:
            async with request.hijack() as socket, anyio.create_task_group() as group:

                async def write() -> None:
                    try:
                        while True:
                            await socket.send(b"tick ")
                            await anyio.sleep(0.01)
                    finally:
                        ended.append("write")

                group.start_soon(write)
                async for data in socket:
                    ended.append(data.decode())
                group.cancel_scope.cancel()

        async with hijack.aio.Server(threads=1) as server, anyio.create_task_group() as group:
            port = server.listen("127.0.0.1:0")
            group.start_soon(server.serve, handler)
            async with Peer(port) as peer:
                await peer.ask()
                assert await peer.reader.readexactly(10) == b"tick tick "
                peer.writer.write(b"bye")
                peer.writer.write_eof()
                with anyio.fail_after(20):
                    await peer.reader.read()
            assert ended == ["bye", "write"]
            group.cancel_scope.cancel()
        assert "stopped" in repr(server)

    anyio.run(main, backend="asyncio")


def test_trio_uses_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """hijack.aio says so; hijack.Server works, with trio's threads for what waits."""
    # trio keeps a thread for 10 seconds; where it calls that by another name, the test takes so long
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.1, raising=False)

    async def main() -> None:
        with hijack.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0")
            async with trio.open_nursery() as nursery:
                run_sync: Any = trio.to_thread.run_sync
                nursery.start_soon(run_sync, get, port)
                request = await trio.to_thread.run_sync(server.accept)
                request.respond(200)
            other = hijack.aio.Server(threads=1)
            with pytest.raises(RuntimeError, match="Under trio, use hijack.Server"):
                other.start()
            other.close()

    trio.run(main)
