"""The demo of Durable Streams, by the standard library's client. The published suite has the whole of the protocol
(tests/durable_streams)."""

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type

import pytest

from support import CHECKOUT, PATIENCE

DEMO = CHECKOUT / "python" / "demos" / "durable_streams"
START = "0000000000000000_0000000000000000"
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
CLOSED = {"Stream-Closed": "true"}


class Answer:
    """A response that was read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def next(self) -> str:
        """Where to go on."""
        return str(self.headers["Stream-Next-Offset"])


class Demo:
    """The demo as a process."""

    def __init__(self, **variables: int) -> None:
        self.process = subprocess.Popen(  # without -X dev, which complains of what takes long on a busy machine
            [sys.executable, "-B", "-W", "error", str(DEMO), "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **{name.upper(): str(value) for name, value in variables.items()}},
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline().rstrip("/\n").rpartition(":")[2])

    def open(self, method: str, name: str, headers: Dict[str, str] = {}, body: bytes = b"") -> http.client.HTTPResponse:
        """A response whose body is not read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, f"/v1/stream/{name}", body or None, {**headers, "Connection": "close"})
        return connection.getresponse()

    def ask(self, method: str, name: str, headers: Dict[str, str] = {}, body: bytes = b"") -> Answer:
        with self.open(method, name, headers, body) as response:
            return Answer(response)

    def put(self, name: str, headers: Dict[str, str], body: bytes = b"") -> Answer:
        answer = self.ask("PUT", name, headers, body)
        assert answer.status == 201, answer.body
        return answer

    def end(self) -> None:
        self.process.terminate()
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0 and not errors, errors

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        if kind is None:
            self.end()
        else:
            self.process.kill()
            print(self.process.communicate())


@pytest.fixture
def demo() -> Iterator[Demo]:
    """One whose long polls wait as long as a test needs."""
    with Demo(long_poll_ms=int(PATIENCE * 1000)) as made:
        yield made


