"""Connections of other servers: how their descriptor is taken out, and their Python object is let go."""

import asyncio
import os
import socket
import sys
from typing import Any, Callable, Tuple, TypeVar, Union

from ._errors import ClosedError, InvalidError, StateError

#: A socket.socket, a transport of asyncio or uvloop, an asyncio.StreamWriter, or a descriptor.
Adoptable = Union[socket.socket, asyncio.BaseTransport, asyncio.StreamWriter, int]

TLS = "adopt: the connection is encrypted (TLS); only plain ones can be adopted. Let a proxy do the TLS"
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
