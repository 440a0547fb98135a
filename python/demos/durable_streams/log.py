"""The content of a stream: an append-only list of pieces, one for each append.

A piece is the bytes of the append, or the tuple of its messages where the stream is JSON. Either has a length, by which
positions count, and can be cut. Pieces never change, so a fork shares them with its source."""

from bisect import bisect_right
from typing import List, Tuple, Union

Piece = Union[bytes, Tuple[bytes, ...]]


def size(piece: Piece) -> int:
    """How many bytes it has."""
    return len(piece) if isinstance(piece, bytes) else sum(map(len, piece))


class Log:
    """Grows at its tail, which is the position of the next append."""

    def __init__(self) -> None:
        self._pieces: List[Piece] = []
        self._starts: List[int] = []
        self.tail = 0

    def append(self, piece: Piece) -> None:
        """Adds a piece; nothing happens if it is empty."""
        if piece:
            self._pieces.append(piece)
            self._starts.append(self.tail)
            self.tail += len(piece)

    def read(self, position: int, most: int) -> Tuple[List[Piece], int]:
        """What follows a position, up to the end of the piece that reaches `most` bytes; and the position after it."""
        found: List[Piece] = []
        index = bisect_right(self._starts, position) - 1
        while position < self.tail and most > 0:
            piece = self._pieces[index][position - self._starts[index] :]
            found.append(piece)
            most -= size(piece)
            position += len(piece)
            index += 1
        return found, position

    def piece_end(self, position: int) -> int:
        """The position at which the piece of this position ends: that of the tail has no length."""
        if position == self.tail:
            return position
        index = bisect_right(self._starts, position) - 1
        return self._starts[index] + len(self._pieces[index])

    def copy(self, end: int) -> "Log":
        """A log of its own with all pieces up to a position, at which the last one is cut."""
        made = Log()
        for start, piece in zip(self._starts, self._pieces):
            if start >= end:
                break
            made.append(piece[: end - start])
        return made
