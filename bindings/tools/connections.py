"""Thousands of client connections in one thread, on epoll; what crowd.py and the benchmarks stand on.

Linux, Python 3.9 or later, standard library only. One thread owns a Connections and all that is in it. What a server
sends is kept, from the end of its head on, until forget(); bytes are as on the wire, chunk lines included.
"""

import array
import collections
import errno
import os
import resource
import select
import socket
import struct
import time

READ_BYTES = 65536
MOST_KEPT = 1 << 29  # bytes of all connections; more means that the program forgot to forget()
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with which close() resets

CONNECTING, OPENING, OPEN, PAUSED, GONE = range(5)


def raise_descriptor_limit():
    """Lets this process open as many descriptors as it may, and returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def request_bytes(host, path="/", method="GET", headers=(), body=b""):
    """One HTTP/1.1 request. headers: "Name: value" strings; Host and Content-Length are added."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + body


class Connection:
    """One connection: what came, and when."""

    __slots__ = ("sock", "state", "data", "ends", "times", "at", "started", "head_seconds", "status", "end")

    def __init__(self, sock):
        self.sock = sock
        self.state = CONNECTING
        self.data = bytearray()  # after the head, since forget()
        self.ends = array.array("Q")  # length of data after each read, and
        self.times = array.array("d")  # the time of it, time.monotonic()
        self.at = 0  # up to here wait() has looked
        self.started = time.monotonic()
        self.head_seconds = 0.0  # from connect() to the end of the head
        self.status = 0  # of the response; 0 without one
        self.end = ""  # why it is GONE: "ended" or "reset" by the server, "refused", "failed" or "closed" by us

    def forget(self):
        self.data, self.ends, self.times, self.at = bytearray(), array.array("Q"), array.array("d"), 0

    def time_of(self, offset):
        """When the byte at this offset of data came."""
        low, high = 0, len(self.ends) - 1
        while low < high:
            middle = (low + high) // 2
            if self.ends[middle] > offset:
                high = middle
            else:
                low = middle + 1
        return self.times[low]


class Connections:
    """All of them, and the epoll that watches them.

    request: bytes sent on each connection, b"" for none. wants_head: a connection is open once a response head has
    come, else once the request is on its way. wrap: makes something else of a connected socket that has its calls and
    reads all there is, as TLS does.
    """

    def __init__(self, address, request=b"", wants_head=True, at_once=256, wrap=None):
        raise_descriptor_limit()
        self.address = address
        self.request = request
        self.wants_head = wants_head and bool(request)
        self.wrap = wrap
        self.at_once = at_once  # connections in the making; more than the server's backlog would only be slower
        self.epoll = select.epoll()
        self.all = {}  # descriptor -> Connection, those that are not GONE
        self.gone = collections.Counter()  # why -> how many
        self.statuses = collections.Counter()
        self.to_start = 0
        self.in_the_making = 0
        self.kept = 0  # bytes
        self.others = {}  # descriptor -> function, for what else the program waits for
        self.new = []  # Connections that became open since the program last took them

    def watch(self, descriptor, function):
        """Calls function() from turn() whenever descriptor is readable."""
        self.epoll.register(descriptor, select.EPOLLIN)
        self.others[descriptor] = function

    def unwatch(self, descriptor):
        self.epoll.unregister(descriptor)
        del self.others[descriptor]

    def start(self, count):
        """Has turn() open so many more connections."""
        self.to_start += count

    def opening(self):
        """How many are not open yet."""
        return self.to_start + self.in_the_making

    def open(self):
        """The connections that are open now."""
        return [c for c in self.all.values() if c.state in (OPEN, PAUSED)]

    def turn(self, seconds):
        """Waits for at most so long, and deals with everything that is ready. Returns the connections that got bytes
        or ended."""
        while self.to_start > 0 and self.in_the_making < self.at_once:
            self.to_start -= 1
            self._connect()
        touched = []
        for descriptor, events in self.epoll.poll(max(seconds, 0), 4096):
            if descriptor in self.others:
                self.others[descriptor]()
                continue
            connection = self.all.get(descriptor)
            if connection is None:
                continue
            if connection.state == CONNECTING:
                self._connected(connection)
            elif self._read(connection):
                touched.append(connection)
        return touched

    def finish(self, connection, end, reset=False):
        """Closes one connection. end: why, for the statistics."""
        if connection.state == GONE:
            return
        if connection.state in (CONNECTING, OPENING):
            self.in_the_making -= 1
        connection.state = GONE
        connection.end = end
        self.gone[end] += 1
        del self.all[connection.sock.fileno()]
        if reset:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sock.close()

    def pause(self, connection):
        """Reads no more from this one until resume()."""
        connection.state = PAUSED
        self.epoll.modify(connection.sock.fileno(), 0)

    def resume(self, connection):
        connection.state = OPEN
        self.epoll.modify(connection.sock.fileno(), select.EPOLLIN)

    def forget(self):
        """Throws away what came until now."""
        self.kept = 0
        for connection in self.all.values():
            connection.forget()

    def close(self):
        for connection in list(self.all.values()):
            self.finish(connection, "closed")
        self.epoll.close()

    def _connect(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        connection = Connection(sock)
        self.in_the_making += 1
        self.all[sock.fileno()] = connection
        error = sock.connect_ex(self.address)
        if error not in (0, errno.EINPROGRESS):
            self.finish(connection, "refused" if error == errno.ECONNREFUSED else "failed")
            return
        self.epoll.register(sock.fileno(), select.EPOLLOUT)

    def _connected(self, connection):
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error != 0:
            self.finish(connection, "refused" if error == errno.ECONNREFUSED else "failed")
            return
        try:
            if self.wrap:
                connection.sock = self.wrap(connection.sock)
            if connection.sock.send(self.request) != len(self.request):
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        except OSError:
            self.finish(connection, "failed")
            return
        connection.state = OPENING
        if not self.wants_head:
            self._opened(connection)
        self.epoll.modify(connection.sock.fileno(), select.EPOLLIN)

    def _opened(self, connection):
        connection.head_seconds = time.monotonic() - connection.started
        connection.state = OPEN
        self.in_the_making -= 1
        self.statuses[connection.status] += 1
        self.new.append(connection)

    def _read(self, connection):
        """Returns whether there is news for the program."""
        try:
            got = connection.sock.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            self.finish(connection, "reset")
            return True
        if not got:
            self.finish(connection, "ended")
            return True
        connection.data += got
        if connection.state == OPENING:
            end = connection.data.find(b"\r\n\r\n")
            if end < 0:
                return False
            first = bytes(connection.data[:end]).split(b"\r\n", 1)[0].split(b" ")
            connection.status = int(first[1]) if len(first) > 1 and first[1].isdigit() else 0
            del connection.data[:end + 4]
            self._opened(connection)
            if not connection.data:
                return False
            got = connection.data
        self.kept += len(got)
        if self.kept > MOST_KEPT:
            raise MemoryError(f"{self.kept} bytes are kept; forget what is dealt with")
        connection.ends.append(len(connection.data))
        connection.times.append(time.monotonic())
        return True


def spread(values):
    """{"p50":, "p99":, "max":} of seconds, in milliseconds; None if there are none."""
    if not values:
        return None
    ordered = sorted(values)

    def at(part):
        return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))], 3)
    return {"p50": at(0.5), "p99": at(0.99), "max": at(1)}
