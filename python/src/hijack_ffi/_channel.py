"""What streams and sockets are in both faces: the handle, what its events have told, and all that never waits. A face
adds the waiting. WebSockets are in _websocket."""

import io
import os
import socket as sockets
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Tuple

from ._constants import (
    EAGAIN, ECLOSED, EFORK, ETLS, EVENT_CONNECTED, EVENT_DETACHED, EVENT_DRAINED, MESSAGE_BINARY,
)
from ._errors import WORDS, HijackError, InvalidError
from ._headers import Headers, header_block
from ._library import GONE, Data, Text, check, error_of, lib, octets, optional
from ._peer import Input, Peer
from ._relay import Call, Relaying

if TYPE_CHECKING:
    from ._core import Core


class Channel(Peer):
    """What Stream, Socket and WebSocket share."""

    _abort: Callable[..., int]

    def __init__(self, core: "Core", handle: Any, number: int) -> None:
        self._core, self._handle, self._number = core, handle, number
        self._notice = core.notice()
        self._drained = 0  # DRAINED events so far: one that comes before its EAGAIN is known is not lost

    def abort(self) -> None:
        """Cuts the connection now, so that the peer sees it broken. Nothing happens if it has ended already."""
        self._end(type(self)._abort, "abort")

    def release(self) -> None:
        """Lets this object go. A broadcaster's member, or one that is relayed, lives on as such, without any Python
        object; one that is closing finishes that; any other is aborted."""
        self._core.check_process()
        self._forget()
        with self._changed.lock:
            self._watchers = None
            self._let_go()
            self._ended = True
            self._changed.notify_all()

    def _open(self) -> bool:
        return not self._ended and self._status is None

    def _end(self, call: Callable[..., int], what: str, *args: Any) -> None:
        self._core.check_process()
        with self._changed.lock:  # CLOSED may come before the call has returned, and must find the mark
            result = call(self._handle, *args)
            if result not in GONE:
                check(result, f"{what} a {self._noun}")
            self._ended = True
            self._changed.notify_all()

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        self._drained += kind == EVENT_DRAINED
        return kind == EVENT_DRAINED or super()._on_news(kind, data, status)

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        self._core.table.pop(self._number, None)
        super()._on_last(kind, data, status)

    def _taken(self, call: Call) -> bool:
        """Tries to send; False if the peer has to take what is on the way first."""
        result = call()
        if result < 0 and result != EAGAIN:
            raise self._refused(result, "send")
        return result >= 0

    def _now(self, call: Call) -> None:
        if not self._taken(call):
            raise error_of(EAGAIN, "send")


class ByteChannel(Channel):
    """What Stream and Socket share."""

    _finish: Callable[..., int]

    def close(self) -> None:
        """Ends it gracefully, after all that was sent. Nothing happens if it has ended already."""
        if self._open():
            self._end(type(self)._finish, "close")

    def fileno(self) -> int:
        """There is none: the connection is the library's. Raises io.UnsupportedOperation."""
        raise io.UnsupportedOperation(f"a {self._noun} of libhijack has no descriptor of its own")

    def flush(self) -> None:
        """Does nothing: what was sent is on its way. For those who expect a file."""

    def _leave(self, failed: bool) -> None:
        """The end of a with block: in order, or broken off if the block failed. Harmless in a forked child. One that is
        relayed lives on."""
        if self._relayed:
            return
        try:
            self.abort() if failed else self.close()
        except HijackError as error:
            if error.code != EFORK:
                raise


class StreamCore(ByteChannel):
    """A response body in pieces; see hijack.Stream and hijack.aio.Stream."""

    _noun = "stream"
    _finish = lib.hijack_stream_finish
    _abort = lib.hijack_stream_abort
    _free = lib.hijack_stream_free

    def close(self, trailers: Headers = None) -> None:
        """Ends the body after what was sent; the connection serves further requests. trailers are sent after a body
        that is chunked (HTTP/1.1, and no Content-Length was given). Nothing happens if the stream has ended."""
        block = header_block(trailers)
        if self._open():
            self._end(type(self)._finish, "close", block, len(block))

    finish = close
    """Ends the body, as close; HTTP calls it so."""

    def try_send(self, data: Text) -> None:
        """Sends a piece of the body without waiting: WouldBlockError if too much waits for the peer already."""
        self._now(self._piece(data))

    def _piece(self, data: Text) -> Call:
        raw = octets(data, "send")
        return partial(lib.hijack_stream_send, self._handle, raw, len(raw))

    def _event(self, data: Optional[Text], event: Optional[str], id: Optional[str], retry: Optional[int]) -> Call:
        fields = (*optional(event), *optional(id), *optional(data))
        return partial(lib.hijack_stream_send_sse, self._handle, *fields, -1 if retry is None else retry)

    def _comment(self, text: Text) -> Call:
        raw = octets(text)
        return partial(lib.hijack_stream_send_comment, self._handle, raw, len(raw))


