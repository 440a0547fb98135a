"""Raw hijack: taking the connection itself out of a request.

    /         a page that says what to try
    /hijack   full: the library writes nothing, this program writes a whole response by hand, then echoes
    /partial  partial: the library writes status and headers, this program writes lines over time and closes
    /detach   the connection itself is handed over, as a socket.socket; this program writes to it and closes it

One thread and one task for each request, with asyncio."""

import asyncio
import contextlib

import common

import hijack.aio

HELP = r"""Raw hijack with libhijack. PORT is the port of this page.

Full: a response by hand, then an echo of what you send, until you end (Ctrl-D):
    { printf 'GET /hijack HTTP/1.1\r\nHost: me\r\n\r\n'; cat; } | nc -N 127.0.0.1 PORT

Partial: the head is the library's, the lines come one by one:
    curl -iN http://127.0.0.1:PORT/partial

Detached: the response is written with write(2) on the descriptor itself:
    curl -i http://127.0.0.1:PORT/detach
"""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
TICK = 0.2  # seconds between two lines of /partial
LINES = 10


async def full(request: hijack.aio.Request) -> None:
    async with request.hijack() as socket:
        await socket.send(HEAD + b"This program wrote every byte of this response. Send something, it comes back.\n")
        async for data in socket:
            await socket.send(data)


async def partial(request: hijack.aio.Request) -> None:
    async with request.hijack_partial(200, {"content-type": "text/plain"}) as socket:
        for line in range(1, LINES + 1):
            await asyncio.sleep(TICK)
            await socket.send(f"line {line} of {LINES}\n".encode())


async def detach(request: hijack.aio.Request) -> None:
    connection, _unread = await request.hijack().detach()
    with connection, contextlib.suppress(ConnectionError):  # the client may have gone
        connection.send(HEAD + b"Written with write(2).\n")


async def answer(request: hijack.aio.Request) -> None:
    try:
        await serve(request)
    except hijack.NotSupportedError:  # many requests share a connection of HTTP/2
        request.respond(505, "Taking a connection needs HTTP/1.1.\n", common.TEXT)


async def serve(request: hijack.aio.Request) -> None:
    if request.path == "/hijack":
        await full(request)
    elif request.path == "/partial":
        await partial(request)
    elif request.path == "/detach":
        await detach(request)
    elif request.path == "/":
        request.respond(200, HELP, common.TEXT)
    else:
        request.respond(404, "Only /, /hijack, /partial and /detach are here.\n", common.TEXT)


async def main() -> None:
    async with hijack.aio.Server() as server:
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(server.stop))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(answer)
        print(common.url(port), flush=True)
        await server.serve()


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
