"""A tunnel: any TCP connection through one of HTTP, to targets that the program allows. What it answers is at the top
of demos/tunnel.c.

One thread, with asyncio. A request that waits for its target has a task; the pair of client and target, which the
library relays, has neither a task nor an object."""

import asyncio
import hmac
import os
from typing import Dict, List, NamedTuple, Optional, Union
from urllib.parse import unquote_to_bytes

import common

import hijack.aio

USAGE = """A tunnel with libhijack. This page is the target that it allows without TUNNEL_ALLOW.

Make a local port of it, with the Go or the Python client:
    hijack-tunnel -L 8080:{own} {scheme}://{own}/tunnel
    python3 -m hijack_ffi.tunnel -L 8080:{own} {scheme}://{own}/tunnel
and open {scheme}://127.0.0.1:8080/ beside it.
"""
PURR = {"connection": "Upgrade", "upgrade": "purr"}
TOKEN = os.environ.get("TUNNEL_TOKEN", "").encode()
Near = Union[hijack.aio.Socket, hijack.aio.WebSocket]


class Problem(NamedTuple):
    """What is wrong with a request, and what it is answered."""

    status: int
    sentence: str
    headers: Dict[str, str] = {}


def items(text: str) -> List[str]:
    return [item.strip().lower() for item in text.split(",") if item.strip()]


def listed(request: hijack.aio.Request, name: str) -> List[str]:
    return items(",".join(request.headers.get_all(name)))


def carrier_of(request: hijack.aio.Request) -> Optional[str]:
    if request.method == "CONNECT":
        return "connect"
    if request.wants_websocket:
        return "websocket"
    return "purr" if "purr" in listed(request, "upgrade") and "upgrade" in listed(request, "connection") else None


def target_of(request: hijack.aio.Request, carrier: Optional[str]) -> str:
    if carrier == "connect":
        return request.target
    fields = (field.partition("=") for field in request.query.split("&"))
    value = next((value for name, _, value in fields if name == "target"), "")
    target = unquote_to_bytes(value).decode("latin-1")
    return target if "\0" not in target else ""


def has_token(request: hijack.aio.Request, name: str) -> bool:
    scheme, _, given = request.headers.get(name, "").partition(" ")
    return not TOKEN or (scheme.lower() == "bearer" and hmac.compare_digest(given.encode(errors="replace"), TOKEN))


def problem(request: hijack.aio.Request, carrier: Optional[str], target: str) -> Optional[Problem]:
    if carrier == "connect" and not has_token(request, "proxy-authorization"):
        return Problem(407, "The token is missing or wrong.", {"proxy-authenticate": "Bearer"})
    if carrier != "connect" and not has_token(request, "authorization"):
        return Problem(401, "The token is missing or wrong.", {"www-authenticate": "Bearer"})
    if not target:
        return Problem(400, "Expected /tunnel?target=HOST:PORT.")
    if carrier != "connect" and request.method != "GET":
        return Problem(405, "Open a tunnel with GET.", {"allow": "GET"})
    if carrier is None:
        return Problem(426, "A tunnel needs HTTP/1.1 with Upgrade: purr or websocket.", {"upgrade": "purr, websocket"})
    return None if target.lower() in allowed else Problem(403, "This target is not allowed.")


def accept(request: hijack.aio.Request, carrier: Optional[str]) -> Near:
    """The client's side, once the target is connected."""
    if carrier == "websocket":
        return request.websocket("purr" if "purr" in request.websocket_protocols else None)
    return request.hijack_partial(101, PURR) if carrier == "purr" else request.hijack_partial(200)


async def open_tunnel(request: hijack.aio.Request) -> None:
    carrier = carrier_of(request)
    target = target_of(request, carrier)
    wrong = problem(request, carrier, target)
    if wrong is not None:
        request.respond(wrong.status, f"{wrong.sentence}\n", {**common.TEXT, **wrong.headers})
        return
    try:
        far = await server.connect(target)
    except hijack.HijackError as error:
        status = 504 if isinstance(error, hijack.TimedOutError) else 502
        request.respond(status, f"Cannot connect to {target}: {error}.\n", common.TEXT)
        return
    async with far:  # which ends the target's connection if the client has gone; a pair lives on
        async with accept(request, carrier) as near:  # a client whose handshake is wrong has its answer
            await near.relay(far)


async def answer(request: hijack.aio.Request) -> None:
    if request.method == "CONNECT" or request.path == "/tunnel":
        await open_tunnel(request)
    elif request.path == "/":
        own = common.url(port).rstrip("/")
        request.respond(200, USAGE.format(own=own.partition("://")[2], scheme=own.partition("://")[0]), common.TEXT)
    else:
        request.respond(404, "Only / and /tunnel are here.\n", common.TEXT)


async def main() -> None:
    global server, port, allowed
    async with hijack.aio.Server(connect_method="on") as server:
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(server.stop))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        allowed = items(os.environ.get("TUNNEL_ALLOW", "")) or [f"127.0.0.1:{port}"]
        server.start(answer)
        print(common.url(port), flush=True)
        await server.serve()


server: hijack.aio.Server
port: int
allowed: List[str]

if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
