"""WebSocket, with plain threads: messages both ways, their order, their ends, and who waits for what."""

import contextlib
import logging
import pickle
import socket as sockets
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import h2.connection
import h2.events
import pytest
import websockets.exceptions
import websockets.sync.client

import hijack
from support import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PATIENCE,
    PING,
    PONG,
    TEXT,
    Client,
    Serving,
    WebSocketClient,
    close_frame,
    frame,
    in_thread,
    port_of,
    run_clean,
    wait_until,
)
from test_tls import context, issue, named

MEGA = 1 << 20
FLOOD = "x" * (12 << 20)  #: more than the kernel takes for a client that does not read


def echo(request: hijack.Request) -> None:
    with request.websocket() as websocket:
        for message in websocket:
            websocket.send(message)


@pytest.fixture
def client(server: hijack.Server) -> Iterator[WebSocketClient]:
    with WebSocketClient(port_of(server)) as client:
        yield client


def accept(server: hijack.Server, client: WebSocketClient, **more: Any) -> hijack.WebSocket:
    client.ask(headers=HANDSHAKE)
    websocket = server.accept(20).websocket(**more)
    assert client.response().status == 101
    return websocket


def test_text_and_binary_come_back_as_they_were(server: hijack.Server) -> None:
    messages: List[hijack.Message] = ["hello", "", "gr\xfc\xdfe, \u4e16\u754c \U0001f600\0", b"", b"\0\xff\xfe"]
    messages += ["x" * MEGA, b"\x80" * MEGA, "y" * 65536]
    with Serving(server, echo) as port:
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", max_size=None) as peer:
            for message in messages:
                peer.send(message)
                assert peer.recv(20) == message
            for message in messages:
                peer.send(message)
            assert [peer.recv(20) for _ in messages] == messages


