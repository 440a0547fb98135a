"""A proxy for TCP: every connection is relayed to the address in the variable RELAY_TARGET, "host:port" or
"unix:/path". The library moves the bytes, its threads alone; this program accepts, pairs, and forgets.

Without RELAY_TARGET the other side is here too: Server-Sent Events, a BEEP every second. "curl -N" shows them through
the proxy. If the target cannot be reached, the client is reset, and a line on stderr says why."""

import asyncio
import contextlib
import os
import socket
import sys
from typing import Set

import common

import hijack
import hijack.aio


async def relay(server: hijack.aio.Server, connection: socket.socket, target: str) -> None:
    client = server.adopt(connection)
    try:
        origin = await server.connect(target)
    except hijack.ShutdownError:
        return
    except hijack.HijackError as error:
        client.abort()
        sys.stderr.write(f"{error}\n")
        return
    with contextlib.suppress(hijack.ClosedError):  # the client has left meanwhile
        async with client, origin:  # a pair outlives the block
            await client.relay(origin)


async def accept(server: hijack.aio.Server, listener: socket.socket, target: str) -> None:
    loop, tasks = asyncio.get_running_loop(), set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        task = loop.create_task(relay(server, connection, target))  # until the target is open
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def beep(clients: hijack.Broadcaster) -> None:
    while True:
        await asyncio.sleep(1)
        clients.publish("BEEP")


def listen(port: int) -> socket.socket:
    """A plain listener, since the library's own speak HTTP."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    except OSError as error:
        sys.exit(f"127.0.0.1:{port}: {error.strerror}")
    listener.setblocking(False)
    return listener


async def main() -> None:
    target = os.environ.get("RELAY_TARGET")
    with listen(common.port()) as listener:
        async with hijack.aio.Server() as server:
            here = f"127.0.0.1:{listener.getsockname()[1]}"
            clients = server.broadcaster()
            if not target:  # one of our own, on a free port
                server.hold("/", clients, kind="sse")
            to = target or f"127.0.0.1:{server.listen('127.0.0.1:0')}"
            server.start()
            work = asyncio.gather(accept(server, listener, to), beep(clients))
            loop = asyncio.get_running_loop()
            common.end_with(lambda: loop.call_soon_threadsafe(work.cancel))
            print(f"relays {here} to {to}", *[] if target else [f"try: curl -N http://{here}/"], sep="\n", flush=True)
            with contextlib.suppress(asyncio.CancelledError):
                await work


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