class SocketCore(Relaying, Input, ByteChannel):
    """The connection itself; see hijack.Socket and hijack.aio.Socket."""

    _noun = "socket"
    _finish = lib.hijack_socket_close
    _abort = lib.hijack_socket_abort
    _free = lib.hijack_socket_free
    _read = lib.hijack_socket_read

    def __init__(self, core: "Core", handle: Any, number: int) -> None:
        super().__init__(core, handle, number)
        self._buffer = bytearray()
        self._wants_descriptor = False
        self._descriptor = -1
        self._address: Any = ""  # of the other side, as Request.peer or a socket has it
        self._opened = False  # by connect
        self._why = ""  # TLS did not begin

    def getpeername(self) -> Any:
        """The other side's address, as socket.getpeername gives it: ("127.0.0.1", 50312); of a unix socket its path, ""
        if it has none."""
        if not isinstance(self._address, str):
            return self._address
        if self._address.startswith("unix:"):
            return self._address[len("unix:") :]
        host, _, port = self._address.rpartition(":")
        if host.startswith("["):
            return (host[1:-1], int(port), 0, 0)
        return (host, int(port)) if port else ""

    def try_send(self, data: Data) -> None:
        """Sends bytes without waiting: WouldBlockError if too much waits for the peer already."""
        self._now(self._bytes(data))

    def shutdown(self, how: int = sockets.SHUT_WR) -> None:
        """Half-close: no more is sent after what was, reading goes on. how can only be socket.SHUT_WR."""
        if how != sockets.SHUT_WR:
            raise InvalidError("shutdown: only socket.SHUT_WR; close ends both directions")
        result = lib.hijack_socket_shutdown(self._handle)
        if result < 0:
            raise self._refused(result, "shutdown")

    def _connected(self, address: str) -> bool:
        """Whether connect has what it waits for; raises why that will never come."""
        if not self._opened and self._gone():
            words = {ETLS: self._why} if self._why else WORDS["connect"]
            raise error_of(self._status or ECLOSED, f"connect {address}", words)
        return self._opened

    def _bytes(self, data: Data) -> Call:
        if isinstance(data, str):
            raise TypeError("a socket takes bytes, not str")
        raw = octets(data, "send")
        return partial(lib.hijack_socket_send, self._handle, raw, len(raw))

    def _ahead(self, data: bytes, kind: int) -> Call:
        return self._bytes(data)

    def _read_ahead(self, other: Relaying) -> Iterator[Call]:
        while self._buffer:
            data = bytes(self._buffer)
            yield other._ahead(data, MESSAGE_BINARY)
            del self._buffer[: len(data)]

    def _has_credit(self) -> bool:
        return self._credit > 0

    def _forget_credit(self) -> None:
        self._credit = 0

    def _has_left(self) -> bool:
        return self._hung_up or (self._eof and not self._buffer)

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        if kind == EVENT_CONNECTED:
            self._opened, self._address = True, os.fsdecode(data)
        return kind == EVENT_CONNECTED or super()._on_news(kind, data, status)

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        if kind != EVENT_DETACHED:
            self._why = data.decode(errors="replace")
            super()._on_last(kind, data, status)
            return
        super()._on_last(kind, data, 0)
        self._buffer += data
        if self._wants_descriptor:
            self._descriptor = status
        else:
            os.close(status)

    def _ask_detach(self) -> None:
        with self._changed.lock:
            result = lib.hijack_socket_detach(self._handle)
            if result < 0:
                raise self._refused(result, "detach")
            self._wants_descriptor = self._ended = True

    def _abandon_detach(self) -> None:
        """Nobody waits any more for the descriptor that is to come, or has come."""
        with self._changed.lock:
            self._wants_descriptor = False
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _detached(self) -> Tuple[sockets.socket, bytes]:
        if self._descriptor < 0:
            self._ended = False  # it was not the program that ended it
            raise self._refused(ECLOSED, "detach")
        descriptor, self._descriptor = self._descriptor, -1
        unread, self._buffer = bytes(self._buffer), bytearray()
        return sockets.socket(fileno=descriptor), unread
