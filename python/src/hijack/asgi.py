"""Handing over connections of ASGI programs under uvicorn, which stays as it is:

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/sse":
        await hijack.asgi.adopt(receive, clients, kind="sse")"""

import asyncio
from typing import Any, Awaitable, Callable, MutableMapping, Optional

from ._broadcaster import Broadcaster
from ._errors import StateError
from ._library import Headers, Kind

__all__ = ["adopt", "transport"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def transport(receive: Callable[..., Any]) -> asyncio.Transport:
    """The asyncio transport of the connection that an ASGI program's receive (or send) belongs to, as Server.adopt and
    Broadcaster.adopt take it. ASGI itself has no way to it: this knows uvicorn, whose callables are methods of an
    object that holds the transport. StateError where that is not so, as behind middleware that wraps them, and once an
    answer has begun."""
    cycle = getattr(receive, "__self__", None)
    found: Optional[asyncio.Transport] = getattr(cycle, "transport", None)
    if found is None or not hasattr(found, "get_extra_info"):
        raise StateError(
            f"asgi: {receive!r} does not lead to its connection. It must be uvicorn's own: middleware that wraps it "
            "hides the connection"
        )
    if getattr(cycle, "response_started", False):
        raise StateError("asgi: the answer has begun already; hand the connection over instead of answering")
    return found


async def adopt(receive: Receive, clients: Broadcaster, kind: Kind = "sse", headers: Headers = None) -> None:
    """Makes the connection of this request a member of clients, and returns when uvicorn has let go of it. The program
    then returns without having sent anything."""
    clients.adopt(transport(receive), kind, headers)
    while (await receive())["type"] != "http.disconnect":
        pass
