"""The API for asyncio (and uvloop): the classes of hijack, whose waiting calls are awaited.

    async with hijack.aio.Server() as server:
        server.listen("127.0.0.1:8080")
        await server.serve(handler)     # a task for each request

Everything belongs to the loop in which the server was started, and is used on its thread; a Broadcaster may be used
from any thread."""

import asyncio
import os
import socket as sockets
from collections import deque
from functools import partial
from typing import Any, AsyncIterator, Awaitable, Callable, Deque, Dict, Optional, Set, Tuple, Type, Union, cast

from ._broadcaster import Broadcaster
from ._channel import ByteChannel, SocketCore, StreamCore
from ._constants import ESHUTDOWN, ESTATE, MESSAGE_MORE
from ._core import Core, check_handler, report
from ._errors import ForkError, InvalidError, ShutdownError, StateError
from ._library import GONE, Data, SelfT, Text, check, error_of, ffi, lib
from ._peer import WINDOW
from ._relay import Call, Relaying
from ._request import ChannelT, RequestCore, RequestHeaders
from ._server import ServerCore
from ._tasks import Notice, Reading, Sending
from ._websocket import (
    INTERNAL_ERROR, NORMAL, Close, ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, Decoder, Message,
    WebSocketCore, decoded,
)

__all__ = [
    "Broadcaster", "Close", "ConnectionClosed", "ConnectionClosedError", "ConnectionClosedOK", "Handler", "Message",
    "Request", "RequestHeaders", "Server", "Socket", "Stream", "WebSocket",
]

Handler = Callable[["Request"], Awaitable[object]]
GRACE = 1.0  #: seconds that handlers have to end by themselves after a drain


class Block:
    """What an async with block gives as it is."""

    async def __aenter__(self: SelfT) -> SelfT:
        return self


class Relay(Relaying, Sending):
    async def relay(self, other: "Relay") -> None:
        """Pairs it with another connection of the same server: each gets the other one's bytes; see
        hijack.Socket.relay. Whoever cancels it leaves both as they were, but what came ahead may have been sent."""
        self._reserve(other)
        paired = False
        try:
            for side in (self, other):
                await side._changed.wait_for(side._has_stopped)
            for call in self._read_ahead(other):
                await other._push(call)
            for call in other._read_ahead(self):
                await self._push(call)
            self._pair(other)
            paired = True
        finally:
            for side in (self, other):
                side._settle(paired)


class Bytes(Block, Sending, ByteChannel):
    """What streams and sockets share."""

    async def __aexit__(self, *error: object) -> None:
        self._leave(error[0] is not None)


class Stream(StreamCore, Bytes):
    """A response body in pieces; each goes out whole, one after the other. A send waits while too much
    waits for the peer (option high_water_bytes). ClosedError: the client has disconnected.

    An async with block finishes the body at its end, or cuts it off if the block raised or was cancelled."""

    async def send(self, data: Text) -> None:
        """Sends a piece of the body."""
        await self._push(self._piece(data))

    async def send_event(
        self,
        data: Optional[Text] = None,
        event: Optional[str] = None,
        id: Optional[str] = None,
        retry: Optional[int] = None,
    ) -> None:
        """Sends one Server-Sent Event; see hijack.Stream.send_event."""
        await self._push(self._event(data, event, id, retry))

    async def comment(self, text: Text) -> None:
        """Sends an SSE comment, which clients ignore."""
        await self._push(self._comment(text))


