"""The protocol over HTTP: what each method does with a stream, and what its answer says."""

from typing import Dict, List, Optional, Tuple
from urllib.parse import parse_qsl

import cursor
import hijack.aio
from answers import ALWAYS, NO_STORE, PREFLIGHT, Answer, error
from log import Piece
from offsets import NOW, START, position_of
from producers import claimed
from readers import events
from refusal import Refusal
from store import Store, is_true
from stream import Stream

PREFIX = "/v1/stream/"
MOST = 1 << 20  # bytes of one answer, except those of one append
BATCH = 1 << 18  # bytes of an event that a reader gets who catches up
LIVE = ("", "long-poll", "sse")


class Surface:
    """Answers the requests of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._methods = {
            "DELETE": self._delete,
            "HEAD": self._head,
            "OPTIONS": self._options,
            "POST": self._post,
            "PUT": self._put,
        }

    async def answer(self, request: hijack.aio.Request) -> None:
        """The server's handler."""
        try:
            if not request.path.startswith(PREFIX):
                raise Refusal(404, f"Only streams are here, which are below {PREFIX}.")
            if request.method == "GET":
                found = await self._get(request)
            elif request.method in self._methods:
                found = self._methods[request.method](request)
            else:
                methods = ", ".join(["GET", *self._methods])
                raise Refusal(405, f"Expected one of {methods} (got {request.method}).", {"Allow": methods})
        except Refusal as refusal:
            status, headers, body = error(refusal.status, refusal.text)
            found = status, {**headers, **refusal.headers}, body
        if found is not None:
            status, headers, body = found
            request.respond(status, body, {**ALWAYS, **headers})

    def _options(self, request: hijack.aio.Request) -> Answer:
        return 204, PREFLIGHT, b""

    def _put(self, request: hijack.aio.Request) -> Answer:
        stream, made = self._store.put(request.path, request.headers, request.body)
        headers = {**stream.headers(stream.log.tail), "Content-Type": stream.content.text, **stream.expiry.headers}
        if made:
            headers["Location"] = f"{request.scheme}://{request.headers.get('host', '')}{request.path}"
        return 201 if made else 200, headers, b""

    def _post(self, request: hijack.aio.Request) -> Answer:
        stream, headers, body = self._store.find(request.path), request.headers, request.body
        close, claim = is_true(headers.get("stream-closed")), claimed(headers)
        if not body and not close:
            raise Refusal(400, "The body is empty: send something to append, or Stream-Closed: true.")
        if body and not headers.get("content-type"):
            raise Refusal(400, f"Content-Type is missing; this stream is {stream.content.text}.")
        done = claim is not None and stream.producers.is_duplicate(claim)
        if not done and not (stream.closed and close and not body and claim is None):
            piece = self._piece(stream, headers.get("content-type", ""), body)
            stream.append(piece, close, headers.get("stream-seq"), claim)
        answer = stream.headers(stream.log.tail)
        if claim is not None:
            answer.update(stream.producers.headers(claim))
        return 200 if claim is not None and body and not done else 204, answer, b""

    def _piece(self, stream: Stream, content_type: str, body: bytes) -> Piece:
        """What is to be appended: refused where the stream is closed, or of another type."""
        if stream.closed:
            raise Refusal(409, "This stream is closed.", stream.headers(stream.log.tail))
        if not body:
            return stream.content.nothing
        if not stream.content.matches(content_type):
            raise Refusal(409, f"Content-Type: this stream is {stream.content.text} (got {content_type}).")
        piece = stream.content.piece(body)
        if not piece:
            raise Refusal(400, "The body is an array without elements, so there is nothing to append.")
        return piece

    def _delete(self, request: hijack.aio.Request) -> Answer:
        self._store.delete(request.path)
        return 204, {}, b""

    def _head(self, request: hijack.aio.Request) -> Answer:
        stream = self._store.find(request.path, used=False)
        tail = stream.headers(stream.log.tail)
        return 200, {**NO_STORE, "Content-Type": stream.content.text, **stream.expiry.headers, **tail}, b""

    async def _get(self, request: hijack.aio.Request) -> Optional[Answer]:
        """None if the request has its answer, or a reader has become a member."""
        stream = self._store.find(request.path)
        offset, live, client = _asked(request.query)
        position = stream.log.tail if offset == NOW else 0 if offset == START else position_of(offset, stream.log.tail)
        if live == "sse":
            await _follow(request, stream, position, client)
            return None
        at_end = position == stream.log.tail
        if live and at_end and not stream.closed:
            stream.readers.poll(request, stream, client)
            return None
        pieces, end = stream.log.read(position, MOST)
        headers = stream.headers(end)
        if live:
            headers["Stream-Cursor"] = cursor.after(client)
        if live and at_end:
            return 204, {**NO_STORE, **headers}, b""
        headers["Content-Type"] = stream.content.text
        if offset == NOW:
            return 200, {**NO_STORE, **headers}, stream.content.body(pieces)
        headers.update({"Cache-Control": "no-cache", "ETag": stream.tag(position, end)})
        if headers["ETag"] in (it.strip() for it in request.headers.get("if-none-match", "").split(",")):
            return 304, headers, b""
        return 200, headers, stream.content.body(pieces)


def _asked(query: str) -> Tuple[str, str, int]:
    """Offset, live mode ("" for none) and cursor of a query."""
    fields: Dict[str, List[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    for name in ("offset", "live"):
        if len(fields.get(name, ())) > 1:
            raise Refusal(400, f"{name}: expected one (got {len(fields[name])}).")
    live = fields.get("live", [""])[0]
    if live not in LIVE:
        raise Refusal(400, f"live: expected long-poll or sse (got {live!r}).")
    if live and "offset" not in fields:
        raise Refusal(400, f"offset is missing, which live={live} needs; {START} is the start.")
    return fields.get("offset", [START])[0], live, cursor.parsed(fields.get("cursor", [None])[0])


async def _follow(request: hijack.aio.Request, stream: Stream, position: int, client: int) -> None:
    """Sends a reader what it has missed, and makes it a member for what comes. A reader far behind is sent one batch
    after the other, as fast as it takes them."""
    headers = {**ALWAYS, **({"Stream-SSE-Data-Encoding": "base64"} if stream.content.in_base64 else {})}
    pieces, position = stream.log.read(position, BATCH)
    batch, closed = events(stream, pieces, position, client), stream.closed
    if position == stream.log.tail and not closed:
        request.hold(stream.readers.room(), "sse", headers, first=batch)
        return
    async with request.sse(headers) as channel:
        while not stream.deleted:
            at_end = position == stream.log.tail
            await channel.send(batch)  # meanwhile it may grow, be closed or be deleted
            if closed and at_end:
                break
            if position == stream.log.tail and stream.closed == closed and not stream.deleted:
                stream.readers.room().add(channel)
                channel.release()
                break
            pieces, position = stream.log.read(position, BATCH)
            batch, closed = events(stream, pieces, position, client), stream.closed
