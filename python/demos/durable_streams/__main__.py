"""Durable Streams: append-only streams, each at a URL, which readers catch up with and then follow. To start it:
    make demo-python NAME=durable_streams PORT=9292

    PUT /v1/stream/NAME     makes a stream of the body's Content-Type; with Stream-Forked-From it begins as another one
    POST /v1/stream/NAME    appends the body; with Stream-Closed: true it is the last one
    GET /v1/stream/NAME     reads: ?offset=O what there is, &live=long-poll and &live=sse also what comes
    HEAD /v1/stream/NAME    where its end is, and what was asked for when it was made
    DELETE                  removes it

The protocol is that of github.com/durable-streams. Streams are in memory. The variable LONG_POLL_MS changes how long a
long poll waits (20000), LIVE_MS after which time live readers are sent away to come back (60000). One thread answers,
with asyncio; the library holds the live readers."""

import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where common is

import common  # noqa: E402
import hijack.aio  # noqa: E402
from readers import LiveReaders  # noqa: E402
from store import Store  # noqa: E402
from surface import Surface  # noqa: E402

SWEEP = 1.0  # seconds
MOST_APPENDED = "8m"  # with base64, less than what can be published


async def keep_sweeping(store: Store) -> None:
    while True:
        await asyncio.sleep(SWEEP)
        store.sweep()


async def main() -> None:
    long_poll_ms = common.environment("LONG_POLL_MS", 20000, 1, 3600000)
    live_ms = common.environment("LIVE_MS", 60000, 1, 3600000)
    async with hijack.aio.Server(max_body_bytes=MOST_APPENDED) as server:
        store = Store(lambda: LiveReaders(server, long_poll_ms, live_ms))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(Surface(store).answer)
        sweeping = asyncio.ensure_future(keep_sweeping(store))
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(sweeping.cancel))
        print(common.url(port), flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
