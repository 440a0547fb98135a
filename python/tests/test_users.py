"""Users: what reaches the connections of one, and who is present."""

import asyncio
import contextlib
import hashlib
import logging
import random
import threading
from collections import Counter
from typing import Any, Dict, List, Optional, Tuple

import pytest

import hijack
import hijack.aio
from support import TEXT, Client, WebSocketClient, frame, port_of, wait_until
from test_aio import Peer, Run, eventually

Leave = Tuple[int, Optional[type]]


def joined(room: hijack.Broadcaster, count: int) -> None:
    wait_until(lambda: len(room) == count, f"{count} members are in the room")


def raw(port: int, user: object, path: str = "/raw") -> Client:
    return Client(port).ask(path, headers=f"X-User: {user}\r\n")


@pytest.fixture
def room(server: hijack.Server) -> hijack.Broadcaster:
    return room_of(server)


def room_of(server: hijack.Server) -> hijack.Broadcaster:
    """Held routes, whose clients say who they are."""
    room = server.broadcaster()
    kinds: List[Any] = ["raw", "sse", "websocket"]
    for kind in kinds:
        server.hold(f"/{kind}", room, kind=kind)
    server.route_set("/*", user_data="header:x-user")
    return room


def test_numbers_of_users() -> None:
    assert hijack.user_number("42") == 42 and hijack.user_number("") == hijack.user_number("0") == 0
    for name in ("ann", "042", "18446744073709551616", "J\xfcrgen"):
        digest = hashlib.sha256(name.encode()).digest()
        assert hijack.user_number(name) == hijack.user_number(name.encode()) == int.from_bytes(digest[:8], "big")
    with pytest.raises(TypeError, match=r"user_number: expected str, .* \(got 5\)"):
        hijack.user_number(5)  # type: ignore[arg-type]


def test_one_user_of_many(server: hijack.Server, room: hijack.Broadcaster) -> None:
    server.start()
    port = port_of(server)
    with contextlib.ExitStack() as stack:
        ann = [stack.enter_context(raw(port, "ann")) for _ in range(2)]
        bob, nobody = stack.enter_context(raw(port, "bob")), stack.enter_context(Client(port).ask("/raw"))
        websocket = stack.enter_context(WebSocketClient(port))
        websocket.shake("/websocket", "X-User: ann\r\n")
        joined(room, 5)
        room.publish("all,")
        room.publish_to("ann", "for ann,")
        room.publish_to(hijack.user_number("bob"), b"for bob,")
        room.publish_to(7, "for an absent one")
        room.close()
        assert [it.rest() for it in (*ann, bob, nobody)] == [
            b"all,for ann,", b"all,for ann,", b"all,for bob,", b"all,"
        ]
        assert [websocket.frame(), websocket.frame()] == [(TEXT, b"all,"), (TEXT, b"for ann,")]


def test_a_user_moves_and_goes(server: hijack.Server, room: hijack.Broadcaster) -> None:
    other = server.broadcaster()
    server.start()
    port = port_of(server)
    with raw(port, "ann") as ann, raw(port, "bob") as bob, raw(port, 5) as five:
        joined(room, 3)
        other.join_user("ann", room)
        room.remove_user("ann")
        joined(other, 1)
        room.publish("room,")
        other.publish("other,")
        other.close_user("ann")
        assert ann.rest() == b"other,"
        room.close_user("bob")
        room.remove_user(5)  # it is in no other one
        assert bob.rest() == five.rest() == b"room,"
        joined(room, 0)


def test_wrong_users(server: hijack.Server) -> None:
    room, calls = server.broadcaster(), ("publish_to", "remove_user", "close_user", "join_user")
    arguments: Dict[str, Any] = {"publish_to": ["x"], "join_user": [server.broadcaster()]}
    with pytest.raises(hijack.StateError, match="publish_to: the server is not running yet"):
        room.publish_to("ann", "x")
    server.start()
    for what in calls:
        call, more = getattr(room, what), arguments.get(what, [])
        for user in (None, 0, "", "0"):
            with pytest.raises(hijack.InvalidError, match=rf"{what}: user: expected .*, or a name \(got {user!r}\)"):
                call(user, *more)
        with pytest.raises(hijack.OutOfRangeError, match=rf"{what}: user: expected a number from 0 .* \(got -1\)"):
            call(-1, *more)
        with pytest.raises(TypeError, match=rf"{what}: user: expected a whole number, .* \(got 1.5\)"):
            call(1.5, *more)
    with pytest.raises(TypeError, match=r"publish_to: expected str, .* \(got 5\)"):
        room.publish_to("ann", 5)  # type: ignore[arg-type]
    with pytest.raises(hijack.TooBigError, match="publish_to: expected at most 16 MiB"):
        room.publish_to("ann", bytes((16 << 20) + 1))
    with pytest.raises(TypeError, match=r"join_user: source: expected a Broadcaster \(got 5\)"):
        room.join_user("ann", 5)  # type: ignore[arg-type]
    with hijack.Server() as another, pytest.raises(hijack.InvalidError, match="join_user: source: .* the same server"):
        room.join_user("ann", another.broadcaster())
    with server.broadcaster() as freed:
        pass
    with pytest.raises(hijack.ClosedError, match="join_user: source: the broadcaster was freed"):
        room.join_user("ann", freed)


