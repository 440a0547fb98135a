"""What a request, a stream and a socket share in both faces: a peer that may leave, an end, and bytes that come by
credit. A face adds the waiting."""

import warnings
from typing import Any, Callable, List, Mapping, Optional, TypeVar

from ._constants import (
    ECLOSED, ESHUTDOWN, ESTATE, EVENT_CLOSED, EVENT_DATA, EVENT_EOF, EVENT_HANGUP, LAST_EVENTS,
)
from ._core import Core, check_listener
from ._errors import WORDS, ClosedError, HijackError
from ._library import GONE, Handle, check, error_of, ffi, name_of, sentence

WINDOW = 65536  #: bytes that a peer may send ahead of the program's reading
Watcher = Callable[[Optional[HijackError]], object]
ErrorT = TypeVar("ErrorT", bound=HijackError)


class Peer(Handle):
    """The handle, and what its events have told. Whoever drops it while it is open loses the connection, unless it is a
    broadcaster's member or relayed."""

    _noun: str
    _advice = "while it was open, and cut off: close it, or use a with block"
    _core: Core
    _handle: Any = ffi.NULL
    _number: int  # no other one has it
    _free: Callable[[Any], None]
    _notice: Any = None
    _watchers: Optional[List[Watcher]] = None
    _hung_up = False  # the peer ended its sending side while nobody read
    _memberships = 0  # of broadcasters
    _ended = False  # the program has ended it, or released it
    _relayed = False  # its bytes are another one's, or are about to be
    _receiving = 0  # calls that wait for a message, and will hear of the end by that
    _status: Optional[int] = None  # of the last event

    @property
    def closed(self) -> bool:
        """Whether the client has left, or this was ended by the program. A client that has only ended its sending side
        looks the same: what is sent still goes out, until the connection is over."""
        return self._ended or self._status is not None or self._has_left()

    @property
    def reason(self) -> Optional[HijackError]:
        """Why the connection ended, as the exception that stands for it (ResetError, TimedOutError, SlowError, ...).
        None while it lives, and if the client or the program has ended it."""
        return None if self._status in (None, 0, ECLOSED) else error_of(self._status or 0, self._noun)

    def on_close(self, call: Watcher) -> None:
        """Calls call(reason) once, when the client has left or this has ended; immediately if that is so already. It is
        called on the thread that takes events, and must not wait there; what it raises goes to the logger "hijack".
        After release it is not called."""
        check_listener(call, "on_close", "a reason")
        self._core.check_process()
        with self._changed.lock:
            if self._status is None and not self._has_left():
                self._watchers = [*(self._watchers or ()), call]
                self._core.kept.add(self)
                return
        self._call(call)

    @property
    def _changed(self) -> Any:
        """What its waiters wait with: the like of a Condition. Its lock guards what events change."""
        if self._notice is None:
            with self._core.lock:
                if self._notice is None:
                    self._notice = self._core.notice()
        return self._notice

    def _has_left(self) -> bool:
        return self._hung_up

    def _gone(self) -> bool:
        return self._status is not None or self._handle == ffi.NULL

    def _over(self) -> bool:
        """What wait_closed waits for. After an end by the program that is the last event, as what was sent is written
        by then."""
        return self._gone() or (self._has_left() and not self._ended)

    def _on_event(self, kind: int, data: bytes, status: int) -> None:
        """On the thread that takes events."""
        with self._changed.lock:
            if kind in LAST_EVENTS:
                self._on_last(kind, data, status)
            elif not self._on_news(kind, data, status):
                return
            self._changed.notify_all()
        self._tell()

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        """An event that is not the last one; False if it is of no interest."""
        self._hung_up |= kind == EVENT_HANGUP
        return kind == EVENT_HANGUP

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        self._let_go()
        self._status = status

    def _on_server_end(self) -> None:
        self._on_event(EVENT_CLOSED, b"", ESHUTDOWN)

    def _let_go(self) -> None:
        handle, self._handle = self._handle, ffi.NULL
        if handle != ffi.NULL:  # each call into the library gives the interpreter's lock away
            type(self)._free(handle)

    def _tell(self) -> None:
        """Calls those that on_close was given, if it is time. Without a lock."""
        if not self._watchers or (self._status is None and not self._has_left()):
            return
        with self._changed.lock:
            calls, self._watchers = self._watchers, None
            self._core.kept.discard(self)
        for call in calls or ():
            self._call(call)

    def _call(self, call: Watcher) -> None:
        self._core.tell(call, self, "on_close", self.reason)

    def _refused(self, code: int, what: str, words: Optional[Mapping[int, str]] = None) -> HijackError:
        """The exception for a call that failed; one on a connection that has gone names the reason as its cause."""
        if code not in GONE:
            return self._not_now(code, what, words)
        why = self.reason
        if why is None:
            ours = self._status != ECLOSED and (self._ended or self._status == 0)
            text = f"{what}: the {self._noun} was closed" if ours else f"{what}: the client has disconnected"
            return self._mine(ClosedError(text))
        error = self._mine(ClosedError(f"{what}: {sentence(why.code)}"))
        error.__cause__ = why
        return error

    def _not_now(self, code: int, what: str, words: Optional[Mapping[int, str]] = None) -> HijackError:
        relayed = code == ESTATE and self._relayed
        return self._mine(error_of(code, what, WORDS["relayed"] if relayed else words))

    def _mine(self, error: ErrorT) -> ErrorT:
        """Marks an error that is about this connection: a handler whose own client has left has not failed."""
        error._about = self._number
        return error

    def _forget(self) -> None:
        """Leaves the table of the core."""
        self._core.table.pop(self._number, None)
        self._core.kept.discard(self)

    def __del__(self) -> None:
        """Anywhere, with any lock held."""
        handle, self._handle = self._handle, ffi.NULL
        if handle == ffi.NULL:
            return
        self._forget()
        type(self)._free(handle)
        if not (self.closed or self._memberships or self._relayed) and self._core.is_ours():
            warnings.warn(f"{self!r} was dropped {self._advice}", ResourceWarning, source=self)

    def __repr__(self) -> str:
        return f"<{name_of(self)} {'closed' if self.closed else 'open'}>"


class Input(Peer):
    """Bytes that the peer sends: those of a socket, or of a request's body."""

    _read: Callable[[Any, int], int]
    _buffer: bytearray  # read, and not yet taken by the program
    _credit = 0  # given, and not yet used by the peer
    _eof = False

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        if kind == EVENT_DATA:
            self._buffer += data
            self._credit -= len(data)
        elif kind == EVENT_EOF:
            self._eof = True
        else:
            return super()._on_news(kind, data, status)
        return True

    def _readable(self) -> bool:
        """Whether a read need not wait. If it has to, the peer may send. With the lock held."""
        if self._buffer or self._eof or self._ended or self._relayed or self._gone():
            return True
        self._grant()
        return False

    def _grant(self, worth: int = WINDOW // 2) -> None:
        room = WINDOW - self._credit - len(self._buffer)
        if room >= worth and not (self._eof or self._relayed or self._gone()):
            result = type(self)._read(self._handle, room)
            if result not in GONE:
                self._credit += room if check(result, "read") >= 0 else 0

    def _take(self, size: int) -> bytes:
        """Up to size bytes of what is there; b"" at the end. With the lock held, when _readable."""
        if self._relayed:
            raise self._refused(ESTATE, "read")
        if not self._buffer:
            if self._eof or size == 0 or (self._status == 0 and not self._ended):
                return b""
            raise self._refused(ECLOSED, "read")
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._grant()
        if self._eof and not self._buffer:
            self._changed.notify_all()  # a socket's peer has left now
        return data
