"""Who frees what: every order, the garbage collector, the end of the interpreter."""

import copy
import gc
import itertools
import os
import threading
import warnings
import weakref
from typing import Any, Callable, Dict, List

import pytest

import hijack
import hijack.aio
from support import Client, port_of, run_clean, wait_until


def test_frees_in_every_order() -> None:
    """Each of these ends with an own call; all orders of the five, each with everything still in use."""
    for order in itertools.permutations(("server", "broadcaster", "stream", "socket", "request")):
        server = hijack.Server(threads=1)
        port = server.listen("127.0.0.1:0")
        with Client(port) as a, Client(port) as b, Client(port) as c:
            a.ask()
            stream = server.accept(20).stream()
            b.ask()
            socket = server.accept(20).hijack()
            c.ask()
            request = server.accept(20)
            room = server.broadcaster()
            room.add(stream)
            room.add(socket)
            frees: Dict[str, Callable[[], Any]] = {
                "server": server.close,
                "broadcaster": room.free,
                "stream": stream.release,
                "socket": socket.release,
                "request": request.close,
            }
            for name in (*order, *order):
                frees[name]()
            for call in (lambda: stream.send("x"), lambda: socket.send(b"x"), lambda: room.publish("x")):
                with pytest.raises(hijack.ClosedError):
                    call()


def test_frees_in_every_order_without_a_word() -> None:
    """The same by dropping references, in a process where each warning is an error."""
    run_clean("""
import gc, itertools, warnings
import hijack
from support import Client

for order in itertools.permutations(("server", "room", "stream", "socket", "request")):
    server = hijack.Server(threads=1)
    port = server.listen("127.0.0.1:0")
    with Client(port) as a, Client(port) as b, Client(port) as c:
        a.ask()
        stream = server.accept(20).stream()
        b.ask()
        socket = server.accept(20).hijack()
        c.ask()
        request = server.accept(20)
        room = server.broadcaster()
        room.add(stream)
        things = dict(server=server, room=room, stream=stream, socket=socket, request=request)
        server.stop()
        del server, room, stream, socket, request
        for name in order:
            del things[name]
            gc.collect()
""")


def test_a_dropped_server_stops_and_warns() -> None:
    server = hijack.Server(threads=1)
    port = server.listen("127.0.0.1:0")
    server.start(lambda request: request.respond())
    with Client(port) as client:
        client.ask().response()
        gone = weakref.ref(server)
        with pytest.warns(ResourceWarning, match="dropped while it ran"):
            del server
            gc.collect()
        assert gone() is None
        client.rest()
    wait_until(lambda: not [it for it in threading.enumerate() if it.name.startswith("hijack-")], "its threads end")


def test_a_dropped_server_of_asyncio_stops_too(run: Callable[[Any], Any]) -> None:
    import asyncio

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        server = hijack.aio.Server(threads=1)
        server.listen("127.0.0.1:0")
        server.start(lambda request: asyncio.sleep(0))
        with pytest.warns(ResourceWarning):
            del server
            gc.collect()
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.001)

    run(main())


def test_a_server_of_a_loop_that_is_closed(run: Callable[[Any], Any]) -> None:
    made = []

    async def main() -> None:
        for _ in range(2):
            made.append(hijack.aio.Server(threads=1))
            made[-1].start()

    run(main())
    made.pop().close()
    with pytest.warns(ResourceWarning):
        made.clear()
        gc.collect()


def test_one_that_never_started_goes_quietly() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        server = hijack.Server()
        room = server.broadcaster()
        server.listen("127.0.0.1:0")
        gone = weakref.ref(server)
        del server
        gc.collect()
        with pytest.raises(hijack.StateError):
            room.publish("x")  # it keeps its server
        del room
        gc.collect()
        assert gone() is None


