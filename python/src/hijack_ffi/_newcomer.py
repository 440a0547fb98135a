"""What a member brings along when it joins: its user, what it is sent first, and the position at which it goes on."""

from typing import Any, Optional, Tuple

from ._constants import ESTATE
from ._errors import InvalidError, StateError
from ._library import Text, check, ffi, kind_number, lib, octets, optional
from ._users import User, number_of

MESSAGES = ("websocket", "websocket_open")  #: kinds whose members get texts, which have to be UTF-8
WORDS = {-1: "neither event nor id may hold a line break, nor id a NUL"}


def sse_event(
    data: Text, event: Optional[str] = None, id: Optional[str] = None, retry: Optional[int] = None
) -> bytes:
    """The bytes of one Server-Sent Event, for first of hold and adopt. Each line of data becomes a data line; retry is
    in milliseconds."""
    raw = octets(data, "sse_event")
    fields = (*optional(event), *optional(id), raw, len(raw), -1 if retry is None else retry)
    size = check(lib.hijack_sse_encode(ffi.NULL, 0, *fields), "sse_event", WORDS)
    out = ffi.new("char[]", size)
    check(lib.hijack_sse_encode(out, size, *fields), "sse_event", WORDS)
    return bytes(ffi.buffer(out))


def joining(
    what: str, room: Any, kind: str, block: bytes, user: User, first: Optional[Text], position: Optional[str]
) -> Tuple[Any, ...]:
    """What the library's hold and adopt take last. room: the handle."""
    number, start = kind_number(kind), b"" if first is None else octets(first, f"{what}: first")
    if kind in MESSAGES and not isinstance(first, str):
        _check_text(start, f"{what}: first")
    return (number, number_of(user, what), block, len(block), start, len(start), *going_on(what, room, position))


def going_on(what: str, room: Any, position: Optional[str]) -> Tuple[Any, int]:
    """A position that a program gives, which needs a history."""
    if position is not None and not isinstance(position, str):
        raise TypeError(f"{what}: position: expected a str, as Broadcaster.position is (got {position!r})")
    if position and lib.hijack_broadcaster_position(ffi.NULL, 0, room) == ESTATE:
        raise StateError(
            f"{what}: position {position!r}: the broadcaster keeps no history; set its option history_messages"
        )
    return optional(position)


def _check_text(data: bytes, what: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise InvalidError(f"{what}: expected a text, in UTF-8, for a WebSocket (got {data!r:.80})") from None
