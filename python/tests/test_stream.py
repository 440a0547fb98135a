"""Stream: bodies in pieces, Server-Sent Events, back-pressure, the end."""

import io
from typing import Any, Callable, List

import pytest

import hijack
from support import Client, Serving, fill, in_thread, port_of, wait_until

PIECE = b"x" * 65536


def stream_of(server: hijack.Server, client: Client, sse: bool = False) -> hijack.Stream:
    """A stream to this client, made on this thread."""
    client.ask()
    request = server.accept()
    stream = request.sse() if sse else request.stream()
    client.until(b"\r\n\r\n")
    return stream


@pytest.fixture
def client(server: hijack.Server) -> Any:
    with Client(port_of(server)) as client:
        yield client


def test_pieces_of_every_kind(server: hijack.Server, client: Client) -> None:
    with stream_of(server, client) as stream:
        stream.send(b"bytes ")
        stream.send("t\xe9xt ")
        stream.send(memoryview(b"view "))
        stream.try_send("try ")
        assert stream.write("w\xe9 ") == 3
        print("print", 1, file=stream, flush=True)
        assert stream.writable() and not stream.closed
        with pytest.raises(io.UnsupportedOperation):
            stream.fileno()
        with pytest.raises(TypeError):
            stream.send(5)  # type: ignore[arg-type]
    assert client.chunks() == "bytes t\xe9xt view try w\xe9 print 1\n".encode()
    assert stream.closed


def test_events(server: hijack.Server, client: Client) -> None:
    with stream_of(server, client, sse=True) as stream:
        stream.send_event("two\nlines", event="greeting", id="1", retry=3000)
        stream.send_event(b"plain")
        stream.send_event("reset", id="")
        stream.send_event(retry=5)
        stream.comment("a\nb")
        for event, id in (("a\nb", None), (None, "a\rb"), (None, "a\0")):
            with pytest.raises(hijack.InvalidError):
                stream.send_event("x", event, id)
    assert client.chunks() == (
        b"event: greeting\nid: 1\nretry: 3000\ndata: two\ndata: lines\n\ndata: plain\n\n"
        b"id:\ndata: reset\n\nretry: 5\n\n: a\n: b\n\n"
    )


def test_a_send_waits_for_the_peer(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)
    fill(stream)
    with pytest.raises(BlockingIOError):
        stream.send(PIECE, timeout=0)
    with pytest.raises(TimeoutError, match="0.05 s"):
        stream.send(PIECE, timeout=0.05)
    with in_thread(lambda: stream.send(PIECE + b"the end")) as result:
        wait_until(lambda: stream._changed._sleepers, "send waits")
        assert not result, "it did not wait"

        def close() -> None:
            wait_until(lambda: result)
            stream.close()

        with in_thread(close):
            assert client.chunks().endswith(b"the end")
    assert result == [None]
    stream.wait_closed(10)
    assert stream.reason is None


def test_what_was_refused_was_not_sent(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)
    sent = fill(stream)
    with in_thread(stream.close):
        assert len(client.chunks()) == sent


@pytest.mark.parametrize("end", ["reset", "peer", "close", "abort", "stop", "release"])
def test_a_waiting_send_is_woken_by_the_end(server: hijack.Server, client: Client, end: str) -> None:
    stream = stream_of(server, client)
    fill(stream)
    ends = {"reset": client.reset, "peer": client.socket.close, "close": stream.close, "abort": stream.abort}
    ends["stop"] = server.stop
    with in_thread(lambda: stream.send(PIECE)) as result:
        wait_until(lambda: stream._changed._sleepers, "send waits")
        ends.get(end, stream.release)()
    assert isinstance(result[0], hijack.ClosedError), result
    with pytest.raises(hijack.ClosedError):
        stream.send("more")
    assert stream.closed


