"""Messages that come in pieces (option websocket_piece_bytes): put together, or taken one by one."""

import select

import pytest

import hijack
from support import BINARY, TEXT, WebSocketClient, close_frame, frame, in_thread, port_of, wait_until
from test_websocket import MEGA, accept


def test_pieces_are_put_together() -> None:
    text = "\u20ac" * 50000  # three bytes each, so that pieces end within one
    with hijack.Server(threads=1, websocket_piece_bytes=1000) as server:
        server.listen("127.0.0.1:0")
        with WebSocketClient(port_of(server)) as client:
            websocket = accept(server, client)
            client.send(*(frame(*it) for it in ((TEXT, text.encode()), (BINARY, b"\xff" * MEGA), (TEXT, b"short"))))
            assert websocket.recv(20) == text and websocket.recv(20) == b"\xff" * MEGA
            assert websocket.recv(20) == "short"
            client.send(frame(TEXT, text.encode(), last=False), frame(0, text.encode()), frame(BINARY, b"\xfe" * 2500))
            pieces = list(websocket.recv_streaming(20))
            assert "".join(map(str, pieces)) == text + text and len(pieces) == 300
            assert list(websocket.recv_streaming(20)) == [b"\xfe" * 1000, b"\xfe" * 1000, b"\xfe" * 500]
            client.send(frame(BINARY, b"x" * 1001), frame(TEXT, b""), frame(TEXT, b"x" * 1001, last=False))
            unfinished = websocket.recv_streaming(20)
            assert next(unfinished) == b"x" * 1000
            with pytest.raises(hijack.StateError, match="recv_streaming has begun this message"):
                websocket.recv()
            assert list(unfinished) == [b"x"] and list(websocket.recv_streaming()) == [""]
            client.send(frame(0, b""), close_frame(1000))
            assert websocket.recv(20) == "x" * 1001
            with pytest.raises(hijack.ConnectionClosedOK):
                list(websocket.recv_streaming(20))


def test_what_comes_behind_a_piece_that_nobody_takes_waits() -> None:
    with hijack.Server(threads=1, websocket_piece_bytes="64k", websocket_message_bytes="100m") as server:
        server.listen("127.0.0.1:0")
        with WebSocketClient(port_of(server)) as client:
            websocket = accept(server, client)

            def stands() -> bool:
                before = server.stats()["bytes_in"]
                return not select.select([], [client.socket], [], 0)[1] and server.stats()["bytes_in"] == before

            with in_thread(lambda: client.send(frame(BINARY, b"x" * (30 << 20)))):
                pieces = websocket.recv_streaming(20)
                assert len(next(pieces)) == 65536
                wait_until(stands, "the client has to wait")
                assert server.stats()["bytes_in"] < MEGA
                assert sum(len(piece) for piece in pieces) == (30 << 20) - 65536
            websocket.abort()
