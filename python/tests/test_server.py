"""Server: options, addresses, requests from start to stop."""

import logging
import socket
import threading
from typing import List

import pytest

import hijack
import hijack_ffi
from hijack_ffi._constants import STAT_COUNT
from support import Client, Serving, get, in_thread, port_of, wait_until


def test_options_go_by_name() -> None:
    with hijack.Server(threads=3, max_body_bytes="64k", server_name="me", capacity=100) as server:
        assert server["threads"] == 3
        assert server.get("max_body_bytes") == 65536
        assert server.get("server_name") == "me"
        assert server.get("head_timeout_ms") == 10000


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"thread": 1}, hijack.OptionError, "option thread: "),
        ({"overflow": "close"}, hijack.OptionError, "option overflow: "),
        ({"threads": 65}, hijack.OutOfRangeError, "option threads=65: "),
        ({"threads": "many"}, hijack.OutOfRangeError, "option threads=many: "),
        ({"capacity": 0}, hijack.OutOfRangeError, "option capacity=0: "),
    ],
)
def test_a_bad_option_is_named(options: "dict[str, int | str]", error: "type[Exception]", text: str) -> None:
    with pytest.raises(error, match=text):
        hijack.Server(**options)


def test_an_unknown_option_cannot_be_read() -> None:
    with hijack.Server() as server, pytest.raises(hijack.OptionError, match="capacity"):
        server.get("capacity")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "fd:x", "unix:"])
def test_an_address_that_makes_no_sense(address: str) -> None:
    with hijack.Server() as server, pytest.raises(hijack.AddressError, match=f"listen {address}: "):
        server.listen(address)


@pytest.mark.parametrize(
    "address, error",
    [
        ("127.0.0.1:99999", hijack.OutOfRangeError),
        ("unix:/tmp/" + "x" * 200, hijack.TooBigError),
        ("unix:/nonexistent-folder/x.sock", FileNotFoundError),
        ("unix:/nonexistent-folder/x.sock", hijack.NotFoundError),
        ("192.0.2.1:0", hijack.AddressNotAvailableError),
        ("fd:9999", hijack.NotSocketError),
    ],
)
def test_addresses_that_cannot_be_had(address: str, error: "type[Exception]") -> None:
    with hijack.Server() as server, pytest.raises(error, match=f"^listen {address}: "):
        server.listen(address)


def test_options_of_a_route() -> None:
    with hijack.Server() as server:
        server.route_set("/up/*", request_body="pieces", max_body_bytes="100m")
        with pytest.raises(hijack.OutOfRangeError, match="^route /up/.: option request_body=some: "):
            server.route_set("/up/*", request_body="some")
        with pytest.raises(hijack.OptionError, match="^route /: option colour: unknown here; "):
            server.route_set("/", colour="red")
        with pytest.raises(hijack.InvalidError, match="^route up: "):
            server.route_set("up", max_body_bytes=1)
        server.start()
        with pytest.raises(hijack.StateError):
            server.route_set("/", max_body_bytes=1)


def test_rights_of_a_unix_socket(tmp_path: object) -> None:
    import os

    with hijack.Server(unix_mode="0666") as server:
        server.listen(f"unix:{tmp_path}/socket")
        assert os.stat(f"{tmp_path}/socket").st_mode & 0o777 == 0o666
    with pytest.raises(hijack.OutOfRangeError, match="^option unix_mode=432: "):
        hijack.Server(unix_mode=0o660)  # a number, where text is expected


def test_an_address_in_use_is_an_oserror_too(server: hijack.Server) -> None:
    import errno

    with hijack.Server() as other, pytest.raises(OSError, match=server.addresses[0]) as caught:
        other.listen(server.addresses[0])
    assert isinstance(caught.value, hijack.AddressInUseError) and caught.value.errno == errno.EADDRINUSE


def test_addresses_and_unix_sockets(tmp_path: object) -> None:
    with hijack.Server(threads=1) as server:
        port = server.listen("127.0.0.1:0")
        assert server.listen(f"unix:{tmp_path}/socket") == 0
        assert server.addresses == [f"127.0.0.1:{port}", f"unix:{tmp_path}/socket"]
        server.start(lambda request: request.respond(200, request.peer))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{tmp_path}/socket")
            client.sendall(b"GET / HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n")
            assert b"\r\n\r\nunix:" in b"".join(iter(lambda: client.recv(4096), b""))


