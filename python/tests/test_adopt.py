"""Connections of other servers: what is taken, what is refused, and what becomes of the object it was in."""

import asyncio
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Coroutine, Iterator, List, Tuple

import pytest

import hijack
import hijack.aio
import hijack.asgi
from support import CHECKOUT, Client, Crowd, get, read_all, wait_until

Run = Callable[[Coroutine[Any, Any, Any]], Any]
DEMOS = CHECKOUT / "python" / "demos" / "adopt"
MANY = 5000


def pair_over_tcp() -> Tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        client.settimeout(20)
        return listener.accept()[0], client


@pytest.fixture
def pair() -> Iterator[Tuple[socket.socket, socket.socket]]:
    ours, theirs = pair_over_tcp()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def running() -> Iterator[hijack.Server]:
    with hijack.Server(threads=1) as server:
        server.start()
        yield server


def test_a_socket_is_let_go(running: hijack.Server, pair: Tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with running.adopt(ours, unread=b"read before ") as adopted:
        assert ours.fileno() == -1
        ours.close()
        theirs.sendall(b"and after")
        assert adopted.recv(12) == b"read before " and adopted.recv() == b"and after"
        adopted.send(b"answer")
        assert theirs.recv(100) == b"answer"
    assert theirs.recv(100) == b""


def test_files_of_an_adopted_socket_do_no_harm(
    running: hijack.Server, pair: Tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    file = ours.makefile("rb")
    adopted = running.adopt(ours)
    file.close()
    ours.close()
    adopted.send(b"alive")
    assert theirs.recv(100) == b"alive"
    adopted.close()


def test_an_end_that_comes_at_once_is_not_lost(running: hijack.Server) -> None:
    """The last event of a connection may be there before the program has its object."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            adopted = []
            for _ in range(50):
                ours, theirs = socket.socketpair()
                theirs.close()
                adopted.append(running.adopt(ours))
            for it in adopted:
                with pytest.raises(hijack.ClosedError):
                    while True:
                        it.send(b"x")
                it.wait_closed(10)
                assert it.closed
    finally:
        sys.setswitchinterval(before)
    assert not running._core.table


def test_a_descriptor_and_a_socketpair(running: hijack.Server) -> None:
    ours, theirs = socket.socketpair()
    with theirs, running.adopt(ours.detach()) as adopted:
        adopted.send(b"x")
        assert theirs.recv(10) == b"x"


def test_members_without_an_object(running: hijack.Server) -> None:
    clients = running.broadcaster()
    ours, theirs = pair_over_tcp()
    clients.adopt(ours, kind="sse", headers={"X-Adopted": "yes"})
    body, other = pair_over_tcp()
    clients.adopt(body, kind="sse_body")
    assert clients.publish("news") == 2 and not running._core.table
    with theirs, other:
        data = b""
        while not data.endswith(b"data: news\n\n"):
            data += theirs.recv(1000)
        assert b"X-Adopted: yes" in data and data.startswith(b"HTTP/1.1 200 ")
        assert other.recv(1000) == b"data: news\n\n"
        clients.close()
        assert theirs.recv(1000) == b""


def test_a_request_of_another_server(running: hijack.Server, pair: Tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    peer = "%s:%d" % theirs.getsockname()
    head = hijack.request_head("GET", "/a?b=c", [("Host", "test"), ("X-Two", "1"), ("x-two", "2")])
    set_by_others = [("X-Middleware", "yes"), ("Set-Cookie", "a=1"), ("Vary", "origin"), ("Content-Type", "text/html")]
    not_taken = [("Content-Length", "7"), ("Content-Encoding", "gzip"), ("connection", "keep-alive"), ("Date", "now")]
    with running.adopt_request(ours, head, headers=set_by_others + not_taken) as request:
        assert ours.fileno() == -1
        assert (request.method, request.path, request.query, request.peer) == ("GET", "/a", "b=c", peer)
        assert request.headers.get_all("x-two") == ["1", "2"] and request.body == b"" == request.read()
        request.respond(200, "hello", {"Content-Type": "text/plain", "Set-Cookie": "b=2", "vary": "accept"})
    answer = read_all(theirs)
    assert answer.startswith("HTTP/1.1 200 OK\r\n") and answer.endswith("\r\n\r\nhello")
    lines = answer.split("\r\n")
    for line in ("X-Middleware: yes", "Set-Cookie: a=1", "Set-Cookie: b=2", "Vary: origin", "vary: accept",
                 "Content-Type: text/plain", "Content-Length: 5", "Connection: close"):
        assert lines.count(line) == 1, (line, lines)
    assert not re.search("gzip|keep-alive|text/html|Date: now", answer)


@pytest.mark.parametrize("become", ["sse", "hold"])
def test_events_have_the_lines_of_the_library_once(
    running: hijack.Server, pair: Tuple[socket.socket, socket.socket], become: str
) -> None:
    ours, theirs = pair
    set_by_others = [("Cache-Control", "max-age=9"), ("X-ACCEL-Buffering", "yes"), ("Content-Type", "text/html")]
    head = hijack.request_head("GET", "/", {"Host": "test"})
    room = running.broadcaster()
    with running.adopt_request(ours, head, headers=set_by_others) as request:
        request.sse().close() if become == "sse" else request.hold(room)
    room.close()
    lines = [line.lower() for line in read_all(theirs).split("\r\n")]
    ours_once = {"cache-control": "no-cache", "x-accel-buffering": "no", "content-type": "text/event-stream"}
    for name, value in ours_once.items():
        assert [line for line in lines if line.startswith(name)] == [f"{name}: {value}"]


def test_an_adopted_request_becomes_anything(running: hijack.Server) -> None:
    clients = running.broadcaster()
    for kind in ("sse", "stream", "hold", "raw", "hijack"):
        ours, theirs = pair_over_tcp()
        head = hijack.request_head("GET", "/", {"Host": "x"})
        headers = {"X-A": "b", "Content-Type": "text/html", "Cache-Control": "public"}
        request = running.adopt_request(ours, head, b"unread", headers)
        with theirs:
            if kind == "sse":
                with request.sse() as stream:
                    stream.send_event("news")
            elif kind == "stream":
                with request.stream() as stream:
                    stream.send("data: news\n\n")
            elif kind == "hijack":
                with request.hijack() as taken:
                    assert taken.recv() == b"unread"
                    taken.send(b"X-A: b data: news\n\n")
            else:
                request.hold(clients, "sse" if kind == "hold" else "raw")
                assert clients.publish("data: news\n\n" if kind == "raw" else "news") == 1
                clients.close()
            answer = read_all(theirs)
        assert "data: news\n\n" in answer and ("X-A: b" in answer) == (kind != "raw"), (kind, answer)
        assert ("text/html" in answer) == (kind == "stream"), (kind, answer)
        assert answer.count("event-stream") == (kind in ("sse", "hold"))
    assert not running._core.requests


def test_head_and_last_event_id_of_adopted_requests(running: hijack.Server) -> None:
    clients = running.broadcaster()
    ours, theirs = pair_over_tcp()
    head = hijack.request_head("HEAD", "/", {"Host": "x", "Last-Event-ID": "5"})
    with theirs, running.adopt_request(ours, head) as request:
        assert request.headers["last-event-id"] == "5"
        request.hold(clients)
        answer = read_all(theirs)
    assert "text/event-stream" in answer and answer.endswith("\r\n\r\n") and len(clients) == 0


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_who_leaves_an_adopted_request_is_noticed(
    running: hijack.Server, pair: Tuple[socket.socket, socket.socket], how: str
) -> None:
    ours, theirs = pair
    with running.adopt_request(ours, hijack.request_head("GET", "/", {"Host": "x"})) as request:
        assert not request.wait_closed(0)
        if how == "rst":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        assert request.wait_closed(20)


def test_a_request_that_is_refused_leaves_the_socket(pair: Tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    good = hijack.request_head("GET", "/", {"Host": "x"})
    with hijack.Server() as server:
        with pytest.raises(hijack.StateError, match="adopt descriptor"):
            server.adopt_request(ours, good)
        server.start()
        for bad in (b"", b"GET /", good[:-2], good + b"more", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"):
            with pytest.raises(hijack.HijackError):
                server.adopt_request(ours, bad)
        with pytest.raises(hijack.HeaderError):
            server.adopt_request(ours, good, headers={"x": "a\r\nb"})
        assert not server._core.requests
    for word in ("G ET", "GET\r\nX: y", ""):
        with pytest.raises(hijack.InvalidError, match="request line"):
            hijack.request_head(word, "/", {})
    ours.sendall(b"still mine")
    assert theirs.recv(100) == b"still mine"


@pytest.mark.parametrize("form", ["socket", "descriptor"])
def test_a_client_that_has_reset(running: hijack.Server, form: str) -> None:
    """That is normal: nothing stays open, and only a call that would give an object fails."""
    clients = running.broadcaster()
    head = hijack.request_head("GET", "/", {"Host": "x"})

    def adopt(call: Callable[[Any], object]) -> None:
        before = len(os.listdir("/proc/self/fd"))
        ours, theirs = pair_over_tcp()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        wait_until(lambda: not is_connected(ours))
        call(ours if form == "socket" else ours.detach())
        assert ours.fileno() == -1 and len(os.listdir("/proc/self/fd")) == before

    def refused(call: Callable[[Any], object]) -> Callable[[Any], None]:
        def check(connection: Any) -> None:
            with pytest.raises(hijack.ClosedError, match="adopt: the client has disconnected"):
                call(connection)

        return check

    adopt(clients.adopt)
    adopt(refused(running.adopt))
    adopt(refused(lambda connection: running.adopt_request(connection, head)))
    assert len(clients) == 0 and not running._core.table and not running._core.requests


def is_connected(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return False
    return True


def test_a_failure_leaves_the_socket_as_it_was(pair: Tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with hijack.Server() as server:
        clients = server.broadcaster()
        for call in (lambda: server.adopt(ours), lambda: clients.adopt(ours)):
            with pytest.raises(hijack.StateError, match="adopt descriptor"):
                call()
        with pytest.raises(hijack.HeaderError):
            clients.adopt(ours, headers={"x": "\r\n"})
        server.start()
        server.stop()
        with pytest.raises(hijack.ShutdownError):
            server.adopt(ours)
    ours.sendall(b"still mine")
    assert theirs.recv(100) == b"still mine" and ours.getblocking()


def test_what_is_no_connection(running: hijack.Server) -> None:
    with socket.socket() as unconnected, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for bad in (unconnected, datagrams):
            with pytest.raises(hijack.NotSocketError):
                running.adopt(bad)
            assert bad.fileno() >= 0
    with pytest.raises(hijack.ClosedError):
        running.adopt(unconnected)
    with open(os.devnull) as file:
        with pytest.raises(hijack.NotSocketError):
            running.adopt(file.fileno())
        wrong: Any = file
        with pytest.raises(TypeError, match="TextIOWrapper"):
            running.adopt(wrong)


def test_tls_is_refused(running: hijack.Server, pair: Tuple[socket.socket, socket.socket]) -> None:
    ours, _theirs = pair
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(ours, do_handshake_on_connect=False) as wrapped:
        with pytest.raises(hijack.InvalidError, match="TLS"):
            running.adopt(wrapped)
        assert wrapped.fileno() >= 0


def with_connection(
    test: Callable[
        [hijack.aio.Server, asyncio.StreamReader, asyncio.StreamWriter, socket.socket], Coroutine[Any, Any, None]
    ],
) -> Coroutine[Any, Any, None]:
    """Runs test with a connection of an asyncio server, and its client."""

    async def main() -> None:
        accepted: "asyncio.Future[Tuple[asyncio.StreamReader, asyncio.StreamWriter]]"
        accepted = asyncio.get_running_loop().create_future()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result((reader, writer))

        web = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        with socket.create_connection(web.sockets[0].getsockname()) as client:
            client.settimeout(20)
            reader, writer = await accepted
            async with hijack.aio.Server(threads=1) as server:
                await test(server, reader, writer, client)
            writer.close()
        web.close()
        await web.wait_closed()

    return main()


def test_what_waits_in_a_stream_reader_comes_along(run: Run) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        server.start()
        client.sendall(b"0123456789")
        async with server.adopt(writer, unread=await reader.readexactly(4)) as adopted:
            client.sendall(b"abc")
            assert await asyncio.wait_for(adopted.readexactly(13), 10) == b"0123456789abc"

    run(with_connection(test))


def test_a_transport_reads_on_where_no_descriptor_is_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        def fail(descriptor: int) -> int:
            raise OSError(24, "Too many open files")

        server.start()
        with monkeypatch.context() as patch:
            patch.setattr(os, "dup", fail)
            with pytest.raises(OSError, match="Too many open files"):
                server.adopt(writer)
        client.sendall(b"still")
        assert await asyncio.wait_for(reader.readexactly(5), 10) == b"still"

    run(with_connection(test))


@pytest.mark.parametrize("form", ["transport", "writer"])
def test_a_transport_is_let_go(run: Run, form: str) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        client.sendall(b"read by asyncio")
        assert await reader.readexactly(5) == b"read "
        await asyncio.sleep(0)
        server.start()
        taken, unread = (writer.transport, b"by asyncio") if form == "transport" else (writer, b"")
        async with server.adopt(taken, unread) as adopted:
            assert await reader.read() in (b"by asyncio", b"") and writer.transport.is_closing()
            writer.close()
            client.sendall(b", then by us")
            assert await adopted.readexactly(22) == b"by asyncio, then by us"
            await adopted.send(b"hello")
            assert client.recv(100) == b"hello"
        assert client.recv(100) == b""

    run(with_connection(test))


def test_a_failure_leaves_the_transport_as_it_was(run: Run) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        with pytest.raises(hijack.StateError):
            server.adopt(writer)
        client.sendall(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.write(b"y")
        await writer.drain()
        assert client.recv(1) == b"y"

    run(with_connection(test))


def test_a_transport_with_unsent_bytes_is_refused(run: Run) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        server.start()
        writer.write(b"x" * 10_000_000)
        with pytest.raises(hijack.StateError, match="bytes still wait"):
            server.adopt(writer)
        writer.transport.abort()
        with pytest.raises(hijack.ClosedError):
            server.adopt(writer)

    run(with_connection(test))


def test_the_helper_for_asgi_says_where_it_cannot_help() -> None:
    async def receive() -> "dict[str, Any]":
        return {}

    class Cycle:
        transport = asyncio.Transport()
        response_started = False

        async def receive(self) -> "dict[str, Any]":
            return {}

    with pytest.raises(hijack.StateError, match="uvicorn"):
        hijack.asgi.transport(receive)
    cycle = Cycle()
    assert hijack.asgi.transport(cycle.receive) is cycle.transport
    cycle.response_started = True
    with pytest.raises(hijack.StateError, match="begun"):
        hijack.asgi.transport(cycle.receive)
    scope: "dict[str, Any]" = {"type": "http"}
    with hijack.Server() as server, pytest.raises(hijack.StateError, match="hijack.asgi.Middleware"):
        hijack.asgi.hold(scope, server.broadcaster())


def test_middleware_takes_the_answer_of_a_program(run: Run) -> None:
    async def test(
        server: hijack.aio.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: socket.socket
    ) -> None:
        server.start()
        client.sendall(b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        taken: List[hijack.aio.Request] = []
        sent: List[Any] = []

        class Cycle:
            transport = writer.transport

            async def receive(self) -> "dict[str, Any]":
                while not self.transport.is_closing():
                    await asyncio.sleep(0.001)
                return {"type": "http.disconnect"}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            hijack.asgi.take(scope, server, taken.append)
            assert not taken, "it was taken before the answer began"
            headers = [(b"x-set", b"by the program"), (b"content-length", b"9")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"forgotten"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "raw_path": b"/a%20b", "path": "/a b", "query_string": b"c"}
        scope.update(headers=[(b"host", b"x"), (b"x-y", b"z")], http_version="1.1")
        await asyncio.wait_for(hijack.asgi.Middleware(app)(scope, Cycle().receive, send), 20)
        (request,) = taken
        assert not sent and (request.method, request.target) == ("POST", "/a%20b?c") and request.headers["x-y"] == "z"
        request.respond(201, "later")
        answer = await asyncio.get_running_loop().run_in_executor(None, read_all, client)
        assert "x-set: by the program" in answer and "Content-Length: 5" in answer and answer.endswith("later")

    run(with_connection(test))


def test_what_middleware_has_set_is_in_the_head() -> None:
    """A Starlette program with three kinds of middleware: the connection is taken past all of them."""
    web = Web("-X", "dev", "-m", "uvicorn", "--port", "0", "--app-dir", str(DEMOS), "starlette_app:app")
    try:
        with Client(web.port) as client:
            client.ask("/sse", headers="Origin: http://a.example\r\nAccept-Encoding: gzip\r\n")
            head = client.until(b"\r\n\r\n").decode().lower()
            client.until(b"data: ")
            assert get(web.port).body == b"ok: 1 clients at /sse\n"
        for line in ("access-control-allow-origin: *", "server-timing: app", "content-type: text/event-stream"):
            assert head.count(line) == 1, head
        assert "gzip" not in head and "content-length" not in head and "uvicorn" not in head
        with Client(web.port) as client:
            client.ask("/sse", "HEAD", "Origin: http://a.example\r\n")
            answer = client.rest().decode()
        assert "access-control-allow-origin: *" in answer and answer.endswith("\r\n\r\n") and "data" not in answer
        wait_until(lambda: get(web.port).body == b"ok: 0 clients at /sse\n", "the client has gone")
    finally:
        output = web.end()
    for word in ("Traceback", "Warning", "without starting response", "ERROR"):
        assert word not in output, output


class Web:
    """A demo in a process of its own."""

    path = "/"

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-B", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.output: List[str] = []
        self.reading = threading.Thread(target=self._read)
        self.reading.start()
        wait_until(self._port, "the demo prints its address")
        self.port = self._port()

    def _read(self) -> None:
        assert self.process.stdout
        self.output.extend(self.process.stdout)

    def _port(self) -> int:
        assert self.process.poll() is None, "".join(self.output)
        found = [line.partition("http://127.0.0.1:")[2] for line in list(self.output) if "http://" in line]
        return int("".join(filter(str.isdigit, found[0].split()[0]))) if found else 0

    def end(self) -> str:
        """Ends it as Ctrl-C does; gives what it printed."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.reading.join()
            assert self.process.stdout
            self.process.stdout.close()
        return "".join(self.output)


UVICORN = ["-X", "dev", "-m", "uvicorn", "--port", "0", "--app-dir", str(DEMOS), "uvicorn_app:app"]
SERVERS = {
    "http.server": ["-X", "dev", "-W", "error", str(DEMOS / "http_server.py"), "0"],
    "uvicorn on asyncio, h11": [*UVICORN, "--loop", "asyncio", "--http", "h11"],
    "uvicorn on uvloop, httptools": [*UVICORN, "--loop", "uvloop", "--http", "httptools"],
}


@pytest.mark.parametrize("name", SERVERS)
def test_adopted_connections_get_every_message(name: str) -> None:
    web = Web(*SERVERS[name])
    try:
        with Crowd(web.port, MANY, "--path", "/sse") as crowd:
            assert crowd.opened["open"] == MANY
            wait_until(lambda: get(web.port).body == b"ok: %d clients at /sse\n" % MANY, "all are members")
            descriptors = len(os.listdir(f"/proc/{web.process.pid}/fd"))
            assert descriptors < MANY + 100, "the web server has kept descriptors"
            crowd.do("forget")
            for _ in range(2):
                crowd.do("wait data: 15")
                assert get(web.port).status == 200, "the web server serves no more"
            crowd.do("close 1000")
            left = b"ok: %d clients at /sse\n" % (MANY - 1000)
            wait_until(lambda: get(web.port).body == left, "a thousand have gone")
    finally:
        output = web.end()
    for word in ("Traceback", "Warning", "without starting response", "ERROR"):
        assert word not in output, output


def test_every_message_exactly_once(running: hijack.Server) -> None:
    """5,000 connections that a socket accepted and adopt took get each of 200 messages, in order."""
    clients = running.broadcaster(backlog_bytes="1m")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            for _ in range(MANY):
                connection, _peer = listener.accept()
                connection.recv(4096)
                clients.adopt(connection, kind="sse")

        accepting = threading.Thread(target=accept)
        accepting.start()
        with Crowd(port, MANY, "--path", "/sse") as crowd:
            accepting.join()
            assert len(clients) == MANY
            crowd.do("forget")
            for i in range(1, 201):
                assert clients.publish(f"n{i}") == MANY
                time.sleep(0.001)
            assert crowd.do("sequence n 1 200 30")["exact"] == MANY
