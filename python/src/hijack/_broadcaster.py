"""Broadcasters: the same in both faces, since nothing here waits."""

from itertools import starmap
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type, Union

from ._adopt import Adoptable, hand_over
from ._channel import Channel
from ._constants import BROADCASTER_STAT_COUNT, MESSAGE_BINARY, MESSAGE_TEXT
from ._library import Headers, Kind, Text, check, ffi, header_block, kind_number, lib, octets, optional, value_text

if TYPE_CHECKING:
    from ._core import Core

STATS = ("members", "published", "delivered", "dropped", "closed")


class Broadcaster:
    """Sends one message to any number of connections of its server. Cheap: make one for each user or room, and free it
    (or use it in a with block) when the room goes. Any thread may call anything; nothing waits."""

    def __init__(self, core: "Core", options: Dict[str, Union[int, str]]) -> None:
        out = ffi.new("hijack_broadcaster **")
        check(lib.hijack_broadcaster_new(out, core.server), "a new broadcaster")
        self._core, self._handle = core, out[0]
        core.broadcasters.add(self)
        try:
            self.set(**options)
        except BaseException:
            self.free()
            raise

    def __enter__(self) -> "Broadcaster":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        self.free()

    def __len__(self) -> int:
        return check(lib.hijack_broadcaster_count(self._handle), "count members")

    def __bool__(self) -> bool:
        return True  # also without a member

    def set(self, **options: Union[int, str]) -> None:
        """Sets options: backlog_bytes, overflow ("close", "drop_newest", "drop_oldest" or "latest"). They hold for what
        is published from here on."""
        for name, value in options.items():
            key, text = name.encode(), value_text(value).encode()
            check(lib.hijack_broadcaster_set(self._handle, key, len(key), text, len(text)), f"option {name}={value}")

    def publish(
        self, data: Text, event: Optional[str] = None, id: Optional[str] = None, key: Optional[str] = None
    ) -> int:
        """Sends data to every member, as one event to those of SSE, and returns how many it was addressed to. An
        empty id makes the client forget its Last-Event-ID. key is for overflow="latest": a newer message of the same
        key replaces one that still waits. WouldBlockError where 256 MiB of messages wait for the server's threads:
        publish less."""
        raw = octets(data)
        if event is None and id is None and key is None:
            kind = MESSAGE_TEXT if isinstance(data, str) else MESSAGE_BINARY
            return check(lib.hijack_broadcaster_publish(self._handle, kind, raw, len(raw)), "publish")
        fields = (*optional(event), *optional(id), raw, len(raw), *optional(key))
        return check(lib.hijack_broadcaster_publish_sse(self._handle, *fields), "publish")

    def add(self, channel: Channel) -> None:
        """Makes a stream or socket of the same server a member; it may be a member of many broadcasters."""
        check(lib.hijack_broadcaster_add(self._handle, channel._handle, 0, ffi.NULL, 0), f"add {channel!r}")

    def remove(self, channel: Channel) -> None:
        """Ends a membership; the connection stays."""
        check(lib.hijack_broadcaster_remove(self._handle, channel._handle), f"remove {channel!r}")

    def adopt(self, connection: Adoptable, kind: Kind = "sse", headers: Headers = None) -> None:
        """Takes a connection of another server as a member, without any Python object. kind: "sse" or "stream" (the
        library writes the head), "sse_body" (the other server has written it), "raw" (any other protocol). For
        connection see Server.adopt."""
        number, block = kind_number(kind), header_block(headers)
        results: List[int] = []

        def take(descriptor: int) -> None:
            fields = (self._handle, descriptor, number, 0, block, len(block), ffi.NULL, 0, ffi.NULL, 0)
            # Call and record in one step, into which no signal's exception can break.
            results.extend(starmap(lib.hijack_broadcaster_adopt, (fields,)))
            check(results[0], f"adopt descriptor {descriptor}")

        hand_over(connection, take, lambda: results[:1] == [0])

    def close(self) -> None:
        """Ends every member in order, each after what was published before. The broadcaster can be used on."""
        check(lib.hijack_broadcaster_close(self._handle), "close a broadcaster")

    def stats(self) -> Dict[str, int]:
        """The counters: members now; messages published; copies delivered and dropped; members closed as too slow."""
        values = ffi.new("uint64_t[]", BROADCASTER_STAT_COUNT)
        check(lib.hijack_broadcaster_stats(values, BROADCASTER_STAT_COUNT, self._handle), "stats")
        return dict(zip(STATS, values))

    def free(self) -> None:
        """Frees it; nothing happens the second time. Its held members stay connected until they leave or the server
        stops: close first where that is not wanted."""
        handle, self._handle = self._handle, ffi.NULL
        lib.hijack_broadcaster_free(handle)
        self._core.broadcasters.discard(self)
