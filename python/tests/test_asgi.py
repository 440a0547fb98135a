"""Handing over under uvicorn, where clients do what clients do: leave too early, and send several requests in one
piece."""

import json
from typing import Iterator, List

import pytest

from support import CHECKOUT, Client, get, wait_until
from test_adopt import Web
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
