"""WebSockets in both faces: the messages that have come, and how a connection ended. A face adds the waiting."""

from codecs import getincrementaldecoder
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Deque, Iterator, Mapping, Optional, Tuple, Type, Union

from ._channel import Channel
from ._constants import (
    ECLOSED, ESHUTDOWN, ESTATE, EVENT_MESSAGE, MESSAGE_BINARY, MESSAGE_MORE, MESSAGE_PING, MESSAGE_TEXT,
)
from ._errors import WORDS, ClosedError, HijackError, InvalidError, StateError
from ._library import GONE, Text, check, error_of, lib, octets, sentence
from ._peer import Watcher
from ._relay import Call, Relaying

if TYPE_CHECKING:
    from ._core import Core

Message = Union[str, bytes]  #: text, or binary
Piece = Tuple[bytes, int]  # as it came, and the status of its event
ONE_MESSAGE = 1  # as credit: a message comes whole, however little there is
LONGEST_REASON = 123
LONGEST_PING = 125
NORMAL, INTERNAL_ERROR, GOING_AWAY, NO_CODE, NO_FRAME = 1000, 1011, 1001, 1005, 1006
ORDERLY = (NORMAL, GOING_AWAY, NO_CODE)


@dataclass(frozen=True)
class Close:
    """A close frame of a WebSocket."""

    code: int  #: 1000; 1005 if the frame has none
    reason: str  #: empty if the frame has none


class ConnectionClosed(ClosedError):
    """A WebSocket has ended: nothing more can be sent, and all that came was received. One of this class itself means
    that how it ended is not known: after release, or yet, from a call that does not wait."""

    code: int = NO_FRAME  # type: ignore[misc]  #: of the close frame that came first; 1006 if none came
    reason: str = ""  #: of that close frame
    rcvd: Optional[Close] = None  #: the client's close frame, if it has closed first
    sent: Optional[Close] = None  #: ours


class ConnectionClosedOK(ConnectionClosed):
    """The WebSocket has ended gracefully: with code 1000 (normal), 1001 (going away), or without a code."""


class ConnectionClosedError(ConnectionClosed):
    """The WebSocket has ended with another code, or without its closing handshake."""


