"""For tests of programs that hand over connections: what stands where uvicorn would."""

import asyncio
import socket
from typing import List

from ._library import Block
from .asgi import App, Message, Receive, Scope, Send

__all__ = ["Uvicorn"]

PATIENCE = 10.0  #: seconds for an answer, and for what a test receives
HOP_BY_HOP = (b"connection", b"transfer-encoding")


class Uvicorn(Block):
    """Stands between the TestClient of Starlette or FastAPI and a program, and gives each request a connection that can
    be handed over. TestClient gets the answer that the library writes; of one without an end, such as Server-Sent
    Events, the head. What follows is read from the client's end, which is in connections:

    with hijack.testing.Uvicorn(app) as uvicorn, TestClient(uvicorn) as client:
        assert client.get("/sse").headers["content-type"] == "text/event-stream"
        clients.publish("hello")
        assert uvicorn.connections[0].recv(100) == b"data: hello\\n\\n"

    Only for HTTP: a WebSocket of TestClient has no connection."""

    connections: List[socket.socket]  #: the clients' ends of those that were handed over, in this order

    def __init__(self, app: App) -> None:
        self.app = app
        self.connections = []

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the clients' ends."""
        while self.connections:
            self.connections.pop().close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
        cycle = _Cycle({**scope, "http_version": "1.0"}, transport, receive, send)  # the body comes without chunks
        try:
            await self.app(cycle.scope, cycle.receive, cycle.send)
        finally:
            transport.abort()
            if not cycle.disconnected:
                theirs.close()
        if cycle.disconnected:
            self.connections.append(theirs)
            await asyncio.wait_for(_answer(theirs, send), PATIENCE)
            theirs.settimeout(PATIENCE)


class _Cycle:
    """What asgi looks for in uvicorn."""

    def __init__(self, scope: Scope, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
        self.scope, self.transport = scope, transport
        self.response_started = self.disconnected = False
        self.message_event = asyncio.Event()
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        return {"type": "http.disconnect"} if self.disconnected else await self._receive()

    async def send(self, message: Message) -> None:
        self.response_started = True
        await self._send(message)


async def _answer(theirs: socket.socket, send: Send) -> None:
    """Passes on the answer that comes over the connection: all of it if its length is known."""
    loop = asyncio.get_running_loop()
    theirs.setblocking(False)
    head = b""
    while b"\r\n\r\n" not in head:
        more = await loop.sock_recv(theirs, 1)  # what follows stays for the test
        if not more:
            raise ConnectionError(f"the connection was closed without an answer (got {head!r})")
        head += more
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    length, body = int(dict(headers).get(b"content-length", 0)), b""
    while len(body) < length and (more := await loop.sock_recv(theirs, length - len(body))):
        body += more
    status, kept = int(first.split()[1]), [it for it in headers if it[0] not in HOP_BY_HOP]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
