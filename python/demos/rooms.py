"""Rooms: who is in which, and messages that survive a reload. The protocol is at the top of demos/rooms.c.

    GET    /                   the page
    GET    /rooms/ROOM/USER    USER enters ROOM: Server-Sent Events, beginning with the messages that it keeps
    POST   /rooms/ROOM/USER    USER says the body there
    DELETE /rooms/ROOM/USER    removes USER from ROOM
    GET    /healthz            "ok"

One thread, with asyncio; no connection has a task or an object of Python."""

import asyncio
import contextlib
import json
import re
import time
from typing import Dict, Optional

import common

import hijack.aio

ROOMS = 100
CONNECTIONS = 100  # in one room
MESSAGES = 100  # that a room keeps
TEXT_BYTES = 1000
PATH = re.compile(r"/rooms/([a-z0-9-]{1,32})/([A-Za-z0-9_-]{1,8})")
BAD_PATH = "Expected /rooms/ROOM/USER: ROOM is 1 to 32 of a-z, 0-9 and -, USER is 1 to 8 of A-Z, a-z, 0-9, - and _."

page = common.page("rooms.html")


class Rooms:
    """A room is a broadcaster, which keeps its last messages and counts its members. Everyone is in the lobby as well,
    by the same connection, and learns there who is in which room."""

    def __init__(self, server: hijack.aio.Server) -> None:
        self._server = server
        server.route_set("/rooms/*", max_body_bytes=TEXT_BYTES)
        self._lobby = server.broadcaster(backlog_bytes="1m")  # a newcomer gets one event for each room
        self._rooms: Dict[str, hijack.Broadcaster] = {}  # by name, in the order of making

    def answer(self, request: hijack.aio.Request) -> None:
        found = PATH.fullmatch(request.path)
        if not found:
            refuse(request, 400, BAD_PATH)
            return
        name, user = found.groups()
        room = self._rooms.get(name)
        if request.method == "GET":
            self._enter(request, name, number(user))
        elif request.method not in ("POST", "DELETE"):
            allow = {"allow": "GET, POST, DELETE"}
            refuse(request, 405, "Enter with GET, speak with POST, remove with DELETE.", allow)
        elif room is None or number(user) not in room.members:
            refuse(request, 404, f"{user} is not in {name}.")
        elif request.method == "POST":
            say(request, room, user)
        else:  # its connection stays in the lobby; with close_user it would end, and the browser would come back
            room.remove_user(number(user))
            request.respond(204)

    def _enter(self, request: hijack.aio.Request, name: str, user: int) -> None:
        """A browser that reconnects sends the id of the last event that it has; a page loaded anew has none."""
        room = self._rooms.get(name) or self._make(name)
        if room is None:
            refuse(request, 503, f"There are {ROOMS} rooms, and none is empty.")
        elif len(room) >= CONNECTIONS:
            refuse(request, 503, f"There are {CONNECTIONS} connections in {name}.")
        else:
            request.hold(room, user=user, position=None if "last-event-id" in request.headers else "*")

    def _make(self, name: str) -> Optional[hijack.Broadcaster]:
        """None: there are too many, and somebody is in each of them."""
        if len(self._rooms) >= ROOMS:
            empty = next((it for it, room in self._rooms.items() if len(room) == 0 and not room.members), None)
            if empty is None:
                return None
            self._rooms.pop(empty).free()
        room = self._rooms[name] = self._server.broadcaster(history_messages=MESSAGES)
        room.on_join(lambda user: self._tell_lobby(name, user))
        room.on_leave(lambda user, reason: self._tell_lobby(name))
        return room

    def _tell_lobby(self, name: str, newcomer: Optional[int] = None) -> None:
        """A newcomer is told of all rooms, everyone else of the one that has changed."""
        with contextlib.suppress(hijack.ShutdownError):  # the demo ends, and everyone leaves
            if newcomer is not None:
                self._lobby.join_user(newcomer, self._rooms[name])
                for it in self._rooms.keys() - {name}:
                    self._lobby.publish_to(newcomer, self._here(it))
            self._lobby.publish(self._here(name))

    def _here(self, name: str) -> str:
        names = [user.to_bytes(8, "big").strip(b"\0").decode() for user in self._rooms[name].members]
        return json.dumps({"type": "here", "room": name, "names": names})


def number(name: str) -> int:
    """A user is a number. A program has it from its database; here it is the name itself, in 8 bytes."""
    return int.from_bytes(name.encode(), "big")


def say(request: hijack.aio.Request, room: hijack.Broadcaster, name: str) -> None:
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        text = ""
    if text == "":
        refuse(request, 400, "Expected a text in UTF-8 that is not empty.")
    else:
        room.publish(json.dumps({"type": "message", "name": name, "text": text, "time": int(time.time())}))
        request.respond(204)


def refuse(request: hijack.aio.Request, status: int, why: str, headers: Optional[Dict[str, str]] = None) -> None:
    request.respond(status, f"{why}\n", {**(headers or {}), **common.TEXT})


async def answer(request: hijack.aio.Request, rooms: Rooms) -> None:
    if request.path == "/":
        request.respond(200, page, common.HTML)
    elif request.path == "/healthz":
        request.respond(200, "ok\n", common.TEXT)
    elif request.path.startswith("/rooms/"):
        rooms.answer(request)
    else:
        request.respond(404, "Only /, /rooms/ROOM/USER and /healthz are here.\n", common.TEXT)


async def main() -> None:
    async with hijack.aio.Server() as server:
        rooms = Rooms(server)
        loop = asyncio.get_running_loop()
        common.end_with(lambda: loop.call_soon_threadsafe(server.stop))
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start(lambda request: answer(request, rooms))
        print(common.url(port), flush=True)
        await server.serve()


if __name__ == "__main__":
    common.run(lambda: asyncio.run(main()))
