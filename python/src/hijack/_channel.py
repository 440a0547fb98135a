"""What streams and sockets are in both faces: the handle, what its events have told, and all that never waits. A face
adds the waiting."""

import io
import os
import socket as sockets
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from ._constants import (
    EAGAIN,
    ECLOSED,
    EFORK,
    ESHUTDOWN,
    EVENT_CLOSED,
    EVENT_DATA,
    EVENT_DETACHED,
    EVENT_DRAINED,
    EVENT_EOF,
    LAST_EVENTS,
)
from ._errors import ClosedError, HijackError, InvalidError
from ._library import (
    GONE,
    Data,
    Headers,
    Text,
    check,
    error_of,
    ffi,
    header_block,
    lib,
    name_of,
    octets,
    optional,
    sentence,
)

if TYPE_CHECKING:
    from ._core import Core

WINDOW = 65536  #: bytes that a peer may send ahead of the program's reading
Call = Callable[[], int]


class Channel:
    """What Stream and Socket share."""

    _noun: str
    _finish: Callable[..., int]
    _abort: Callable[..., int]
    _free: Callable[[Any], None]

    def __init__(self, core: "Core", handle: Any, number: int) -> None:
        self._core, self._handle, self._number = core, handle, number
        self._changed = core.notice()
        self._lock = self._changed.lock  # guards what events change; notified of it is _changed
        self._drained = 0  # DRAINED events so far: one that comes before its EAGAIN is known is not lost
        self._ended = False  # the program has finished, closed or aborted it, or let it go
        self._status: Optional[int] = None  # of CLOSED

    def __repr__(self) -> str:
        return f"<{name_of(self)} {'closed' if self.closed else 'open'}>"

    @property
    def closed(self) -> bool:
        """Whether nothing more can be sent: the program has closed it, or the connection has gone."""
        return self._ended or self._status is not None

    @property
    def reason(self) -> Optional[HijackError]:
        """Why the connection ended, as the exception that stands for it (ResetError, TimedOutError, SlowError, ...).
        None while it lives, and after an end that the program asked for."""
        return error_of(self._status, self._noun) if self._status else None

    def abort(self) -> None:
        """Cuts the connection at once, so that the peer sees it broken. Nothing happens if it has ended already."""
        self._end(type(self)._abort, "abort")

    def close(self) -> None:
        """Ends it gracefully, after all that was sent. Nothing happens if it has ended already."""
        if not self.closed:
            self._end(type(self)._finish, "close")

    def release(self) -> None:
        """Lets this object go. A broadcaster's member lives on as such, without any Python object; one that is closing
        finishes that; any other is aborted."""
        self._core.check_process()
        self._core.table.pop(self._number, None)
        with self._lock:
            self._let_go()
            self._ended = True
            self._changed.notify_all()

    def _end(self, call: Callable[..., int], what: str, *args: Any) -> None:
        self._core.check_process()
        with self._lock:  # CLOSED may come before the call has returned, and must find the mark
            result = call(self._handle, *args)
            if result not in GONE:
                check(result, f"{what} a {self._noun}")
            self._ended = True
            self._changed.notify_all()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, ffi.NULL
        type(self)._free(handle)

    def _on_event(self, kind: int, data: bytes, status: int) -> None:
        with self._lock:
            if kind == EVENT_DRAINED:
                self._drained += 1
            elif kind in LAST_EVENTS:
                self._on_last(kind, data, status)
            else:
                return
            self._changed.notify_all()

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        self._core.table.pop(self._number, None)
        self._let_go()
        self._status = status

    def _on_server_end(self) -> None:
        self._on_event(EVENT_CLOSED, b"", ESHUTDOWN)

    def _gone(self) -> bool:
        return self._status is not None or self._handle == ffi.NULL

    def _refused(self, code: int, what: str) -> HijackError:
        """The exception for a call that failed; one on a connection that has gone names the reason as its cause."""
        if code not in GONE:
            return error_of(code, what)
        why = self.reason
        if why is None or self._status == ECLOSED:
            ours = self._ended or self._status == 0
            return ClosedError(f"{what}: the {self._noun} was closed" if ours else f"{what}: the peer has gone")
        error = ClosedError(f"{what}: {sentence(why.code)}")
        error.__cause__ = why
        return error

    def _taken(self, call: Call) -> bool:
        """Tries to send; False if the peer has to take what is on the way first."""
        result = call()
        if result < 0 and result != EAGAIN:
            raise self._refused(result, "send")
        return result >= 0

    def _now(self, call: Call) -> None:
        if not self._taken(call):
            raise error_of(EAGAIN, "send")

    def fileno(self) -> int:
        """There is none: the connection is the library's. Raises io.UnsupportedOperation."""
        raise io.UnsupportedOperation(f"a {self._noun} of libhijack has no descriptor of its own")

    def flush(self) -> None:
        """Does nothing: what was sent is on its way. For those who expect a file."""

    def _leave(self, failed: bool) -> None:
        """The end of a with block: in order, or broken off if the block failed. Harmless in a forked child."""
        try:
            self.abort() if failed else self.close()
        except HijackError as error:
            if error.code != EFORK:
                raise


