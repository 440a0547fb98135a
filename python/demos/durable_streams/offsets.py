"""Offsets: what a client gives back to go on reading. An offset is a position in the stream, which counts bytes, or
messages if the stream is JSON; it is written so that offsets sort as text."""

import re

from refusal import Refusal

START = "-1"
NOW = "now"
FORM = re.compile(r"0{16}_[0-9]{16}")


def written(position: int) -> str:
    """The offset of a position."""
    return f"{0:016d}_{position:016d}"


def position_of(offset: str, tail: int) -> int:
    """The position of an offset that a client sent; refused unless the stream, which ends at tail, has it."""
    if not FORM.fullmatch(offset):
        raise Refusal(400, f"offset: expected {START}, {NOW}, or a Stream-Next-Offset of this server (got {offset!r}).")
    position = int(offset[17:])
    if position > tail:
        raise Refusal(400, f"offset: {offset} is behind the end of this stream, which is {written(tail)}.")
    return position