class Socket(SocketCore, Reading, Relay, Bytes):
    """The connection itself, after a hijack, connect or adopt; reading is as with asyncio.StreamReader. An async with
    block closes it at its end, or resets the connection if the block raised or was cancelled. async for gives what the
    peer sends, in pieces."""

    async def send(self, data: Data) -> None:
        """Sends all of data. Waits while too much waits for the peer."""
        await self._push(self._bytes(data))

    async def readexactly(self, size: int) -> bytes:
        """Reads so many bytes; asyncio.IncompleteReadError if the peer ends before."""
        data = await self._collect(size)
        if len(data) < size:
            raise asyncio.IncompleteReadError(data, size)
        return data

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Reads to the separator, and with it. asyncio.IncompleteReadError holds what is left if the peer ends before;
        asyncio.LimitOverrunError means that 64 KiB came without one; nothing is taken."""
        if not separator:
            raise InvalidError("readuntil: the separator is empty")
        await self._changed.wait_for(lambda: separator in self._buffer or not self._waits())
        if self._relayed:
            raise self._refused(ESTATE, "readuntil")
        at = self._buffer.find(separator)
        if at >= 0:
            data = self._take(at + len(separator))
            self._tell()
            return data
        if self._eof or self._ended or self._gone():
            raise asyncio.IncompleteReadError(self._take(WINDOW) if self._buffer else b"", None)
        raise asyncio.LimitOverrunError("no separator in as much as may wait", len(self._buffer))

    async def readline(self) -> bytes:
        """Reads a line with its end; what is left if the peer ends before, b"" at last. ValueError means that 64 KiB
        came without one; they are thrown away, as asyncio.StreamReader does."""
        try:
            return await self.readuntil()
        except asyncio.IncompleteReadError as error:
            return error.partial or await self.read(1)
        except asyncio.LimitOverrunError as error:
            self._take(WINDOW)
            raise ValueError(f"readline: {error}") from None

    def at_eof(self) -> bool:
        """Whether the peer sends no more, and all was read."""
        return not self._buffer and (self._eof or self._gone())

    def is_closing(self) -> bool:
        """Whether it was closed, or the connection has ended."""
        return self._ended or self._gone()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What asyncio.StreamWriter gives for "peername", and default for any other name."""
        return self.getpeername() if name == "peername" else default

    async def detach(self) -> Tuple[sockets.socket, bytes]:
        """Gives the connection back, after what was sent is written: a non-blocking socket.socket, and the bytes that
        were read from it but not taken. ClosedError if the peer goes first."""
        self._ask_detach()
        try:
            await self._changed.wait_for(self._gone)
            connection, unread = self._detached()
        finally:
            self._abandon_detach()
        connection.setblocking(False)
        return connection, unread

    def _waits(self) -> bool:
        """Whether more may come without anything being taken."""
        if self._eof or self._ended or self._relayed or self._gone() or len(self._buffer) >= WINDOW:
            return False
        self._grant(1)
        return True