class StreamCore(Channel):
    """A response body in pieces; see the faces."""

    _noun = "stream"
    _finish = lib.hijack_stream_finish
    _abort = lib.hijack_stream_abort
    _free = lib.hijack_stream_free

    def close(self, trailers: Headers = None) -> None:
        """Ends the body after what was sent; the connection serves further requests. trailers are sent after a body
        that is chunked (HTTP/1.1, and no Content-Length was given). Nothing happens if the stream has ended."""
        block = header_block(trailers)
        if not self.closed:
            self._end(type(self)._finish, "close", block, len(block))

    finish = close  #: the word that HTTP uses

    def try_send(self, data: Text) -> None:
        """Sends a piece of the body without waiting: WouldBlockError if too much waits for the peer already."""
        self._now(self._piece(data))

    def _piece(self, data: Text) -> Call:
        raw = octets(data)
        return partial(lib.hijack_stream_send, self._handle, raw, len(raw))

    def _event(self, data: Optional[Text], event: Optional[str], id: Optional[str], retry: Optional[int]) -> Call:
        fields = (*optional(event), *optional(id), *optional(data))
        return partial(lib.hijack_stream_send_sse, self._handle, *fields, -1 if retry is None else retry)

    def _comment(self, text: Text) -> Call:
        raw = octets(text)
        return partial(lib.hijack_stream_send_comment, self._handle, raw, len(raw))


class SocketCore(Channel):
    """The connection itself; see the faces."""

    _noun = "socket"
    _finish = lib.hijack_socket_close
    _abort = lib.hijack_socket_abort
    _free = lib.hijack_socket_free

    def __init__(self, core: "Core", handle: Any, number: int) -> None:
        super().__init__(core, handle, number)
        self._buffer = bytearray()  # read, and not yet taken by the program
        self._credit = 0  # given, and not yet used by the peer
        self._eof = self._wants_descriptor = False
        self._descriptor = -1

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

    def _bytes(self, data: Data) -> Call:
        if isinstance(data, str):
            raise TypeError("a socket takes bytes, not str")
        raw = octets(data)
        return partial(lib.hijack_socket_send, self._handle, raw, len(raw))

    def _on_event(self, kind: int, data: bytes, status: int) -> None:
        if kind == EVENT_DATA:
            with self._lock:
                self._buffer += data
                self._credit -= len(data)
                self._changed.notify_all()
        elif kind == EVENT_EOF:
            with self._lock:
                self._eof = True
                self._changed.notify_all()
        else:
            super()._on_event(kind, data, status)

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        if kind != EVENT_DETACHED:
            super()._on_last(kind, data, status)
            return
        super()._on_last(kind, data, 0)
        self._buffer += data
        if self._wants_descriptor:
            self._descriptor = status
        else:
            os.close(status)

    def _readable(self) -> bool:
        """Whether a read need not wait. If it has to, the peer may send. With self._lock held."""
        if self._buffer or self._eof or self._ended or self._gone():
            return True
        self._grant()
        return False

    def _grant(self, worth: int = WINDOW // 2) -> None:
        room = WINDOW - self._credit - len(self._buffer)
        if room >= worth and not self._gone():
            result = lib.hijack_socket_read(self._handle, room)
            if result not in GONE:
                self._credit += room if check(result, "read") >= 0 else 0

    def _take(self, size: int) -> bytes:
        """Up to size bytes of what is there; b"" at the end. With self._lock held, when _readable."""
        if not self._buffer:
            if self._eof or size == 0 or (self._status == 0 and not self._ended):
                return b""
            raise self._refused(ECLOSED, "read")
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._grant()
        return data

    def _ask_detach(self) -> None:
        with self._lock:
            result = lib.hijack_socket_detach(self._handle)
            if result < 0:
                raise self._refused(result, "detach")
            self._wants_descriptor = self._ended = True

    def _abandon_detach(self) -> None:
        """Nobody waits any more for the descriptor that is to come, or has come."""
        with self._lock:
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
