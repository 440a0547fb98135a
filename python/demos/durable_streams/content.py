"""The content type of a stream: how a body becomes a piece of its log, and how pieces become a body or an event."""

import base64
import json
import re
from typing import Any, Iterator, List, Tuple, Union

from log import Piece
from refusal import Refusal

DEFAULT = "application/octet-stream"
SPACE = re.compile(r"[ \t\n\r]*")


class ContentType:
    """Compared without its parameters and without regard to case; the text is kept as it was given."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = text.partition(";")[0].strip().lower()
        self.is_json = self.name == "application/json"
        self.in_base64 = not self.is_json and not self.name.startswith("text/")  # in events, which are text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContentType) and self.name == other.name

    def piece(self, body: bytes) -> Piece:
        """A body as it is kept. One in JSON must parse, and an array in it is its messages."""
        return messages(body) if self.is_json and body else body

    def matches(self, text: str) -> bool:
        """Whether an append of the type that text names belongs here."""
        return self == ContentType(text)

    @property
    def nothing(self) -> Piece:
        """The piece of a stream without content."""
        return () if self.is_json else b""

    def body(self, pieces: List[Piece]) -> bytes:
        """Pieces as the body of an answer: bytes as they are, messages as one array."""
        if self.is_json:
            return b"[" + b",".join(message for piece in pieces for message in _as_messages(piece)) + b"]"
        return b"".join(piece for piece in pieces if isinstance(piece, bytes))

    def event(self, pieces: List[Piece]) -> bytes:
        """Pieces as the data of a Server-Sent Event, which is UTF-8: other bytes in a text become U+FFFD, as a browser
        would read them."""
        body = self.body(pieces)
        return base64.b64encode(body) if self.in_base64 else body.decode(errors="replace").encode()


def _as_messages(piece: Piece) -> Tuple[bytes, ...]:
    return piece if isinstance(piece, tuple) else (piece,)


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Numbers stay text: they are checked, not used, and may have any length.
DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_json)


def messages(body: bytes) -> Tuple[bytes, ...]:
    """The messages of a body in JSON, each as it was written: the elements if it is an array, else the one value."""
    try:
        text = body.decode()
        ends = list(_values(text))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise Refusal(400, f"The body must be JSON, in UTF-8: {reason}.") from None
    return tuple(text[begin:end].encode() for begin, end in ends)


def _values(text: str) -> Iterator[Tuple[int, int]]:
    """Where each message begins and ends."""
    begin = _after_space(text, 0)
    value, end = DECODER.raw_decode(text, begin)
    if _after_space(text, end) != len(text):
        raise ValueError(f"something follows its value, at character {end}")
    if not isinstance(value, list):
        yield begin, end
        return
    at = begin + 1
    for _ in value:
        at = _after_space(text, at)
        _, end = DECODER.raw_decode(text, at)
        yield at, end
        at = _after_space(text, end) + 1  # and its comma


def _after_space(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at
