"""Answers every request with "hello", by this package or by uvicorn: what bindings/bench/requests.py compares.

    hello.py threads | aio | aio-uvloop | uvicorn

uvicorn runs with uvloop and httptools, its fastest form, and an ASGI application without a framework."""

import asyncio
import socket
import sys
from typing import Any

import hijack
import hijack.aio

ADDRESS = "127.0.0.1:0"
BODY = b"hello"


def threads() -> None:
    with hijack.Server(threads=1) as server:
        print(f"http://127.0.0.1:{server.listen(ADDRESS)}/", flush=True)
        server.serve(lambda request: request.respond(200, BODY))


async def answer(request: hijack.aio.Request) -> None:
    request.respond(200, BODY)


async def aio() -> None:
    async with hijack.aio.Server(threads=1) as server:
        print(f"http://127.0.0.1:{server.listen(ADDRESS)}/", flush=True)
        await server.serve(answer)


def aio_uvloop() -> None:
    import uvloop

    uvloop.install()
    asyncio.run(aio())


async def application(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def uvicorn_server() -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    config = uvicorn.Config(
        application, loop="uvloop", http="httptools", lifespan="off", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])


SERVERS = {
    "threads": threads,
    "aio": lambda: asyncio.run(aio()),
    "aio-uvloop": aio_uvloop,
    "uvicorn": uvicorn_server,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SERVERS:
        sys.exit(f"usage: hello.py {' | '.join(SERVERS)}")
    try:
        SERVERS[sys.argv[1]]()
    except KeyboardInterrupt:
        pass
