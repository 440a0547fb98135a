"""One queue and one server with all that belongs to them: the table of streams and sockets, the turn that takes events
out of the queue, start and end. The faces (hijack for threads, hijack.aio) say who takes turns and how one waits."""

import atexit
import contextlib
import inspect
import itertools
import logging
import os
import struct
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Set, Tuple, Type, TypeVar, Union, cast

from ._constants import (
    EFORK, EHANDLE, ESTATE, EVENT_DETACHED, EVENT_FORMAT, EVENT_MEMBER_MESSAGE, EVENT_MEMBERS, EVENT_REQUEST,
    EVENT_STOPPED, KNOWN_EVENTS,
)
from ._errors import HijackError
from ._library import check, error_of, ffi, lib
from ._options import Option

if TYPE_CHECKING:
    from ._broadcaster import Broadcaster
    from ._channel import Channel
    from ._peer import Peer
    from ._request import RequestCore

logger = logging.getLogger("hijack")
BATCH = 64
EVENTS_OF_ROOMS = (EVENT_MEMBER_MESSAGE, EVENT_MEMBERS)
# All fields of a batch in one go, and the address of a payload as an offset from 0: half the time of cffi's own fields.
EVENT = struct.Struct(EVENT_FORMAT)
ZERO = ffi.cast("char *", 0)
ChannelT = TypeVar("ChannelT")

_running: "Set[Core]" = set()
_process = os.getpid()
_exiting = False


def _in_child() -> None:
    global _process
    _process = os.getpid()
    _running.clear()


def _at_exit() -> None:
    global _exiting
    _exiting = True
    for core in list(_running):
        with contextlib.suppress(HijackError):  # a loop that still runs on another thread
            core.stop()


def is_exiting() -> bool:
    """Whether the interpreter ends, and with it the daemon threads, which go on for a moment."""
    return _exiting


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)


class Core:
    """What a Server hides. Any thread, unless said otherwise."""

    stream_type: Any
    socket_type: Any
    websocket_type: Any
    request_type: Any

    def notice(self) -> Any:
        """What a stream or socket waits with: the like of a Condition, with its lock."""
        raise NotImplementedError

    def deliver(self, request: Any) -> None:
        """Passes a new request on to the program. On the thread of the turns."""

    def ended(self) -> None:
        """The server's last event has gone by, and every stream, socket and request has ended. On the same thread."""

    def stop(self) -> None:
        """Ends everything, if it runs."""

    def close(self) -> None:
        """Stops the server if it runs, and frees all handles."""

    def abandon(self) -> None:
        """The same from the garbage collector: anywhere, with any lock held."""

    def _takes_events(self) -> bool:
        """Whether this is a thread of the package, which the program cannot end by an exception."""
        return False

    def __init__(self, options: Dict[str, Union[int, str]]) -> None:
        self.process = _process
        # Makes [a new handle, its user_data, its place in the table] one step, seen from the turn.
        self.lock = threading.Lock()
        self.table: "Dict[int, weakref.ref[Channel]]" = {}
        # By handle: those not answered and read yet.
        self.requests: "Dict[int, weakref.ref[RequestCore[Any, Any, Any]]]" = {}
        self.kept: "Set[object]" = set()  # what is needed although the program may have no reference to it
        self.broadcasters: "weakref.WeakSet[Broadcaster]" = weakref.WeakSet()
        self.rooms: "Dict[int, Broadcaster]" = {}  # by handle: those that want to hear of their members
        self.handled = False  # whether requests go to the program; else they are answered with 404
        self.started = self.over = self._stopped = False
        self.queue = self.server = ffi.NULL
        self._ids = itertools.count(1)
        self._events = ffi.new("hijack_event[]", BATCH)
        try:
            self._make(options)
        except BaseException:
            self.free()
            raise

    def _make(self, options: Dict[str, Union[int, str]]) -> None:
        found = {name: Option.find(name, "server", "queue") for name in options}
        queue, server = ffi.new("hijack_queue **"), ffi.new("hijack_server **")
        check(lib.hijack_queue_new(queue), "a new queue")
        self.queue = queue[0]
        for name, value in options.items():
            if found[name].scope == "queue":
                found[name].set(value, lib.hijack_queue_set, self.queue)
        check(lib.hijack_server_new(server, self.queue), "a new server")
        self.server = server[0]
        for name, value in options.items():
            if found[name].scope == "server":
                found[name].set(value, lib.hijack_server_set, self.server)

    def check(self, result: int, what: str, words: Optional[Mapping[int, str]] = None, before: bool = False) -> int:
        """The same for a call on the server, whose state the error names. before: it belongs before the start."""
        if result == EHANDLE:
            words = {EHANDLE: "the server was closed, by close() or at the end of its with block; make a new one"}
        elif result == ESTATE and self.over:
            words = {ESTATE: "the server has ended; make a new one"}
        elif result == ESTATE and self.started:
            words = {ESTATE: f"the server is running already{'; do that before start' if before else ''}"}
        elif result == ESTATE:
            words = {ESTATE: "the server is not running yet; start it first", **(words or {})}
        return check(result, what, words)

    def check_process(self) -> None:
        """Raises ForkError in a forked child, before any lock that was perhaps held at the fork."""
        if not self.is_ours():
            raise error_of(EFORK, "this server")

    def is_ours(self) -> bool:
        """Not so in a forked child."""
        return self.process == _process

    def own(self, kind: Type[ChannelT], pointer: str, what: str, call: Callable[..., int], *args: Any) -> ChannelT:
        """Makes a stream or socket by a call that gives its handle, and puts it into the table."""
        self.check_process()
        out, number = ffi.new(pointer), next(self._ids)
        make: Any = kind
        channel: Any = None
        try:
            with self.lock:
                check(call(out, *args), what)
                lib.hijack_handle_set_user_data(out[0], number)
                channel = make(self, out[0], number)
                self.table[number] = weakref.ref(channel)
            return cast(ChannelT, channel)
        except BaseException:  # one from a signal, perhaps: nobody will have the object
            self.table.pop(number, None)
            if channel is not None:
                channel._let_go()
            elif out[0] != ffi.NULL:
                make._free(out[0])
            raise

    def start(self) -> None:
        """Starts the loop threads."""
        self.check(lib.hijack_server_start(self.server), "start")
        self.started = True
        _running.add(self)

    def turn(self) -> List[Tuple[int, int, bytes, int, int]]:
        """Up to a batch of events as (user_data, type, data, status, handle), their payloads copied."""
        with self.lock:
            count = check(lib.hijack_queue_poll(self._events, self.queue, BATCH, 0), "poll")
            unpack = ffi.unpack
            return [
                (number, kind, unpack(ZERO + data, size) if size else b"", status, handle)
                for number, handle, data, size, kind, status in EVENT.iter_unpack(
                    ffi.buffer(self._events, count * EVENT.size)
                )
            ]

    def dispatch(self) -> bool:
        """Takes one batch and hands it on; False once the server's last event has gone by. By one thread only."""
        batch = self.turn()
        for number, kind, data, status, handle in batch:
            if kind not in KNOWN_EVENTS:
                continue
            if kind == EVENT_REQUEST:
                self._deliver(self.request_type(self, ffi.cast("hijack_request *", handle), handle, data, status))
                continue
            known: Any = self.table.get(number) if number else self.requests.get(handle)
            peer: "Optional[Peer]" = known and known()
            if peer is not None:
                peer._on_event(kind, data, status)
            elif kind in EVENTS_OF_ROOMS:
                room = self.rooms.get(handle)
                if room is not None:
                    room._on_event(kind, data, status)
            elif kind == EVENT_DETACHED:
                os.close(status)
            elif kind == EVENT_STOPPED:
                self._stopped = True
        if self._stopped and len(batch) < BATCH:
            self.end()
        return not self.over

    def _deliver(self, request: "RequestCore[Any, Any, Any]") -> None:
        if self.handled:
            self.requests[request._number] = weakref.ref(request)
            self.deliver(request)
        else:
            request._not_found()

    def tell(self, call: Callable[..., object], whose: object, what: str, *news: Any) -> None:
        """Calls what the program gave. What that raises is logged, but for an end of the program on a thread of it."""
        try:
            call(*news)
        except BaseException as error:
            if isinstance(error, (SystemExit, KeyboardInterrupt)) and not self._takes_events():
                raise
            logger.exception("%r: what %s was given has failed", whose, what)

    def end(self) -> None:
        """After the last event, or where no further one can come."""
        known: "List[weakref.ref[Any]]" = [*self.table.values(), *self.requests.values()]
        for it in known:
            peer: "Optional[Peer]" = it()
            if peer is not None:
                peer._on_server_end()
        self.over = True
        _running.discard(self)
        self.ended()

    def free(self) -> None:
        """Frees all handles; the server has stopped, or never started. In a forked child it changes nothing."""
        if not self.is_ours():
            return
        for broadcaster in list(self.broadcasters):
            broadcaster.free()
        server, queue = self.server, self.queue
        self.server = self.queue = ffi.NULL
        lib.hijack_server_free(server)
        lib.hijack_queue_free(queue)