class WebSocket(Block, WebSocketCore, Relay):
    """Messages in both directions: str is text, bytes are binary. The library answers pings, and sends its own to a
    client that is silent. An async with block closes it at its end with code 1000, or with 1011 if the block raised or
    was cancelled.

    async for gives the messages until the end: one with code 1000, 1001 or none ends the loop, any other raises
    ConnectionClosedError. A client may send one message ahead of what is received here."""

    async def __aexit__(self, *error: object) -> None:
        if self._relayed:
            return
        try:
            if error[1] is None or isinstance(error[1], Exception):
                await self.close(NORMAL if error[1] is None else INTERNAL_ERROR)
            else:  # a task that was cancelled waits for no client
                self._say_close(INTERNAL_ERROR, "")
        except ForkError:
            pass

    async def send(self, message: Text) -> None:
        """Sends a message: str as text, bytes as binary; see hijack.WebSocket.send."""
        await self._send(self._message(message))

    async def ping(self, data: Text = b"") -> None:
        """Sends a ping of at most 125 bytes. The library takes the answer."""
        await self._send(self._ping(data))

    async def recv(self) -> Message:
        """Waits for a message and returns it: str if it is text, bytes if it is binary; see hijack.WebSocket.recv.
        Whoever cancels it loses no message."""
        await self._until_receivable(True)
        return decoded(self._take())

    async def recv_streaming(self) -> AsyncIterator[Message]:
        """Gives the pieces of the next message as they come; see hijack.WebSocket.recv_streaming."""
        decode = Decoder()
        while True:
            await self._until_receivable(False)
            piece = self._take_piece()
            yield decode(piece)
            if not piece[1] & MESSAGE_MORE:
                return

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Sends a close frame after all that was sent, and waits until the client has answered; see
        hijack.WebSocket.close."""
        self._say_close(code, reason)
        await self._changed.wait_for(self._gone)

    def __aiter__(self) -> "WebSocket":
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    async def _until_receivable(self, whole: bool) -> None:
        self._receiving += 1
        try:
            await self._changed.wait_for(lambda: self._receivable(whole))
        finally:
            self._receiving -= 1

    async def _send(self, call: Call) -> None:
        try:
            await self._push(call)
            self._listen()
            return
        except ConnectionClosed:
            pass
        await self._changed.wait_for(self._gone)  # the last event says how it has ended
        raise self._closed("send")


class Request(RequestCore[Stream, Socket, WebSocket], Reading):
    __doc__ = f"""{RequestCore.__doc__}

    The body is read by read, or by async for, which gives it in pieces. ClosedError says that the client has left
    before its end."""

    def _become(self, what: str, kind: Type[ChannelT], pointer: str, call: Callable[..., int], *args: Any) -> ChannelT:
        task = self._task
        channel: Any = super()._become(what, kind, pointer, call, *args)
        if task is not None:
            channel._belong_to(task)
        return cast(ChannelT, channel)


class LoopCore(Core):
    """The loop takes the events when the queue's descriptor is readable."""

    stream_type, socket_type, websocket_type, request_type = Stream, Socket, WebSocket, Request
    loop: asyncio.AbstractEventLoop
    changed: Notice

    def __init__(self, options: Dict[str, Union[int, str]]) -> None:
        super().__init__(options)
        self.waiting: Deque[Request] = deque()
        self.handler: Optional[Handler] = None
        self.cancels = False  # the task of a handler whose client has left
        self.tasks: "Set[asyncio.Task[None]]" = set()
        self.cancelled: "Set[asyncio.Task[None]]" = set()  # those of them that the package has cancelled
        self.descriptor = -1

    def notice(self) -> Notice:
        return Notice(self)

    def begin(self) -> None:
        if self.started:
            self.start()  # raises what the library says
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "start: hijack.aio needs a running loop of asyncio (with anyio, its asyncio backend). Under trio, use "
                "hijack.Server, and trio.to_thread for what waits"
            ) from None
        self.changed = self.notice()
        self.descriptor = os.dup(check(lib.hijack_queue_fd(self.queue), "start"))
        try:
            self.loop.add_reader(self.descriptor, self.dispatch)
            self.start()
        except BaseException:
            self._leave_loop()
            raise

    def deliver(self, request: Request) -> None:
        if self.handler is None:
            self.waiting.append(request)
            self.changed.notify_all()
        else:
            self.run(request, self.handler)

    def run(self, request: Request, handler: Handler) -> None:
        """Lets handler answer request, in a task."""
        task = self.loop.create_task(_answer(request, handler))
        self.tasks.add(task)
        task.add_done_callback(partial(self._done, request))
        if self.cancels:
            request._belong_to(task)

    def _done(self, request: Request, task: "asyncio.Task[None]") -> None:
        try:
            if task.cancelled() and task not in self.cancelled:
                task.result()
        except asyncio.CancelledError as error:  # of what the handler waited for
            report(request, error)
        finally:
            self.tasks.discard(task)
            self.cancelled.discard(task)
            request.close()  # one cancelled before its first step has not done so

    def cancel(self, task: "asyncio.Task[None]") -> None:
        if not task.done():
            self.cancelled.add(task)
            task.cancel()

    def ended(self) -> None:
        self._leave_loop()
        self.changed.notify_all()

    def _leave_loop(self) -> None:
        if self.descriptor >= 0:
            if not self.loop.is_closed():
                self.loop.remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1

    def stop(self) -> None:
        """Ends everything now; the tasks of handlers are cancelled, except the one that calls this."""
        if not self.started or self.server == ffi.NULL or self.process != os.getpid():
            return
        check(lib.hijack_server_stop(self.server), "stop")
        self.handled = False  # for requests that come too late
        while not self.over:
            self.dispatch()
        if not self.loop.is_closed():
            current = asyncio.current_task(self.loop)
            for task in self.tasks - {current}:
                self.cancel(task)

    def close(self) -> None:
        self.stop()
        self.free()

    def abandon(self) -> None:
        if self.started and not self.over:
            try:
                self.loop.call_soon_threadsafe(self.close)
                return
            except RuntimeError:  # the loop is closed, so that nobody else can be in here
                self.stop()
        self.free()


