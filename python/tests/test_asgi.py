"""Handing over under uvicorn, where clients do what clients do: leave too early, and send several requests in one
piece."""

import json
import runpy
from typing import Any, Iterator, List

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import hijack
import hijack.asgi
import hijack.testing
from support import CHECKOUT, Client, get, wait_until
from test_adopt import DEMOS, Web
from test_adopt_websocket import without_complaint

APP = ["-X", "dev", "-m", "uvicorn", "--port", "0", "--app-dir", str(CHECKOUT / "python" / "tests")]
HTTP = {"httptools": ["--loop", "uvloop", "--http", "httptools"], "h11": ["--loop", "asyncio", "--http", "h11"]}


@pytest.fixture(params=[(app, http) for app in ("app", "behind") for http in HTTP], ids=" ".join)
def web(request: pytest.FixtureRequest) -> Iterator[Web]:
    app, http = request.param
    web = Web(*APP, f"asgi_app:{app}", *HTTP[http])
    web.path = "/sse" if app == "app" else "/middleware"
    try:
        yield web
    finally:
        without_complaint(web.end())
    assert web.process.returncode == 0


NAMES = ("taken", "fails", "refused", "plain")


def state(web: Web) -> List[int]:
    found: List[int] = json.loads(get(web.port, "/state").body)
    return found


def test_several_requests_in_one_piece(web: Web) -> None:
    """No task of uvicorn is left, which would keep it from ending."""
    before = state(web)
    for _ in range(50):
        with Client(web.port) as client:
            head = f"GET {web.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            client.socket.sendall(head * 2)
            client.until(b"no\r\n\r\n")
    wait_until(lambda: state(web) == before, "nothing of them is left")


def test_clients_that_reset_before(web: Web) -> None:
    before = state(web)
    for _ in range(20):
        with Client(web.port) as client:
            client.ask(f"{web.path}?wait")
            wait_until(lambda: state(web)[1] == 2, "the endpoint waits")
            client.reset()
        wait_until(lambda: state(web) == before, "nothing of it is left")


def test_clients_that_close_before(web: Web) -> None:
    before = state(web)
    for _ in range(50):
        with Client(web.port) as client:
            client.ask(web.path)
    wait_until(lambda: state(web) == before, "nothing of them is left")


def test_a_program_in_test_client() -> None:
    """Its middleware's headers, what is published, and a second start of the same program."""
    app: Any = runpy.run_path(str(DEMOS / "starlette_app.py"))["app"]
    for _ in range(2):
        with hijack.testing.Uvicorn(app) as uvicorn, TestClient(uvicorn) as client:
            answer = client.get("/sse", headers={"Origin": "http://a.example"})
            assert (answer.status_code, answer.text) == (200, "")
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["access-control-allow-origin"] == "*" and "server-timing" in answer.headers
            assert client.get("/").text == "ok: 1 clients at /sse\n"
            (connection,) = uvicorn.connections
            assert connection.recv(6) == b"data: "
            connection.close()
            wait_until(lambda: client.get("/").text == "ok: 0 clients at /sse\n")
            assert len(uvicorn.connections) == 1


def test_answers_of_any_kind_in_test_client() -> None:
    async def hold(request: Request, *arguments: Any) -> None:
        hijack.asgi.hold(request.scope, *arguments)

    async def adopt(request: Request, *arguments: Any) -> None:
        await hijack.asgi.adopt(request.receive, *arguments)

    async def endpoint(request: Request) -> Response:
        if request.url.path == "/taken":
            hijack.asgi.take(request.scope, server, lambda taken: taken.respond(201, "from libhijack"))
        elif request.url.path == "/fails":
            hijack.asgi.hold(request.scope, server.broadcaster())
            raise LookupError("after hold")
        elif request.url.path == "/refused":
            room, freed = server.broadcaster(), server.broadcaster()
            freed.free()
            for call in (hold, adopt):
                with pytest.raises(hijack.InvalidError, match="kind 'x' is unknown"):
                    await call(request, room, "x")
                with pytest.raises(TypeError, match="headers: expected"):
                    await call(request, room, "sse", 5)
                with pytest.raises(hijack.ClosedError, match="the broadcaster was freed"):
                    await call(request, freed)
        return PlainTextResponse(await request.body(), headers={"x-set": "here"})

    app = Starlette(routes=[Route(f"/{name}", endpoint, methods=["POST"]) for name in NAMES])
    with hijack.Server(threads=1) as server, hijack.testing.Uvicorn(hijack.asgi.Middleware(app)) as uvicorn:
        server.start()
        with TestClient(uvicorn, raise_server_exceptions=False) as client:
            taken, fails, refused, plain = (client.post(f"/{name}", content=b"sent") for name in NAMES)
        assert (taken.status_code, taken.text, taken.headers["x-set"]) == (201, "from libhijack", "here")
        assert fails.status_code == 500 and fails.text == "Internal Server Error"
        assert (refused.status_code, refused.text) == (200, "sent"), "and is still uvicorn's to answer"
        assert (plain.status_code, plain.text) == (200, "sent") and len(uvicorn.connections) == 1
