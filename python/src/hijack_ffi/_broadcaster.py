"""Broadcasters: the same in both faces, since nothing here waits."""

from contextlib import suppress
from itertools import starmap
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Union

from ._adopt import Adoptable, HasLeft, hand_over
from ._channel import Channel
from ._constants import BROADCASTER_STAT_COUNT, MESSAGE_BINARY, MESSAGE_TEXT, Kind
from ._core import check_listener, is_exiting
from ._errors import WORDS, ClosedError, InvalidError
from ._facts import BROADCASTER_STATS
from ._headers import Headers, header_block
from ._library import Block, Handle, Text, check, ffi, kind_number, lib, octets, optional
from ._options import Option

if TYPE_CHECKING:
    from ._core import Core

Listener = Callable[[Union[str, bytes]], object]
NUMBER = 8  #: bytes of a member's number before its message


class Broadcaster(Block, Handle):
    """Sends one message to any number of connections of its server. Cheap: make one for each user or room, and free it
    (or use it in a with block) when the room goes; one that is dropped is freed as well, unless it has on_message. Any
    thread may call anything; nothing waits."""

    _listener: Optional[Listener] = None
    _server: object = None  # lives as long as its broadcasters
    _handle: Any = ffi.NULL

    def __init__(self, core: "Core", options: Dict[str, Union[int, str]]) -> None:
        out = ffi.new("hijack_broadcaster **")
        core.check(lib.hijack_broadcaster_new(out, core.server), "broadcaster")
        self._core, self._handle = core, out[0]
        core.broadcasters.add(self)
        try:
            self.set(**options)
        except BaseException:
            self.free()
            raise

    def __exit__(self, *error: object) -> None:
        self.free()

    def __len__(self) -> int:
        return check(lib.hijack_broadcaster_count(self._alive("len")), "len")

    def __bool__(self) -> bool:
        return True  # also without a member

    def set(self, **options: Union[int, str]) -> None:
        """Sets options: backlog_bytes, overflow ("close", "drop_newest", "drop_oldest" or "latest"), member_messages
        (see on_message). They apply to messages published afterwards."""
        for name, value in options.items():
            option = Option.find(name, "broadcaster", where="broadcaster: option ")
            option.set(value, lib.hijack_broadcaster_set, self._alive("set"), where="broadcaster: option ")

    def publish(
        self,
        data: Text,
        event: Optional[str] = None,
        id: Optional[str] = None,
        key: Optional[str] = None,
        retry: Optional[int] = None,
    ) -> int:
        """Sends data to every member, as one event to those of SSE, as one message to WebSockets (str as text, bytes as
        binary), and returns how many it was addressed to. An empty id makes the client forget its Last-Event-ID. retry
        is how many milliseconds a client waits before it connects again. key is for
        overflow="latest": a newer message of the same key replaces one that still waits. WouldBlockError where 256 MiB
        of messages wait for the server's threads: publish less."""
        raw = octets(data, "publish")
        if event is None and id is None and key is None and retry is None:
            kind = MESSAGE_TEXT if isinstance(data, str) else MESSAGE_BINARY
            return self._publish(lib.hijack_broadcaster_publish, kind, raw, len(raw))
        fields = (*optional(event), *optional(id), raw, len(raw), *optional(key), -1 if retry is None else retry)
        return self._publish(lib.hijack_broadcaster_publish_sse, *fields)

    def _publish(self, call: Callable[..., int], *args: Any) -> int:
        try:
            return self._core.check(call(self._alive("publish"), *args), "publish", WORDS["publish"])
        except ConnectionError:
            if is_exiting():
                return 0  # on a daemon thread, which ends with the interpreter
            raise

    def add(self, channel: Channel) -> None:
        """Makes a stream, socket or WebSocket of the same server a member; it may be a member of many broadcasters."""
        if not isinstance(channel, Channel):
            raise TypeError(f"add: expected a Stream, Socket or WebSocket (got {channel!r})")
        result = lib.hijack_broadcaster_add(self._alive("add"), channel._handle, 0, ffi.NULL, 0)
        if result < 0:
            raise channel._refused(result, f"add {channel!r}", WORDS["add"])
        channel._memberships += 1

    def remove(self, channel: Channel) -> None:
        """Ends a membership; the connection stays."""
        if not isinstance(channel, Channel):
            raise TypeError(f"remove: expected a Stream, Socket or WebSocket (got {channel!r})")
        result = lib.hijack_broadcaster_remove(self._alive("remove"), channel._handle)
        if result < 0:
            raise channel._refused(result, f"remove {channel!r}", WORDS["remove"])
        channel._memberships -= 1

    def adopt(self, connection: Adoptable, kind: Kind = "sse", headers: Headers = None) -> None:
        """Takes a connection of another server as a member, without any Python object. kind: "sse" or "stream" (the
        library writes the head), "sse_body" (the other server has written it), "websocket_open" (the other server has
        done the handshake, without an extension), "raw" (any other protocol). For connection see Server.adopt. A client
        that has disconnected meanwhile is not an error: its connection is closed. A WebSocket whose handshake is still
        to be done needs its request: Server.adopt_request."""
        number, block = kind_number(kind), header_block(headers)
        results: List[int] = []

        def take(descriptor: int) -> None:
            fields = (self._alive("adopt"), descriptor, number, 0, block, len(block), ffi.NULL, 0, ffi.NULL, 0)
            # Call and record in one step, into which no signal's exception can break.
            results.extend(starmap(lib.hijack_broadcaster_adopt, (fields,)))
            self._core.check(results[0], f"adopt descriptor {descriptor}")

        with suppress(HasLeft):
            hand_over(connection, take, lambda: results[:1] == [0])

    def on_message(self, call: Listener) -> None:
        """Calls call(message) for each message of a WebSocket member that has no Python object (held, or released): str
        for text, bytes for binary. room.on_message(room.publish) is a chat. It is called on the thread that takes
        events, and must not wait there; what it raises goes to the logger "hijack". A second call replaces the first.
        Without it, what such members send is thrown away. Those with an object have recv.

        The broadcaster is kept until free, and its server with it: close a server that was never started."""
        check_listener(call, "on_message", "a message")
        self._core.check_process()
        self._listener = call
        self._core.rooms[int(ffi.cast("uintptr_t", self._alive("on_message")))] = self
        self.set(member_messages="deliver")

    def _on_member_message(self, data: bytes, status: int) -> None:
        call = self._listener
        if call is not None:
            message = data[NUMBER:].decode() if status == MESSAGE_TEXT else data[NUMBER:]
            self._core.tell(call, message, self, "on_message")

    def close(self) -> None:
        """Ends every member gracefully, each after what was published before. The broadcaster remains usable."""
        check(lib.hijack_broadcaster_close(self._alive("close")), "close")

    def stats(self) -> Dict[str, int]:
        """The counters: members now; messages published; copies delivered and dropped; members closed as too slow."""
        values = ffi.new("uint64_t[]", BROADCASTER_STAT_COUNT)
        check(lib.hijack_broadcaster_stats(values, BROADCASTER_STAT_COUNT, self._alive("stats")), "stats")
        return dict(zip(BROADCASTER_STATS, values))

    def _holder(self, kind: Kind, headers: Headers = None) -> Callable[[Any], None]:
        """What makes a request a member; raises now what can be known before its connection is taken."""
        self._alive("hold")
        kind_number(kind)
        block = header_block(headers)
        if kind == "raw" and block:
            raise InvalidError("hold: kind 'raw' takes no headers")
        return lambda request: request.hold(self, kind, headers)

    def _alive(self, what: str) -> Any:
        """The handle, which must not have been freed."""
        if self._handle == ffi.NULL:
            why = "the broadcaster was freed, by free() or at the end of its with block"
            closed = "the broadcaster's server was closed, by close() or at the end of its with block"
            raise ClosedError(f"{what}: {closed if self._core.server == ffi.NULL else why}")
        return self._handle

    def free(self) -> None:
        """Frees it; nothing happens the second time. Its held members stay connected until they leave or the server
        stops: close first if that is not wanted."""
        handle, self._handle = self._handle, ffi.NULL
        self._core.rooms.pop(int(ffi.cast("uintptr_t", handle)), None)
        lib.hijack_broadcaster_free(handle)

    def __del__(self) -> None:
        if self._handle != ffi.NULL:
            lib.hijack_broadcaster_free(self._handle)