class WebSocketCore(Relaying, Channel):
    """Messages in both directions; see hijack.WebSocket and hijack.aio.WebSocket.

    They are asked for one by one: the next one when the program receives or sends again, or waits for the end. So what
    it sends about a message is on its way before anything that the client sent later is looked at, be it a close frame
    or an offence; and a program that only sends still hears of the client's close frame, and its pings are answered."""

    _noun = "WebSocket"
    _abort = lib.hijack_socket_abort
    _free = lib.hijack_socket_free

    subprotocol: Optional[str] = None  #: what was agreed upon
    close_code: Optional[int] = None  #: of the close frame that came first, 1006 if none came; None while it is open
    close_reason: Optional[str] = None  #: of that close frame; None while it is open
    _closer = "none"  # who has closed first: "peer", "us"

    def __init__(self, core: "Core", handle: Any, number: int) -> None:
        super().__init__(core, handle, number)
        self._pieces: Deque[Piece] = deque()  # have come, and were not taken by the program; mostly whole messages
        self._whole = 0  # messages whose last piece is among them
        self._asked = False  # for what comes next
        self._begun = False  # recv_streaming has taken a piece that is not its message's last one

    def on_close(self, call: Watcher) -> None:
        """Calls call(reason) once, when the client has left or this has ended; immediately if that is so already.
        close_code and close_reason say more. It is called on the thread that takes events, and must not wait there;
        what it raises goes to the logger "hijack". After release it is not called."""
        super().on_close(call)
        self._listen()

    def try_send(self, message: Text) -> None:
        """Sends a message without waiting: WouldBlockError if too much waits for the client already."""
        self._now(self._message(message))
        self._listen()

    def _message(self, message: Text) -> Call:
        raw, kind = octets(message, "send"), MESSAGE_TEXT if isinstance(message, str) else MESSAGE_BINARY
        return partial(lib.hijack_socket_send_message, self._handle, kind, raw, len(raw))

    def _ping(self, data: Text) -> Call:
        raw = octets(data)
        if len(raw) > LONGEST_PING:
            raise InvalidError(f"ping: expected at most {LONGEST_PING} bytes (got {len(raw)})")
        return partial(lib.hijack_socket_send_message, self._handle, MESSAGE_PING, raw, len(raw))

    def _ahead(self, data: bytes, kind: int) -> Call:
        return partial(lib.hijack_socket_send_message, self._handle, kind, data, len(data))

    def _read_ahead(self, other: Relaying) -> Iterator[Call]:
        while self._pieces:
            data, status = self._pieces[0]
            more = status & MESSAGE_MORE
            if more and isinstance(other, WebSocketCore):
                raise error_of(ESTATE, "relay", WORDS["relay"])
            yield other._ahead(data, status ^ more)
            self._pieces.popleft()
            self._whole -= not more

    def _check_relay(self) -> None:
        super()._check_relay()
        if self._begun:
            raise StateError("relay: recv_streaming has begun a message; iterate it to its end first")

    def _has_credit(self) -> bool:
        return self._asked

    def _forget_credit(self) -> None:
        self._asked = False

    def _say_close(self, code: int, reason: str) -> None:
        raw = reason.encode()
        if not NORMAL <= code < 5000 or len(raw) > LONGEST_REASON:
            raise InvalidError(
                f"close: expected a code of 1000 to 1014 or 3000 to 4999, and a reason of at most {LONGEST_REASON} "
                f"bytes (got {code}, and {len(raw)} bytes)"
            )
        if self._open():
            self._end(lib.hijack_socket_close_message, f"close({code}) of", code, raw, len(raw))

    def _begin(self, subprotocol: Optional[str]) -> None:
        self.subprotocol = subprotocol
        self._listen()

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        if kind != EVENT_MESSAGE:
            return super()._on_news(kind, data, status)
        self._asked = False
        self._pieces.append((data, status))
        self._whole += not status & MESSAGE_MORE
        return True

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        code, _, rest = data.decode("utf-8", "replace").partition(" ")
        closer, _, reason = rest.partition(" ")
        if status == ESHUTDOWN and not data:  # the package's own last event
            code, closer = str(GOING_AWAY), "us"
        self.close_code, self.close_reason, self._closer = int(code) if code.isdigit() else NO_FRAME, reason, closer
        super()._on_last(kind, data, status)

    def _receivable(self, whole: bool) -> bool:
        """Whether to receive a message, or a piece of one, need not wait; if it has to, it is asked for. With the lock
        held."""
        if self._relayed:
            raise self._refused(ESTATE, "recv")
        if self._begun and whole and (self._pieces or not self._gone()):
            raise StateError("recv: recv_streaming has begun this message; iterate it to its end first")
        if (self._whole if whole else self._pieces) or self._gone():
            return True
        self._ask()
        return False

    def _over(self) -> bool:
        self._ask_unless_some_wait()
        return super()._over()

    def _listen(self) -> None:
        """Asks for the next message, and with it for the client's close frame, if none waits to be received."""
        if not (self._asked or self._pieces):
            with self._changed.lock:
                self._ask_unless_some_wait()

    def _ask_unless_some_wait(self) -> None:
        if not self._pieces:
            self._ask()

    def _ask(self) -> None:
        if not (self._asked or self._relayed) and self._open() and not self._gone():
            result = lib.hijack_socket_read(self._handle, ONE_MESSAGE)
            self._asked = result not in GONE and check(result, "recv") == 0

    def _take_piece(self) -> Piece:
        """With the lock held, when _receivable."""
        if not self._pieces:
            raise self._closed("recv")
        data, status = self._pieces.popleft()
        self._begun = bool(status & MESSAGE_MORE)
        self._whole -= not self._begun
        return data, status

    def _take(self) -> Piece:
        """A whole message; the same."""
        if not self._whole:
            raise self._closed("recv")
        parts = [self._take_piece()]
        while self._begun:
            parts.append(self._take_piece())
        return parts[0] if len(parts) == 1 else (b"".join(data for data, _ in parts), parts[-1][1])

    def _refused(self, code: int, what: str, words: Optional[Mapping[int, str]] = None) -> HijackError:
        return self._closed(what) if code in GONE else self._not_now(code, what, words)

    def _closed(self, what: str) -> ConnectionClosed:
        """The exception that says how it has ended."""
        status, code, reason = self._status, self.close_code, self.close_reason
        if status is None or code is None or reason is None:
            return self._mine(ConnectionClosed(f"{what}: the WebSocket was closed"))
        kind: Type[ConnectionClosed] = ConnectionClosedError
        if code in ORDERLY and status in (0, ECLOSED, ESHUTDOWN):
            kind = ConnectionClosedOK
        who = {"peer": "the client closed the WebSocket", "us": "the WebSocket was closed"}.get(self._closer)
        how = f"{who} with code {code}" if who else "the connection ended without a close frame"
        why = reason or (sentence(status) if status not in (0, ECLOSED) else "")
        error = kind(f"{what}: {how}{': ' if why else ''}{why}")
        error.code, error.reason = code, reason
        if self._closer == "peer":
            error.rcvd = error.sent = Close(code, reason)
        elif self._closer == "us":
            error.sent = Close(code, reason)
        error.__cause__ = self.reason
        return self._mine(error)


class Decoder:
    """Text or bytes of a message's pieces, one by one: a piece may end within a character."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")().decode

    def __call__(self, piece: Piece) -> Message:
        data, status = piece
        return self._decode(data) if status & MESSAGE_TEXT else data


def decoded(piece: Piece) -> Message:
    """A whole message as the program gets it."""
    data, status = piece
    return data.decode() if status & MESSAGE_TEXT else data
