"""What the tests share: waiting for conditions, plain clients, child processes."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type, TypeVar

import pytest

import hijack

ClientT = TypeVar("ClientT", bound="Client")
PATIENCE = 60.0  #: seconds on a busy machine; nothing waits that long when all is well
CHECKOUT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], Any], what: str = "the condition", patience: float = PATIENCE) -> None:
    """Waits until condition(), and fails with a sentence if that takes too long."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.002)


#: more than the kernel takes for a peer that does not read: 4 MiB for sending, 128 KiB for receiving
FLOOD = b"x" * (12 << 20)


def fill(channel: Any) -> int:
    """Sends so much to a peer that does not read that nothing more is taken until it does; returns how many bytes."""
    channel.try_send(FLOOD)
    with pytest.raises(hijack.WouldBlockError):
        channel.try_send(b"x")
    return len(FLOOD)


def port_of(server: Any) -> int:
    return int(server.addresses[0].rpartition(":")[2])


class Client:
    """A connection to a server of this process, with plain blocking calls."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self: ClientT) -> ClientT:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        self.socket.close()

    def ask(self, path: str = "/", method: str = "GET", headers: str = "", body: bytes = b"") -> "Client":
        """Sends a request, and nothing more."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\n{length}{headers}\r\n"
        self.socket.sendall(head.encode("latin-1") + body)
        return self

    def until(self, end: bytes) -> bytes:
        """Reads up to end, and with it."""
        data = b""
        while not data.endswith(end):
            piece = self.socket.recv(1)
            assert piece, f"the connection ended after {data!r}, before {end!r}"
            data += piece
        return data

    def rest(self) -> bytes:
        """Reads to the end of the connection."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))

    def chunks(self) -> bytes:
        """Reads a chunked body to its end; fails if it is broken."""
        body = bytearray()
        while True:
            size = int(self.until(b"\r\n"), 16)
            piece = bytearray()
            while len(piece) < size + 2:
                more = self.socket.recv(size + 2 - len(piece))
                assert more, f"the body broke off after {len(body)} bytes"
                piece += more
            if size == 0:
                return bytes(body)
            body += piece[:-2]

    def response(self) -> "Response":
        """Reads one response with its body."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        answer = Response(head)
        if answer.headers.get("transfer-encoding") == "chunked":
            answer.body = self.chunks()
        elif "content-length" in answer.headers:
            while len(answer.body) < int(answer.headers["content-length"]):
                answer.body += self.socket.recv(65536)
        return answer

    def reset(self) -> None:
        """Ends with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x01\x02\x03\x04"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def frame(kind: int, data: bytes = b"", last: bool = True) -> bytes:
    """A frame as clients send it."""
    size = len(data)
    head = bytes([kind | (0x80 if last else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    else:
        head += b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    mask = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return head + MASK + (int.from_bytes(data, "big") ^ mask).to_bytes(size, "big")


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


class WebSocketClient(Client):
    """A client that makes and reads frames itself, so that it can do what a good one does not."""

    def shake(self, path: str = "/", headers: str = "") -> "Response":
        """The handshake; the answer must be 101."""
        answer = self.ask(path, headers=HANDSHAKE + headers).response()
        assert answer.status == 101, (answer.status, answer.body)
        return answer

    def send(self, *frames: bytes) -> None:
        """Sends frames in one piece."""
        self.socket.sendall(b"".join(frames))

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, f"the connection ended after {bytes(data)[:100]!r}"
            data += piece
        return bytes(data)

    def frame(self) -> Tuple[int, bytes]:
        """The next frame; it must be a whole message, or a control frame."""
        first, size = self.exactly(2)
        assert first & 0x80 and size < 128, (first, size)
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        return first & 0x7F, self.exactly(size)

    def closing(self) -> Tuple[int, str]:
        """The next frame, which must be a close frame: its code and reason."""
        kind, data = self.frame()
        assert kind == CLOSE, (kind, data[:100])
        return int.from_bytes(data[:2], "big") if data else 1005, data[2:].decode()


class Response:
    """A head, and what followed."""

    def __init__(self, head: str) -> None:
        first, *lines = head.rstrip("\r\n").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers: Dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self.body = b""


def get(port: int, path: str = "/", **more: Any) -> Response:
    """One request on a connection of its own."""
    with Client(port) as client:
        return client.ask(path, **more).response()


class Serving:
    """Runs handler for each request, on threads, while the block lasts; what handlers raise is raised at its end."""

    def __init__(self, server: hijack.Server, handler: Callable[[hijack.Request], object]) -> None:
        self.server, self.handler = server, handler
        self.errors: List[BaseException] = []

    def __enter__(self) -> int:
        self.server.start(self._handle)
        return port_of(self.server)

    def _handle(self, request: hijack.Request) -> None:
        try:
            self.handler(request)
        except BaseException as error:
            self.errors.append(error)
            raise

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        self.server.stop()
        if self.errors and kind is None:
            raise self.errors[0]


@contextlib.contextmanager
def in_thread(call: Callable[[], Any]) -> Iterator[List[Any]]:
    """Runs call in a thread meanwhile, and joins it; gives a list to which its result or exception is put."""
    result: List[Any] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield result
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the thread has not ended"


class Child:
    """A Python process with this program, strict about warnings; its stdout is read line by line."""

    def __init__(self, program: str, *arguments: str, strict: bool = True) -> None:
        flags = ["-X", "dev", "-W", "error"] if strict else []
        self.process = subprocess.Popen(
            [sys.executable, "-B", *flags, "-c", textwrap.dedent(program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            raise AssertionError(f"the child ended: {self.finish()}")
        return line

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self, patience: float = PATIENCE) -> "Ended":
        """Waits for its end."""
        try:
            out, err = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"the child did not end within {patience} s: {out}{err}") from None
        return Ended(self.process.returncode, out, err)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Ended:
    """How a child ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}, stdout {self.out!r}, stderr {self.err!r}"


def run_clean(program: str, *arguments: str) -> str:
    """Runs a program that must end well without a word on stderr; returns what it printed."""
    with Child(program, *arguments) as child:
        ended = child.finish(5 * PATIENCE)
    assert ended.code == 0 and not ended.err, repr(ended)
    return ended.out


class Crowd:
    """Thousands of clients in a process of their own; see bindings/tools/crowd.py."""

    def __init__(self, port: int, count: int, *options: str) -> None:
        tool = CHECKOUT / "bindings" / "tools" / "crowd.py"
        assert tool.is_file(), f"{tool} is missing, with which crowds of clients are made"
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(tool), f"127.0.0.1:{port}", str(count), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.opened = self._answer()

    def _answer(self) -> Dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the crowd has ended"
        answer: Dict[str, Any] = json.loads(line)
        assert answer["ok"], answer
        return answer

    def do(self, command: str) -> Dict[str, Any]:
        """One command; fails unless all connections did it."""
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        self.process.kill()
        self.process.communicate()


def read_all(theirs: socket.socket) -> str:
    return b"".join(iter(lambda: theirs.recv(65536), b"")).decode()