def test_an_inherited_listener() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with hijack.Server(threads=1) as server:
        port = server.listen(f"fd:{listener.detach()}")
        server.start(lambda request: request.respond(200, "inherited"))
        assert get(port).body == b"inherited"


def test_without_a_handler_everything_is_404(server: hijack.Server) -> None:
    server.start()
    answer = get(port_of(server), "/nowhere")
    assert answer.status == 404 and answer.body == b"404 Not Found: nothing is served here\n"
    with pytest.raises(hijack.StateError, match="without a handler"):
        server.accept()


def test_iteration_starts_the_server_and_ends_with_it(server: hijack.Server) -> None:
    def ask() -> bytes:
        body = get(port_of(server), "/first").body
        server.stop()
        return body

    with in_thread(ask) as result:
        paths = []
        for request in server:
            paths.append(request.path)
            request.respond(200, "from the loop")
    assert paths == ["/first"] and result == [b"from the loop"]
    assert list(server) == []


def test_several_threads_may_accept(server: hijack.Server) -> None:
    meeting = threading.Barrier(3)

    def one() -> None:
        request = server.accept()
        meeting.wait(10)
        request.respond(200, threading.current_thread().name)

    with pytest.raises(hijack.TimedOutError):
        server.accept(timeout=0.01)
    with in_thread(one), in_thread(one), in_thread(one):
        clients = [Client(port_of(server)).ask() for _ in range(3)]
        assert len({client.response().body for client in clients}) == 3
        for client in clients:
            client.socket.close()


def test_accept_tells_the_end(server: hijack.Server) -> None:
    with in_thread(server.accept) as results, in_thread(server.accept) as others:
        wait_until(lambda: "running" in repr(server))
        server.stop()
    assert isinstance(results[0], hijack.ShutdownError) and isinstance(others[0], hijack.ShutdownError)


def test_a_request_that_nobody_takes_is_answered_at_the_end(server: hijack.Server) -> None:
    with pytest.raises(TimeoutError):
        server.accept(timeout=0.01)
    with Client(port_of(server)) as client:
        client.ask()
        wait_until(lambda: server._core.requests)
        server.stop()
        assert not server._core.requests
        client.rest()


def test_workers_run_side_by_side(server: hijack.Server) -> None:
    meeting = threading.Barrier(4)

    def handler(request: hijack.Request) -> None:
        meeting.wait(10)
        request.respond(200, "met")

    server.start(handler, workers=4)
    clients = [Client(port_of(server)).ask() for _ in range(4)]
    assert [client.response().body for client in clients] == [b"met"] * 4
    for client in clients:
        client.socket.close()


