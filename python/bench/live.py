"""Server-Sent Events under uvicorn, by this package or by sse-starlette: what bindings/bench/live.py compares.

    live.py hijack | sse-starlette

With sse-starlette each client has a task, which waits on a queue of its own. On stdin come "publish BYTES", one message
to all clients, "collect", the garbage, and "burn", about three seconds in one call that holds the interpreter's lock;
each is answered with a line. HEARTBEAT_MS: how often a silent client gets a comment, 0
for never."""

import asyncio
import gc
import os
import resource
import socket
import sys
import threading
from typing import Any, Set

import uvicorn
from burning import burn, calibrate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import hijack
import hijack.asgi

HEARTBEAT_MS = int(os.environ.get("HEARTBEAT_MS", "0"))
NEVER = 3600.0  # seconds


class Handed:
    """Hands connections over."""

    def __init__(self) -> None:
        self.server = hijack.Server(heartbeat_ms=HEARTBEAT_MS)
        self.clients = self.server.broadcaster()
        self.server.start()
        self.app: Any = hijack.asgi.Middleware(Starlette(routes=[Route("/sse", self.sse)]))

    async def sse(self, request: Request) -> Response:
        hijack.asgi.hold(request.scope, self.clients, kind="sse")
        return Response()

    def publish(self, text: str) -> None:
        self.clients.publish(text)


class Tasks:
    """Keeps a task for each."""

    def __init__(self) -> None:
        self.queues: "Set[asyncio.Queue[str]]" = set()
        self.app: Any = Starlette(routes=[Route("/sse", self.sse)])

    async def sse(self, request: Request) -> Response:
        from sse_starlette import EventSourceResponse

        self.loop = asyncio.get_running_loop()
        return EventSourceResponse(self.events(), ping=HEARTBEAT_MS / 1000 or NEVER)

    async def events(self) -> Any:
        queue: "asyncio.Queue[str]" = asyncio.Queue()
        self.queues.add(queue)
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            self.queues.discard(queue)

    def publish(self, text: str) -> None:
        self.loop.call_soon_threadsafe(self.put, text)

    def put(self, text: str) -> None:
        for queue in self.queues:
            queue.put_nowait(text)


def obey(side: Any, size: int) -> None:
    for line in sys.stdin:
        words = line.split()
        if words[0] == "burn":
            print(f"burned {burn(size):.3f}", flush=True)
        elif words[0] == "collect":
            gc.collect()
            print("collected", flush=True)
        else:
            side.publish("x" * int(words[1]))
            print("published", flush=True)


def main() -> None:
    kinds = {"hijack": Handed, "sse-starlette": Tasks}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(f"usage: live.py {' | '.join(kinds)}")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    side: Any = kinds[sys.argv[1]]()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    size = calibrate()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    threading.Thread(target=obey, args=(side, size), daemon=True).start()
    config = uvicorn.Config(side.app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