class Events:
    """The events of a live response, one after the other."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def next(self) -> Tuple[str, str]:
        """Name and data; heartbeats are left out."""
        name, data = "", []
        for line in iter(self.response.readline, b""):
            text = line.decode().rstrip("\n")
            field, _, value = text.partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data.append(value[1:] if value.startswith(" ") else value)
            elif not text and name:
                return name, "\n".join(data)
        return "end", ""

    def control(self) -> Dict[str, Any]:
        name, data = self.next()
        assert name == "control", (name, data)
        found: Dict[str, Any] = json.loads(data)
        return found


def meanwhile(call: Callable[[], Answer]) -> Callable[[], Answer]:
    """Runs call on a thread; returns what waits for its result."""
    results: List[Answer] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()

    def result() -> Answer:
        thread.join(PATIENCE)
        assert results, "there is no answer"
        return results[0]

    return result


def test_catch_up(demo: Demo) -> None:
    made = demo.put("a", TEXT, b"one ")
    assert made.headers["Location"] == f"http://127.0.0.1:{demo.port}/v1/stream/a"
    assert demo.ask("PUT", "a", TEXT).status == 200 and demo.ask("PUT", "a", JSON).status == 409
    assert demo.ask("POST", "a", TEXT, b"two").status == 204
    whole, rest = demo.ask("GET", "a"), demo.ask("GET", f"a?offset={made.next}")
    assert (whole.status, whole.body, rest.body) == (200, b"one two", b"two")
    assert whole.headers["Stream-Up-To-Date"] == "true" and whole.next == rest.next == demo.ask("HEAD", "a").next
    end = demo.ask("GET", f"a?offset={whole.next}")
    assert (end.status, end.body, end.headers["Stream-Up-To-Date"]) == (200, b"", "true")
    assert demo.ask("GET", "a", {"If-None-Match": whole.headers["ETag"]}).status == 304
    for wrong in ("", "x", START[:-1], "9" * 16 + "_" + "9" * 16, f"{START[:-1]}8", f"{START}&offset={START}"):
        assert demo.ask("GET", f"a?offset={wrong}").status == 400, wrong
    assert demo.ask("DELETE", "a").status == 204
    assert demo.ask("GET", "a").status == demo.ask("POST", "a", TEXT, b"x").status == 404


def test_messages_stay_as_they_were_written(demo: Demo) -> None:
    demo.put("a", JSON, b'[1.50, {"a":  [1, "\xc3\xbc"]}]')
    assert demo.ask("POST", "a", JSON, b" [[1], 2] ").status == demo.ask("POST", "a", JSON, b"9" * 5000).status == 204
    assert demo.ask("GET", "a").body == b'[1.50,{"a":  [1, "\xc3\xbc"]},[1],2,' + b"9" * 5000 + b"]"
    for wrong in (b"[]", b"[1,]", b"1 2", b"NaN", b"\xff", b" ", b"[" * 500_000):
        answer = demo.ask("POST", "a", JSON, wrong)
        assert answer.status == 400 and answer.body.startswith(b"The body "), (wrong[:20], answer.body)


def test_long_polls(demo: Demo) -> None:
    """All who wait get the append; the close has no content."""
    tail = demo.put("a", JSON, b'["old"]').next
    assert demo.ask("GET", "a?offset=-1&live=long-poll").body == b'["old"]'
    for headers, body, status, expected in ((JSON, b'["new"]', 200, b'["new"]'), (CLOSED, b"", 204, b"")):
        cursor = 10**12
        polls = [
            meanwhile(lambda: demo.ask("GET", f"a?offset={tail}&live=long-poll&cursor={cursor}")) for _ in range(3)
        ]
        # Nothing shows from outside whether a poll waits already; one that comes later gets the same.
        time.sleep(0.2)
        assert demo.ask("POST", "a", headers, body).status == 204
        for answer in (poll() for poll in polls):
            assert (answer.status, answer.body) == (status, expected) and answer.headers["X-Content-Type-Options"]
            following = answer.next
            assert answer.headers["Stream-Up-To-Date"] == "true"
            assert (answer.headers["Stream-Closed"] == "true") == (status == 204)
            assert int(answer.headers["Stream-Cursor"]) > cursor
        tail = following


def test_a_long_poll_ends_at_its_deadline() -> None:
    with Demo(long_poll_ms=50) as demo:
        tail = demo.put("a", TEXT, b"text").next
        answer = demo.ask("GET", "a?offset=now&live=long-poll")
        assert (answer.status, answer.next, answer.headers["Stream-Up-To-Date"]) == (204, tail, "true")
        assert answer.headers["Stream-Cursor"].isdigit() and answer.headers["Access-Control-Allow-Origin"] == "*"


def test_live_events(demo: Demo) -> None:
    """A control event follows each data event, and the last one ends the connection."""
    tail = demo.put("a", TEXT, b"one\r\n\r\nevent: control\n").next
    with demo.open("GET", "a?offset=-1&live=sse") as response:
        events = Events(response)
        assert events.next() == ("data", "one\n\nevent: control\n")
        control = events.control()
        assert control["streamNextOffset"] == tail and control["upToDate"] and control["streamCursor"].isdigit()
        assert demo.ask("POST", "a", TEXT, b" two").status == 204
        assert events.next() == ("data", " two")
        assert events.control()["streamNextOffset"] > tail
        assert demo.ask("POST", "a", {**TEXT, **CLOSED}, b"three").status == 204
        assert events.next() == ("data", "three")
        control = events.control()
        assert control["streamClosed"] and "streamCursor" not in control and events.next() == ("end", "")
    assert demo.ask("POST", "a", TEXT, b"four").status == 409
    assert demo.ask("POST", "a", CLOSED).status == 204
    with demo.open("GET", f"a?offset={tail}&live=sse") as response:
        events = Events(response)
        assert events.next() == ("data", " twothree")
        assert events.control()["streamClosed"] and events.next() == ("end", "")


def test_text_that_is_not_utf8(demo: Demo) -> None:
    """An event is UTF-8: what is not has a sign in its place, for who is there and who comes later; offsets stay."""
    demo.put("bytes", TEXT)
    bodies = [b"\xff\x00", "ü".encode()[:1], b"after"]
    with demo.open("GET", "bytes?offset=-1&live=sse") as response:
        events = Events(response)
        assert events.control()["streamNextOffset"] == START
        for body in bodies:
            answer = demo.ask("POST", "bytes", TEXT, body)
            assert answer.status == 204
            assert events.next() == ("data", body.decode(errors="replace"))
            assert events.control()["streamNextOffset"] == answer.next
    with demo.open("GET", "bytes?offset=-1&live=sse") as response:
        assert Events(response).next() == ("data", "\ufffd\x00\ufffdafter")
    assert demo.ask("GET", "bytes?offset=-1").body == b"".join(bodies)


def test_live_readers_are_sent_away_now_and_then() -> None:
    with Demo(live_ms=100) as demo:
        demo.put("a", TEXT, b"one")
        offset = "-1"
        for text in ("one", "two"):
            with demo.open("GET", f"a?offset={offset}&live=sse") as response:
                events = Events(response)
                assert events.next() == ("data", text)
                offset = events.control()["streamNextOffset"]
                assert events.next() == ("end", "")
            assert demo.ask("POST", "a", TEXT, b"two").status == 204


def test_a_reader_far_behind(demo: Demo) -> None:
    """It gets what it has missed in batches, and then what comes."""
    piece = os.urandom(300_000)
    demo.put("a", {}, piece)
    for _ in range(9):
        assert demo.ask("POST", "a", {"Content-Type": "application/octet-stream"}, piece).status == 204
    with demo.open("GET", "a?offset=-1&live=sse") as response:
        assert response.headers["Stream-SSE-Data-Encoding"] == "base64"
        events = Events(response)
        for i in range(11):
            if i == 10:
                assert demo.ask("POST", "a", {"Content-Type": "application/octet-stream"}, piece).status == 204
            name, data = events.next()
            assert name == "data" and base64.b64decode(data, validate=True) == piece
            control = events.control()
            assert control.get("upToDate", False) == (i >= 9)
            assert int(control["streamNextOffset"][17:]) == len(piece) * (i + 1)


def test_forks(demo: Demo) -> None:
    middle = demo.put("a", TEXT, b"hello").next
    assert demo.ask("POST", "a", TEXT, b" world").status == 204
    source = {"Stream-Forked-From": "/v1/stream/a"}
    demo.put("b", {**source, "Stream-Fork-Offset": middle})
    demo.put("c", {**source, "Stream-Fork-Offset": middle, "Stream-Fork-Sub-Offset": "3"}, b"!")
    for sub in ("7", "x", "-1"):
        wrong = {**source, "Stream-Fork-Offset": middle, "Stream-Fork-Sub-Offset": sub}
        assert demo.ask("PUT", "d", wrong).status == 400
    assert demo.ask("POST", "a", TEXT, b" for a only").status == demo.ask("POST", "b", TEXT, b" fork").status == 204
    assert demo.ask("DELETE", "a").status == 204
    assert [demo.ask("GET", name).body for name in "bc"] == [b"hello fork", b"hello wo!"]
    assert demo.ask("GET", "a").status == 410 and demo.ask("PUT", "a", TEXT).status == 409
    assert demo.ask("DELETE", "b").status == 204 and demo.ask("HEAD", "a").status == 410
    assert demo.ask("DELETE", "c").status == 204 and demo.ask("HEAD", "a").status == 404


def test_producers(demo: Demo) -> None:
    """What is sent twice counts once."""
    demo.put("a", TEXT)

    def send(epoch: int, seq: int, body: bytes) -> Answer:
        claim = {"Producer-Id": "me", "Producer-Epoch": str(epoch), "Producer-Seq": str(seq)}
        return demo.ask("POST", "a", {**TEXT, **claim}, body)

    assert [send(0, 0, b"a").status, send(0, 0, b"a").status, send(0, 1, b"b").status] == [200, 204, 200]
    gap = send(0, 3, b"d")
    assert (gap.status, gap.headers["Producer-Expected-Seq"], gap.headers["Producer-Received-Seq"]) == (409, "2", "3")
    assert [send(1, 5, b"x").status, send(1, 0, b"c").status] == [400, 200]
    fenced = send(0, 2, b"x")
    assert (fenced.status, fenced.headers["Producer-Epoch"]) == (403, "1")
    assert demo.ask("POST", "a", {**TEXT, "Producer-Id": "me"}, b"x").status == 400
    assert demo.ask("GET", "a").body == b"abc"


def test_streams_whose_time_is_over(demo: Demo) -> None:
    for wrong in ({"Stream-TTL": "01"}, {"Stream-Expires-At": "soon"}, {"Stream-Expires-At": "2030-02-30T00:00:00Z"}):
        assert demo.ask("PUT", "a", {**TEXT, **wrong}).status == 400
    demo.put("a", {**TEXT, "Stream-TTL": "1"}, b"text")
    with demo.open("GET", "a?offset=-1&live=sse") as response:
        events = Events(response)
        assert events.next() == ("data", "text") and events.control()["upToDate"]
        assert events.next() == ("end", "")  # nobody asks any more, and still it ends
    assert demo.ask("GET", "a").status == 404