async def _answer(request: Request, handler: Handler) -> None:
    error: Optional[BaseException] = None
    try:
        await handler(request)
    except Exception as raised:
        error = raised
    except BaseException:
        request.close()
        raise
    report(request, error)


class Server(Block, ServerCore[Socket, Request]):
    __doc__ = f"""{ServerCore.__doc__}

    An async with block stops the server at its end. To be used on one loop's thread."""

    _core: LoopCore

    def __init__(self, **options: Union[int, str]) -> None:
        super().__init__(LoopCore(options))

    async def __aexit__(self, *error: object) -> None:
        self.stop()
        await self._join()
        self.close()

    def start(self, handler: Optional[Handler] = None, cancel_on_disconnect: bool = False) -> None:
        """Starts serving in the running loop, and returns. handler is awaited with each request, in a task of its own;
        a request that it leaves unanswered, or whose handler raises, gets a 500, and the logger "hijack" gets the
        reason. Without a handler, requests are answered with 404 (except held routes).

        cancel_on_disconnect: the task is cancelled when the client leaves, also one of the stream or socket that the
        request became. A client that has only ended its sending side looks the same, except to a socket that is read:
        there it ends the reading."""
        check_handler(handler, True)
        if not self._core.started:
            self._core.handled, self._core.handler = handler is not None, handler
            self._core.cancels = cancel_on_disconnect
        self._core.begin()

    async def serve(self, handler: Optional[Handler] = None, cancel_on_disconnect: bool = False) -> None:
        """Starts serving, if start has not been called, and returns when the server has ended: by stop, or by drain,
        after which handlers have a second until their tasks are cancelled. When cancelled it stops the server, cancels
        the tasks of handlers and waits for them. cancel_on_disconnect: see start."""
        if handler is not None or not self._core.started:
            self.start(handler, cancel_on_disconnect)
        try:
            await self._core.changed.wait_for(lambda: self._core.over)
        except BaseException:
            self.stop()
            raise
        finally:
            await self._join()

    async def accept(self) -> Request:
        """Waits for the next request, for a program that answers them itself; see hijack.Server.accept."""
        core = self._core
        if not core.started:
            core.handled = True
            core.begin()
        elif not core.over and (not core.handled or core.handler is not None):
            raise StateError("accept: start() answers all requests; leave it out")
        await core.changed.wait_for(lambda: bool(core.waiting) or core.over)
        if core.over:
            raise error_of(ESHUTDOWN, "accept")
        return core.waiting.popleft()

    def __aiter__(self) -> "Server":
        """Each request, for a program that answers them itself, until the server ends."""
        return self

    async def __anext__(self) -> Request:
        try:
            return await self.accept()
        except ShutdownError:
            raise StopAsyncIteration from None

    async def connect(self, address: str) -> Socket:
        """Opens a connection to elsewhere: "127.0.0.1:80", "[::1]:80", "example.org:80", "tls:example.org:443" or
        "unix:/path"; see hijack.Server.connect. Returns a Socket once it is open. Cancelling it leaves nothing of the
        connection.

            async with await server.connect("127.0.0.1:6379") as socket:"""
        made = self._connect(address)
        try:
            await made._changed.wait_for(lambda: made._connected(address))
        except BaseException:
            made.release()
            raise
        return made

    async def drain(self, seconds: float) -> None:
        """Ends gently, and returns when all is over; see hijack.Server.drain."""
        self._drain(seconds)
        await self._core.changed.wait_for(lambda: self._core.over)
        result = lib.hijack_server_stop(self._core.server)  # its threads are at their end
        if result not in GONE:  # closed meanwhile
            check(result, "drain")

    def stop(self) -> None:
        """Ends now: closes every connection, wakes everyone who waits, cancels the tasks of handlers. It blocks the
        loop for some milliseconds. Nothing happens the second time."""
        self._core.stop()

    def close(self) -> None:
        """Stops the server if it runs, and frees it; see hijack.Server.close."""
        self._core.close()

    async def _join(self) -> None:
        """Waits for the tasks of handlers after the server's end; those that take longer than GRACE are cancelled."""
        others = self._core.tasks - {asyncio.current_task()}
        for seconds in (GRACE, None):
            if others:
                _, others = await asyncio.wait(others, timeout=seconds)
            for task in others:
                self._core.cancel(task)
