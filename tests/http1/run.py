"""Sends each request of cases.jsonl to the server of server.c, whole and in pieces, to an ordinary and to a held route,
and compares what comes back with the case. Usage: run.py path-of-server [name of a case...]

A case is one line of JSON:
    name
    raw         what the client sends; {P} is the path of the route. Characters are bytes (Latin-1). In a list, a pair
                [text, count] stands for text repeated.
    expect      "accept"      the requests are served, and the connection serves one more request after them
                "close"       the requests are served, then the server ends the connection by itself
                "refuse"      the requests are served, then the server answers with status and ends the connection
                "incomplete"  the requests are served, then the server waits for more
    requests    one [method, length of the body] for each request that is served; a third element is the number of its
                headers
    status      with "refuse"
    continue    whether 100 Continue may come; no other interim response ever may
    why         a section of RFC 9110 or 9112, or a sentence
"may" says that the RFC leaves both verdicts open; the case then pins down the one that this project chose.

The client uses a unix socket, whose SIOCOUTQ counts what the server has not read: each piece is sent after the server
has read the piece before. A request of /held that the route takes has no line on the server's stdout; it counts as
[method, 0], since a request with a body goes to the program.
"""

import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

DEADLINE = 5.0  # seconds for each wait
GIVE_UP = 8  # so many waits in vain end the run, which would take too long otherwise
ROUTES = {"ordinary": b"/front", "held": b"/held"}
LAST = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Wrong(Exception):
    """What is wrong with a case."""


class Late(Wrong):
    """Something that did not happen within the deadline."""


class Response(NamedTuple):
    status: int
    headers: Dict[str, str]


def raw_of(case: Dict[str, Any], path: bytes) -> bytes:
    raw = case["raw"]
    parts = [raw] if isinstance(raw, str) else [part if isinstance(part, str) else part[0] * part[1] for part in raw]
    return "".join(parts).encode("latin-1").replace(b"{P}", path)


def forms_of(raw: bytes) -> Iterator[Tuple[str, List[bytes]]]:
    yield "whole", [raw]
    yield "in halves", [raw[: len(raw) // 2], raw[len(raw) // 2 :]]
    head = raw.find(b"\r\n\r\n") + 4
    if 4 < head < len(raw):
        yield "head, then the rest", [raw[:head], raw[head:]]
    yield "byte by byte", [raw[i : i + 1] for i in range(len(raw))]


class Connection:
    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address)
        self.data = b""
        self.ended = False
        self.interim: List[int] = []

    def send(self, pieces: List[bytes]) -> None:
        """Sends each piece once the server has read the one before, or has ended the connection."""
        for piece in pieces:
            try:
                self.socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                return
            if len(pieces) > 1:
                self._wait_until_read()

    def _wait_until_read(self) -> None:
        end = time.monotonic() + DEADLINE
        fd, size = self.socket.fileno(), b"\0\0\0\0"
        while struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, size))[0] != 0:  # the same number as SIOCOUTQ
            if time.monotonic() > end:
                raise Late("the server does not read what was sent")
            os.sched_yield()

    def _more(self, what: str) -> bool:
        """Reads; False at the end of the connection."""
        if self.ended:
            return False
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:  # the server closed before it had read everything
            piece = b""
        except socket.timeout:
            raise Late(f"{what} does not come; so far there is {self.data[:200]!r}") from None
        self.data += piece
        self.ended = piece == b""
        return not self.ended

    def _until(self, mark: bytes, what: str) -> bytes:
        while mark not in self.data:
            if not self._more(what):
                raise Wrong(f"the connection ends in {what}, after {self.data[:200]!r}")
        part, self.data = self.data.split(mark, 1)
        return part

    def _take(self, count: int, what: str) -> None:
        while len(self.data) < count:
            if not self._more(what):
                raise Wrong(f"the connection ends in {what}")
        self.data = self.data[count:]

    def response(self, method: str) -> Optional[Response]:
        """The next final response with its body read, or None at the end of the connection."""
        while not self.data and self._more("a response"):
            pass
        if not self.data:
            return None
        first, *lines = self._until(b"\r\n\r\n", "a response head").decode("latin-1").split("\r\n")
        version, status = first.split(" ")[:2]
        if version != "HTTP/1.1":
            raise Wrong(f"a response starts with {first!r}")
        if status.startswith("1"):
            self.interim.append(int(status))
            return self.response(method)
        response = Response(int(status), {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines)})
        self._body(response, method)
        return response

    def _body(self, response: Response, method: str) -> None:
        if method == "HEAD" or response.status == 204:
            return
        if response.headers.get("transfer-encoding") == "chunked":
            size = 1
            while size:
                size = int(self._until(b"\r\n", "a chunk"), 16)
                self._take(size + 2, "a chunk")
        elif "content-length" in response.headers:
            self._take(int(response.headers["content-length"]), "a response body")
        else:
            while self._more("the end of a response body"):
                pass
            self.data = b""

    def end(self) -> None:
        """Nothing but the end of the connection may come."""
        while not self.data and self._more("the end of the connection"):
            pass
        if self.data:
            raise Wrong(f"this comes after the last response: {self.data[:200]!r}")