def test_what_can_be_sent(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    for data in (bytearray(b"a"), memoryview(b"b"), b"c"):
        websocket.send(data)
    websocket.try_send("d")
    websocket.ping("e")
    websocket.ping()
    assert [client.frame() for _ in range(6)] == [
        (BINARY, b"a"), (BINARY, b"b"), (BINARY, b"c"), (TEXT, b"d"), (PING, b"e"), (PING, b"")
    ]
    wrong: Any = 5
    with pytest.raises(TypeError):
        websocket.send(wrong)
    with pytest.raises(UnicodeEncodeError):
        websocket.send("\ud800")
    with pytest.raises(hijack.InvalidError, match=r"at most 125 bytes \(got 126\)"):
        websocket.ping(b"x" * 126)
    assert not websocket.closed and "WebSocket open" in repr(websocket)
    client.send(close_frame(1000))
    assert websocket.wait_closed(20)


def test_fragments_and_pings_between_them(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    client.send(frame(TEXT, "gr\xfc".encode()[:3], last=False), frame(PING, b"alive?"))
    with pytest.raises(hijack.TimedOutError):
        websocket.recv(0.01)
    assert client.frame() == (PONG, b"alive?")
    client.send(frame(0, "gr\xfc".encode()[3:], last=False), frame(PONG, b"unasked"), frame(0, b""))
    assert websocket.recv(20) == "gr\xfc"
    websocket.abort()


def test_receiving_has_a_time_limit(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    with pytest.raises(TimeoutError, match="recv.*0.02 s"):
        websocket.recv(timeout=0.02)
    with pytest.raises(BlockingIOError):
        websocket.recv(timeout=0)
    client.send(frame(TEXT, b"late"))
    assert websocket.recv(timeout=20) == "late"
    websocket.abort()


@pytest.mark.parametrize("code, reason", [(1000, "bye"), (1001, "gr\xfc\xdfe"), (1005, ""), (3001, "mine"), (1011, "")])
def test_the_client_closes(server: hijack.Server, client: WebSocketClient, code: int, reason: str) -> None:
    websocket = accept(server, client)
    seen: List[Any] = []
    websocket.on_close(lambda why: seen.append((why, websocket.close_code, websocket.close_reason)))
    client.send(frame(TEXT, b"last"), frame(CLOSE) if code == 1005 else close_frame(code, reason))
    assert (websocket.recv(20), websocket.close_code, websocket.close_reason) == ("last", None, None)
    kind = hijack.ConnectionClosedOK if code in (1000, 1001, 1005) else hijack.ConnectionClosedError
    with pytest.raises(kind, match=f"recv: the client closed the WebSocket with code {code}") as caught:
        websocket.recv(20)
    assert client.closing() == (code, reason) and client.rest() == b""
    error = caught.value
    assert (error.code, error.reason) == (code, reason) == (websocket.close_code, websocket.close_reason)
    assert error.rcvd == error.sent == hijack.Close(code, reason) and error.__cause__ is None
    assert isinstance(error, hijack.ClosedError) and error.symbol == "HIJACK_ECLOSED"
    assert seen == [(None, code, reason)] and websocket.closed and websocket.reason is None
    for call in (lambda: websocket.send("x"), lambda: websocket.try_send("x"), websocket.ping, websocket.recv):
        with pytest.raises(kind):
            call()
    if kind is hijack.ConnectionClosedOK:
        assert list(websocket) == []
    else:
        with pytest.raises(kind):
            list(websocket)
    websocket.close()


def test_an_error_can_be_pickled(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    client.send(close_frame(4000, "why"))
    with pytest.raises(hijack.ConnectionClosed) as caught:
        websocket.recv(20)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.code, again.rcvd) == (
        hijack.ConnectionClosedError, str(caught.value), 4000, hijack.Close(4000, "why")
    )


def test_the_program_closes(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    client.send(frame(TEXT, b"before"))
    wait_until(lambda: websocket._pieces, "the message has come")
    websocket.send("last")
    with in_thread(lambda: websocket.close(3456, "gr\xfcn")) as closed:
        assert client.frame() == (TEXT, b"last") and client.closing() == (3456, "gr\xfcn")
        assert not closed, "it did not wait for the client"
        client.send(frame(TEXT, b"too late"), close_frame(3456))
    assert closed == [None] and (websocket.close_code, websocket.close_reason) == (3456, "gr\xfcn")
    assert websocket.recv() == "before"
    with pytest.raises(hijack.ConnectionClosedError, match="was closed with code 3456: gr\xfcn") as caught:
        websocket.recv()
    assert caught.value.sent == hijack.Close(3456, "gr\xfcn") and caught.value.rcvd is None
    assert websocket.closed and websocket.reason is None and websocket.wait_closed()
    websocket.close()


def test_a_client_that_does_not_answer_a_close() -> None:
    with hijack.Server(threads=1, websocket_pong_ms=50) as server:
        server.listen("127.0.0.1:0")
        with WebSocketClient(port_of(server)) as client:
            websocket = accept(server, client)
            websocket.close()
            assert websocket.close_code == 1000 and isinstance(websocket.reason, hijack.TimedOutError)
            with pytest.raises(hijack.ConnectionClosedError) as caught:
                websocket.recv()
            assert isinstance(caught.value.__cause__, hijack.TimedOutError)


def test_codes_and_reasons_that_cannot_be_sent(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    for code, reason in ((999, ""), (5000, ""), (-1, ""), (1000, "x" * 124), (1000, "\xfc" * 62)):
        with pytest.raises(hijack.InvalidError, match="close: expected a code of 1000 to 1014 or 3000 to 4999"):
            websocket.close(code, reason)
    for code in (1004, 1005, 1006, 1015, 2000):
        with pytest.raises(hijack.InvalidError, match=str(code)):
            websocket.close(code)
    assert not websocket.closed
    client.send(close_frame(1000))
    websocket.close(1000, "x" * 123)


@pytest.mark.parametrize("error, code", [(None, 1000), (ValueError("mine"), 1011), (KeyboardInterrupt(), 1011)])
def test_the_end_of_a_block(server: hijack.Server, client: WebSocketClient, error: Any, code: int) -> None:
    websocket = accept(server, client)

    def block() -> None:
        with websocket as same:
            assert same is websocket
            if error is not None:
                raise error

    with in_thread(block) as result:
        assert client.closing() == (code, "")
        if isinstance(error, KeyboardInterrupt):
            wait_until(lambda: result, "Ctrl-C waits for no client")
        client.send(close_frame(code))
    assert result == [error]
    assert websocket.wait_closed(20) and websocket.close_code == code


@pytest.mark.parametrize(
    "what, code", [(frame(3), 1002), (frame(TEXT, b"\xff"), 1007), (frame(BINARY, b"x" * 2049), 1009)]
)
def test_a_client_that_breaks_the_rules(what: bytes, code: int) -> None:
    with hijack.Server(threads=1, websocket_message_bytes="2k") as server:
        with WebSocketClient(server.listen("127.0.0.1:0")) as client:
            websocket = accept(server, client)
            client.send(frame(BINARY, b"x" * 2048), what)
            assert websocket.recv(20) == b"x" * 2048
            with pytest.raises(hijack.ConnectionClosedError, match=f"was closed with code {code}: ") as caught:
                websocket.recv(20)
            assert caught.value.code == code == client.closing()[0] and caught.value.rcvd is None
            assert isinstance(caught.value.__cause__, hijack.ProtocolError) and websocket.close_reason


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_client_that_is_lost(server: hijack.Server, client: WebSocketClient, how: str) -> None:
    websocket = accept(server, client)
    with in_thread(lambda: websocket.recv(20)) as result:
        wait_until(lambda: websocket._changed._sleepers, "recv waits")
        client.socket.close() if how == "fin" else client.reset()
    error = result[0]
    assert isinstance(error, hijack.ConnectionClosedError) and "ended without a close frame" in str(error)
    assert error.code == 1006 == websocket.close_code and error.rcvd is None is error.sent
    assert isinstance(error.__cause__, hijack.ResetError) == (how == "rst")


@pytest.mark.parametrize("end", ["close", "abort", "stop", "release"])
def test_a_waiting_recv_is_woken_by_the_end(server: hijack.Server, client: WebSocketClient, end: str) -> None:
    websocket = accept(server, client)
    with in_thread(websocket.recv) as result:
        wait_until(lambda: websocket._changed._sleepers, "recv waits")
        if end == "close":
            client.send(close_frame(1000))
        {"close": websocket.close, "abort": websocket.abort, "stop": server.stop, "release": websocket.release}[end]()
    kinds = {"abort": hijack.ConnectionClosedError, "release": hijack.ConnectionClosed}
    assert type(result[0]) is kinds.get(end, hijack.ConnectionClosedOK), result
    if end == "stop":
        assert result[0].code == 1001 and isinstance(result[0].__cause__, hijack.ShutdownError)


def test_stop_and_drain_say_1001(server: hijack.Server) -> None:
    with hijack.Server(threads=1) as other:
        for it, end in ((server, server.stop), (other, lambda: other.drain(0.01))):
            if it is other:
                it.listen("127.0.0.1:0")
            ended: List[Any] = []

            def handler(request: hijack.Request) -> None:
                with request.websocket() as websocket:
                    websocket.send("hello")
                    ended.append(list(websocket))

            it.start(handler)
            with WebSocketClient(port_of(it)) as client:
                client.shake()
                assert client.frame() == (TEXT, b"hello")
                with in_thread(end):
                    assert client.closing()[0] == 1001
                    with contextlib.suppress(OSError):
                        client.send(close_frame(1001))
                wait_until(lambda: ended == [[]], "the loop over messages has ended")


def test_wrong_handshakes_get_their_answer(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    answered: List[Tuple[bool, bool, str]] = []

    def handler(request: hijack.Request) -> None:
        try:
            request.websocket()
        except hijack.ProtocolError as error:
            answered.append((request.answered, request.wants_websocket, str(error)))
            with pytest.raises(hijack.StateError):
                request.respond(200)
            raise

    def ask(headers: str, method: str = "GET") -> Any:
        with Client(port_of(server)) as client:
            return client.ask("/ws", method, headers).response()

    with caplog.at_level(logging.INFO, "hijack"):
        server.start(handler)
        assert ask("").status == 426 and ask(HANDSHAKE.replace("13", "8")).headers["sec-websocket-version"] == "13"
        assert ask(HANDSHAKE.replace("dGhl", "")).status == 400 and ask(HANDSHAKE, "PUT").status == 405
        assert ask(HANDSHAKE + "Origin: http://evil.example\r\n").status == 403
        wait_until(lambda: len(answered) == 5)
        assert not server._core.requests
    assert [it[:2] for it in answered] == [(True, False)] + 4 * [(True, True)]
    assert "websocket of GET /ws: the handshake was wrong" in answered[0][2] and not caplog.records


def test_what_the_client_asks_for(server: hijack.Server, client: WebSocketClient) -> None:
    offer = "Sec-WebSocket-Protocol: chat.v2, chat\r\nSec-WebSocket-Protocol:  soap ,,\r\n"
    client.ask(headers=HANDSHAKE.replace("websocket", "WebSocket").replace("Upgrade: ", "Upgrade: h2c, ") + offer)
    request = server.accept(20)
    assert request.wants_websocket and request.websocket_protocols == ["chat.v2", "chat", "soap"]
    with pytest.raises(hijack.InvalidError):
        request.websocket("other")
    with pytest.raises(hijack.HeaderError):
        request.websocket("chat", {"Sec-WebSocket-Accept": "x"})
    assert not request.answered
    websocket = request.websocket("chat", {"X-Mine": "yes"})
    head = client.response().headers
    assert head["sec-websocket-protocol"] == "chat" == websocket.subprotocol and head["x-mine"] == "yes"
    assert request.answered and not server._core.requests
    websocket.abort()
    with Client(port_of(server)) as other:
        other.ask(headers="Upgrade: h2c\r\nConnection: Upgrade\r\n")
        with server.accept(20) as request:
            assert not request.wants_websocket and request.websocket_protocols == []
            request.respond()


def test_there_is_none_over_http2(server: hijack.Server) -> None:
    refused: List[Any] = []

    def handler(request: hijack.Request) -> None:
        try:
            request.websocket()
        except hijack.NotSupportedError as error:
            refused.append(error)
            request.respond(505)

    with Serving(server, handler) as port, Client(port) as client:
        peer = h2.connection.H2Connection()
        peer.initiate_connection()
        names = ((":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "test"))
        peer.send_headers(1, names, end_stream=True)
        client.socket.sendall(peer.data_to_send())
        status = b""
        while not status:
            for event in peer.receive_data(client.socket.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = bytes(dict(event.headers)[b":status"])
        assert status == b"505" and len(refused) == 1


def test_two_threads_send(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)

    def send(name: str) -> None:
        for i in range(500):
            websocket.send(f"{name}{i} {'x' * (i * 7 % 3000)}")

    with in_thread(lambda: send("a")) as first, in_thread(lambda: send("b")) as second:
        got = [client.frame()[1].decode().split(" ")[0] for _ in range(1000)]
    assert first == [None] == second
    for name in "ab":
        assert [it for it in got if it[0] == name] == [f"{name}{i}" for i in range(500)]
    websocket.abort()


def test_a_client_that_does_not_read(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    websocket.try_send(FLOOD)
    with pytest.raises(hijack.WouldBlockError):
        websocket.try_send("no")
    with pytest.raises(hijack.TimedOutError, match="send.*0.02 s"):
        websocket.send("no", timeout=0.02)

    def send() -> None:
        for i in range(100):
            websocket.send(f"{i}")

    with in_thread(send) as result:
        wait_until(lambda: websocket._changed._sleepers, "send waits")
        assert client.frame() == (TEXT, FLOOD.encode())
        assert [client.frame()[1] for _ in range(100)] == [b"%d" % i for i in range(100)]
    assert result == [None]
    websocket.abort()


@pytest.mark.parametrize("end", ["abort", "close", "client"])
def test_a_waiting_send_is_woken_by_the_end(server: hijack.Server, client: WebSocketClient, end: str) -> None:
    websocket = accept(server, client)
    websocket.try_send(FLOOD)
    with in_thread(lambda: websocket.send("no")) as result:
        wait_until(lambda: websocket._changed._sleepers, "send waits")
        if end == "client":
            client.reset()
        elif end == "abort":
            websocket.abort()
        else:
            with in_thread(websocket.close):
                assert client.frame()[0] == TEXT and client.closing() == (1000, "")
                client.send(close_frame(1000))
    assert type(result[0]) is (hijack.ConnectionClosedOK if end == "close" else hijack.ConnectionClosedError), result


def test_a_program_that_does_not_receive_holds_the_client_up(server: hijack.Server, client: WebSocketClient) -> None:
    websocket = accept(server, client)
    wait_until(lambda: websocket._asked)
    payload, count = b"x" * 1000, 0
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            message = frame(BINARY, b"%06d" % count + payload)
            if client.socket.send(message) < len(message):
                raise BlockingIOError
            count += 1
    before = server.stats()["bytes_in"]
    assert before < 200_000 and len(websocket._pieces) == 1
    for i in range(count):
        assert websocket.recv(20)[:6] == b"%06d" % i
    websocket.abort()


def test_what_is_sent_about_a_message_goes_before_its_end(server: hijack.Server) -> None:
    """Also if the client has closed, or done wrong, right behind the message."""
    port = port_of(server)
    server.start(echo)
    for then, code in ((close_frame(1000), 1000), (frame(3), 1002)):
        with WebSocketClient(port) as client:
            client.shake()
            client.send(*(frame(TEXT, b"%d" % i) for i in range(50)), then)
            assert [client.frame() for _ in range(50)] == [(TEXT, b"%d" % i) for i in range(50)]
            assert client.closing()[0] == code


@pytest.mark.parametrize("before", ["nothing", "a message", "on_close"])
def test_a_program_that_only_sends_hears_of_the_end(
    server: hijack.Server, client: WebSocketClient, before: str
) -> None:
    websocket = accept(server, client)
    ends = threading.Event()
    if before != "nothing":
        client.send(frame(TEXT, b"subscribe"))
        assert websocket.recv(20) == "subscribe"
        websocket.on_close(lambda reason: ends.set()) if before == "on_close" else websocket.send("you are")
    client.send(frame(PING, b"?"), close_frame(1000))
    if before == "on_close":
        assert ends.wait(20)
    else:
        assert websocket.wait_closed(20)
    with pytest.raises(hijack.ConnectionClosedOK):
        websocket.send("x")
    frames = [client.frame() for _ in range(3 if before == "a message" else 2)]
    assert frames[-2:] == [(PONG, b"?"), (CLOSE, b"\x03\xe8")]


def test_silent_clients_are_asked() -> None:
    with hijack.Server(threads=1, websocket_ping_ms=50, websocket_pong_ms=100) as server:
        server.listen("127.0.0.1:0")
        with WebSocketClient(port_of(server)) as client:
            websocket = accept(server, client)
            assert client.frame() == (PING, b"")
            with pytest.raises(hijack.ConnectionClosedError) as caught:
                websocket.recv(20)
            assert caught.value.code == 1006 and isinstance(caught.value.__cause__, hijack.TimedOutError)


def test_in_on_close_nothing_waits(server: hijack.Server) -> None:
    """Neither the closing of another WebSocket, nor a message to one that has just closed."""
    with WebSocketClient(port_of(server)) as a, WebSocketClient(port_of(server)) as b:
        first, second = accept(server, a), accept(server, b)
        results: List[Any] = []

        def on_close(reason: Any) -> None:
            second.close(3000)
            with pytest.raises(hijack.ConnectionClosed) as caught:
                second.send("x")
            results.append(type(caught.value))

        first.on_close(on_close)
        a.send(close_frame(1000))
        assert b.closing() == (3000, "")
        wait_until(lambda: results == [hijack.ConnectionClosed])
        b.send(close_frame(3000))
        assert second.wait_closed(20)


def test_over_tls(tmp_path: Path) -> None:
    issue(tmp_path, "ca")
    issue(tmp_path, "server", *named("localhost"))
    with hijack.Server(threads=1) as server:
        port = server.listen("127.0.0.1:0", tmp_path / "server.pem", tmp_path / "server.key")
        with Serving(server, echo):
            uri = f"wss://localhost:{port}/"
            with websockets.sync.client.connect(uri, ssl=context(tmp_path), max_size=None) as peer:
                for message in ("secret", b"\0" * 300_000, "x" * MEGA):
                    peer.send(message)
                    assert peer.recv(20) == message
                peer.close(1001, "gone")


def test_what_an_http_answer_would_have_is_no_part_of_a_handshake(server: hijack.Server) -> None:
    ours, theirs = sockets.socketpair()
    with theirs:
        server.start()
        theirs.settimeout(PATIENCE)
        head = f"GET / HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\n".encode()
        others = {"Content-Type": "text/html", "Content-Length": "5", "Sec-WebSocket-Accept": "x", "X-A": "b"}
        with server.adopt_request(ours, head, headers=others) as request:
            websocket = request.websocket(headers={"X-C": "d"})
        answer = theirs.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 101 ") and "X-A: b" in answer and "X-C: d" in answer
        assert "text/html" not in answer and answer.count("Sec-WebSocket-Accept") == 1
        theirs.sendall(frame(TEXT, b"hello") + close_frame(1000))
        assert list(websocket) == ["hello"]


def test_a_forked_child_has_none() -> None:
    run_clean(
        """
        import os, sys, warnings
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        import hijack
        from support import HANDSHAKE, TEXT, WebSocketClient, frame
        server = hijack.Server(threads=1)
        room = server.broadcaster()
        client = WebSocketClient(server.listen("127.0.0.1:0"))
        client.ask(headers=HANDSHAKE)
        websocket = server.accept(20).websocket()
        client.response()
        calls = [websocket.recv, websocket.close, websocket.abort, websocket.release, websocket.wait_closed,
                 lambda: websocket.send("x"), lambda: websocket.try_send("x"), websocket.ping, lambda: next(websocket),
                 lambda: next(websocket.recv_streaming()), lambda: websocket.on_close(print),
                 lambda: room.on_message(print), lambda: room.add(websocket)]
        child = os.fork()
        if child == 0:
            for call in calls:
                try:
                    call()
                except hijack.ForkError:
                    continue
                os._exit(1 + calls.index(call))
            with websocket:
                pass
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        websocket.send("still")
        assert client.frame() == (TEXT, b"still")
        websocket.abort()
        client.socket.close()
        server.close()
        """
    )


def test_websockets_raises_the_same(server: hijack.Server) -> None:
    """The meaning of the three exceptions is that of the package websockets."""
    ended: "List[Callable[[], object]]" = []
    ours: List[Any] = []

    def handler(request: hijack.Request) -> None:
        websocket = request.websocket()
        with contextlib.suppress(hijack.ConnectionClosed):
            while True:
                websocket.recv()
        ended.append(websocket.recv)

    with Serving(server, handler) as port:
        for code in (1000, 1001, 1011, 3000, 4999):
            ended.clear()
            with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/") as peer:
                peer.close(code)
                with pytest.raises(websockets.exceptions.ConnectionClosed) as theirs:
                    peer.recv()
            wait_until(lambda: ended)
            with pytest.raises(hijack.ConnectionClosed) as caught:
                ended[0]()
            ours.append(caught.value.code)
            assert type(caught.value).__name__ == type(theirs.value).__name__, code
    assert ours == [1000, 1001, 1011, 3000, 4999]
