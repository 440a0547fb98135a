"""Connections of other servers: how their descriptor is taken out, and their Python object is let go."""

import asyncio
import inspect
import os
import socket
import sys
import weakref
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from ._errors import WORDS, ClosedError, InvalidError, ResetError, StateError
from ._facts import NOT_TAKEN
from ._headers import Headers, header_block, without
from ._library import Data, check, ffi, lib, octets

if TYPE_CHECKING:
    from ._core import Core

#: A socket.socket, a transport of asyncio or uvloop, an asyncio.StreamWriter, or a descriptor.
Adoptable = Union[socket.socket, asyncio.BaseTransport, asyncio.StreamWriter, int]

TLS = "adopt: the connection is encrypted (TLS); only plain ones can be adopted. Let a proxy do the TLS"
LEFT = "adopt: the client has disconnected; its connection was closed"
T = TypeVar("T")


class HasLeft(ClosedError):
    """The client has disconnected before its connection was adopted."""


def hand_over(connection: Adoptable, call: Callable[[int], T], taken: Callable[[], bool]) -> T:
    """The result of call, which is given the descriptor to hand over. When it succeeds the connection's object is
    released, so that it neither reads, nor shuts down, nor closes the connection any more; when it fails the object is
    as before. taken is whether the library has the descriptor: an exception from a signal may come just after that.
    HasLeft if the client has disconnected; the connection is closed then."""
    if isinstance(connection, bool) or not isinstance(connection, (int, socket.socket)):
        transport = connection.transport if isinstance(connection, asyncio.StreamWriter) else connection
        if not hasattr(transport, "get_extra_info"):
            raise TypeError(
                "adopt: expected a socket, a transport, a StreamWriter or a descriptor "
                f"(got {type(connection).__name__})"
            )
        return _transport(transport, call, taken)
    number = connection if isinstance(connection, int) else _number_of(connection)
    try:
        result = call(number)
        _let_go(connection)
        return result
    except ResetError:
        _let_go(connection)
        os.close(number)
        raise HasLeft(LEFT) from None
    except BaseException:
        if taken():
            _let_go(connection)
        raise


def adopt_request(core: "Core", connection: Adoptable, head: Data, unread: Data = b"", headers: Headers = None) -> Any:
    """See Server.adopt_request."""
    data = octets(unread) + unread_by(connection)
    out, head = ffi.new("hijack_request **"), octets(head)
    defaults = without(headers, NOT_TAKEN)
    header_block(defaults)  # raises now what would make each answer fail
    core.check_process()

    def take(descriptor: int) -> None:
        fields = (core.server, descriptor, head, len(head), data, len(data))
        result = lib.hijack_server_adopt_request(out, *fields)
        core.check(result, f"adopt descriptor {descriptor}", WORDS["adopt_request"])

    try:
        with core.lock:  # so that no event meets a request that is not known
            hand_over(connection, take, lambda: bool(out[0] != ffi.NULL))
            number = int(ffi.cast("uintptr_t", out[0]))
            request = core.request_type(core, out[0], number, _flat_head(out[0]))
            request._defaults = defaults
            core.requests[number] = weakref.ref(request)
        return request
    except BaseException:
        lib.hijack_request_free(out[0])
        raise


def take(
    core: Any,
    connection: Adoptable,
    head: bytes,
    then: Callable[[Any], Any],
    headers: Headers = None,
    protocol: Optional[str] = None,
) -> None:
    """Takes a connection with its request, and lets then answer it, unless the client has left."""
    try:
        request = adopt_request(core, connection, head, headers=headers)
    except HasLeft:
        return
    request._protocol = protocol
    try:
        result = then(request)
    except BaseException as error:
        if not request._has_ended_by(error):
            request.close()
            raise
        request.close()
    else:
        if inspect.isawaitable(result):
            core.run(request, lambda _: result)


def _flat_head(request: Any) -> bytes:
    """What a REQUEST event would have brought."""
    out, size = ffi.new("char **"), ffi.new("size_t *")
    calls = (lib.hijack_request_method, lib.hijack_request_target, lib.hijack_request_version, lib.hijack_request_peer)
    words = [bytes(ffi.buffer(out[0], size[0])) for call in calls if check(call(out, size, request), "adopt") == 0]
    check(lib.hijack_request_headers(out, size, request), "adopt")
    return b" ".join([*words, b"http"]) + b"\r\n" + bytes(ffi.buffer(out[0], size[0])) + b"\r\n"


def unread_by(connection: Adoptable) -> bytes:
    """The unread bytes in the StreamReader that belongs to a StreamWriter."""
    reader = getattr(connection, "_reader", None) if isinstance(connection, asyncio.StreamWriter) else None
    return bytes(getattr(reader, "_buffer", b""))


def _number_of(connection: socket.socket) -> int:
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(connection, ssl.SSLSocket):
        raise InvalidError(TLS)
    if connection.fileno() < 0:
        raise ClosedError("adopt: this socket was closed, detached or adopted before")
    return connection.fileno()


def _let_go(connection: Union[int, socket.socket]) -> None:
    if isinstance(connection, socket.socket):
        connection.detach()


def _copy(descriptor: int) -> Optional[socket.socket]:
    """A socket object of its own: one of the descriptor itself would close it, if a signal's exception came now."""
    try:
        copy = os.dup(descriptor)
    except OSError:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def peername(connection: Adoptable) -> Any:
    """The address of the client, as socket.getpeername gives it."""
    if isinstance(connection, int):
        it = _copy(connection)
        if it is None:
            return ""
        with it:
            return peername(it)
    if not isinstance(connection, socket.socket):
        return getattr(connection, "get_extra_info", lambda _: "")("peername") or ""
    try:
        return connection.getpeername()
    except OSError:
        return ""


def _transport(transport: Any, call: Callable[[int], T], taken: Callable[[], bool]) -> T:
    inner = _socket_in(transport)
    descriptor, reading = os.dup(inner.fileno()), transport.is_reading()
    try:
        if reading:
            transport.pause_reading()
        result = hand_over(descriptor, call, taken)
        transport.abort()  # closes its own descriptor, without a shutdown
        return result
    except BaseException as error:
        if taken() or isinstance(error, HasLeft):
            transport.abort()
        else:
            os.close(descriptor)
            if reading:
                transport.resume_reading()
        raise


def _socket_in(transport: Any) -> Any:
    if transport.get_extra_info("ssl_object") is not None:
        raise InvalidError(TLS)
    inner = transport.get_extra_info("socket")
    if inner is None or not hasattr(transport, "pause_reading"):
        raise InvalidError(f"adopt: {transport!r} has no socket of its own")
    if transport.is_closing():
        raise HasLeft(LEFT)
    waiting = transport.get_write_buffer_size()
    if waiting:
        raise StateError(f"adopt: {waiting} bytes still wait in the transport to be sent; let it send them first")
    return inner
