"""One stream: what it is, what it contains, and who reads it live."""

import secrets
from typing import TYPE_CHECKING, Dict, Optional

from content import ContentType
from expiry import Expiry
from log import Log, Piece
from offsets import written
from producers import Claim, Producers
from readers import LiveReaders
from refusal import Refusal

if TYPE_CHECKING:
    from forks import ForkPoint


class Stream:
    """Everything runs on the thread of one asyncio loop, so what is done between two awaits is one step: a reader that
    finds the end and begins to wait there misses nothing."""

    def __init__(self, path: str, content: ContentType, expiry: Expiry, log: Log, readers: LiveReaders) -> None:
        self.path, self.content, self.expiry, self.log, self.readers = path, content, expiry, log, readers
        self.producers = Producers()
        self.closed = False  # for appends
        self.source: "Optional[Stream]" = None  # of a fork
        self.forks = 0  # how many there are of it
        self.deleted = False  # stays for its forks
        self._begins_at = self.log.tail  # of a fork: behind what it has inherited
        self._seq = ""
        self._tag = secrets.token_hex(4)  # tells it from a later one with its name

    def agrees(
        self,
        point: "Optional[ForkPoint]",
        content: Optional[ContentType],
        expiry: Optional[Expiry],
        close: bool,
    ) -> bool:
        """Whether a request that asks for these, where it asks for something, means this stream."""
        return (
            (point.source if point else None) is self.source
            and (point is None or point.position in (None, self._begins_at))
            and content in (None, self.content)
            and expiry in (None, self.expiry)
            and close == self.closed
        )

    def headers(self, position: int) -> Dict[str, str]:
        """What every answer tells that leaves a reader at a position: where to go on, and whether there is more."""
        found = {"Stream-Next-Offset": written(position)}
        if position == self.log.tail:
            found["Stream-Up-To-Date"] = "true"
            if self.closed:
                found["Stream-Closed"] = "true"
        return found

    def tag(self, begin: int, end: int) -> str:
        """The ETag of what is between two positions."""
        ended = "-closed" if self.closed and end == self.log.tail else ""
        return f'"{self._tag}-{begin}-{end}{ended}"'

    def append(self, piece: Piece, close: bool, seq: Optional[str] = None, claim: Optional[Claim] = None) -> None:
        """Appends, closes, or both at once, which live readers are told. Nothing is changed if it is refused."""
        if claim is not None:
            self.producers.check(claim)
        if seq is not None:
            if seq <= self._seq:
                raise Refusal(409, f"Stream-Seq: expected one that sorts behind {self._seq!r} (got {seq!r}).")
            self._seq = seq
        if claim is not None:
            self.producers.note(claim)
        self.log.append(piece)
        self.closed = close
        self.readers.tell(self, piece)

    def end(self) -> None:
        """It is deleted, or its time is over."""
        self.deleted = True
        self.log = Log()  # forks have logs of their own
        self.readers.end()
