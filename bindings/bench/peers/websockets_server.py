"""Python's websockets with asyncio: websockets_server.py PORT. GET /publish?n=COUNT&bytes=BYTES calls its broadcast()
so often."""

import asyncio
import http
import os
import resource
import ssl
import sys
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve


def publish(connection: ServerConnection, request: Any) -> Any:
    """Answers what is not a WebSocket."""
    url = urlsplit(request.path)
    if url.path != "/publish":
        return None
    query = parse_qs(url.query)
    for _ in range(int(query["n"][0])):
        broadcast(connection.server.connections, "x" * (int(query["bytes"][0]) - 1) + "!")
    return connection.respond(http.HTTPStatus.OK, "")


def tls() -> Optional[ssl.SSLContext]:
    if "TLS_CERT" not in os.environ:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
    return context


async def main() -> None:
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", int(sys.argv[1]), ssl=tls(),
                     process_request=publish, compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    asyncio.run(main())
