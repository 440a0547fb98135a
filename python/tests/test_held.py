"""Held connections cost Python nothing: no object, no memory of its own, no time."""

import gc
import sys
import time

import hijack
from support import Crowd, wait_until

MANY = 10000


def objects() -> "tuple[int, int]":
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects()), sys.getallocatedblocks()


def test_ten_thousand_held_connections() -> None:
    with hijack.Server(heartbeat_ms=0) as server:
        clients = server.broadcaster()
        server.hold("/sse", clients, kind="sse")
        port = server.listen("127.0.0.1:0")
        server.start(lambda request: request.hold(clients, "sse"))
        with Crowd(port, 10, "--path", "/sse") as crowd:
            wait_until(lambda: len(clients) == 10)
            clients.publish("warm")
            objects()
            before = objects()
            crowd.do(f"open {MANY}")
            wait_until(lambda: len(clients) == MANY + 10)
            assert clients.publish("all") == MANY + 10
            crowd.do("wait all 20")
            after = objects()
            assert after[0] - before[0] < 50 and after[1] - before[1] < 500, (before, after)
            used = time.process_time()
            end = time.monotonic() + 1
            time.sleep(max(0.0, end - time.monotonic()))
            assert time.process_time() - used < 0.02, "the process uses the CPU while nothing happens"


def test_connections_that_a_handler_held() -> None:
    with hijack.Server() as server:
        clients = server.broadcaster()
        port = server.listen("127.0.0.1:0")
        server.start(lambda request: request.hold(clients, "sse"))
        with Crowd(port, 100) as crowd:
            wait_until(lambda: len(clients) == 100)
            objects()
            before = objects()
            crowd.do(f"open {MANY // 2}")
            wait_until(lambda: len(clients) == MANY // 2 + 100 and not server._core.requests)
            after = objects()
            assert after[0] - before[0] < 50 and after[1] - before[1] < 500, (before, after)
