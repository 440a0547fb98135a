"""Broadcasters: the same in both faces, since nothing here waits."""

import inspect
import sys
from contextlib import suppress
from itertools import starmap
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, TypeVar, Union

from ._adopt import Adoptable, HasLeft, hand_over
from ._channel import Channel
from ._constants import BROADCASTER_STAT_COUNT, EINVAL, ESTATE, EVENT_MEMBERS, MESSAGE_BINARY, MESSAGE_TEXT, Kind
from ._core import check_listener, is_exiting
from ._errors import WORDS, ClosedError, InvalidError
from ._facts import BROADCASTER_STATS
from ._headers import Headers, header_block
from ._library import Block, Handle, Text, check, ffi, lib, octets, optional
from ._newcomer import going_on, joining
from ._options import Option
from ._presence import Joined, Left, Presence
from ._users import User, number_of, somebody

if TYPE_CHECKING:
    from ._core import Core

#: Takes a message, or a message and the number of its user.
Listener = Union[Callable[[Union[str, bytes]], object], Callable[[Union[str, bytes], int], object]]
ListenerT = TypeVar("ListenerT", bound=Listener)
JoinedT = TypeVar("JoinedT", bound=Joined)
LeftT = TypeVar("LeftT", bound=Left)
NUMBER = 8  #: bytes of a member's number before its message
POSITION_SIZE = 64


