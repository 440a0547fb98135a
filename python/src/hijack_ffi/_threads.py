"""The face for plain threads: import hijack. One thread of each server takes the events; all others may wait."""

import contextvars
import io
import os
import queue
import select
import socket as sockets
import threading
import time
import traceback
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ._channel import ByteChannel, SocketCore, StreamCore
from ._constants import ESHUTDOWN, MESSAGE_MORE
from ._core import Core, check_handler, logger, report
from ._errors import ForkError, InvalidError, ShutdownError, StateError, TimedOutError
from ._library import GONE, Block, Data, Text, check, error_of, ffi, lib
from ._peer import WINDOW
from ._relay import Call, Relaying
from ._request import RequestCore
from ._server import ServerCore
from ._waiting import Notice, Reading, Sending
from ._websocket import (
    INTERNAL_ERROR, NORMAL, ConnectionClosed, ConnectionClosedOK, Decoder, Message, Piece, WebSocketCore, decoded,
)

Handler = Callable[["Request"], object]
GRACE = 0.1  #: seconds that stop gives to handlers


class Relay(Relaying, Sending):
    """What sockets and WebSockets share."""

    def relay(self, other: "Relay", timeout: Optional[float] = None) -> None:
        """Pairs it with another connection of the same server: each gets the other one's bytes, in both directions.
        The library moves them, without a thread and without an object: both objects may be dropped, and the end of a
        with block leaves the pair alive. What was sent before goes out first. What has come and was not received goes
        to the other one, so a program may read a line and then relay (what a file of makefile has in its buffer does
        not).

        The end of one side is passed on, and the other direction goes on; a broken connection breaks the other one. Of
        two WebSockets the messages pass as they are; between a WebSocket and a socket, the bytes of messages do.

        Sending and receiving raise StateError afterwards. closed, on_close, wait_closed and reason report the end;
        close ends both sides after what was passed on, abort breaks both off.

        Raises InvalidError (other is not another connection of this server), StateError (one is a broadcaster's
        member, relayed already, or within a message), TimedOutError or ClosedError. Both remain usable then, but what
        was received ahead may have been sent."""
        timeout = self._timeout if timeout is None else timeout
        self._reserve(other)
        paired = False
        try:
            for side in (self, other):
                side._await_stop(timeout)
            for call in self._read_ahead(other):
                other._push(call, timeout)
            for call in other._read_ahead(self):
                self._push(call, timeout)
            self._pair(other)
            paired = True
        finally:
            for side in (self, other):
                side._settle(paired)

    def _await_stop(self, timeout: Optional[float]) -> None:
        self._wait(lambda: self._has_stopped() or None, timeout, "relay")


class Bytes(Block, Sending, ByteChannel):
    """What streams and sockets share."""

    def __exit__(self, *error: object) -> None:
        self._leave(error[0] is not None)


