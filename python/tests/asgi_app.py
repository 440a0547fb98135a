"""What test_asgi runs under uvicorn.

    /sse, /middleware   hand the connection over, by adopt and by hold; with "?wait" only when the client has left
    /state              how many members, tasks of uvicorn and descriptors there are
"""

import asyncio
import contextlib
import os
from typing import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import hijack
import hijack.asgi

server = hijack.Server(threads=1)
clients = server.broadcaster()


async def sse(request: Request) -> Response:
    if request.url.query == "wait":
        transport = hijack.asgi.transport(request.receive if request.url.path == "/sse" else request.scope)
        inner = transport.get_extra_info("socket").dup()
        transport.pause_reading()  # so that it is not known yet
        while True:
            try:
                inner.getpeername()
                await asyncio.sleep(0.001)
            except OSError:
                inner.close()
                break
    if request.url.path == "/sse":
        await hijack.asgi.adopt(request.receive, clients, kind="sse")
    else:
        hijack.asgi.hold(request.scope, clients, kind="sse")
    return Response()


async def state(request: Request) -> Response:
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    descriptors = len(os.listdir("/proc/self/fd"))
    return JSONResponse([len(clients), sum("run_asgi" in name for name in names), descriptors])


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    with server:
        server.start()
        yield


routes = [Route("/sse", sse), Route("/middleware", sse), Route("/state", state)]
app = Starlette(routes=routes, lifespan=lifespan)
behind = hijack.asgi.Middleware(app)