def test_no_object_is_left(server: hijack.Server) -> None:
    """What the server made goes when it is not used any more, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        with Client(port_of(server)) as client:
            client.ask()
            request = server.accept(20)
            stream = request.stream()
            gone: List[Callable[[], object]] = [weakref.ref(it) for it in (request, stream, request.headers)]
            stream.close()
            client.until(b"\r\n\r\n")
            client.chunks()
            stream.wait_closed(20)
            del request, stream
            wait_until(lambda: [it() for it in gone] == [None] * 3)
        assert not server._core.table and not server._core.requests
    finally:
        gc.enable()


def dropped(make: Callable[[], object], match: str) -> None:
    """What make gives is dropped, with a warning."""
    with pytest.warns(ResourceWarning, match=match):
        thing = make()
        del thing
        gc.collect()


def test_a_dropped_stream_or_request_ends(server: hijack.Server) -> None:
    kinds: Dict[str, Callable[[hijack.Request], object]] = {
        "Stream": lambda request: request.sse(),
        "Socket": lambda request: request.hijack(),
        "GET": lambda request: request,
    }
    for name, become in kinds.items():
        with Client(port_of(server)) as client:
            client.ask()
            request = [server.accept(20)]
            dropped(lambda: become(request.pop()), rf"<(hijack\.)?{name} .*> was dropped w")
            try:
                answer = client.rest()
            except ConnectionResetError:
                answer = b"reset"
            assert b" 500 " in answer if name == "GET" else b" 500 " not in answer
        assert not server._core.table and not server._core.requests


def test_a_dropped_member_lives_on(server: hijack.Server) -> None:
    room = server.broadcaster()
    server.start(lambda request: room.add(request.sse()))
    with Client(port_of(server)) as client:
        client.ask().until(b"\r\n\r\n")
        wait_until(lambda: len(room) == 1 and not server._core.table, "the stream was dropped")
        assert room.publish("news") == 1
        client.until(b"data: news\n\n")


def test_what_on_close_was_given_is_called(server: hijack.Server) -> None:
    """Although the program has no reference to the stream."""
    reasons: List[object] = []
    server.start(lambda request: request.sse().on_close(reasons.append))
    with Client(port_of(server)) as client:
        client.ask().until(b"\r\n\r\n")
        gc.collect()
        assert not reasons
        client.reset()
    wait_until(lambda: reasons)
    assert isinstance(reasons[0], hijack.ResetError)
    wait_until(lambda: not server._core.kept and not server._core.table)


def test_a_task_that_nobody_keeps(run: Callable[[Any], Any]) -> None:
    """It waits at a socket that only it has; neither is collected meanwhile."""
    import asyncio

    async def main() -> None:
        heard: List[bytes] = []

        async def echo(socket: hijack.aio.Socket) -> None:
            heard.append(await socket.readexactly(5))

        async def handler(request: hijack.aio.Request) -> None:
            asyncio.create_task(echo(request.hijack()))

        async with hijack.aio.Server(threads=1) as server:
            port = server.listen("127.0.0.1:0")
            server.start(handler)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while not server._core.kept:
                await asyncio.sleep(0.001)
            gc.collect()
            writer.write(b"hello")
            with pytest.warns(ResourceWarning):
                while not heard:
                    await asyncio.sleep(0.001)
                gc.collect()
            writer.close()
            assert heard == [b"hello"] and not server._core.kept

    run(main())


def test_broadcasters_that_are_dropped(server: hijack.Server) -> None:
    heard: List[object] = []
    for i in range(1000):
        room = server.broadcaster()
        if i == 0:
            room.on_message(heard.append)
    assert len(server._core.broadcasters) == 2, "the first one hears its members, the last one is in use"
    with pytest.raises(TypeError, match=r"a hijack\S+Broadcaster can be neither copied nor pickled"):
        copy.copy(room)


def test_daemon_threads_that_publish_at_the_end() -> None:
    """Neither traceback nor warning, however the interpreter ends."""
    run_clean("""
import sys, threading, time
import hijack

server = hijack.Server(threads=1)
room = server.broadcaster()
server.start()

def publish():
    while True:
        room.publish("x")

for _ in range(3):
    threading.Thread(target=publish, daemon=True).start()
while room.stats()["published"] < 100:
    time.sleep(0.001)
""")


@pytest.mark.parametrize("kept", ["server", "stream", "room", "everything"])
def test_the_end_of_the_interpreter(kept: str) -> None:
    keep = {"everything": "server, stream, room, request, socket"}.get(kept, kept)
    assert (
        run_clean(f"""
import hijack
from support import Client

def main():
    server = hijack.Server(threads=1)
    port = server.listen("127.0.0.1:0")
    with Client(port) as a, Client(port) as b, Client(port) as c:
        a.ask()
        stream = server.accept(20).stream()
        b.ask()
        socket = server.accept(20).hijack()
        c.ask()
        request = server.accept(20)
        room = server.broadcaster()
        room.add(stream)
        if "{kept}" == "server":
            stream.close(), socket.close(), request.close()
        if "{kept}" not in ("server", "everything"):
            server.stop()
    return {keep}

kept = main()
print("end")
""")
        == "end\n"
    )


def test_an_exception_at_the_start_frees_everything() -> None:
    for _ in range(50):
        with pytest.raises(hijack.OptionError):
            hijack.Server(no_such_option=1)
        with pytest.raises(hijack.OutOfRangeError):
            hijack.Server(threads=1000)
