"""Connections of other servers: how their descriptor is taken out, and their Python object is let go."""

import asyncio
import os
import socket
import sys
from contextlib import contextmanager
from typing import Any, Iterator, Union

from ._errors import ClosedError, InvalidError, StateError

#: A socket.socket, a transport of asyncio or uvloop, an asyncio.StreamWriter, or a descriptor.
Adoptable = Union[socket.socket, asyncio.BaseTransport, asyncio.StreamWriter, int]

TLS = "adopt: the connection is encrypted (TLS); only plain ones can be adopted. Let a proxy do the TLS"


@contextmanager
def handing_over(connection: Adoptable) -> Iterator[int]:
    """Gives the descriptor to hand over in the block. When the block succeeds the connection's object is let go, so
    that it neither reads, nor shuts down, nor closes the connection any more; when it fails the object is as before."""
    if isinstance(connection, int):
        yield connection
    elif isinstance(connection, socket.socket):
        ssl = sys.modules.get("ssl")
        if ssl is not None and isinstance(connection, ssl.SSLSocket):
            raise InvalidError(TLS)
        if connection.fileno() < 0:
            raise ClosedError("adopt: the socket is closed")
        yield connection.fileno()
        connection.detach()
    elif isinstance(connection, asyncio.StreamWriter):
        yield from _transport(connection.transport)
    elif hasattr(connection, "get_extra_info"):
        yield from _transport(connection)
    else:
        raise TypeError(f"adopt: cannot take a connection out of {type(connection).__name__}")


def _transport(transport: Any) -> Iterator[int]:
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
    reading = transport.is_reading()
    if reading:
        transport.pause_reading()
    descriptor = os.dup(inner.fileno())
    try:
        yield descriptor
    except BaseException:
        os.close(descriptor)
        if reading:
            transport.resume_reading()
        raise
    transport.abort()  # closes its own descriptor, without a shutdown
