"""Connections of other servers: how their descriptor is taken out, and their Python object is let go."""

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Callable, Mapping, Tuple, TypeVar, Union

from ._errors import ClosedError, InvalidError, StateError
from ._library import Data, Headers, check, ffi, header_block, lib, octets

if TYPE_CHECKING:
    from ._core import Core

#: A socket.socket, a transport of asyncio or uvloop, an asyncio.StreamWriter, or a descriptor.
Adoptable = Union[socket.socket, asyncio.BaseTransport, asyncio.StreamWriter, int]

TLS = "adopt: the connection is encrypted (TLS); only plain ones can be adopted. Let a proxy do the TLS"
# What belongs to the other server's connection, or to the body that it would have sent.
NOT_TAKEN = frozenset(
    "connection content-digest content-encoding content-length content-md5 content-range date etag keep-alive "
    "last-modified proxy-authenticate proxy-connection repr-digest sec-websocket-accept sec-websocket-extensions "
    "sec-websocket-protocol te trailer transfer-encoding upgrade".split()
)
T = TypeVar("T")


def hand_over(connection: Adoptable, call: Callable[[int], T], taken: Callable[[], bool]) -> T:
    """The result of call, which is given the descriptor to hand over. When it succeeds the connection's object is let
    go, so that it neither reads, nor shuts down, nor closes the connection any more; when it fails the object is as
    before. taken says whether the library has the descriptor: an exception from a signal may come just after that."""
    if isinstance(connection, int):
        return call(connection)
    if isinstance(connection, socket.socket):
        return _socket(connection, call, taken)
    transport = _transport_of(connection)
    if transport is None:
        raise TypeError(f"adopt: cannot take a connection out of {type(connection).__name__}")
    return _transport(transport, call, taken)


def adopt_request(core: "Core", connection: Adoptable, head: Data, unread: Data = b"", headers: Headers = None) -> Any:
    """See Server.adopt_request."""
    data = octets(unread) + unread_by(connection)
    out, head = ffi.new("hijack_request **"), octets(head)
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    defaults = tuple(it for it in pairs if it[0].lower() not in NOT_TAKEN)
    header_block(defaults)  # raises now what would make each answer fail
    core.check_process()

    def take(descriptor: int) -> None:
        fields = (core.server, descriptor, head, len(head), data, len(data))
        check(lib.hijack_server_adopt_request(out, *fields), f"adopt descriptor {descriptor}")

    try:
        with core.lock:  # so that no event meets a request that is not known
            hand_over(connection, take, lambda: bool(out[0] != ffi.NULL))
            number = int(ffi.cast("uintptr_t", out[0]))
            request = core.request_type(core, out[0], number, _flat_head(out[0]))
            request._defaults = defaults
            core.requests[number] = request
        return request
    except BaseException:
        lib.hijack_request_free(out[0])
        raise


def _flat_head(request: Any) -> bytes:
    """What a REQUEST event would have brought."""
    out, size = ffi.new("char **"), ffi.new("size_t *")
    calls = (lib.hijack_request_method, lib.hijack_request_target, lib.hijack_request_version, lib.hijack_request_peer)
    words = [bytes(ffi.buffer(out[0], size[0])) for call in calls if check(call(out, size, request), "adopt") == 0]
    check(lib.hijack_request_headers(out, size, request), "adopt")
    return b" ".join([*words, b"http"]) + b"\r\n" + bytes(ffi.buffer(out[0], size[0])) + b"\r\n"


def unread_by(connection: Adoptable) -> bytes:
    """What waits in the StreamReader that belongs to a StreamWriter."""
    reader = getattr(connection, "_reader", None) if isinstance(connection, asyncio.StreamWriter) else None
    return bytes(getattr(reader, "_buffer", b""))


def _socket(connection: socket.socket, call: Callable[[int], T], taken: Callable[[], bool]) -> T:
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(connection, ssl.SSLSocket):
        raise InvalidError(TLS)
    if connection.fileno() < 0:
        raise ClosedError("adopt: the socket is closed")
    try:
        result = call(connection.fileno())
        connection.detach()
        return result
    except BaseException:
        if taken():
            connection.detach()
        raise


def _transport_of(connection: Any) -> Any:
    if isinstance(connection, asyncio.StreamWriter):
        return connection.transport
    return connection if hasattr(connection, "get_extra_info") else None


def _transport(transport: Any, call: Callable[[int], T], taken: Callable[[], bool]) -> T:
    inner = _socket_in(transport)
    descriptor, reading = os.dup(inner.fileno()), transport.is_reading()
    try:
        if reading:
            transport.pause_reading()
        result = call(descriptor)
        transport.abort()  # closes its own descriptor, without a shutdown
        return result
    except BaseException:
        if taken():
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
        raise ClosedError("adopt: the transport is closed")
    waiting = transport.get_write_buffer_size()
    if waiting:
        raise StateError(f"adopt: {waiting} bytes still wait in the transport to be sent; let it send them first")
    return inner
