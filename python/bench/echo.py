"""Echoes WebSocket messages on /echo, by this package or by others: what bindings/bench/echo.py compares.

    echo.py threads | aio | aio-uvloop | websockets-threads | websockets | uvicorn-websockets | uvicorn-wsproto

threads and websockets-threads have a thread for each WebSocket, the others a task. uvicorn runs with uvloop and
httptools and an ASGI application without a framework; its two forms parse WebSocket by the package that they are named
after.
Nobody sends pings of its own, and nothing is compressed."""

import asyncio
import logging
import socket
import sys
from typing import Any, Callable, Dict

import hijack
import hijack.aio

HOST = "127.0.0.1"
ADDRESS = f"{HOST}:0"
MOST = 20000  # connections, for those that have a thread for each


def say(port: int) -> None:
    print(f"http://{HOST}:{port}/", flush=True)


def echo(request: hijack.Request) -> None:
    with request.websocket() as websocket:
        for message in websocket:
            websocket.send(message)


def threads() -> None:
    with hijack.Server(threads=1, websocket_ping_ms=0) as server:
        say(server.listen(ADDRESS))
        server.serve(echo, workers=MOST)


async def aio_echo(request: hijack.aio.Request) -> None:
    async with request.websocket() as websocket:
        async for message in websocket:
            await websocket.send(message)


async def aio() -> None:
    async with hijack.aio.Server(threads=1, websocket_ping_ms=0) as server:
        say(server.listen(ADDRESS))
        await server.serve(aio_echo)


def aio_uvloop() -> None:
    import uvloop

    uvloop.install()
    asyncio.run(aio())


def websockets_threads() -> None:
    from websockets.sync.server import ServerConnection, serve

    def handler(websocket: ServerConnection) -> None:
        for message in websocket:
            websocket.send(message)

    with serve(handler, HOST, 0, ping_interval=None) as server:
        say(server.socket.getsockname()[1])
        server.serve_forever()


async def websockets_aio() -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def handler(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async with serve(handler, HOST, 0, ping_interval=None) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        if (text := event.get("text")) is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


def uvicorn_server(protocol: str) -> None:
    import uvicorn

    listener = socket.create_server((HOST, 0), backlog=1024)
    say(listener.getsockname()[1])
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws=protocol,
        ws_ping_interval=None,
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


SERVERS: Dict[str, Callable[[], object]] = {
    "threads": threads,
    "aio": lambda: asyncio.run(aio()),
    "aio-uvloop": aio_uvloop,
    "websockets-threads": websockets_threads,
    "websockets": lambda: asyncio.run(websockets_aio()),
    "uvicorn-websockets": lambda: uvicorn_server("websockets-sansio"),
    "uvicorn-wsproto": lambda: uvicorn_server("wsproto"),
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SERVERS:
        sys.exit(f"usage: echo.py {' | '.join(SERVERS)}")
    logging.basicConfig(level=logging.CRITICAL)  # connections that are reset at the end are no news
    try:
        SERVERS[sys.argv[1]]()
    except KeyboardInterrupt:
        pass
