"""WebSockets of other servers: uvicorn with each of its protocols, http.server, and Starlette behind middleware."""

import asyncio
from typing import Any, Callable, Coroutine, List

import pytest

import hijack
import hijack.aio
import hijack.asgi
from support import BINARY, HANDSHAKE, PING, PONG, TEXT, Client, WebSocketClient, close_frame, frame, get, wait_until
from test_adopt import DEMOS, Web

Run = Callable[[Coroutine[Any, Any, Any]], Any]
UVICORN = ["-X", "dev", "-m", "uvicorn", "--port", "0", "--app-dir", str(DEMOS)]
OLDER = ["-W", "ignore", *UVICORN, "uvicorn_websocket:app", "--ws", "websockets"]
SERVERS = {
    "http.server": ["-X", "dev", "-W", "error", str(DEMOS / "http_server_websocket.py"), "0"],
    "uvicorn on asyncio, h11": [*UVICORN, "uvicorn_websocket:app", "--loop", "asyncio", "--http", "h11"],
    "uvicorn on uvloop, httptools": [*UVICORN, "uvicorn_websocket:app", "--loop", "uvloop", "--http", "httptools"],
    "uvicorn's older protocol on asyncio": [*OLDER, "--loop", "asyncio"],
    "uvicorn's older protocol on uvloop": [*OLDER, "--loop", "uvloop"],
    "uvicorn without a WebSocket of its own": [*UVICORN, "uvicorn_websocket:app", "--ws", "none"],
}


def without_complaint(output: str) -> None:
    for word in ("Traceback", "Warning", "without", "ERROR", "Error", "exception"):
        assert word not in output, output


@pytest.mark.parametrize("name", SERVERS)
def test_the_demos(name: str) -> None:
    web = Web(*SERVERS[name])
    try:
        with WebSocketClient(web.port) as client:
            client.shake("/echo")
            for data in (b"hello", b"", "gr\xfc\xdfe".encode(), b"x" * 300_000):
                client.send(frame(TEXT, data), frame(PING, b"?"))
                answers = [client.frame(), client.frame()]
                assert sorted(answers) == [(TEXT, data), (PONG, b"?")]
            client.send(close_frame(3000, "bye"))
            assert client.closing() == (3000, "bye") and client.rest() == b""
        with WebSocketClient(web.port) as a, WebSocketClient(web.port) as b:
            a.shake("/chat")
            b.shake("/chat")
            wait_until(lambda: get(web.port).body == b"ok: 2 clients at /chat\n", "both are in the room")
            a.send(frame(TEXT, b"to all"))
            b_got = b.frame()
            b.send(frame(BINARY, b"\xff"))
            assert b_got == (TEXT, b"to all") and b.frame() == (BINARY, b"\xff")
            assert [a.frame(), a.frame()] == [(TEXT, b"to all"), (BINARY, b"\xff")]
        wait_until(lambda: get(web.port).body == b"ok: 0 clients at /chat\n", "both have left")
        for path in ("/echo", "/chat"):
            with Client(web.port) as plain:
                answer = plain.ask(path, headers=HANDSHAKE + "Origin: http://evil.example\r\n").response()
                assert answer.status == 403 and b"websocket_origins" in answer.body
        with WebSocketClient(web.port) as last, WebSocketClient(web.port) as member:
            last.shake("/echo")
            member.shake("/chat")
            output = web.end()
            assert last.closing()[0] == 1001 == member.closing()[0]
        assert web.process.returncode == 0
    finally:
        web.end()
    without_complaint(output)


@pytest.mark.parametrize("ws", ["auto", "websockets"])
def test_behind_middleware(ws: str) -> None:
    web = Web("-W", "ignore", *UVICORN, "starlette_app:app", "--ws", ws)
    try:
        with WebSocketClient(web.port) as client:
            head = client.shake("/ws").headers
            assert head["server"] == "libhijack" and "uvicorn" not in str(head)
            assert client.frame()[0] == TEXT
            assert get(web.port).body == b"ok: 1 clients at /sse\n"
            client.send(frame(TEXT, b"thrown away"), close_frame(1000))
            while (it := client.frame())[0] == TEXT:
                pass
            assert it == (8, b"\x03\xe8")
        with Client(web.port) as plain:
            plain.ask("/ws", headers=HANDSHAKE + "Origin: http://evil.example\r\n")
            assert plain.response().status == 403
    finally:
        output = web.end()
    without_complaint(output)


