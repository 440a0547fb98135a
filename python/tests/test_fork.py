"""A forked child: it owns nothing, does no harm, and can have a server of its own."""

import pytest

from support import run_clean

START = """
import gc, multiprocessing, os, socket, sys, time, warnings
# Since Python 3.12 a fork beside other threads is warned about, whatever they are.
warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
import hijack, hijack.aio

def ask(port, path="/"):
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(20)
    client.sendall(b"GET %s HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n" % path.encode())
    return client

server = hijack.Server(threads=1)
clients = server.broadcaster()
server.hold("/sse", clients)
port = server.listen("127.0.0.1:0")
member = ask(port, "/sse")
peer, asking = ask(port), ask(port, "/open")
opened = {}
for _ in range(2):
    request = server.accept(timeout=20)
    opened[request.path] = request
stream = opened["/"].stream()
request = opened["/open"]
hijacker = ask(port)
connection = server.accept(timeout=20).hijack()
while len(clients) < 1:
    time.sleep(0.001)
calls = [
    server.stats, server.accept, server.broadcaster, lambda: server.listen("127.0.0.1:0"), lambda: server.adopt(0),
    lambda: server.drain(1), lambda: clients.publish("x"), lambda: len(clients), lambda: clients.add(stream),
    lambda: stream.send("x"), lambda: stream.try_send("x"), lambda: stream.send_event("x"), stream.close,
    stream.abort, stream.release, stream.wait_closed, connection.recv, lambda: connection.send(b"x"),
    connection.shutdown, connection.detach, request.respond, request.stream, request.hijack,
    lambda: request.hold(clients), lambda: server["threads"], lambda: server.connect("127.0.0.1:1"),
]

def in_child():
    for call in calls:
        try:
            call()
        except hijack.ForkError:
            continue
        raise SystemExit(f"no ForkError from call {calls.index(call)}")
    with server, stream, connection, request, clients:
        pass
    server.stop()
    server.close()
    with hijack.Server(threads=1) as own:
        own_port = own.listen("127.0.0.1:0")
        own.start(lambda request: request.respond(200, "child"))
        client = ask(own_port)
        answer = b""
        while not answer.endswith(b"child"):
            answer += client.recv(1000)
        client.close()

def parent_goes_on():
    assert clients.publish("after the fork") == 1
    data = b""
    while b"data: after the fork" not in data:
        data += member.recv(1000)
    stream.send("still here")
    data = b""
    while b"still here" not in data:
        data += peer.recv(1000)
    connection.send(b"hijacked")
    assert hijacker.recv(100) == b"hijacked"
    request.respond(200, "late")
    asking.recv(1000)
    for it in (member, peer, asking, hijacker):
        it.close()
    server.close()
    print("the parent went on")
"""


def test_os_fork() -> None:
    assert (
        run_clean(f"""{START}
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        for it in (member, peer, asking, hijacker):
            it.close()
        in_child()
        gc.collect()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
parent_goes_on()
""")
        == "the parent went on\n"
    )


def test_multiprocessing() -> None:
    assert (
        run_clean(f"""{START}
process = multiprocessing.get_context("fork").Process(target=in_child)
process.start()
process.join()
assert process.exitcode == 0
parent_goes_on()
""")
        == "the parent went on\n"
    )


def test_the_last_reference_goes_in_the_child() -> None:
    assert (
        run_clean(f"""{START}
pid = os.fork()
if pid == 0:
    for it in (member, peer, asking, hijacker):
        it.close()
    del server, clients, stream, connection, request, opened, calls, it
    gc.collect()
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
parent_goes_on()
""")
        == "the parent went on\n"
    )


def test_fork_while_threads_are_busy() -> None:
    """Locks that other threads hold at the moment of the fork block nothing in the child."""
    assert (
        run_clean(f"""{START}
import threading
end = threading.Event()

def chatter():
    while not end.is_set():
        clients.publish("x")
        connection.send(b"x")

def drain(client):
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass  # a member that falls behind is reset

threads = [threading.Thread(target=chatter) for _ in range(2)]
threads += [threading.Thread(target=drain, args=(it,), daemon=True) for it in (member, hijacker)]
for thread in threads:
    thread.start()
for _ in range(30):
    pid = os.fork()
    if pid == 0:
        code = 0
        for call in (connection.recv, stream.wait_closed, server.stats, connection.detach):
            try:
                call()
                code = 1
            except hijack.ForkError:
                pass
        server.close()
        os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
end.set()
for thread in threads[:2]:
    thread.join()
server.close()
for thread in threads[2:]:
    thread.join()
for it in (member, peer, asking, hijacker):
    it.close()
print("done")
""")
        == "done\n"
    )


def test_asyncio() -> None:
    assert (
        run_clean("""
import asyncio, os, sys, warnings
import hijack.aio
warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)

async def main():
    async with hijack.aio.Server(threads=1) as server:
        port = server.listen("127.0.0.1:0")
        clients = server.broadcaster()
        server.start()
        pid = os.fork()
        if pid == 0:
            for call in (server.stats, lambda: clients.publish("x")):
                try:
                    call()
                except hijack.ForkError:
                    continue
                os._exit(1)
            server.stop()
            server.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert clients.publish("x") == 0

asyncio.run(main())
print("the parent went on")
""")
        == "the parent went on\n"
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start_a_process(method: str) -> None:
    assert (
        run_clean(f"""
import multiprocessing
import hijack
server = hijack.Server(threads=1)
server.start()
process = multiprocessing.get_context("{method}").Process(target=print, args=("child",))
process.start()
process.join()
server.close()
print("parent", process.exitcode)
""").splitlines()[-1]
        == "parent 0"
    )


def test_every_way_to_wait_says_that_it_is_a_fork() -> None:
    run_clean("""
import os
import hijack
server = hijack.Server(threads=1)
server.start()
pid = os.fork()
if not pid:
    for call in (server.serve, server.accept):
        try:
            call()
        except hijack.ForkError:
            continue
        os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
server.close()
""")
