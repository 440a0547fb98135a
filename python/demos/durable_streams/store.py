"""All streams, by their paths."""

from typing import Callable, Dict, Mapping, Optional, Tuple

import forks
from content import DEFAULT, ContentType
from expiry import Expiry
from log import Log
from readers import LiveReaders
from refusal import Refusal
from stream import Stream


def is_true(value: Optional[str]) -> bool:
    """Whether a header is set: every other value counts as none."""
    return value is not None and value.lower() == "true"


class Store:
    """In memory. Forks share the bytes of their source; one that is deleted before its forks stays as a name."""

    def __init__(self, readers: Callable[[], LiveReaders]) -> None:
        self._streams: Dict[str, Stream] = {}
        self._readers = readers

    def find(self, path: str, used: bool = True) -> Stream:
        """The stream of a path; 404 or 410 if there is none. used: renews its time to live."""
        stream = self._find(path)
        if stream is None:
            raise Refusal(404, f"There is no stream {path}; make it with PUT.")
        if stream.deleted:
            raise Refusal(410, f"The stream {path} was deleted; only its forks are left.")
        if used:
            stream.expiry.renew()
        return stream

    def put(self, path: str, headers: Mapping[str, str], body: bytes) -> Tuple[Stream, bool]:
        """Makes the stream that a request asks for, unless it is there already; and whether it was made."""
        ttl, at = headers.get("stream-ttl"), headers.get("stream-expires-at")
        expiry = Expiry(ttl, at) if (ttl, at) != (None, None) else None
        content = ContentType(headers["content-type"]) if headers.get("content-type") else None
        point, close = forks.asked(headers, self._find), is_true(headers.get("stream-closed"))
        if point is None:  # else they are those of its source
            expiry, content = expiry or Expiry(), content or ContentType(DEFAULT)
        stream = self._find(path)
        if stream is not None:
            if stream.deleted:
                raise Refusal(409, f"The stream {path} was deleted, and its forks keep its name.")
            if not stream.agrees(point, content, expiry, close):
                raise Refusal(409, f"There is a stream {path} already, which was made in another way.")
            return stream, False
        if point is not None:
            made = forks.fork(point, path, content, expiry, self._readers())
        else:
            made = Stream(path, content or ContentType(DEFAULT), expiry or Expiry(), Log(), self._readers())
        made.append(made.content.piece(body), close)
        if made.source is not None:
            made.source.forks += 1
        self._streams[path] = made
        return made, True

    def delete(self, path: str) -> None:
        """Removes a stream, or keeps its name as long as it has forks."""
        self._end(self.find(path, used=False))

    def _end(self, stream: Stream) -> None:
        """With all its sources that were deleted before and have no other fork."""
        stream.end()
        ended: Optional[Stream] = stream
        while ended is not None and ended.deleted and not ended.forks:
            del self._streams[ended.path]
            ended = ended.source
            if ended is not None:
                ended.forks -= 1

    def _find(self, path: str) -> Optional[Stream]:
        stream = self._streams.get(path)
        if stream is not None and not stream.deleted and stream.expiry.over:
            self._end(stream)
            return self._streams.get(path)
        return stream

    def sweep(self) -> None:
        """Now and then: removes streams whose time is over, and ends old connections."""
        for path, stream in list(self._streams.items()):
            if self._find(path) is stream:
                stream.readers.leave_sometimes()
