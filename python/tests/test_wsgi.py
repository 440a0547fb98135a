"""Handing over under gunicorn with each of its workers, Flask's development server, and Django under both kinds of
servers."""

import gc
import weakref
from typing import Any, Dict, Iterable, Iterator, List

import pytest

import hijack
import hijack.asgi
import hijack.wsgi
from support import Client, get, read_all, run_clean, wait_until
from test_adopt import DEMOS, Web, pair_over_tcp
from test_aio import Run

GUNICORN = ["-m", "gunicorn", "--chdir", str(DEMOS), "--bind", "127.0.0.1:0", "--workers", "1", "--no-control-socket"]
UVICORN = ["-X", "dev", "-m", "uvicorn", "--port", "0", "--app-dir", str(DEMOS)]
SERVERS = {
    "flask, sync": [*GUNICORN, "flask_app:app"],
    "flask, gthread": [*GUNICORN, "-k", "gthread", "flask_app:app"],
    "flask, gevent": [*GUNICORN, "-k", "gevent", "flask_app:app"],
    "flask, preloaded": [*GUNICORN, "--preload", "flask_app:app"],
    "flask, development": ["-m", "flask", "--app", str(DEMOS / "flask_app.py"), "run", "--port", "0"],
    "django, sync": [*GUNICORN, "django_app:wsgi"],
    "django, uvicorn": [*UVICORN, "django_app:asgi"],
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_demos(name: str) -> None:
    web = Web(*SERVERS[name])

    def members() -> bytes:
        return get(web.port).body.split()[1]

    try:
        with Client(web.port) as client, Client(web.port) as other:
            head = client.ask("/sse").until(b"\r\n\r\n").decode().lower()
            client.until(b"data: ")
            other.ask("/sse").until(b"data: ")
            assert members() == b"2"
            for line in ("server: libhijack", "content-type: text/event-stream", "connection: close"):
                assert head.count(line) == 1, head
            word = "access-control-allow-origin: *" if "flask" in name else "x-content-type-options: nosniff"
            assert word in head and "content-length" not in head and "text/html" not in head
        with Client(web.port) as client:
            answer = client.ask("/sse", "HEAD").rest().decode()
            assert "event-stream" in answer and answer.endswith("\r\n\r\n") and "data" not in answer
        for _ in range(20):
            with Client(web.port) as client:
                client.ask("/sse")
                client.reset()
        wait_until(lambda: members() == b"0", "all have left")
    finally:
        output = web.end()
    assert "without starting response" not in output, output
    for trace in output.split("Traceback")[1:]:
        assert "SystemExit: 0" in trace, output  # of gunicorn, which was ended while it wrote its last answer


class Program:
    """A WSGI program that hands over and answers, with what a server would give it."""

    def __init__(self, server: hijack.Server, **environ: Any) -> None:
        self.ours, self.theirs = pair_over_tcp()
        self.taken: List[hijack.Request] = []
        self.answers: List[Any] = []
        self.server = server
        self.environ: Dict[str, Any] = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/a", "PATH_INFO": "/b c", "QUERY_STRING": "d=e",
            "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "x", "HTTP_LAST_EVENT_ID": "7", "CONTENT_TYPE": "text/plain",
            "CONTENT_LENGTH": "", "gunicorn.socket": self.ours, **environ,
        }

    def plan(self, environ: Any) -> None:
        hijack.wsgi.take(environ, self.server, self.taken.append)

    def run(self, app: Any) -> List[bytes]:
        def start_response(status: str, headers: Any, *more: Any) -> Any:
            self.answers.append((status, headers, *more))
            return self.answers.append

        return list(hijack.wsgi.Middleware(app)(self.environ, start_response))

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        for request in self.taken:
            request.close()
        self.ours.close()
        self.theirs.close()


def test_what_a_request_becomes(server: hijack.Server) -> None:
    server.start()

    class Body(List[bytes]):
        closed = False

        def close(self) -> None:
            self.closed = True

    with Program(server) as program:
        body = Body([b"forgotten"])

        def app(environ: Any, start_response: Any) -> Body:
            program.plan(environ)
            assert not program.taken, "it was taken before the answer began"
            start_response("200 OK", [("X-Set", "by the program"), ("Content-Length", "9")])
            return body

        with pytest.raises(hijack.wsgi.HandedOver):
            program.run(app)
        (request,) = program.taken
        assert body.closed and not program.answers and program.ours.fileno() == -1
        assert request.target == "/a/b%20c?d=e" and request.headers["last-event-id"] == "7"
        assert request.headers["content-type"] == "text/plain" and "content-length" not in request.headers
        request.respond(201, "later")
        answer = read_all(program.theirs)
        assert "X-Set: by the program" in answer and "Content-Length: 5" in answer and answer.endswith("later")


