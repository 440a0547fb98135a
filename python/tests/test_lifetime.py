"""Who frees what: every order, the garbage collector, the end of the interpreter."""

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
        del server
        gc.collect()
    with pytest.raises(hijack.ClosedError):
        room.publish("x")


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
