"""A TLS connection with the calls of a socket, so that the suite's clients need not know which of both they have.

Over buffers and not with ssl.SSLSocket, which cannot end its direction alone, and which hides when the kernel takes
nothing more. One thread. What was encrypted and not sent yet goes out with the next call, a recv() too: TLS cannot
take back half a record.
"""

import errno
import select
import socket
import ssl
import time

RECORD = 16384  # bytes of a record at most
SECONDS = 30  # for the handshake


class Truncated(OSError):
    """The connection has ended without close_notify: somebody may have cut it off."""

    def __init__(self):
        super().__init__(errno.EPROTO, "the end of the connection without close_notify")


class Encrypted:
    """A connected socket's, from the handshake on."""

    def __init__(self, sock, context, name):
        self.sock = sock
        self.timeout = SECONDS
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.unsent = bytearray()
        self.ending = False  # our direction ends after what is unsent
        self.ended = False  # the peer's close_notify has come
        self.resets = False  # close() will be a reset
        timeout = sock.gettimeout()
        sock.setblocking(False)
        self._handshake()
        self.timeout = timeout

    def fileno(self):
        return self.sock.fileno()

    def getsockname(self):
        return self.sock.getsockname()

    def setsockopt(self, level, option, value):
        self.resets = self.resets or option == socket.SO_LINGER
        self.sock.setsockopt(level, option, value)

    def settimeout(self, seconds):
        self.timeout = seconds

    def sendall(self, data):
        deadline = self._deadline()
        for at in range(0, len(data), RECORD):
            self.tls.write(data[at:at + RECORD])
            self._drain(deadline)

    def send(self, data):
        """Part of data, which may still be unsent when the kernel has taken some of it."""
        self._drain(self._deadline())
        sent = self.tls.write(data[:RECORD])
        self._push()
        return sent

    def recv(self, _):
        """All that has come; b"" after the peer's close_notify."""
        deadline = self._deadline()
        while True:
            got = self._decrypted()
            if got or self.ended:
                return got
            self._push()
            self._pull(deadline)

    def shutdown(self, _):
        """Ends our direction: close_notify, then FIN."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:  # it waits for the other one's
            pass
        self.ending = True
        self._push()

    def close(self):
        if not self.resets and self.sock.fileno() != -1 and not self.ending:
            try:
                self.shutdown(socket.SHUT_WR)
                self.sock.recv(RECORD)  # unread tickets would make a reset of the close
            except OSError:
                pass
        self.sock.close()

    def _deadline(self):
        return None if self.timeout is None else time.monotonic() + self.timeout

    def _wait(self, events, deadline):
        if self.timeout == 0:
            raise BlockingIOError(errno.EAGAIN, "nothing is ready")
        left = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
        poll = select.poll()
        poll.register(self.sock, events)
        if not poll.poll(left):
            raise socket.timeout("timed out")

    def _handshake(self):
        deadline = self._deadline()
        while True:
            try:
                self.tls.do_handshake()
                self._drain(deadline)
                return
            except ssl.SSLWantReadError:
                self._drain(deadline)
                self._pull(deadline)

    def _push(self):
        """Sends what the kernel takes."""
        self.unsent += self.outgoing.read()
        try:
            while self.unsent:
                del self.unsent[:self.sock.send(self.unsent)]
        except BlockingIOError:
            return
        if self.ending:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:  # it was reset, which reading will tell
                pass

    def _drain(self, deadline):
        self._push()
        while self.unsent:
            self._wait(select.POLLOUT, deadline)
            self._push()

    def _pull(self, deadline):
        """Waits for bytes of the peer, or for the kernel to take ours."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            self._wait(select.POLLIN | (select.POLLOUT if self.unsent else 0), deadline)
            return
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def _decrypted(self):
        parts = []
        while not self.ended:
            try:
                part = self.tls.read(65536)
                parts.append(part)
                self.ended = part == b""
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.ended = True
            except ssl.SSLEOFError:
                if parts:
                    break  # first what came before it
                raise Truncated() from None
        return b"".join(parts)
