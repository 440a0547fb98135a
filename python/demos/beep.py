"""The double hijack: every connection is held for good, and all of them get BEEP every three seconds.

    /     answers with a head, so that "curl -N" shows what comes
    /raw  answers with nothing but BEEP: not even a head is written

There is no handler, since there is nothing to decide: both routes lead straight to the broadcaster. The variable
BEEP_INTERVAL_MS changes the three seconds. After each run a line says how many clients are connected, how long writing
to all of them took, and how much memory the process has resident."""

import time
from typing import Tuple

import common

import hijack

LONGEST_RUN = 2.0  # seconds; a run that is not over by then is reported as it stands


def beep(server: hijack.Server, clients: hijack.Broadcaster) -> Tuple[int, float]:
    """Publish itself takes microseconds and waits for nobody; what is measured is how long the loops write."""
    before, start = common.settled(server), time.monotonic()
    addressed = clients.publish("BEEP\n")
    while common.settled(server) - before < addressed and time.monotonic() - start < LONGEST_RUN:
        time.sleep(0.001)
    return addressed, (time.monotonic() - start) * 1000


def main() -> None:
    interval = common.environment("BEEP_INTERVAL_MS", 3000, 1, 3600000) / 1000
    with hijack.Server() as server:
        clients = server.broadcaster()
        server.hold("/", clients, kind="stream", headers=common.TEXT)
        server.hold("/raw", clients, kind="raw")
        port = server.listen(f"127.0.0.1:{common.port()}", *common.certificate())
        server.start()
        print(common.url(port), flush=True)

        due = time.monotonic() + interval
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            addressed, took = beep(server, clients)
            line = f"BEEP to {addressed} clients in {took:.1f} ms, {common.resident():.1f} MiB resident\n"
            print(line, end="", flush=True)  # in one piece, also when a signal comes
            due = max(due, time.monotonic()) + interval


if __name__ == "__main__":
    common.run(main)