class Protocol:
    """Stands for that of uvicorn."""

    def __init__(self, writer: asyncio.StreamWriter, **more: Any) -> None:
        self.transport = writer.transport
        self.scope = {"type": "websocket", "path": "/a", "query_string": b"b=c", "http_version": "1.1", "headers": [
            (name.lower().encode(), value.encode())
            for name, _, value in (line.partition(": ") for line in f"Host: test\r\n{HANDSHAKE}".splitlines())
        ]}
        self.scope["headers"].append((b"sec-websocket-protocol", b"chat, soap"))  # type: ignore[attr-defined]
        self.__dict__.update(more)

    async def receive(self) -> "dict[str, Any]":
        while not self.transport.is_closing():
            await asyncio.sleep(0.001)
        return {"type": "websocket.disconnect"}

    async def send(self, message: Any) -> None:
        raise AssertionError(message)


def with_protocol(
    test: Callable[[hijack.aio.Server, Protocol, WebSocketClient], Coroutine[Any, Any, None]]
) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        accepted: "asyncio.Future[asyncio.StreamWriter]" = asyncio.get_running_loop().create_future()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(writer)

        web = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        with WebSocketClient(web.sockets[0].getsockname()[1]) as client:
            writer = await accepted
            async with hijack.aio.Server(threads=1) as server:
                server.start()
                await test(server, Protocol(writer), client)
            writer.close()
        web.close()
        await web.wait_closed()
        await asyncio.get_running_loop().shutdown_default_executor()

    return main()


def test_what_a_program_accepts_goes_into_the_handshake(run: Run) -> None:
    async def test(server: hijack.aio.Server, protocol: Protocol, client: WebSocketClient) -> None:
        ended: List[Any] = []

        async def talk(request: hijack.aio.Request) -> None:
            assert (request.method, request.target) == ("GET", "/a?b=c")
            async with request.websocket() as websocket:
                ended.append(websocket.subprotocol)
                ended.extend([message async for message in websocket])

        async def app(scope: Any, receive: Any, send: Any) -> None:
            hijack.asgi.take(scope, server, talk)
            headers = [(b"x-mine", b"yes"), (b"sec-websocket-protocol", b"not this"), (b"content-length", b"9")]
            await send({"type": "websocket.accept", "subprotocol": "soap", "headers": headers})
            await send({"type": "websocket.send", "text": "swallowed"})

        await asyncio.wait_for(hijack.asgi.Middleware(app)(protocol.scope, protocol.receive, protocol.send), 20)
        answer = await asyncio.get_running_loop().run_in_executor(None, client.response)
        assert answer.status == 101 and answer.headers["x-mine"] == "yes"
        assert answer.headers["sec-websocket-protocol"] == "soap" and "content-length" not in answer.headers
        client.send(frame(TEXT, b"one"), close_frame(1000))
        assert await asyncio.get_running_loop().run_in_executor(None, client.closing) == (1000, "")
        await asyncio.wait_for(until_done(server), 20)
        assert ended == ["soap", "one"]

    run(with_protocol(test))


async def until_done(server: hijack.aio.Server) -> None:
    while server._core.tasks:
        await asyncio.sleep(0.001)


def test_a_handshake_that_was_done_is_not_done_again(run: Run) -> None:
    async def test(server: hijack.aio.Server, protocol: Protocol, client: WebSocketClient) -> None:
        done = asyncio.Event()
        done.set()
        for more in ({"handshake_complete": True}, {"handshake_started_event": done}, {"response_started": True}):
            protocol.__dict__.update(more)
            with pytest.raises(hijack.StateError, match="has begun"):
                await hijack.asgi.adopt_request(protocol.receive, server, lambda request: None)
            for name in more:
                del protocol.__dict__[name]
        assert not protocol.transport.is_closing()

    run(with_protocol(test))


def test_an_answer_that_fails(run: Run) -> None:
    async def test(server: hijack.aio.Server, protocol: Protocol, client: WebSocketClient) -> None:
        def fail(request: hijack.aio.Request) -> None:
            raise LookupError("on purpose")

        with pytest.raises(LookupError):
            await hijack.asgi.adopt_request(protocol.receive, server, fail)
        answer = await asyncio.get_running_loop().run_in_executor(None, client.response)
        assert answer.status == 500 and not server._core.requests

    run(with_protocol(test))