def test_a_message_comes_with_its_user(server: hijack.Server, room: hijack.Broadcaster) -> None:
    heard: List[Any] = []
    server.start()
    port = port_of(server)
    with WebSocketClient(port) as ann, WebSocketClient(port) as nobody:
        ann.shake("/websocket", "X-User: ann\r\n")
        nobody.shake("/websocket")

        @room.on_message
        def both(message: Any, user: int) -> None:
            heard.append((message, user))

        ann.send(frame(TEXT, b"one"))
        wait_until(lambda: len(heard) == 1)
        nobody.send(frame(TEXT, b"two"))
        wait_until(lambda: len(heard) == 2)
        assert heard == [("one", hijack.user_number("ann")), ("two", 0)] and callable(both)
        heard.clear()
        one_argument: List[Any] = [heard.append, lambda message, user=5: heard.append(message)]
        for count, call in enumerate(one_argument, 1):
            room.on_message(call)
            ann.send(frame(TEXT, b"alone"))
            wait_until(lambda: heard == ["alone"] * count)
        room.on_message(room.publish)
        ann.send(frame(TEXT, b"to all"))
        assert nobody.frame() == (TEXT, b"to all")


def test_who_comes_and_goes(server: hijack.Server, room: hijack.Broadcaster) -> None:
    left: List[Leave] = []
    came: List[int] = []

    @room.on_join
    def join(user: int) -> None:
        came.append(user)
        assert room.members[user] == 1

    @room.on_leave
    def leave(user: int, reason: Optional[hijack.HijackError]) -> None:
        assert user not in room.members and threading.current_thread().name == "hijack-events"
        left.append((user, type(reason) if reason else None))

    server.start()
    port = port_of(server)
    assert room.members == {}
    ends: Dict[int, Any] = {
        1: lambda client: client.reset(),
        2: lambda client: client.socket.close(),
        3: lambda client: room.close_user(3),
        4: lambda client: room.remove_user(4),
        5: lambda client: room.close(),
    }
    for user, end in ends.items():
        with raw(port, user) as client:
            wait_until(lambda: came[-1:] == [user])
            assert room.members == {user: 1}
            end(client)
            wait_until(lambda: len(left) == user)
        assert room.members == {}
    with raw(port, 6):
        wait_until(lambda: came[-1:] == [6])
        server.stop()
    assert left == [(1, hijack.ResetError), (2, None), (3, None), (4, None), (5, None),
                    (6, hijack.ShutdownError)]
    assert callable(join) and callable(leave)


@pytest.mark.parametrize("threads", [1, 3])
def test_members_after_much_coming_and_going(threads: int) -> None:
    came: "Counter[int]" = Counter()
    left: "Counter[int]" = Counter()
    chance = random.Random(5)
    with hijack.Server(threads=threads) as server, contextlib.ExitStack() as stack:
        room, port = room_of(server), server.listen("127.0.0.1:0")
        server.start()
        here = [(3, stack.enter_context(raw(port, 3)))]  # is there before anyone asks
        joined(room, 1)
        room.on_join(lambda user: came.update([user]))
        room.on_leave(lambda user, reason: left.update([user]))
        for _ in range(400):
            if here and chance.random() < 0.45:
                _, client = here.pop(chance.randrange(len(here)))
                client.reset() if chance.random() < 0.5 else client.socket.close()
            else:
                user = chance.randrange(8)
                here.append((user, stack.enter_context(raw(port, user))))
        expected = Counter(user for user, _ in here)
        wait_until(lambda: room.members == expected and sum(expected.values()) == len(room), "the members are these")
        room.close_user(3)
        del expected[3]
        wait_until(lambda: room.members == expected)
        for _, client in here:
            client.socket.close()
        wait_until(lambda: room.members == {})
        assert came == left and sum(came.values()) > 200


def test_an_error_of_a_program_that_is_told(
    server: hijack.Server, room: hijack.Broadcaster, caplog: pytest.LogCaptureFixture
) -> None:
    @room.on_join
    def join(user: int) -> None:
        raise ValueError(f"{user} came")

    @room.on_leave
    def leave(user: int, reason: object) -> None:
        raise SystemExit(f"{user} left")

    server.start()
    with caplog.at_level(logging.ERROR, "hijack"):
        with raw(port_of(server), 5):
            joined(room, 1)
        wait_until(lambda: len(caplog.records) == 2)
    assert "ValueError: 5 came" in caplog.text and "SystemExit: 5 left" in caplog.text
    assert "what on_leave was given has failed" in caplog.text and not server._core.over


def test_who_is_told_nothing(server: hijack.Server) -> None:
    room = server.broadcaster()
    room.set(member_events="off")
    assert room._presence is None and not server._core.rooms
    for what in ("on_join", "on_leave"):
        with pytest.raises(TypeError, match=rf"{what}: expected a function that takes a user.* \(got 5\)"):
            getattr(room, what)(5)
    assert room._presence is None
    room.set(member_events=True)
    with pytest.raises(hijack.InvalidError, match="option member_events=off: members, on_join or on_leave is used"):
        room.set(member_events="off")
    room.free()
    assert not server._core.rooms
    with pytest.raises(hijack.ClosedError, match="members: the broadcaster was freed"):
        room.members


def test_a_user_under_asyncio(run: Run) -> None:
    async def main() -> None:
        async with hijack.aio.Server(threads=1) as server:
            port, room = server.listen("127.0.0.1:0"), server.broadcaster()
            news: "asyncio.Queue[Any]" = asyncio.Queue()
            room.on_join(news.put_nowait)
            room.on_leave(lambda user, reason: news.put_nowait((user, reason)))

            async def handler(request: hijack.aio.Request) -> None:
                request.hold(room, "raw", user=request.path[1:])

            server.start(handler)
            async with Peer(port) as peer:
                await peer.ask("/ann")
                ann = hijack.user_number("ann")
                assert await news.get() == ann and room.members == {ann: 1}
                room.publish_to("ann", "hello")
                assert await peer.reader.readexactly(5) == b"hello"
                room.close_user("ann")
                assert await news.get() == (ann, None) and room.members == {}
            await eventually(lambda: len(room) == 0)

    run(main())