class Broadcaster(Block, Handle):
    """Sends one message to any number of connections of its server. Cheap: make one for each user or room, and free it
    (or use it in a with block) when the room goes; one that is dropped is freed as well, unless it has on_message. Any
    thread may call anything; nothing waits.

    A user, for those who join and for publish_to, is a whole number or a text, of which user_number makes the number; a
    user may have any number of connections."""

    _listener: Optional[Tuple[Callable[..., object], bool]] = None  # and whether it takes the user
    _presence: Optional[Presence] = None
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
        """Sets options: backlog_bytes, overflow ("close", "drop_newest", "drop_oldest" or "latest"), history_messages
        and others of the history (see position), member_messages (see on_message). They apply to messages published
        afterwards."""
        for name, value in options.items():
            option = Option.find(name, "broadcaster", where="broadcaster: option ")
            if name == "member_events":
                self._check_presence(value)
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
            return self._publish("publish", lib.hijack_broadcaster_publish, _type(data), raw, len(raw))
        fields = (*optional(event), *optional(id), raw, len(raw), *optional(key), -1 if retry is None else retry)
        return self._publish("publish", lib.hijack_broadcaster_publish_sse, *fields)

    def respond(self, status: int = 200, body: Text = b"", headers: Headers = None) -> int:
        """Answers all requests that wait here (kind "long_poll") with this response, and returns how many members of
        all kinds there were; others get nothing, and the history keeps nothing. For answers whose headers are not known
        before: else the first message is the answer. Date, Content-Length and Connection are the library's."""
        block, data = header_block(headers), octets(body, "respond")
        fields = (status, block, len(block), data, len(data))
        return self._publish("respond to members", lib.hijack_broadcaster_respond, *fields)

    def publish_to(self, user: User, data: Text) -> None:
        """Sends data to the members of one user, as publish does to all. It is not kept in the history. That the user
        has no member is not an error."""
        raw = octets(data, "publish_to")
        fields = (somebody(user, "publish_to"), _type(data), raw, len(raw))
        self._publish("publish_to", lib.hijack_broadcaster_send_user, *fields)

    def _publish(self, what: str, call: Callable[..., int], *args: Any) -> int:
        try:
            return self._core.check(call(self._alive(what), *args), what, WORDS.get(what, WORDS["publish"]))
        except ConnectionError:
            if is_exiting():
                return 0  # on a daemon thread, which ends with the interpreter
            raise

    @property
    def position(self) -> str:
        """The position of the newest message, which is text. A member that joins with it gets what is published
        afterwards, once. StateError without a history (option history_messages)."""
        words = {ESTATE: "this broadcaster keeps no history; set its option history_messages"}
        out = ffi.new("char[]", POSITION_SIZE)
        check(lib.hijack_broadcaster_position(out, POSITION_SIZE, self._alive("position")), "position", words)
        text: str = ffi.string(out).decode()
        return text

    def add(self, channel: Channel, *, user: User = None, position: Optional[str] = None) -> None:
        """Makes a stream, socket or WebSocket of the same server a member; it may be a member of many broadcasters.
        user and position: see Request.hold."""
        if not isinstance(channel, Channel):
            raise TypeError(f"add: expected a Stream, Socket or WebSocket (got {channel!r})")
        room = self._alive("add")
        fields = (number_of(user, "add"), *going_on("add", room, position))
        result = lib.hijack_broadcaster_add(room, channel._handle, *fields)
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

    def remove_user(self, user: User) -> None:
        """Ends the memberships of a user. A connection without an object that is in no other broadcaster ends, after
        what was published before."""
        self._of_user("remove_user", lib.hijack_broadcaster_remove_user, user)

    def close_user(self, user: User) -> None:
        """Ends the connections of a user gracefully, each after what was published before."""
        self._of_user("close_user", lib.hijack_broadcaster_close_user, user)

    def join_user(self, user: User, source: "Broadcaster") -> None:
        """Makes the user's members of source, a broadcaster of the same server, members of this one as well. To move a
        user, call source.remove_user afterwards."""
        if not isinstance(source, Broadcaster):
            raise TypeError(f"join_user: source: expected a Broadcaster (got {source!r})")
        self._of_user("join_user", lib.hijack_broadcaster_join_user, user, source._alive("join_user: source"))

    def _of_user(self, what: str, call: Callable[..., int], user: User, *args: Any) -> None:
        words = {EINVAL: "source: expected a broadcaster of the same server"}
        self._core.check(call(self._alive(what), *args, somebody(user, what)), what, words)

    def adopt(
        self,
        connection: Adoptable,
        kind: Kind = "sse",
        headers: Headers = None,
        *,
        user: User = None,
        first: Optional[Text] = None,
        position: Optional[str] = None,
    ) -> None:
        """Takes a connection of another server as a member, without any Python object. kind: "sse" or "stream" (the
        library writes the head), "sse_body" (the other server has written it), "websocket_open" (the other server has
        done the handshake, without an extension), "raw" (any other protocol). For connection see Server.adopt; for
        user, first and position see Request.hold. A client that has disconnected meanwhile is not an error: its
        connection is closed. A WebSocket whose handshake is still to be done needs its request: Server.adopt_request.
        """
        newcomer = joining("adopt", self._alive("adopt"), kind, header_block(headers), user, first, position)
        results: List[int] = []

        def take(descriptor: int) -> None:
            fields = (self._alive("adopt"), descriptor, *newcomer)
            # Call and record in one step, into which no signal's exception can break.
            results.extend(starmap(lib.hijack_broadcaster_adopt, (fields,)))
            self._core.check(results[0], f"adopt descriptor {descriptor}")

        with suppress(HasLeft):
            hand_over(connection, take, lambda: results[:1] == [0])

    def on_message(self, call: ListenerT) -> ListenerT:
        """Calls call(message) for each message of a WebSocket member that has no Python object (held, or released): str
        for text, bytes for binary. room.on_message(room.publish) is a chat. A function that has to be given two
        arguments is called as call(message, user), with the number of the member's user, or 0. It is called on the
        thread that takes events, and must not wait there; what it raises goes to the logger "hijack". A second call
        replaces the first. Without it, what such members send is thrown away. Those with an object have recv.

        The broadcaster is kept until free, and its server with it: close a server that was never started. Returns call,
        as on_join and on_leave do, so that each can be a decorator."""
        check_listener(call, "on_message", "a message")
        self._core.check_process()
        self._listener = call, _takes_two(call)
        self._hear("on_message")
        self.set(member_messages="deliver")
        return call

    def on_join(self, call: JoinedT) -> JoinedT:
        """Calls call(user) for each member that joins. user is a number, 0 if it has none. Nothing is known before the
        first use of this, on_leave or members: each member that is there then counts as one that joins. Where and how
        call is called, and how long the broadcaster is kept: see on_message."""
        check_listener(call, "on_join", "a user")
        self._present("on_join").on_join = call
        self.set(member_events="on")
        return call

    def on_leave(self, call: LeftT) -> LeftT:
        """Calls call(user, reason) for each member that leaves. reason is the exception that stands for it (ResetError,
        TimedOutError, SlowError, ...), and None if the client or the program has ended it. Otherwise as on_join."""
        check_listener(call, "on_leave", "a user and a reason")
        self._present("on_leave").on_leave = call
        self.set(member_events="on")
        return call

    @property
    def members(self) -> Dict[int, int]:
        """How many connections each user has here, by number; 0 is for those without a user. Empty when first used: it
        is right once the events that this asks for have been handled (see on_join). The broadcaster is kept until free.
        """
        presence = self._present("members")
        self.set(member_events="on")
        return dict(presence.counts)

    def _present(self, what: str) -> Presence:
        self._core.check_process()
        with self._core.lock:
            self._presence = presence = self._presence or Presence()
        self._hear(what)
        return presence

    def _check_presence(self, value: object) -> None:
        """Before the option that members needs, which would not be exact after a pause."""
        if value in ("on", True) and self._presence is None:
            self._present("set")
        elif value in ("off", False) and self._presence is not None:
            raise InvalidError("broadcaster: option member_events=off: members, on_join or on_leave is used")

    def _hear(self, what: str) -> None:
        """From now on it gets its events, and is kept."""
        self._core.rooms[int(ffi.cast("uintptr_t", self._alive(what)))] = self

    def _on_event(self, kind: int, data: bytes, status: int) -> None:
        """On the thread that takes events."""
        if kind == EVENT_MEMBERS:
            if self._presence is not None:
                self._presence.on_members(data, self._core, self)
        elif self._listener is not None:
            call, takes_user = self._listener
            message = data[NUMBER:].decode() if status == MESSAGE_TEXT else data[NUMBER:]
            user = (int.from_bytes(data[:NUMBER], sys.byteorder),) if takes_user else ()
            self._core.tell(call, self, "on_message", message, *user)

    def close(self) -> None:
        """Ends every member gracefully, each after what was published before. The broadcaster remains usable."""
        check(lib.hijack_broadcaster_close(self._alive("close")), "close")

    def stats(self) -> Dict[str, int]:
        """The counters: members now; messages published; copies delivered and dropped; members closed as too slow."""
        values = ffi.new("uint64_t[]", BROADCASTER_STAT_COUNT)
        check(lib.hijack_broadcaster_stats(values, BROADCASTER_STAT_COUNT, self._alive("stats")), "stats")
        return dict(zip(BROADCASTER_STATS, values))

    def _holder(
        self, kind: Kind, headers: Headers, user: User, first: Optional[Text], position: Optional[str]
    ) -> Callable[[Any], None]:
        """What makes a request a member; raises now what can be known before its connection is taken."""
        block = header_block(headers)
        joining("hold", self._alive("hold"), kind, block, user, first, position)
        if kind == "raw" and block:
            raise InvalidError("hold: kind 'raw' takes no headers")
        return lambda request: request.hold(self, kind, headers, user=user, first=first, position=position)

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


def _type(data: Text) -> int:
    return MESSAGE_TEXT if isinstance(data, str) else MESSAGE_BINARY


def _takes_two(call: Callable[..., object]) -> bool:
    """Whether it has to be given two arguments."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # of some that are written in C nothing is known
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(it.kind in positional and it.default is it.empty for it in parameters) == 2
