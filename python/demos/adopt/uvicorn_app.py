"""Server-Sent Events under uvicorn: it accepts, reads the request and answers everything else as ever; connections to
/sse are handed to libhijack, and cost neither uvicorn nor Python anything from then on.

    uvicorn --app-dir python/demos/adopt uvicorn_app:app
    curl -N http://127.0.0.1:8000/sse
"""

import asyncio
import time
from typing import Any, Awaitable, Callable, Dict

import hijack
import hijack.asgi

Receive = Callable[[], Awaitable[Dict[str, Any]]]
Send = Callable[[Dict[str, Any]], Awaitable[None]]

server = hijack.Server()  # listens nowhere: it serves what it is given
clients = server.broadcaster()


async def publish_time() -> None:
    while True:
        clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        await asyncio.sleep(1)


async def app(scope: Dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "http" and scope["path"] == "/sse":
        await hijack.asgi.adopt(receive, clients, kind="sse")
    else:
        text = b"ok: %d clients at /sse\n" % len(clients)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text})


async def live(receive: Receive, send: Send) -> None:
    """From uvicorn's start to its end."""
    await receive()
    server.start()
    publishing = asyncio.create_task(publish_time())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    publishing.cancel()
    server.close()
    await send({"type": "lifespan.shutdown.complete"})
