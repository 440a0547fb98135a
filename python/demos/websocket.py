"""WebSocket: messages both ways.

    /      for a browser a page that talks to this program; as a WebSocket: says "Hello world!", then echoes
    /echo  a WebSocket that only echoes

One thread and one task for each WebSocket, with asyncio. A client that does not read is not read either: the next
message is received when the echo of the one before was taken."""

import asyncio
from typing import Optional

import common

import hijack.aio

page = common.page("websocket.html")


async def echo(request: hijack.aio.Request, greeting: Optional[str] = None) -> None:
    try:
        accepted = request.websocket()  # a client whose handshake is wrong has its answer
    except hijack.NotSupportedError:
        request.respond(505, "A WebSocket needs HTTP/1.1 here.\n", common.TEXT)
        return
    async with accepted as websocket:
        if greeting is not None:
            await websocket.send(greeting)
        async for message in websocket:
            await websocket.send(message)


async def answer(request: hijack.aio.Request) -> None:
    if request.path == "/echo":
        await echo(request)
    elif request.path != "/":
        request.respond(404, "Only / and /echo are here.\n", common.TEXT)
    elif request.wants_websocket:
        await echo(request, "Hello world!")
    else:
        request.respond(200, page, common.HTML)


async def main() -> None:
    async with hijack.aio.Server(websocket_message_bytes="64m") as server:
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(server.stop))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(answer)
        print(common.url(port), flush=True)
        await server.serve()


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
