"""Live readers of a stream: members of a broadcaster, by SSE or long poll. None has a Python object while it waits."""

import contextlib
import json
import re
import time
from typing import TYPE_CHECKING, Dict, List, Optional

import cursor
import hijack.aio
from answers import ALWAYS, NO_STORE, error
from log import Piece
from offsets import written

if TYPE_CHECKING:
    from stream import Stream

SPACE = re.compile(rb"^data: (?! )", re.MULTILINE)  # may be left out, and the conformance suite looks for that form
BACKLOG = "64m"  # of a member: room for the longest append, if each of its bytes is a line of an event


class LiveReaders:
    """Those of one stream."""

    def __init__(self, server: hijack.aio.Server, long_poll_ms: int, live_ms: int) -> None:
        self._server, self._long_poll_ms, self._live_ms = server, long_poll_ms, live_ms
        self._room: Optional[hijack.Broadcaster] = None
        self._since = 0.0  # when it was made
        self._polled: Optional[int] = None  # the greatest cursor of those who poll; None if nobody does

    def room(self) -> hijack.Broadcaster:
        """Whose members they are. Made when the first one comes."""
        if self._room is None:
            self._room = self._server.broadcaster(backlog_bytes=BACKLOG, long_poll_ms=self._long_poll_ms)
            self._since = time.monotonic()
        return self._room

    def poll(self, request: hijack.aio.Request, stream: "Stream", client: int) -> None:
        """Lets a request at the end of the stream wait for the next append. The headers are for the deadline."""
        headers = {**ALWAYS, **NO_STORE, **stream.headers(stream.log.tail), "Stream-Cursor": cursor.after(client)}
        request.hold(self.room(), "long_poll", headers)
        self._polled = client if self._polled is None else max(self._polled, client)

    def tell(self, stream: "Stream", piece: Piece) -> None:
        """The stream has grown by a piece, or is closed, or both."""
        if self._room is None:
            return
        try:
            if self._polled is not None:
                self._answer_polls(self._room, stream, piece, self._polled)
            if piece:
                self._room.publish(stream.content.event([piece]), event="data")
            self._room.publish(control(stream, stream.log.tail, -1), event="control")
        except hijack.WouldBlockError:  # too much waits already; they come back with their offsets
            self.leave()
        if stream.closed:
            self.leave()

    def _answer_polls(self, room: hijack.Broadcaster, stream: "Stream", piece: Piece, client: int) -> None:
        """All of them at once: they wait at the same position."""
        tail = stream.log.tail
        headers = {**ALWAYS, **NO_STORE, **stream.headers(tail), "Stream-Cursor": cursor.after(client)}
        if piece:
            headers.update({"Content-Type": stream.content.text, "ETag": stream.tag(tail - len(piece), tail)})
        room.respond(200 if piece else 204, stream.content.body([piece]) if piece else b"", headers)
        self._polled = None

    def leave_sometimes(self) -> None:
        """Ends the connections of those who have been there for long, so that they spread over servers anew."""
        if (time.monotonic() - self._since) * 1000 >= self._live_ms:
            self.leave()

    def leave(self) -> None:
        """Ends their connections, each after what was published before; long polls get their 204."""
        if self._room is not None:
            self._room.close()
            self._room.free()
            self._room, self._polled = None, None

    def end(self) -> None:
        """The stream has ended."""
        if self._room is not None and self._polled is not None:
            status, headers, body = error(404, "This stream was deleted.")
            with contextlib.suppress(hijack.WouldBlockError):
                self._room.respond(status, body, headers)
        self.leave()


def control(stream: "Stream", position: int, client: int) -> str:
    """The data of the event that tells a reader where it is."""
    fields: Dict[str, object] = {"streamNextOffset": written(position)}
    at_end = position == stream.log.tail
    if at_end and stream.closed:
        fields["streamClosed"] = True
    else:
        fields["streamCursor"] = cursor.after(client)
    if at_end:
        fields["upToDate"] = True
    return json.dumps(fields, separators=(",", ":"))


def events(stream: "Stream", pieces: List[Piece], position: int, client: int) -> bytes:
    """Pieces as an event, if there are any, and the control event that belongs to it."""
    found = hijack.sse_event(stream.content.event(pieces), event="data") if pieces else b""
    found += hijack.sse_event(control(stream, position, client), event="control")
    return SPACE.sub(b"data:", found)
