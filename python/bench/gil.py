"""Serves while Python burns: the program that bindings/bench/gil.py measures.

It serves /sse as a held route, a heartbeat each 100 ms, and prints its URL. For each line "burn" on stdin it computes
for about three seconds in one call that never gives up the interpreter's lock, and prints "burned <seconds> <ticks>":
ticks is how often another thread, which counts each millisecond, ran meanwhile."""

import resource
import sys
import threading
import time

from burning import burn, calibrate

import hijack


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
    with hijack.Server(heartbeat_ms=100) as server:
        server.hold("/sse", server.broadcaster(), kind="sse")
        port = server.listen("127.0.0.1:0")
        server.start()
        size, ticker = calibrate(), Ticker()
        ticker.start()
        print(f"http://127.0.0.1:{port}/", flush=True)
        for line in sys.stdin:
            if line.strip() == "burn":
                before = ticker.ticks
                took = burn(size)
                print(f"burned {took:.3f} {ticker.ticks - before}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