class Server:
    def __init__(self, program: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.address = self.folder.name + "/socket"
        self.process = subprocess.Popen(
            [program, self.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin and self.process.stdout
        self.input, self.output = self.process.stdin, self.process.stdout
        if self._line() != "ready":
            sys.exit("the server does not start")

    def _line(self) -> str:
        line = self.output.readline()
        if not line:
            sys.exit(f"the server has ended: {self.process.wait(DEADLINE)}")
        return line.rstrip("\n")

    def connect(self) -> Connection:
        try:
            return Connection(self.address)
        except OSError:
            sys.exit(f"the server has ended: {self.process.wait(DEADLINE)}")

    def seen(self) -> List[str]:
        """What the program has received since the last call: all of it, as events come in the order of requests."""
        connection = self.connect()
        connection.send([LAST % b"/barrier"])
        connection.response("GET")
        connection.end()
        connection.socket.close()
        return list(iter(self._line, "GET 0 2 /barrier"))

    def stop(self) -> int:
        self.input.close()
        status = self.process.wait(DEADLINE)
        self.folder.cleanup()
        return status


def served(response: Response, wanted: List[Any]) -> List[Any]:
    """What was served by this response, in the form of a case's requests."""
    if response.status != 200:
        raise Wrong(f"the status is {response.status}")
    if "saw" in response.headers:
        method, body, headers, _ = response.headers["saw"].split(" ", 3)
        return [method, int(body), int(headers)][: len(wanted)]
    if response.headers.get("content-type") != "text/event-stream":
        raise Wrong("neither the program nor the held route answered")
    return [wanted[0], 0]


def check_responses(case: Dict[str, Any], connection: Connection) -> List[str]:
    """Reads what the case promises; the Saw headers among it."""
    saw = []
    for number, wanted in enumerate(case["requests"], 1):
        response = connection.response(wanted[0])
        if response is None:
            raise Wrong(f"the connection ends before response {number}")
        got = served(response, wanted)
        if got[:2] != wanted[:2] or ("saw" in response.headers and got != wanted):
            raise Wrong(f"request {number} is {got}, not {wanted}")
        if "saw" in response.headers:
            saw.append(response.headers["saw"])
    if case["expect"] == "refuse":
        response = connection.response("GET")
        if response is None or response.status != case["status"]:
            raise Wrong(f"refused with {response and response.status}, not {case['status']}")
    elif case["expect"] == "accept":
        connection.send([LAST % b"/last"])
        response = connection.response("GET")
        if response is None or not response.headers.get("saw", "").endswith(" /last"):
            raise Wrong(f"the next request is not served: {response}")
        saw.append(response.headers["saw"])
    elif case["expect"] == "incomplete":
        connection.socket.shutdown(socket.SHUT_WR)
    connection.end()
    if connection.interim != ([100] * len(connection.interim) if case.get("continue") else []):
        raise Wrong(f"interim responses {connection.interim}")
    return saw


def check_case(server: Server, case: Dict[str, Any], pieces: List[bytes]) -> None:
    connection = server.connect()
    try:
        connection.send(pieces)
        saw = check_responses(case, connection)
    except Wrong as wrong:
        connection.socket.close()
        raise type(wrong)(f"{wrong}; the program received {server.seen()}") from None
    connection.socket.close()
    received = server.seen()
    if received != saw:
        raise Wrong(f"the program received {received}, but the connection brought answers to {saw}")


def runs(names: List[str]) -> Iterator[Tuple[Dict[str, Any], str, List[bytes]]]:
    """Each case with what it is called and the pieces to send."""
    path = pathlib.Path(__file__).with_name("cases.jsonl")
    cases = {case["name"]: case for case in map(json.loads, path.read_text("utf-8").splitlines())}
    for name in names or cases:
        case = cases[name]
        for route, target in ROUTES.items():
            raw = raw_of(case, target)
            if route == "held" and raw == raw_of(case, ROUTES["ordinary"]):
                continue  # it does not name the route
            for form, pieces in forms_of(raw):
                yield case, f"{name} ({route} route, {form})", pieces


def main() -> int:
    program, *names = sys.argv[1:]
    server = Server(program)
    count = wrong = late = 0
    for case, title, pieces in runs(names):
        count += 1
        try:
            check_case(server, case, pieces)
        except Wrong as problem:
            print(f"{title}: {problem}. {case['why']}")
            wrong += 1
            late += isinstance(problem, Late)
        if late == GIVE_UP:
            print("too much does not happen in time; the rest was not tried")
            break
    status = server.stop()
    print(f"{count} runs, {wrong} wrong; the server ended with {status}")
    return 1 if count == 0 or wrong or status else 0


if __name__ == "__main__":
    sys.exit(main())
