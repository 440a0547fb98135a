"""The chat's room, which the demos chat and sse have: /chat, /events and /say. The protocol is at the top of
demos/chat.c.

All members belong to two broadcasters, which alone send to them: one for who comes and goes, and that of chat_log.py
for the messages, which are kept. A member that does not read is closed by them, and nobody waits for it. A member has
the task of its request."""

import contextlib
import json
import re
import time
from typing import Dict, Optional, Union
from urllib.parse import unquote_to_bytes

import chat_log
import common

import hijack.aio

TEXT_BYTES = 1000
MEMBERS = 1000
NAME = re.compile(r"(?! )[^\x00-\x1f\x7f-\x9f]{1,32}(?<! )")
MESSAGES = 20  # of one member within
SECONDS = 5

Connection = Union[hijack.aio.WebSocket, hijack.aio.Stream]


class Member:
    """Who is there: a name, and the connection, which is a WebSocket or the stream of /events."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name, self.connection = name, connection
        self._first, self._messages = 0.0, 0  # when the first of so many messages came

    def may_say(self) -> bool:
        """Counts the message too."""
        now = time.monotonic()
        if self._messages == 0 or now - self._first >= SECONDS:
            self._first, self._messages = now, 0
        self._messages += 1
        return self._messages <= MESSAGES

    async def greet(self, text: str, id: Optional[str]) -> None:
        """Once, before the broadcasters send; so this never waits. id: of the event."""
        if isinstance(self.connection, hijack.aio.Stream):
            await self.connection.send_event(text, id=id)
        else:
            await self.connection.send(text)


class ChatRoom:
    """For a server with the option websocket_message_bytes=TEXT_BYTES."""

    def __init__(self, server: hijack.aio.Server) -> None:
        server.route_set("/say", max_body_bytes=TEXT_BYTES)
        self._everyone = server.broadcaster(backlog_bytes="1m")  # a burst of messages behind the longest list of names
        self._log = chat_log.ChatLog(server)
        self._members: Dict[str, Member] = {}  # by name, in the order of joining

    async def answer(self, request: hijack.aio.Request) -> bool:
        """Answers a request for one of the room's paths. False: it is for another path."""
        if request.path == "/chat":
            await self._join_by_websocket(request)
        elif request.path == "/events":
            await self._join_by_events(request)
        elif request.path == "/say":
            self._say(request)
        else:
            return False
        return True

    async def _join_by_websocket(self, request: hijack.aio.Request) -> None:
        name = self._admitted(request)
        if name is None:
            return
        try:
            websocket = request.websocket()  # a client whose handshake is wrong has its answer
        except hijack.NotSupportedError:  # many requests share a connection of HTTP/2
            request.respond(505, "A WebSocket needs HTTP/1.1 here; /events does not.\n", common.TEXT)
            return
        member = Member(name, websocket)
        try:
            async with websocket:
                await self._enter(member, request)
                async for message in websocket:
                    await self._take(member, websocket, message)
        finally:
            self._leave(member)

    async def _join_by_events(self, request: hijack.aio.Request) -> None:
        if request.method != "GET":
            request.respond(405, "Read /events with GET.\n", {"allow": "GET", **common.TEXT})
            return
        name = self._admitted(request)
        if name is None:
            return
        stream = request.sse()
        member = Member(name, stream)
        try:
            await self._enter(member, request)
            await stream.wait_closed()
        finally:
            stream.abort()
            self._leave(member)

    def _admitted(self, request: hijack.aio.Request) -> Optional[str]:
        """The name that the client gets; None where it was answered."""
        wanted = asked(request, "name")
        if wanted is None or not NAME.fullmatch(wanted):
            text = (
                "Expected ?name=NAME with 1 to 32 characters of UTF-8, no control character among them and "
                "no space at either end.\n"
            )
            request.respond(400, text, common.TEXT)
            return None
        if len(self._members) >= MEMBERS:
            request.respond(503, "The room is full; try again later.\n", common.TEXT)
            return None
        name, number = wanted, 2
        while name in self._members:
            name, number = f"{wanted} {number}", number + 1
        return name

    async def _enter(self, member: Member, request: hijack.aio.Request) -> None:
        """The others hear of the newcomer, who gets the names and then what it has missed and all that is published."""
        since = request.headers.get("last-event-id", asked(request, "from"))
        self._publish(type="joined", name=member.name)
        self._members[member.name] = member
        with contextlib.suppress(ConnectionError):  # it has left already, and what it sent before is still read
            here = as_json({"type": "here", "names": list(self._members)})
            await member.greet(here, None if since else self._log.position)
            self._everyone.add(member.connection)
            self._log.add(member.connection, since)

    async def _take(self, member: Member, websocket: hijack.aio.WebSocket, message: Union[str, bytes]) -> None:
        """The library has seen to UTF-8 and the length."""
        id = None
        if isinstance(message, str) and message.startswith("\x1e"):
            id, _, message = message[1:].partition(" ")
        if not member.may_say():
            await websocket.close(1008, "too many messages")
        elif isinstance(message, bytes):
            await websocket.close(1003, "only text")
        elif not chat_log.is_id(id):
            await websocket.close(1008, "bad id")
        else:
            self._publish_text(member, message, id)

    def _say(self, request: hijack.aio.Request) -> None:
        if request.method != "POST":
            request.respond(405, "Write to /say with POST.\n", {"allow": "POST", **common.TEXT})
            return
        member = self._members.get(asked(request, "name") or "")
        id = asked(request, "id")
        if member is None or not isinstance(member.connection, hijack.aio.Stream):
            text = "Nobody of this name reads /events; open /events?name=NAME first.\n"
            request.respond(403, text, common.TEXT)
        elif not member.may_say():
            request.respond(429, "Too many messages: at most 20 within 5 seconds.\n", common.TEXT)
        else:
            try:
                text = request.body.decode()
            except UnicodeDecodeError:
                request.respond(400, "The text must be UTF-8.\n", common.TEXT)
                return
            if chat_log.is_id(id):
                self._publish_text(member, text, id)
                request.respond(204)
            else:
                request.respond(400, "Expected &id=ID with 1 to 64 letters, digits and '-'.\n", common.TEXT)

    def _leave(self, member: Member) -> None:
        if self._members.pop(member.name, None) is not None:
            with contextlib.suppress(hijack.ShutdownError):  # everyone leaves when the demo ends
                self._publish(type="left", name=member.name)

    def _publish_text(self, member: Member, text: str, id: Optional[str]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        message = {"type": "message", "name": member.name, "text": text, "time": now}
        self._log.publish(as_json(message if id is None else {**message, "id": id}), id)

    def _publish(self, **message: str) -> None:
        self._everyone.publish(as_json(message))


def asked(request: hijack.aio.Request, key: str) -> Optional[str]:
    """The NAME of "?name=NAME", for example; None if it is not there, not UTF-8, or has a '%' without its digits."""
    fields = (field.partition("=") for field in request.query.split("&"))
    value = next((value for name, equals, value in fields if equals and name == key), None)
    if value is None or re.search(r"%(?![0-9A-Fa-f]{2})", value):
        return None
    try:
        return unquote_to_bytes(value.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None


def as_json(message: object) -> str:
    """As JSON.stringify writes it."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
