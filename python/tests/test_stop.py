"""Stopping: Ctrl-C, cancellation, and a thousand starts and stops that leave nothing behind."""

import asyncio
import gc
import os
import threading
import time
from typing import Any, Callable, Coroutine

import pytest

import hijack
import hijack.aio
from support import Child, Client, Serving, in_thread, port_of, run_clean, wait_until

Run = Callable[[Coroutine[Any, Any, Any]], Any]
CYCLES = 1000
AT_ONCE = 10.0  # seconds on a busy machine, for what would else last for ever

START = """
import hijack, threading, time
server = hijack.Server(threads=1)
port = server.listen("127.0.0.1:0")
"""
WAITS = {
    "serve": "server.serve(lambda request: None)",
    "iteration": "next(iter(server))",
    "sleep beside a handler": "server.start(lambda request: None); time.sleep(1000)",
    "recv": """
import socket
peer = socket.create_connection(("127.0.0.1", port))
peer.sendall(b"GET / HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n")
connection = server.accept().hijack()
try:
    connection.recv()
finally:
    peer.close()""",
    "send": """
import socket
peer = socket.create_connection(("127.0.0.1", port))
peer.sendall(b"GET / HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n")
stream = server.accept().stream()
try:
    while True:
        stream.send(b"x" * 100000)
finally:
    peer.close()""",
    "detach": """
import socket
peer = socket.create_connection(("127.0.0.1", port))
peer.sendall(b"GET / HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n")
connection = server.accept().hijack()
try:
    while True:
        connection.send(b"x" * 100000, timeout=0.3)
except TimeoutError:
    connection.detach()
finally:
    peer.close()""",
}


@pytest.mark.parametrize("name", WAITS)
def test_control_c_ends_a_wait_at_once(name: str) -> None:
    program = f"""{START}
print("ready", flush=True)
try:
{chr(10).join("    " + line for line in WAITS[name].strip().splitlines())}
except KeyboardInterrupt:
    server.close()
    print("interrupted", threading.active_count())
"""
    with Child(program) as child:
        assert child.line() == "ready"
        wait_until(lambda: waits(child.process.pid), "the child waits")
        start = time.monotonic()
        child.interrupt()
        ended = child.finish()
        assert time.monotonic() - start < AT_ONCE
    assert (ended.code, ended.out, ended.err) == (0, "interrupted 1\n", "")


def waits(pid: int) -> bool:
    """Whether the main thread sleeps, and has for a while: it has used no time meanwhile."""

    def used() -> "list[str]":
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        return [fields[0], fields[11], fields[12]]

    with open(f"/proc/{pid}/task/{pid}/stat") as file:
        if file.read().rpartition(") ")[2][0] != "S":
            return False
    before = used()
    time.sleep(0.4)
    return before == used() and len(os.listdir(f"/proc/{pid}/task")) > 1


def test_control_c_in_asyncio() -> None:
    program = """
import asyncio, hijack.aio, threading
async def main():
    async with hijack.aio.Server(threads=1) as server:
        server.listen("127.0.0.1:0")
        print("ready", flush=True)
        await server.serve(lambda request: asyncio.sleep(1000))
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""
    with Child(program) as child:
        assert child.line() == "ready"
        wait_until(lambda: waits(child.process.pid), "the child waits")
        child.interrupt()
        ended = child.finish()
    assert (ended.code, ended.out, ended.err) == (0, "interrupted 1\n", "")


def test_stop_wakes_every_thread(server: hijack.Server) -> None:
    def handler(request: hijack.Request) -> None:
        request.hijack().recv()

    server.start(handler, workers=5)
    clients = [Client(port_of(server)).ask() for _ in range(5)]
    wait_until(lambda: server.stats()["sockets"] == 5)
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < AT_ONCE
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hijack-")]
    for client in clients:
        client.rest()
        client.socket.close()


def test_stop_does_not_wait_for_a_handler_that_does_something_else(server: hijack.Server) -> None:
    release, begun = threading.Event(), threading.Event()

    def handler(request: hijack.Request) -> None:
        begun.set()
        release.wait(20)
        with pytest.raises(hijack.ClosedError):
            request.respond()

    with Client(port_of(server)) as client:
        serving = Serving(server, handler)
        with serving:
            client.ask()
            assert begun.wait(10)
            start = time.monotonic()
            server.stop()
            assert time.monotonic() - start < AT_ONCE
            release.set()


def resources() -> "tuple[int, int]":
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def test_a_thousand_threads_start_and_stop() -> None:
    before = resources()
    for i in range(CYCLES):
        with hijack.Server(threads=1) as server:
            clients = server.broadcaster()
            server.hold("/sse", clients)
            server.listen("127.0.0.1:0")
            server.start(lambda request: request.respond(), workers=2)
            if i % 10 == 0:
                with Client(port_of(server)) as client:
                    client.ask().response()
    wait_until(lambda: resources() == before, f"threads and descriptors are {before} again")


def test_a_thousand_loops_start_and_stop(run: Run) -> None:
    async def main() -> "tuple[int, int]":
        before = resources()
        for i in range(CYCLES):
            async with hijack.aio.Server(threads=1) as server:
                server.listen("127.0.0.1:0")
                if i % 2:
                    server.start(lambda request: asyncio.sleep(0))
                else:
                    serving = asyncio.ensure_future(server.serve(lambda request: asyncio.sleep(0)))
                    await asyncio.sleep(0)
                    serving.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await serving
        return before

    before = run(main())
    assert resources() <= before


def test_stop_by_many_at_once(server: hijack.Server) -> None:
    server.start()
    with in_thread(server.stop) as one, in_thread(server.close) as two, in_thread(server.stop) as three:
        pass
    assert one == two == three == [None]


def test_a_program_may_end_without_stopping() -> None:
    assert (
        run_clean(f"""{START}
server.hold("/", server.broadcaster())
server.start(lambda request: None)
print("end")
""")
        == "end\n"
    )


def test_requests_that_wait_for_a_worker_at_stop_are_not_handled(server: hijack.Server) -> None:
    handled: "list[str]" = []
    release = threading.Event()

    def handler(request: hijack.Request) -> None:
        handled.append(request.path)
        release.wait(20)

    server.start(handler, workers=1)
    clients = [Client(port_of(server)).ask() for _ in range(5)]
    wait_until(lambda: handled and len(server._core.requests) == 5, "all requests have come")
    server.stop()
    release.set()
    wait_until(lambda: not [it for it in threading.enumerate() if it.name.startswith("hijack-")], "the worker ends")
    assert len(handled) == 1
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize("call", ["stop", "close"])
def test_a_finalizer_may_stop_the_server_on_the_thread_of_events(call: str) -> None:
    """Where the garbage collector may run it."""
    program = f"""{START}
class App:
    def __init__(self):
        self.me = self
    def __del__(self):
        server.{call}()
        print(threading.current_thread().name, flush=True)

import gc, socket
gc.disable()
deliver = server._core.deliver
def collect_and_deliver(request):
    gc.collect()
    deliver(request)
server._core.deliver = collect_and_deliver
App()
server.start(lambda request: request.respond())
with socket.create_connection(("127.0.0.1", port)) as client:
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n")
    client.recv(100)
    server._core.join()
server.close()
"""
    assert run_clean(program) == "hijack-events\n"


def test_a_worker_that_cannot_start(server: hijack.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name == "hijack-worker-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="new thread"):
        server.start(lambda request: None, workers=2)
    assert server._core.over
