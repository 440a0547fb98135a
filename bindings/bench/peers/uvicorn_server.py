"""uvicorn with an ASGI application and no framework: uvicorn_server.py PORT. Each client has a task, which uvicorn
makes for it anyway, and a queue of its own. GET /publish?n=COUNT&bytes=BYTES puts so many messages into each queue."""

import asyncio
import os
import resource
import sys
from typing import Any, Set
from urllib.parse import parse_qs

import uvicorn

queues: "Set[asyncio.Queue[str]]" = set()


async def publish(scope: Any, send: Any) -> None:
    query = parse_qs(scope["query_string"].decode())
    for _ in range(int(query["n"][0])):
        text = "x" * (int(query["bytes"][0]) - 1) + "!"
        for queue in queues:
            queue.put_nowait(text)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def sse(send: Any, queue: "asyncio.Queue[str]") -> None:
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
    while True:
        body = f"data: {await queue.get()}\n\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def websocket(send: Any, queue: "asyncio.Queue[str]") -> None:
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": await queue.get()})


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/publish":
        await publish(scope, send)
        return
    queue: "asyncio.Queue[str]" = asyncio.Queue()
    queues.add(queue)
    try:
        await (websocket if scope["type"] == "websocket" else sse)(send, queue)
    finally:
        queues.discard(queue)


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
                log_level="error", access_log=False, ws_ping_interval=None, ws_per_message_deflate=False,
                ssl_certfile=os.environ.get("TLS_CERT"), ssl_keyfile=os.environ.get("TLS_KEY"))
