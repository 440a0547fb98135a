"""WebSockets under uvicorn, which accepts, reads the request and answers everything else as ever; connections of these
paths are handed to libhijack, and cost uvicorn nothing from then on:

    /echo  answers each message, in a task
    /chat  each message goes to everyone; there is neither a task nor a Python object for a client

    uvicorn --app-dir python/demos/adopt uvicorn_websocket:app
    python -m websockets ws://127.0.0.1:8000/chat       # with the package websockets
"""

from typing import Any, Awaitable, Callable, Dict

import hijack.aio
import hijack.asgi

Receive = Callable[[], Awaitable[Dict[str, Any]]]
Send = Callable[[Dict[str, Any]], Awaitable[None]]

server = hijack.aio.Server()  # listens nowhere: it serves what it is given
room = server.broadcaster()
room.on_message(room.publish)


async def echo(request: hijack.aio.Request) -> None:
    async with request.websocket() as websocket:
        async for message in websocket:
            await websocket.send(message)


async def app(scope: Dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"] == "/echo":
        await hijack.asgi.adopt_request(receive, server, echo)
    elif scope["path"] == "/chat":
        await hijack.asgi.adopt(receive, room, kind="websocket")
    elif scope["type"] == "http":
        text = b"ok: %d clients at /chat\n" % len(room)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text})
    else:
        await send({"type": "websocket.close"})


async def live(receive: Receive, send: Send) -> None:
    """From uvicorn's start to its end."""
    async with server:
        await receive()
        server.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
