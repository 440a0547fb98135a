"""uvicorn, as the conformance suite starts a demo: uvicorn_server.py <port>. It prints its address, and nothing else.

/ is uvicorn's own answer, /sse the time once a second, /echo a WebSocket that echoes."""

import asyncio
import itertools
import signal
import socket
import sys
import time

import hijack.aio
import hijack.asgi
import uvicorn

server = hijack.aio.Server()  # listens nowhere: it serves what it is given
clients = server.broadcaster()


async def publish_time():
    for count in itertools.count(1):
        clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), id=str(count))
        await asyncio.sleep(1)


async def echo(request):
    async with request.websocket() as websocket:
        async for message in websocket:
            await websocket.send(message)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"] == "/sse":
        await hijack.asgi.adopt(receive, clients, kind="sse")
    elif scope["path"] == "/echo":
        await hijack.asgi.adopt_request(receive, server, echo)
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"ok\n"})


async def live(receive, send):
    """From uvicorn's start to its end."""
    async with server:
        await receive()
        server.start()
        publishing = asyncio.create_task(publish_time())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        publishing.cancel()
    await send({"type": "lifespan.shutdown.complete"})


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)


for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn sends itself the signal once more at its end
    signal.signal(number, lambda *_: None)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
Server(uvicorn.Config(app, log_level="critical", lifespan="on")).run([listener])
