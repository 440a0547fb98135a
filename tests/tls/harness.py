"""What the cases of run.py share: the server under test, certificates, small clients, and how a case says what is
wrong."""

import contextlib
import os
import pathlib
import queue
import socket
import ssl
import subprocess
import threading
import time
from typing import Callable, Dict, Iterator, List, Optional

DEADLINE = 10.0  # seconds for each wait
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONG = bool(os.environ.get("HIJACK_LONG"))

cases: Dict[str, Callable[["Surroundings"], None]] = {}


def case(function: Callable[["Surroundings"], None]) -> Callable[["Surroundings"], None]:
    cases[function.__name__] = function
    return function


class Wrong(Exception):
    """What is wrong, in a sentence."""


class Skipped(Exception):
    """Why a case cannot run here."""


def expect(condition: object, what: str) -> None:
    if not condition:
        raise Wrong(what)


def same(got: object, wanted: object, what: str) -> None:
    if got != wanted:
        raise Wrong(f"{what} is {got!r}, must be {wanted!r}")


class Server:
    """The program of server.c, its lines, and its end: it must end with 0 and have printed nothing to stderr."""

    def __init__(self, surroundings: "Surroundings", *options: str, certificates: str = "ec") -> None:
        arguments = [f"certificate={surroundings.path(name, 'pem')},{surroundings.path(name, 'key')}"
                     for name in certificates.split()]
        self.process = subprocess.Popen([surroundings.program, *arguments, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: "queue.Queue[str]" = queue.Queue()
        self.kept: List[str] = []
        self.reader = threading.Thread(target=self._read_lines, daemon=True)
        self.reader.start()
        first = self._next()
        expect(first.isdigit(), f"the server does not start: {first} {self._errors()}")
        self.port = int(first)

    def _read_lines(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put("(ended)")

    def _errors(self) -> str:
        return self.process.stderr.read() if self.process.poll() is not None else ""

    def _next(self) -> str:
        try:
            return self.lines.get(timeout=DEADLINE)
        except queue.Empty:
            raise Wrong(f"the server says nothing; before, it said {self.kept}") from None

    def line(self, prefix: str) -> str:
        """The next line that begins so; others are kept for later."""
        for i, line in enumerate(self.kept):
            if line.startswith(prefix):
                return self.kept.pop(i)
        while True:
            line = self._next()
            if line.startswith(prefix):
                return line
            expect(line != "(ended)", f"the server has ended: {self._errors()}")
            self.kept.append(line)

    def command(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.line("= ")[2:]

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class Surroundings:
    """Where things are: the folder of this run with the certificates in it, the server, and Go's client."""

    def __init__(self, program: str, folder: pathlib.Path, go_client: Optional[str]) -> None:
        self.program = program
        self.folder = folder
        self.go_client = go_client

    def path(self, name: str, suffix: str) -> str:
        return str(self.folder / f"{name}.{suffix}")

    @contextlib.contextmanager
    def server(self, *options: str, certificates: str = "ec") -> Iterator[Server]:
        server = Server(self, *options, certificates=certificates)
        try:
            yield server
        except BaseException:
            server.process.kill()
            server.process.wait()
            raise
        server.process.stdin.close()
        server.process.wait(4 * DEADLINE)
        server.reader.join()
        errors = server.process.stderr.read()
        same(server.process.returncode, 0, f"the server's exit code ({errors.strip()})")
        same(errors, "", "what the server printed to stderr")

    def context(self, version: Optional[ssl.TLSVersion] = None, client: Optional[str] = None) -> ssl.SSLContext:
        """Python's client; client names the certificate that it shows."""
        context = ssl.create_default_context(cafile=self.path("authority", "pem"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if client is not None:
            context.load_cert_chain(self.path(client, "pem"), self.path(client, "key"))
        return context

    def connect(self, server: Server, context: Optional[ssl.SSLContext] = None, name: str = "localhost",
                session: Optional[ssl.SSLSession] = None) -> ssl.SSLSocket:
        context = context or self.context()
        plain = server.connect()
        try:
            return context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False, session=session)
        except BaseException:
            plain.close()
            raise


def read_until(read: Callable[[int], bytes], mark: bytes, data: bytes = b"") -> bytes:
    """Reads by read() until mark is in the bytes."""
    end = time.monotonic() + DEADLINE
    while mark not in data:
        piece = read(65536)
        expect(piece, f"the connection ends before {mark!r}, after {data[-200:]!r}")
        data += piece
        expect(time.monotonic() < end, f"{mark!r} does not come; there is {data[-200:]!r}")
    return data


def ask(connection: ssl.SSLSocket, path: bytes = b"/") -> bytes:
    """The body of the response to a GET on a connection that is kept."""
    connection.sendall(GET % path)
    data = read_until(connection.recv, b"\r\n\r\n")
    head, body = data.split(b"\r\n\r\n", 1)
    expect(head.startswith(b"HTTP/1.1 200"), f"the response is {head!r}")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        piece = connection.recv(65536)
        expect(piece, f"the body ends after {len(body)} bytes of {length}")
        body += piece
    return body


def facts(connection: ssl.SSLSocket) -> Dict[str, str]:
    found: Dict[str, str] = {}
    name = ""
    for line in ask(connection, b"/facts").decode().splitlines():
        if "=" in line and line.startswith(("tls_", "scheme", "protocol")):
            name, value = line.split("=", 1)
            found[name] = value
        else:
            found[name] += "\n" + line
    return found


def run(arguments: List[str], data: bytes = b"", timeout: float = 3 * DEADLINE) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(arguments, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                          check=False)
