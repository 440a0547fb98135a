"""A chat: everyone sees what anyone writes, and who is there. The protocol is at the top of demos/chat.c.

    /                   the page
    /chat?name=NAME     a WebSocket, to read and to write
    /events?name=NAME   the same to read, as Server-Sent Events, for those without WebSocket
    /say?name=NAME      POST: they write with it; the body is the text, the answer 204
    /healthz            "ok"

With CHAT_LOG=FILE nothing is lost when it is killed and started again. One thread and a task for each member, with
asyncio. The room is in chat_room.py, which the sse demo has as well."""

import asyncio

import chat_room
import common

import hijack.aio

page = common.page("chat.html")


async def answer(request: hijack.aio.Request, room: chat_room.ChatRoom) -> None:
    if request.path == "/":
        request.respond(200, page, common.HTML)
    elif request.path == "/healthz":
        request.respond(200, "ok\n", common.TEXT)
    elif not await room.answer(request):
        request.respond(404, "Only /, /chat, /events, /say and /healthz are here.\n", common.TEXT)


async def main() -> None:
    async with hijack.aio.Server(websocket_message_bytes=chat_room.TEXT_BYTES) as server:
        room = chat_room.ChatRoom(server)
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(server.stop))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(lambda request: answer(request, room))
        print(common.url(port), flush=True)
        await server.serve()


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
