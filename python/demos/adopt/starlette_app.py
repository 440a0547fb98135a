"""Server-Sent Events, and WebSockets that get the same, of a Starlette (or FastAPI) application under uvicorn, behind
middleware: the endpoint says who takes the connection and answers as ever. What CORSMiddleware and the others set is in
the head that clients get.

    uvicorn --app-dir python/demos/adopt starlette_app:app
    curl -N -i -H "Origin: http://a.example" http://127.0.0.1:8000/sse
    python -m websockets ws://127.0.0.1:8000/ws         # with the package websockets
"""

import asyncio
import contextlib
import time
from typing import AsyncIterator, Dict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import hijack
import hijack.asgi

async def sse(request: Request) -> Response:
    hijack.asgi.hold(request.scope, request.state.clients, kind="sse")
    return Response()  # its headers go into the head, its body does not


async def websocket(socket: WebSocket) -> None:
    hijack.asgi.hold(socket.scope, socket.state.clients, kind="websocket")
    await socket.accept()  # its headers too go into the head


async def home(request: Request) -> Response:
    return PlainTextResponse(f"ok: {len(request.state.clients)} clients at /sse\n")


async def timing(request: Request, call_next: RequestResponseEndpoint) -> Response:
    start = time.perf_counter()
    response = await call_next(request)
    response.headers["Server-Timing"] = f"app;dur={1000 * (time.perf_counter() - start):.2f}"
    return response


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[Dict[str, hijack.Broadcaster]]:
    """A new server for each start of the program, of which tests make several."""

    async def publish_time() -> None:
        while True:
            clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            await asyncio.sleep(1)

    with hijack.Server() as server:  # listens nowhere: it serves what it is given
        clients = server.broadcaster()
        server.start()
        publishing = asyncio.create_task(publish_time())
        yield {"clients": clients}  # request.state.clients
        publishing.cancel()


web = Starlette(
    routes=[Route("/sse", sse), WebSocketRoute("/ws", websocket), Route("/", home)],
    middleware=[
        Middleware(CORSMiddleware, allow_origins=["*"]),
        Middleware(GZipMiddleware, minimum_size=1),
        Middleware(BaseHTTPMiddleware, dispatch=timing),
    ],
    lifespan=lifespan,
)
app = hijack.asgi.Middleware(web)  # the outermost