def check_handler(handler: object, awaited: bool) -> None:
    """Raises TypeError unless it is of the kind that this face calls: an async def, or a plain function. A lambda may
    be both, and so may a plain function that wraps an async def."""
    if handler is None:
        return
    is_async = _is_async(handler, "start", "a request")
    if is_async and not awaited:
        raise TypeError(
            f"start: expected a plain function (got {handler!r}, an async def); use hijack.aio.Server for it"
        )
    returns_one = is_async or inspect.iscoroutinefunction(inspect.unwrap(cast(Any, handler)))
    if awaited and not returns_one and getattr(handler, "__name__", "") != "<lambda>":
        raise TypeError(f"start: expected an async def (got {handler!r}); use hijack.Server for plain functions")


def check_listener(call: object, what: str, takes: str) -> None:
    """Raises TypeError unless it is a plain function: nobody would await what an async def gives."""
    if _is_async(call, what, takes):
        raise TypeError(
            f"{what}: expected a plain function (got {call!r}, an async def, which nobody would await); with asyncio "
            "let a plain function make a task of it"
        )


def _is_async(call: Any, what: str, takes: str) -> bool:
    """Whether calling it gives something to await. TypeError if it cannot be called."""
    if not callable(call):
        raise TypeError(f"{what}: expected a function that takes {takes} (got {call!r})")
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))


def report(request: "RequestCore[Any, Any, Any]", error: Optional[BaseException]) -> None:
    """Logs how a handler failed, if it did. That its own client has left is normal. An open request gets its 500."""
    try:
        if error is not None and request._has_ended_by(error):
            logger.debug("%r: %s", request, error)
        elif error is not None:
            logger.error("%r: the handler failed", request, exc_info=error)
        elif not request.answered and request._status is None:  # else its client has left
            logger.error("%r: the handler returned without an answer", request)
    finally:  # also if the program's logging fails
        request.close()
