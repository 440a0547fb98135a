"""libhijack in Python: hijack_server.py PORT. /sse and /ws are held; GET /publish?n=COUNT&bytes=BYTES publishes so many
messages. TLS_CERT and TLS_KEY name a certificate and its key."""

import asyncio
import os
import resource
import sys
from urllib.parse import parse_qs

import hijack.aio


async def main() -> None:
    async with hijack.aio.Server() as server:
        clients = server.broadcaster()

        async def publish(request: hijack.aio.Request) -> None:
            query = parse_qs(request.query or "")
            for _ in range(int(query["n"][0])):
                clients.publish("x" * (int(query["bytes"][0]) - 1) + "!")
            request.respond(200)

        server.hold("/sse", clients, kind="sse")
        server.hold("/ws", clients, kind="websocket")
        server.listen(f"127.0.0.1:{sys.argv[1]}", os.environ.get("TLS_CERT"), os.environ.get("TLS_KEY"))
        server.start(publish)
        await server.serve()


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    asyncio.run(main())
