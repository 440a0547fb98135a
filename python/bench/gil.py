"""Serves while Python burns: the program that bindings/bench/gil.py and returning.py measure.

It serves /sse as a held route and prints its URL. THREADS and HEARTBEAT_MS are options of the server (2 and 100 if they
are not set), BEHIND is the number of messages in the history of /sse. For each line "burn" on stdin it prints
"burning", computes for about three seconds in one call that never gives up the interpreter's lock, and prints "burned
<seconds> <ticks>": ticks is how often another thread, which counts each millisecond, ran meanwhile."""

import os
import resource
import sys
import threading
import time

from burning import burn, calibrate

import hijack

THREADS = int(os.environ.get("THREADS", "2"))
HEARTBEAT_MS = int(os.environ.get("HEARTBEAT_MS", "100"))
BEHIND = int(os.environ.get("BEHIND", "0"))


class Ticker(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ticks = 0

    def run(self) -> None:
        while True:
            time.sleep(0.001)
            self.ticks += 1


def main() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with hijack.Server(threads=THREADS, heartbeat_ms=HEARTBEAT_MS) as server:
        room = server.broadcaster()
        if BEHIND > 0:
            room.set(history_messages=BEHIND, history_position="e-0")
        server.hold("/sse", room, kind="sse")
        port = server.listen("127.0.0.1:0")
        server.start()
        for _ in range(BEHIND):
            room.publish("x" * 64)
        size, ticker = calibrate(), Ticker()
        print(f"http://127.0.0.1:{port}/", flush=True)
        for line in sys.stdin:
            if line.strip() == "burn":
                if not ticker.is_alive():
                    ticker.start()
                while ticker.ticks == 0:
                    time.sleep(0.1)
                print("burning", flush=True)
                before = ticker.ticks
                took = burn(size)
                print(f"burned {took:.3f} {ticker.ticks - before}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
