"""A client that speaks HTTP/1.1 by hand, so that every byte can be seen and every mistake can be made.

Blocking, for one thread. Everything that waits has a deadline and raises Failed after it.
"""

import errno
import socket
import time

from connections import RESET

SECONDS = 30  # for each thing that is waited for, on a busy machine


class Failed(Exception):
    """A scenario does not hold."""

    def __init__(self, what, expected, seen):
        super().__init__(f"{what}: expected {expected}, seen {seen}")


def shown(value, longest=200):
    """Like repr(), but a long value is cut in the middle."""
    text = repr(value)
    if len(text) <= longest:
        return text
    size = f" ({len(value)} bytes)" if isinstance(value, (bytes, str)) else ""
    return f"{text[:longest // 2]} ... {text[-longest // 2:]}{size}"


class Head:
    """Status line and headers of a response."""

    def __init__(self, data):
        self.data = data
        first, *lines = data[:-4].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status, _, self.reason = rest.partition(" ")
        if version != "HTTP/1.1" or not (len(status) == 3 and status.isdigit()):
            raise Failed("the status line", "HTTP/1.1 with three digits and a phrase", shown(first))
        self.first = first
        self.status = int(status)
        self.headers = []  # (lower-case name, value)
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Failed("a header line", "name: value", shown(line))
            self.headers.append((name.lower(), value.strip()))

    def get(self, name):
        """The only value of this header, None without one."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise Failed(f"the header {name}", "at most once", shown(values))
        return values[0] if values else None


class Kernel:
    """What the kernel says of one end of a connection on this machine: a line of /proc/net/tcp."""

    def __init__(self, line):
        _, self.local, self.remote, self.state, queues, timer, *rest = line.split()
        self.unread = int(queues.partition(":")[2], 16)  # bytes that its process has not read
        self.window_shut = timer.startswith("04")  # bytes wait for a peer that takes none
        self.process = rest[3] != "0"  # whether one has it open
        self.line = " ".join(line.split())

    def __repr__(self):
        return f"<{self.line}>"

    @staticmethod
    def ends(port):
        """Those at a port, but for the listener."""
        here = f"0100007F:{port:04X}"
        with open("/proc/net/tcp", encoding="ascii") as file:  # which other tests fill with thousands of lines
            ends = [Kernel(line) for line in file if here in line]
        return [end for end in ends if end.local == here and end.state != "0A"]


class Client:
    """One connection."""

    wrap = None  # makes a TLS connection of a connected socket, where the demos speak TLS
    http2 = False  # whether what is sent goes over HTTP/2

    def __init__(self, host, port, receive_buffer=None):
        self.host = f"{host}:{port}"
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(SECONDS)
        self.sock.connect((host, port))
        if Client.wrap:
            self.sock = Client.wrap(self.sock)
        self.port = port  # a socket that was reset does not know its peer any more
        self.data = b""  # received and not yet taken

    def close(self):
        self.sock.close()

    def other_end(self):
        """What the kernel says of the demo's end; None where there is none any more."""
        mine = f":{self.sock.getsockname()[1]:04X}"
        ends = Kernel.ends(self.port)
        return next((end for end in ends if end.remote.endswith(mine)), None)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()

    def finish(self):
        """Says that nothing more will be sent. After a reset, which reading will tell of, nothing is said."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def send(self, data):
        self.sock.settimeout(SECONDS)
        self.sock.sendall(data)

    def send_some(self, data, seconds):
        """Sends what the other side takes within so many seconds of standstill, and returns how much that is."""
        sent = 0
        self.sock.settimeout(seconds)
        try:
            while sent < len(data):
                sent += self.sock.send(data[sent:sent + 65536])
        except socket.timeout:
            pass
        return sent

    def head(self, path, method="GET", version="1.1", headers=()):
        """The bytes of a request's head."""
        lines = [f"{method} {path} HTTP/{version}", f"Host: {self.host}", *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def request(self, path, body=None, **options):
        if body is not None:
            options["headers"] = [*options.get("headers", ()), f"Content-Length: {len(body)}"]
        self.send(self.head(path, **options) + (body or b""))

    def more(self, deadline):
        """Waits for bytes. False: the other side has ended. A reset counts as a failure."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self.sock.settimeout(left)
        got = self.sock.recv(1 << 20)
        self.data += got
        return got != b""

    def until(self, what, done, seconds=SECONDS):
        """Reads until done() is neither None nor False, and returns that."""
        deadline = time.monotonic() + seconds
        while True:
            result = done()
            if result is not None and result is not False:
                return result
            try:
                if not self.more(deadline):
                    raise Failed(what, "more bytes", f"the end of the connection after {shown(self.data)}")
            except socket.timeout:
                raise Failed(what, f"bytes within {seconds} s", f"nothing after {shown(self.data)}") from None
            except OSError as error:
                raise Failed(what, "bytes", f"{error.strerror} after {shown(self.data)}") from None

    def take(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def exactly(self, count, what="bytes", seconds=SECONDS):
        """The next count bytes."""
        parts, have = [self.data], len(self.data)
        deadline = time.monotonic() + seconds
        while have < count:
            self.data = b""
            self.until(f"{what}, {have} of {count}", lambda: self.data != b"", deadline - time.monotonic())
            parts.append(self.data)
            have += len(self.data)
        self.data = b"".join(parts)
        return self.take(count)

    def line(self, what="a line", end=b"\n"):
        """The bytes up to end, with it."""
        def found():
            at = self.data.find(end)
            return None if at < 0 else at + len(end)
        return self.take(self.until(what, found))

    def response_head(self):
        return Head(self.line("a response head", b"\r\n\r\n"))

    def response(self, method="GET"):
        """A whole response; its body is in the attribute body."""
        head = self.response_head()
        length = head.get("content-length")
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            head.body = b""
        elif head.get("transfer-encoding") is not None:
            head.body = b"".join(iter(self.chunk, b""))
        elif length is not None:
            head.body = self.exactly(int(length), "the body")
        else:
            head.body = self.rest("the body")
        return head

    def chunk(self):
        """The data of the next chunk; empty for the last."""
        size = self.line("a chunk's first line", b"\r\n")[:-2]
        try:
            count = int(size, 16)
        except ValueError:
            raise Failed("a chunk's size", "hexadecimal digits", shown(size)) from None
        data = self.exactly(count + 2, "a chunk")
        if data[-2:] != b"\r\n":
            raise Failed("the end of a chunk", shown(b"\r\n"), shown(data[-2:]))
        return data[:-2]

    def rest(self, what="the end of the connection", seconds=SECONDS, reset_is_fine=False):
        """Everything up to the end of the connection."""
        deadline = time.monotonic() + seconds
        try:
            while self.more(deadline):
                pass
        except socket.timeout:
            raise Failed(what, f"the end of the connection within {seconds} s",
                         f"it stays open after {shown(self.data)}") from None
        except OSError as error:
            if not reset_is_fine:
                raise Failed(what, "an orderly end", f"{error.strerror} after {shown(self.data)}") from None
        return self.take(len(self.data))

    def ends(self, what="after the response", reset_is_fine=False):
        """Nothing more comes but the end of the connection."""
        left = self.rest(f"the end of the connection {what}", reset_is_fine=reset_is_fine)
        if left:
            raise Failed(f"the bytes {what}", "none, then the end", shown(left))

    def silent(self, seconds, what="bytes"):
        """Nothing comes for so long, and the connection stays open."""
        try:
            open_still = self.more(time.monotonic() + seconds)
        except socket.timeout:
            if self.data == b"":
                return
            open_still = True
        raise Failed(what, f"silence for {seconds} s", shown(self.data) if open_still else "the end of the connection")
