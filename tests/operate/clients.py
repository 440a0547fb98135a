"""Small clients: HTTP/1.1 with or without TLS, Server-Sent Events, WebSocket, and HTTP/2 by curl."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

from harness import HOST, SECONDS, Wrong, expect, same

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def connect(port, ca=None):
    """An http.client connection to localhost, with TLS where an authority is given."""
    if ca is None:
        return http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    context = ssl.create_default_context(cafile=ca)
    return http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=context)


def ask(port, path, ca=None, method="GET", body=None, headers=None):
    """Status, headers and body of the answer on a connection of its own."""
    with contextlib.closing(connect(port, ca)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def stats(port):
    return json.loads(ask(port, "/stats")[2])


def publish(port, text):
    same("the status of /publish", ask(port, "/publish", method="POST", body=text)[0], 204)


class Lines:
    """A response that is read line by line, as it comes."""

    def __init__(self, port, path, ca=None):
        self.connection = connect(port, ca)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        same(f"the status of {path}", self.answer.status, 200)

    def line(self):
        """The next line that is not empty; "" at the end."""
        while True:
            line = self.answer.readline().decode()
            if line != "\n":
                return line.rstrip("\n")

    def next(self, start):
        """The rest of the next line that begins so."""
        while not (line := self.line()).startswith(start):
            expect(line, f"the response ended before a line with {start!r}")
        return line[len(start):]

    def close(self):
        self.answer.close()
        self.connection.close()


class Curl:
    """The same over HTTP/2, by curl."""

    def __init__(self, port, path, ca):
        self.process = subprocess.Popen(
            [shutil.which("curl"), "-sSN", "--http2", "--max-time", "30", "--cacert", ca, "-D", "-",
             f"https://localhost:{port}{path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.head = ""

    def next(self, start):
        for line in self.process.stdout:
            if not self.head:
                self.head = line.decode().strip()
                expect(self.head.startswith("HTTP/2 200"), f"curl --http2 got {self.head!r}")
            if line.decode().startswith(start):
                return line.decode().strip()[len(start):]
        raise Wrong(f"curl ended before a line with {start!r}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class WebSocket:
    """A client that names its origin, as browsers do."""

    def __init__(self, port, path, ca=None, origin=None):
        connection = connect(port, ca)
        connection.connect()
        self.socket = connection.sock
        self.data = b""
        name = "localhost" if ca else HOST
        origin = origin or f"{'https' if ca else 'http'}://{name}:{port}"
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (f"GET {path} HTTP/1.1", f"Host: {name}:{port}", "Connection: Upgrade", "Upgrade: websocket",
                 f"Origin: {origin}", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", "")
        self.socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self.data:
            self.data += self.receive()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])

    def receive(self):
        data = self.socket.recv(65536)
        expect(data, "the WebSocket's connection has ended")
        return data

    def exactly(self, count):
        while len(self.data) < count:
            self.data += self.receive()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def send(self, kind, data):
        size = len(data)
        if size < 126:
            length = bytes([size])
        else:
            length = b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
        mask = os.urandom(4)
        pad = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        self.socket.sendall(bytes([0x80 | kind, 0x80 | length[0]]) + length[1:] + mask + masked)

    def next(self):
        """Kind and bytes of the next frame."""
        first, size = self.exactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        return first & 15, self.exactly(size)

    def close(self):
        self.socket.close()


def quiet_for(seconds, lines):
    """How many heartbeats come in this time; the response must not end."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        line = lines.line()
        expect(line.startswith(":"), f"expected heartbeats alone, got {line!r}")
        count += 1
    return count


def ends_within(seconds, lines):
    """Whether the response ends in this time, without a line."""
    timer = threading.Timer(seconds, lambda: lines.connection.sock.shutdown(socket.SHUT_RDWR))
    timer.start()
    start = time.monotonic()
    try:
        same("what comes before the end", lines.line(), "")
    except (http.client.IncompleteRead, OSError):
        pass
    timer.cancel()
    return time.monotonic() - start < seconds


def silent_for(seconds, sock):
    """Whether nothing can be read for so long."""
    sock.settimeout(seconds)
    try:
        sock.recv(1)
    except (socket.timeout, TimeoutError):
        return True
    return False