def test_a_failing_handler_is_logged_and_answered_with_500(
    server: hijack.Server, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(request: hijack.Request) -> None:
        if request.path == "/raises":
            raise LookupError("on purpose")
        if request.path == "/exits":
            raise SystemExit(3)

    server.start(handler, workers=1)
    for path in ("/raises", "/forgets", "/exits", "/raises"):
        assert get(port_of(server), path).status == 500
    wait_until(lambda: len(caplog.records) == 4)
    texts = [record.getMessage() for record in caplog.records]
    assert "/raises" in texts[0] and texts[0].endswith("the handler failed")
    assert caplog.records[0].exc_info and caplog.records[0].exc_info[0] is LookupError
    assert "/forgets" in texts[1] and texts[1].endswith("returned without an answer")
    assert all(record.name == "hijack" for record in caplog.records)


def test_a_client_that_goes_is_no_error(server: hijack.Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hijack")
    gone, ended = threading.Event(), threading.Event()

    def handler(request: hijack.Request) -> None:
        try:
            gone.wait(10)
            wait_until(lambda: server.stats()["closed_peer"] == 1)
            request.respond(200)
        finally:
            ended.set()

    server.start(handler)
    Client(port_of(server)).ask().reset()
    gone.set()
    assert ended.wait(10)
    server.stop()
    assert not caplog.records


def test_serve_ends_with_stop_from_elsewhere(server: hijack.Server) -> None:
    with in_thread(lambda: server.serve(lambda request: request.respond(200, "served"))) as result:
        wait_until(lambda: "running" in repr(server))
        assert get(port_of(server)).body == b"served"
        server.stop()
        server.stop()
    assert result == [None]


def test_serve_after_start_only_waits(server: hijack.Server) -> None:
    server.start(lambda request: request.respond(200, "started"))
    with pytest.raises(hijack.StateError):
        server.serve(lambda request: None)
    with in_thread(server.serve) as result:
        assert get(port_of(server)).body == b"started"
        server.stop()
    assert result == [None]


def test_a_handler_needs_a_thread(server: hijack.Server) -> None:
    with pytest.raises(hijack.InvalidError, match="workers=0"):
        server.start(lambda request: None, workers=0)


def test_a_start_without_a_thread_left_ends_well(server: hijack.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            server.start()
    assert "stopped" in repr(server)


def test_a_handler_may_stop_the_server(server: hijack.Server) -> None:
    def handler(request: hijack.Request) -> None:
        request.respond(200, "bye")
        server.stop()

    with in_thread(lambda: server.serve(handler)) as result:
        wait_until(lambda: "running" in repr(server))
        with Client(port_of(server)) as client:
            client.ask()
    assert result == [None]


def test_drain_lets_streams_finish(server: hijack.Server) -> None:
    streams: List[hijack.Stream] = []
    with Serving(server, lambda request: streams.append(request.stream())) as port:
        with Client(port) as client:
            client.ask().until(b"\r\n\r\n")
            with in_thread(lambda: server.drain(10)):
                wait_until(lambda: streams)
                with streams[0] as stream:
                    stream.send("last words")
                assert client.chunks() == b"last words"
        assert "stopped" in repr(server)


def test_drain_has_a_deadline(server: hijack.Server) -> None:
    streams: List[hijack.Stream] = []
    with Serving(server, lambda request: streams.append(request.stream())) as port:
        with Client(port) as client:
            client.ask().until(b"\r\n\r\n")
            server.drain(0.05)
            client.rest()
        streams[0].wait_closed(10)
        assert isinstance(streams[0].reason, hijack.ShutdownError)


def test_start_twice_and_too_late(server: hijack.Server) -> None:
    server.start()
    with pytest.raises(hijack.StateError):
        server.start()
    with pytest.raises(hijack.StateError):
        server.listen("127.0.0.1:0")
    server.stop()
    with pytest.raises(hijack.StateError):
        server.start()


def test_after_close_nothing_works_and_nothing_breaks() -> None:
    server = hijack.Server()
    clients = server.broadcaster()
    server.stop()
    server.close()
    server.close()
    for call in (server.start, server.stats, server.accept, lambda: server.addresses, server.broadcaster):
        with pytest.raises(hijack.ClosedError, match="closed"):
            call()
    with pytest.raises(hijack.ClosedError):
        clients.publish("x")
    clients.free()
    assert "stopped" in repr(server)


def test_stats_have_names(server: hijack.Server) -> None:
    server.start(lambda request: request.respond())
    get(port_of(server))
    stats = server.stats()
    assert len(stats) == STAT_COUNT and stats["accepted"] == stats["requests"] == 1


def test_error_classes() -> None:
    from hijack_ffi import _constants, _errors

    codes = {name: value for name, value in vars(_constants).items() if name.startswith("E") and "_" not in name}
    assert len(codes) == len(_errors.ERRORS) == 30
    for name, code in codes.items():
        kind = _errors.ERRORS[code]
        assert issubclass(kind, hijack.HijackError) and kind.symbol == f"HIJACK_{name}" and kind.code == code
        assert kind.__name__ in hijack_ffi.__all__
    assert str(hijack.ClosedError()) == "HIJACK_ECLOSED"
    assert issubclass(hijack.ClosedError, ConnectionError) and issubclass(hijack.TimedOutError, TimeoutError)


def test_a_log_that_fails_ends_no_worker(
    server: hijack.Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr(logging.getLogger("hijack"), "error", fail)
    server.start(lambda request: request.respond() if request.path == "/" else None, workers=1)
    assert [get(port_of(server), path).status for path in ("/bad", "/", "/bad", "/")] == [500, 200, 500, 200]
    said: List[str] = []

    def both_said() -> bool:
        said.append(capsys.readouterr().err)
        return "".join(said).count("Traceback") == 2

    wait_until(both_said, "both failures are on stderr")
