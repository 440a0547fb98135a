"""Forks: streams that begin with what another one contains up to some position, and then go their own way."""

import re
from typing import Callable, Mapping, NamedTuple, Optional

from content import ContentType
from expiry import Expiry
from offsets import position_of
from readers import LiveReaders
from refusal import Refusal
from stream import Stream

COUNT = re.compile(r"0|[1-9][0-9]{0,15}")


class ForkPoint(NamedTuple):
    """Where a fork leaves its source; None is the end that the source has now."""

    source: Stream
    position: Optional[int]


def asked(headers: Mapping[str, str], find: Callable[[str], Optional[Stream]]) -> Optional[ForkPoint]:
    """What a request to make a stream says about it; None if it is to be no fork."""
    path = headers.get("stream-forked-from")
    offset, within = headers.get("stream-fork-offset"), headers.get("stream-fork-sub-offset")
    if path is None:
        if (offset, within) != (None, None):
            raise Refusal(400, "Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From.")
        return None
    if within is not None and not COUNT.fullmatch(within):
        raise Refusal(400, f"Stream-Fork-Sub-Offset: expected a whole number (got {within!r}).")
    source = find(path)
    if source is None:
        raise Refusal(404, f"Stream-Forked-From: there is no stream {path}.")
    if source.deleted:
        raise Refusal(409, f"Stream-Forked-From: the stream {path} was deleted.")
    position = None if offset is None else position_of(offset, source.log.tail)
    return ForkPoint(source, position if within in (None, "0") else _within(source, position, int(within or 0)))


def _within(source: Stream, position: Optional[int], more: int) -> int:
    """So many bytes or messages after a position, all of one append."""
    begin = source.log.tail if position is None else position
    end = source.log.piece_end(begin)
    if begin + more > end:
        raise Refusal(400, f"Stream-Fork-Sub-Offset: the append there has {end - begin} left (got {more}).")
    return begin + more


def fork(
    point: ForkPoint, path: str, content: Optional[ContentType], expiry: Optional[Expiry], readers: LiveReaders
) -> Stream:
    """The new stream, which may leave type and expiry to its source."""
    source, position = point
    if content is not None and content != source.content:
        text = f"Content-Type: the source is {source.content.text}, and so is its fork (got {content.text})."
        raise Refusal(409, text)
    log = source.log.copy(source.log.tail if position is None else position)
    made = Stream(path, content or source.content, expiry or source.expiry.again(), log, readers)
    made.source = source
    return made
