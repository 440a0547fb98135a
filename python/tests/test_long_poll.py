"""Requests that wait in a broadcaster for one response."""

from typing import Any, Tuple

import pytest

import hijack
from support import Client, port_of, wait_until


def poll_room(server: hijack.Server, **options: Any) -> Tuple[hijack.Broadcaster, int]:
    """A room at /poll of a started server; requests elsewhere are held by the handler."""
    room = server.broadcaster(**options)
    server.hold("/poll", room, "long_poll", {"X": "y"})

    def hold(request: hijack.Request) -> None:
        request.hold(room, "long_poll", {"X-Own": request.path})

    server.start(hold)
    return room, port_of(server)


def waiting(room: hijack.Broadcaster, count: int) -> None:
    wait_until(lambda: len(room) == count, f"{count} wait")


def answer(client: Client) -> Tuple[str, bytes]:
    """Head and body of a response after which the connection ends."""
    head, _, body = client.rest().partition(b"\r\n\r\n")
    return head.decode(), body


def ask(client: Client, path: str, headers: str = "") -> Client:
    return client.ask(path, headers=f"Connection: close\r\n{headers}")


def test_a_message_answers_all_who_wait(server: hijack.Server) -> None:
    room, port = poll_room(server, history_messages=5, history_position="e-0")
    with Client(port) as held, Client(port) as own:
        ask(held, "/poll")
        ask(own, "/own")
        waiting(room, 2)
        assert room.publish("hello") == 2
        for client, line in (held, "X: y"), (own, "X-Own: /own"):
            head, body = answer(client)
            assert head.startswith("HTTP/1.1 200 OK\r\n") and body == b"hello"
            assert line in head.split("\r\n") and "Hijack-Position: e-1" in head.split("\r\n")
    with Client(port) as client:
        assert answer(ask(client, "/poll", "Last-Event-ID: e-0\r\n"))[1] == b"hello"


def test_the_programs_own_answer(server: hijack.Server) -> None:
    room, port = poll_room(server)
    with Client(port) as client:
        ask(client, "/poll")
        waiting(room, 1)
        assert room.respond(200, "body", {"ETag": '"1"'}) == 1
        head, body = answer(client)
        assert body == b"body" and 'ETag: "1"' in head.split("\r\n") and "X: y" not in head
    waiting(room, 0)
    assert room.respond(204) == 0


def test_204_after_the_deadline(server: hijack.Server) -> None:
    _, port = poll_room(server, long_poll_ms=20)
    with Client(port) as client:
        head, body = answer(ask(client, "/poll"))
        assert head.startswith("HTTP/1.1 204 ") and "X: y" in head.split("\r\n") and body == b""


def test_errors_of_respond(server: hijack.Server) -> None:
    room, _ = poll_room(server)
    with pytest.raises(hijack.InvalidError, match="respond to members: expected a status from 200 to 999, and no body"):
        room.respond(99)
    with pytest.raises(hijack.InvalidError):
        room.respond(204, "x")
    with pytest.raises(hijack.HeaderError):
        room.respond(200, "", {"a b": "c"})
    with hijack.Server() as other, pytest.raises(hijack.StateError):
        other.broadcaster().respond()
