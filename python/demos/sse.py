"""Server-Sent Events: a page that shows the time, pushed to everyone once a second.

    /         the page
    /sse      the events: held by a broadcaster, without a Python object per client
    /room     the page of the chat, whose room is here too: /chat, /events and /say, as in chat.py
    /stats    how many clients /sse has, how long the last event took to all of them, and the memory, as JSON
    /healthz  "ok"

Clients on /sse never come up here: however many there are, this program makes one call a second for them."""

import asyncio
import contextlib
import itertools
import time

import chat_room
import common

import hijack.aio

page, chat_page = common.page("sse.html"), common.page("chat.html")


LONGEST_RUN = 0.5  # seconds; a run that is not over by then is shown as it stands
JSON = {"content-type": "application/json"}
took = 0.0  # milliseconds that the last event took to all clients


async def answer(request: hijack.aio.Request, room: chat_room.ChatRoom, clients: hijack.Broadcaster) -> None:
    if request.path == "/":
        request.respond(200, page, common.HTML)
    elif request.path == "/room":
        request.respond(200, chat_page, common.HTML)
    elif request.path == "/stats":
        numbers = f'"clients":{len(clients)},"run_ms":{took:.1f},"resident_mib":{common.resident():.1f}'
        request.respond(200, f"{{{numbers}}}\n", JSON)
    elif request.path == "/healthz":
        request.respond(200, "ok\n", common.TEXT)
    elif not await room.answer(request):
        text = "Only /, /sse, /room, /chat, /events, /say, /stats and /healthz are here.\n"
        request.respond(404, text, common.TEXT)


async def publish_time(server: hijack.aio.Server, clients: hijack.Broadcaster) -> None:
    global took
    start = time.monotonic()
    for count in itertools.count(1):
        await asyncio.sleep(start + count - time.monotonic())
        before, begin = common.settled(server), time.monotonic()
        addressed = clients.publish(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), id=str(count))
        while common.settled(server) - before < addressed and time.monotonic() - begin < LONGEST_RUN:
            await asyncio.sleep(0.001)
        took = (time.monotonic() - begin) * 1000


async def main() -> None:
    async with hijack.aio.Server(websocket_message_bytes=chat_room.TEXT_BYTES) as server:
        clients = server.broadcaster(history_messages=100)  # for those that come back with Last-Event-ID
        server.hold("/sse", clients, kind="sse")
        room = chat_room.ChatRoom(server)
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(lambda request: answer(request, room, clients))
        ticking = asyncio.ensure_future(publish_time(server, clients))
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(ticking.cancel))
        print(common.url(port), flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