@pytest.mark.parametrize("path", [{"RAW_URI": "/\xe9 b?\x7f"}, {"PATH_INFO": "/\xe9 b", "QUERY_STRING": "\x7f"}])
def test_a_target_with_raw_bytes(path: Dict[str, str]) -> None:
    head = hijack.wsgi.head({"REQUEST_METHOD": "GET", **path})
    assert head.startswith(b"GET /%E9%20b?%7F HTTP/1.1\r\n")
    scope = {"raw_path": b"/\xe9 b", "query_string": b"\x7f", "headers": []}
    assert hijack.asgi.head(scope).startswith(b"GET /%E9%20b?%7F HTTP/1.1\r\n")


def test_a_request_is_no_reference_cycle(run: Run) -> None:
    class Environ(Dict[str, Any]):
        """One that can be referred to weakly."""

    class Server:
        """As uvicorn's, whose receive leads to the scope."""

        def __init__(self, scope: Environ) -> None:
            self.scope = scope

        async def receive(self) -> Any: ...

        async def send(self, message: Any) -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    gc.disable()
    try:
        environ = Environ()
        hijack.wsgi.Middleware(lambda environ, start_response: [])(environ, print)
        scope = Environ(type="http", path="/", headers=[])
        server = Server(scope)
        run(hijack.asgi.Middleware(app)(scope, server.receive, server.send))
        gone = [weakref.ref(environ), weakref.ref(scope)]
        del environ, scope, server
        assert [it() for it in gone] == [None, None]
    finally:
        gc.enable()


def test_a_generator_begins_to_answer_late(server: hijack.Server) -> None:
    server.start()
    with Program(server) as program:

        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            program.plan(environ)

            def body() -> Iterable[bytes]:
                start_response("200 OK", [("X-Set", "late")])
                yield b"x"

            return body()

        with pytest.raises(hijack.wsgi.HandedOver):
            program.run(app)
        program.taken[0].respond(200)
        assert "X-Set: late" in read_all(program.theirs)


@pytest.mark.parametrize("status", ["302 Found", "403 Forbidden", "500 Internal Server Error"])
def test_an_answer_that_is_no_success_is_sent(server: hijack.Server, status: str) -> None:
    server.start()
    with Program(server) as program:

        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            program.plan(environ)
            start_response(status, [])
            return [b"no"]

        assert program.run(app) == [b"no"] and program.answers == [(status, [])] and not program.taken
        assert program.ours.fileno() >= 0


def test_a_late_answer_that_is_no_success_has_its_body_once(server: hijack.Server) -> None:
    """Of an iterable whose every iterator begins anew."""
    server.start()

    class Body:
        closed = 0

        def __init__(self, start_response: Any) -> None:
            self.start_response = start_response

        def __iter__(self) -> Iterator[bytes]:
            self.start_response("403 Forbidden", [])
            yield from (b"one", b"two")

        def close(self) -> None:
            self.closed += 1

    with Program(server) as program:
        bodies: List[Body] = []

        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            program.plan(environ)
            bodies.append(Body(start_response))
            return bodies[0]

        assert program.run(app) == [b"one", b"two"] and bodies[0].closed == 1
        assert program.answers == [("403 Forbidden", [])] and not program.taken


def test_what_cannot_be_handed_over(server: hijack.Server) -> None:
    server.start()

    def late(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        with pytest.raises(hijack.StateError, match="begun already"):
            program.plan(environ)
        return [b"x"]

    def plain(environ: Any, start_response: Any) -> Iterable[bytes]:
        with pytest.raises(hijack.StateError, match="gunicorn"):
            program.plan(environ)
        start_response("200 OK", [])
        return [b"x"]

    with Program(server) as program:
        assert program.run(late) == [b"x"]
        del program.environ["gunicorn.socket"]
        assert program.run(plain) == [b"x"]
        with pytest.raises(hijack.StateError, match="hijack.wsgi.Middleware"):
            hijack.wsgi.hold({}, server.broadcaster())
        assert not program.taken


def test_a_client_that_left_before(server: hijack.Server) -> None:
    server.start()
    with Program(server) as program:

        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            program.plan(environ)
            program.theirs.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER, so that closing resets
            program.theirs.close()
            while True:
                try:
                    program.ours.getpeername()
                except OSError:
                    break
            start_response("200 OK", [])
            return [b""]

        with pytest.raises(hijack.wsgi.HandedOver):
            program.run(app)
        assert not program.taken and program.ours.fileno() == -1


def test_one_for_each_process() -> None:
    out = run_clean("""
import os, threading
import hijack

made = []

@hijack.local
def server():
    made.append(os.getpid())
    return hijack.Server(threads=1)

threads = [threading.Thread(target=server) for _ in range(8)]
for it in threads: it.start()
for it in threads: it.join()
assert server() is server() and made == [os.getpid()], made
if os.fork() == 0:
    code = 1
    try:
        with server() as mine:
            mine.start()
            code = 0 if made[1:] == [os.getpid()] and server() is mine else 2
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
server().close()
print(server.__name__)
""")
    assert out == "server\n"