class Stream(StreamCore, Bytes):
    """A response body in pieces. Any thread may send; each piece goes out whole, one after the other. A send
    waits while too much waits for the peer (option high_water_bytes). ClosedError: the client has disconnected.

    A with block finishes the body at its end, or cuts it off if the block raised. print(..., file=stream) works."""

    def send(self, data: Text, timeout: Optional[float] = None) -> None:
        """Sends a piece of the body."""
        self._push(self._piece(data), timeout)

    def send_event(
        self,
        data: Optional[Text] = None,
        event: Optional[str] = None,
        id: Optional[str] = None,
        retry: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Sends one Server-Sent Event; each line of data becomes a data line. retry is in milliseconds. An
        empty id makes the client forget its Last-Event-ID."""
        self._push(self._event(data, event, id, retry), timeout)

    def comment(self, text: Text, timeout: Optional[float] = None) -> None:
        """Sends an SSE comment, which clients ignore."""
        self._push(self._comment(text), timeout)

    def write(self, data: Text) -> int:
        """Sends a piece of the body and returns the length of data, as a file does."""
        self.send(data)
        return len(data)

    def writable(self) -> bool:
        """True, as for a file that is open for writing."""
        return True


class Socket(SocketCore, Reading, Relay, Bytes):
    """The connection itself, after a hijack, connect or adopt; to be used like a blocking socket.socket. Any thread may
    send or receive. A with block closes it at its end, or resets the connection if the block raised. Iterating gives
    what the peer sends, in pieces."""

    def settimeout(self, timeout: Optional[float]) -> None:
        """Seconds after which each waiting call gives up, unless it has a timeout of its own. None: never."""
        self._timeout = timeout

    def gettimeout(self) -> Optional[float]:
        """What settimeout has set."""
        return self._timeout

    def send(self, data: Data, timeout: Optional[float] = None) -> int:
        """Sends all of data, and returns its length in bytes. Waits while too much waits for the peer."""
        self._push(self._bytes(data), timeout)
        return memoryview(data).nbytes

    def sendall(self, data: Data, timeout: Optional[float] = None) -> None:
        """The same as send."""
        self._push(self._bytes(data), timeout)

    def recv(self, size: int = 65536, timeout: Optional[float] = None) -> bytes:
        """Waits for bytes from the peer, and returns up to size of them; b"" when the peer sends no more. The peer may
        send up to 64 KiB ahead of what is received here."""
        if size < 0:
            raise InvalidError(f"recv: size must not be negative (got {size})")
        return self._receive(size, self._timeout if timeout is None else timeout, "recv")

    def recv_into(self, buffer: Union[bytearray, memoryview], size: int = 0, timeout: Optional[float] = None) -> int:
        """The same into a buffer (up to size bytes of it, if size is not 0); returns how many came."""
        view = memoryview(buffer).cast("B")
        if not 0 <= size <= len(view):
            raise InvalidError(f"recv_into: a size of {size}, into a buffer of {len(view)} bytes")
        data = self.recv(size or len(view), timeout)
        view[: len(data)] = data
        return len(data)

    def makefile(self, mode: str = "rb", encoding: Optional[str] = None, newline: Optional[str] = None) -> Any:
        """A buffered file on this connection: mode "rb", "wb", "rwb", or "r" and "w" for text. Closing the file leaves
        the connection open."""
        kinds: Dict[str, Any] = {"r": io.BufferedReader, "w": io.BufferedWriter, "rw": io.BufferedRWPair}
        kind, raw = mode.replace("b", ""), _File(self)
        if kind not in kinds or (kind == "rw" and "b" not in mode):
            raise InvalidError(f"makefile: a mode of {mode!r}; there are rb, wb, rwb, r, w")
        file = kinds[kind](*[raw] * len(kind))
        return file if "b" in mode else io.TextIOWrapper(file, encoding or "utf-8", newline=newline)

    def detach(self, timeout: Optional[float] = None) -> Tuple[sockets.socket, bytes]:
        """Gives the connection back, after what was sent is written: a blocking socket.socket, and the bytes that were
        read from it but not received. ClosedError if the peer goes first."""
        self._core.check_process()
        self._ask_detach()
        try:
            self._wait(lambda: self._gone() or None, self._timeout if timeout is None else timeout, "detach")
            connection, unread = self._detached()
        finally:
            self._abandon_detach()
        connection.setblocking(True)
        return connection, unread

    def __iter__(self) -> "Socket":
        return self

    def __next__(self) -> bytes:
        data = self.recv()
        if not data:
            raise StopIteration
        return data


class _File(io.RawIOBase):
    """What makefile's buffers stand on."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.recv_into(buffer)

    def write(self, data: Any) -> int:
        return self._socket.send(data)


class WebSocket(Block, WebSocketCore, Relay):
    """Messages in both directions: str is text, bytes are binary. The library answers pings, and sends its own to a
    client that is silent. Any thread may send or receive. A with block closes it at its end with code 1000, or with
    1011 if the block raised.

    Iterating gives the messages until the end: one with code 1000, 1001 or none ends the loop, any other raises
    ConnectionClosedError. A client may send one message ahead of what is received here."""

    _core: "ThreadCore"

    def __exit__(self, *error: object) -> None:
        if self._relayed:
            return
        try:
            if error[1] is None or isinstance(error[1], Exception):
                self.close(NORMAL if error[1] is None else INTERNAL_ERROR)
            else:  # Ctrl-C waits for no client
                self._say_close(INTERNAL_ERROR, "")
        except ForkError:
            pass

    def send(self, message: Text, timeout: Optional[float] = None) -> None:
        """Sends a message: str as text, bytes as binary. Waits while too much waits for the client (option
        high_water_bytes). ConnectionClosed: it has ended."""
        self._send(self._message(message), timeout)

    def ping(self, data: Text = b"", timeout: Optional[float] = None) -> None:
        """Sends a ping of at most 125 bytes. The library takes the answer."""
        self._send(self._ping(data), timeout)

    def recv(self, timeout: Optional[float] = None) -> Message:
        """Waits for a message and returns it: str if it is text, bytes if it is binary. One that comes in pieces
        (option websocket_piece_bytes) is put together. ConnectionClosed if the WebSocket has ended and all was
        received; TimedOutError after timeout seconds."""
        return decoded(self._receive(True, timeout, "recv"))

    def recv_streaming(self, timeout: Optional[float] = None) -> Iterator[Message]:
        """Gives the pieces of the next message as they come, which are those of option websocket_piece_bytes: for
        messages larger than memory. It must be iterated to its end. timeout is for each piece."""
        decode = Decoder()
        while True:
            piece = self._receive(False, timeout, "recv_streaming")
            yield decode(piece)
            if not piece[1] & MESSAGE_MORE:
                return

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Sends a close frame after all that was sent, and waits until the client has answered, or for the time of
        option websocket_pong_ms. code: 1000 to 1014 (but those that RFC 6455 reserves) or 3000 to 4999. reason: at most
        123 bytes. Messages that came before can still be received. Nothing happens if it has ended already; in
        on_close it does not wait."""
        self._say_close(code, reason)
        if not self._core._takes_events():
            self._changed.wait_for(lambda: self._gone() or None)

    def __iter__(self) -> "WebSocket":
        return self

    def __next__(self) -> Message:
        try:
            return self.recv()
        except ConnectionClosedOK:
            raise StopIteration from None

    def _receive(self, whole: bool, timeout: Optional[float], what: str) -> Piece:
        self._core.check_process()
        take = self._take if whole else self._take_piece
        return self._wait(lambda: take() if self._receivable(whole) else None, timeout, what)

    def _send(self, call: Call, timeout: Optional[float]) -> None:
        since = time.monotonic()
        try:
            self._push(call, timeout)
            self._listen()
            return
        except ConnectionClosed:
            if timeout == 0 or self._core._takes_events():
                raise
        # The library has refused it, and the last event says how it has ended.
        self._wait(lambda: self._gone() or None, timeout, "send", since)
        raise self._closed("send")


class Request(RequestCore[Stream, Socket, WebSocket], Reading):
    __doc__ = f"""{RequestCore.__doc__}

    The body is read as from a file: read, or iterating, which gives it in pieces."""

    def read(self, size: int = -1, timeout: Optional[float] = None) -> bytes:
        """Waits for the body's next bytes, and returns up to size of them, or all until its end if size is negative;
        b"" at the end. A body in pieces (option request_body) is sent up to 64 KiB ahead of what is read here.
        ClosedError if the client leaves before the end; timeout is in seconds, for each piece."""
        if size >= 0:
            return self._receive(size, timeout, "read")
        data = bytearray()
        try:
            while piece := self._receive(WINDOW, timeout, "read"):
                data += piece
        except BaseException:
            self._buffer[:0] = data  # nothing is taken
            raise
        return bytes(data)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(WINDOW), b"")


class ThreadCore(Core):
    """One thread takes the events; requests wait in a queue for handlers or for whoever iterates the server."""

    stream_type, socket_type, websocket_type, request_type = Stream, Socket, WebSocket, Request
    abandoned = stopping = False
    context: contextvars.Context  # in which start was called; each handler gets a copy

    def __init__(self, options: Dict[str, Union[int, str]]) -> None:
        super().__init__(options)
        self.waiting: "queue.SimpleQueue[Optional[Request]]" = queue.SimpleQueue()
        self.finished = Notice()
        self.threads: List[threading.Thread] = []
        self.starting = threading.Lock()

    def notice(self) -> Notice:
        return Notice()

    def deliver(self, request: Request) -> None:
        self.waiting.put(request)

    def ended(self) -> None:
        self.waiting.put(None)
        with self.finished.lock:
            self.finished.notify_all()

    def join(self) -> None:
        """Waits until the server has ended."""
        self.finished.wait_for(lambda: self.over or None)

    def begin(self, handler: Optional[Handler], workers: int) -> None:
        if handler and workers < 1:
            raise InvalidError(f"start: expected at least one worker (got workers={workers})")
        self.start()
        self.context = contextvars.copy_context()
        try:
            self._thread("hijack-events", _take_events, self)
            for i in range(workers if handler else 0):
                self._thread(f"hijack-worker-{i}", _work, self, handler)
        except BaseException:  # no thread is left
            lib.hijack_server_stop(self.server)
            while not self.threads and self.dispatch():
                pass
            self.stop()
            raise

    def _thread(self, name: str, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, name=name, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stop(self) -> None:
        """Ends everything; handlers that still run after a moment are left behind."""
        if not self.started or self.process != os.getpid():
            return
        self.stopping = True
        result = lib.hijack_server_stop(self.server)
        if result not in GONE:  # another thread may close it at this moment
            check(result, "stop")
        if self._takes_events():
            return
        self.join()
        deadline = time.monotonic() + GRACE
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        if self._takes_events():
            self.abandon()
        else:
            self.stop()
            self.free()

    def _takes_events(self) -> bool:
        """Whether this is the thread that takes events, which cannot wait for itself: the garbage collector may run
        the program's finalizers on it."""
        return self.threads[:1] == [threading.current_thread()]

    def abandon(self) -> None:
        self.abandoned = True
        if self.over or not self.started:
            self.free()
        else:
            lib.hijack_queue_wake(self.queue)


def _take_events(core: ThreadCore) -> None:
    """Runs on a thread of its own, and keeps the core alive, but not the Server."""
    poller = select.poll()
    poller.register(lib.hijack_queue_fd(core.queue), select.POLLIN)
    try:
        while core.dispatch():
            poller.poll()
            if core.abandoned:
                lib.hijack_server_stop(core.server)
    except BaseException:
        try:
            logger.critical("the thread that takes events has failed", exc_info=True)
        finally:
            lib.hijack_server_stop(core.server)  # nobody would answer its clients
            core.end()
    if core.abandoned:
        core.free()


def _work(core: ThreadCore, handler: Handler) -> None:
    while True:
        request = core.waiting.get()
        if request is None:
            core.waiting.put(None)  # for the others
            return
        if core.stopping or core.over:  # its connection has gone
            request.close()
            continue
        error: Optional[BaseException] = None
        try:
            core.context.copy().run(handler, request)
        except BaseException as raised:
            error = raised
        try:
            report(request, error)
        except BaseException:  # logging failed
            traceback.print_exc()
        del request, error


class Server(Block, ServerCore[Socket, Request]):
    __doc__ = f"""{ServerCore.__doc__}

    Any thread may call anything. A with block stops the server at its end. Not from a signal handler: raise an
    exception there (SystemExit, KeyboardInterrupt) instead of calling stop."""

    _core: ThreadCore

    def __init__(self, **options: Union[int, str]) -> None:
        super().__init__(ThreadCore(options))

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self, handler: Optional[Handler] = None, workers: int = 8) -> None:
        """Starts serving, and returns. handler is called with each request, on one of so many threads; a request that
        it leaves unanswered, or whose handler raises, gets a 500, and the logger "hijack" gets the reason. Without a
        handler, requests are answered with 404 (except held routes)."""
        self._core.check_process()
        check_handler(handler, False)
        with self._core.starting:
            if not self._core.started:
                self._core.handled = handler is not None
            self._core.begin(handler, workers)

    def serve(self, handler: Optional[Handler] = None, workers: int = 8) -> None:
        """Starts serving, if start has not been called, and returns when the server has ended: by stop or drain on
        another thread, or by an exception such as KeyboardInterrupt on this one, which also stops it."""
        self._core.check_process()
        if handler is not None or not self._core.started or self._core.server == ffi.NULL:
            self.start(handler, workers)
        try:
            self._core.join()
        finally:
            self.stop()

    def accept(self, timeout: Optional[float] = None) -> Request:
        """Waits for the next request, for a program that answers them itself; starts the server if it does not run yet.
        Several threads may do so. ShutdownError once the server has ended, TimedOutError after timeout seconds."""
        core = self._core
        core.check_process()
        with core.starting:
            if not core.started:
                core.handled = True
                core.begin(None, 0)
        if not core.handled:
            raise StateError("accept: start() without a handler answers all requests; leave it out")
        try:
            request = core.waiting.get(timeout=timeout)
        except queue.Empty:
            raise TimedOutError(f"accept: no request came for {timeout:g} s") from None
        if request is None or core.over:
            core.waiting.put(None)
            raise error_of(ESHUTDOWN, "accept")
        return request

    def __iter__(self) -> "Server":
        """Each request, for a program that answers them itself, until the server ends."""
        return self

    def __next__(self) -> Request:
        try:
            return self.accept()
        except ShutdownError:
            raise StopIteration from None

    def connect(self, address: str, timeout: Optional[float] = None) -> Socket:
        """Opens a connection to elsewhere: "127.0.0.1:80", "[::1]:80", "example.org:80" or "unix:/path". Waits until it
        is open, and returns a Socket; close it, or use a with block. The library looks the name up, and tries its
        addresses one after the other, for at most the time of the option connect_timeout_ms. If the wait ends by an
        exception, nothing is left of the connection.

        "tls:example.org:443" is encrypted, and the other side has shown a certificate for that host, or that IP
        address, which one of the system's authorities has signed, or one of the option connect_ca.

        Raises RefusedError (nobody listens there), AddressNotAvailableError (no such host, or no way to it),
        NotFoundError or AccessDeniedError (unix path), TLSError (the handshake failed, or the certificate is not
        trusted or for another host; the message has the reason), TimedOutError (after connect_timeout_ms, or timeout
        seconds), AddressError (cannot be understood), OutOfRangeError (port), TooBigError (unix path over 107 bytes) or
        NotSupportedError ("tls:" with a library that was built without TLS)."""
        made = self._connect(address)
        try:
            if not made._changed.wait_for(lambda: made._connected(address) or None, timeout):
                raise TimedOutError(f"connect {address}: not possible within {timeout:g} s")
        except BaseException:
            made.release()
            raise
        return made

    def drain(self, seconds: float) -> None:
        """Ends gently, and returns when all is over: accepts nothing more, lets open requests and streams finish,
        closes held connections spread over so many seconds, and what is left then."""
        self._drain(seconds)
        self._core.join()
        self.stop()

    def stop(self) -> None:
        """Ends now: closes every connection and wakes everyone who waits. Nothing happens the second time. Handlers
        that are still running are not waited for; what they call raises ClosedError."""
        self._core.stop()

    def close(self) -> None:
        """Stops the server if it runs, and frees it; it cannot be used any more. Nothing happens the second time, nor
        in a forked child."""
        self._core.close()