def test_the_reason_of_an_end(server: hijack.Server) -> None:
    with Client(port_of(server)) as client:
        stream = stream_of(server, client)
        assert stream.reason is None
        client.reset()
        stream.wait_closed(10)
    assert isinstance(stream.reason, hijack.ResetError)
    with pytest.raises(hijack.ClosedError, match="reset") as caught:
        stream.send("x")
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    stream.close()
    stream.abort()


def test_a_closed_stream_says_who_closed_it(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)
    stream.finish()
    stream.finish()
    with pytest.raises(hijack.ClosedError, match="the stream was closed"):
        stream.send("x")
    stream.wait_closed(10)
    with pytest.raises(hijack.ClosedError, match="the stream was closed"):
        stream.send("x")
    assert client.chunks() == b""


def test_a_block_that_raises_breaks_the_body_off(server: hijack.Server, client: Client) -> None:
    with pytest.raises(ValueError), stream_of(server, client) as stream:
        stream.send("begun")
        raise ValueError
    with pytest.raises((AssertionError, ConnectionResetError)):
        client.chunks()
    stream.wait_closed(10)
    assert isinstance(stream.reason, hijack.AbortedError)


def test_a_content_length(server: hijack.Server, client: Client) -> None:
    client.ask()
    stream = server.accept().stream(200, {"Content-Length": "5"})
    with pytest.raises(hijack.TooBigError):
        stream.send("123456")
    stream.send("12345")
    stream.close()
    assert client.response().body == b"12345"


def test_keep_alive_goes_on_after_a_stream(server: hijack.Server, client: Client) -> None:
    with stream_of(server, client) as stream:
        stream.send("one")
    assert client.chunks() == b"one"
    client.ask("/two")
    server.accept().respond(200, "two")
    assert client.response().body == b"two"


def test_waiting_for_the_end_has_a_limit(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)
    assert stream.wait_closed(0.02) is False
    stream.close()


def test_drained_may_come_before_the_refusal(server: hijack.Server) -> None:
    """Many threads send to peers that read at once, with marks so low that each send may be refused, and DRAINED comes
    at any moment: none may be missed, or a send would wait for ever."""
    with hijack.Server(threads=1, high_water_bytes=1, low_water_bytes=0) as server:
        server.listen("127.0.0.1:0")
        refused: List[int] = []

        def handler(request: hijack.Request) -> None:
            with request.stream() as stream:
                for i in range(1500):
                    try:
                        stream.try_send(b"%5d" % i)
                    except hijack.WouldBlockError:
                        refused.append(i)
                        stream.send(b"%5d" % i, timeout=15)

        with Serving(server, handler) as port:

            def read() -> bytes:
                with Client(port) as client:
                    return client.ask().response().body

            with in_thread(read) as a, in_thread(read) as b, in_thread(read) as c, in_thread(read) as d:
                pass
        assert a == b == c == d == [b"".join(b"%5d" % i for i in range(1500))]
        assert refused, "no send was ever refused"


def test_any_thread_may_send_and_each_keeps_its_order(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)

    def many(name: int) -> Callable[[], None]:
        def send() -> None:
            for i in range(500):
                stream.send(b"%d:%04d " % (name, i))

        return send

    with in_thread(client.chunks) as body:
        with in_thread(many(1)), in_thread(many(2)):
            pass
        stream.close()
    words = body[0].split()
    assert [word for word in words if word[:1] == b"1"] == [b"1:%04d" % i for i in range(500)]
    assert len(words) == 1000


def test_trailers(server: hijack.Server, client: Client) -> None:
    stream = stream_of(server, client)
    stream.send("body")
    with pytest.raises(hijack.HeaderError):
        stream.finish({"x": "\x01"})
    assert not stream.closed, "a refused call has ended it"
    stream.finish({"X-Sum": "4", "x-more": "yes"})
    assert client.until(b"\r\n\r\n") == b"4\r\nbody\r\n0\r\nX-Sum: 4\r\nx-more: yes\r\n\r\n"
    stream.wait_closed(10)
    assert stream.reason is None
