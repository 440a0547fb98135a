#!/usr/bin/env python3
"""Heartbeats and accepts while a thread of the program holds the interpreter's lock.

    python3 -B bindings/bench/gil.py [--assert-p99-ms 20] -- ruby -Iruby/lib ruby/bench/gil.rb

The program serves /sse as a held SSE route with heartbeat_ms=100 and prints its URL. On the line "burn" on stdin it
burns CPU for about 3 seconds in one call that never releases the interpreter's lock, and then prints "burned SECONDS
TICKS": TICKS is how often another of its threads, which wants to run every millisecond, ran meanwhile; about 0 proves
that the lock was held.

This program holds 200 connections and opens a new one every 5 ms, first for 3 seconds of peace, then during the burn.
With --assert-p99-ms it is a test: the exit code is 1 if a 99th percentile of the burn is over that, if the lock was not
held, or if there is too little to judge by. On a busy machine everything is late: how much this program itself was is
one more row, twice that is allowed on top, and what is late, or too little, is measured again, up to five times. What
waits for the lock is late by the whole burn each time.
"""

import argparse
import gc
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "bindings/bench"), str(ROOT / "bindings/tools")]

from connections import Connections, request_bytes, spread  # noqa: E402
from program import Program, end_on_sigterm, table  # noqa: E402

HELD = 200
HEARTBEAT = 0.1  # seconds
HEARTBEAT_BYTES = b":\n\n"
EVERY = 0.005  # seconds between two new connections
PEACE = 3  # seconds
AFTER = 1  # seconds of going on after the burn, so that what it delayed is seen
SHORTEST_BURN = 2  # seconds
MOST_TICKS = 0.01  # of the milliseconds of the burn
TRIES = 5


class Traffic:
    """The held connections, and the new ones that come all the time."""

    def __init__(self, address):
        request = request_bytes("localhost", "/sse")
        self.held = Connections(address, request)
        self.new = Connections(address, request, at_once=1 << 20)
        self.held.watch(self.new.epoll.fileno(), lambda: None)  # one wait for both
        begin = time.monotonic()
        for number in range(HELD):  # spread over the time between two heartbeats, so that these are spread as well
            self.held.start(1)
            while time.monotonic() < begin + HEARTBEAT * number / HELD:
                self.held.turn(HEARTBEAT / HELD)
        while self.held.opening() > 0 and time.monotonic() < begin + 10:
            self.held.turn(0.1)
        if len(self.held.open()) != HELD:
            sys.exit(f"{len(self.held.open())} of {HELD} connections to /sse are held")
        self.accepts = []  # (when the connection was begun, seconds to its head)
        self.late = []  # (when this program wanted to begin a connection, seconds by which it was late)
        self.next = time.monotonic()

    def turn(self):
        self.held.turn(max(0, min(self.next - time.monotonic(), 0.05)))
        self.new.turn(0)
        for connection in self.new.new:
            if connection.status == 200:
                self.accepts.append((connection.started, connection.head_seconds))
            self.new.finish(connection, "closed")
        self.new.new.clear()
        if time.monotonic() >= self.next:
            self.late.append((self.next, time.monotonic() - self.next))
            self.new.start(1)
            self.next += EVERY
            self.new.turn(0)

    def go_on(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn()

    def heartbeat_delays(self, start, end):
        """How much later than 100 ms after the one before came the heartbeats that were due from start to end; of a
        connection that fell silent, the time it has been waiting until now."""
        delays, now = [], time.monotonic()
        for connection in self.held.all.values():
            times, at = [], connection.data.find(HEARTBEAT_BYTES)
            while at >= 0:
                times.append(connection.time_of(at + len(HEARTBEAT_BYTES) - 1))
                at = connection.data.find(HEARTBEAT_BYTES, at + len(HEARTBEAT_BYTES))
            if times and now - times[-1] > 2 * HEARTBEAT:
                times.append(now)
            delays += [max(0, later - sooner - HEARTBEAT) for sooner, later in zip(times, times[1:])
                       if later > start and sooner + HEARTBEAT < end]
        return delays

    def accept_delays(self, start, end):
        """Seconds from connect to the head, of the connections that were begun from start to end; of those that still
        wait, the time until now."""
        now = time.monotonic()
        waiting = [(c.started, now - c.started) for c in self.new.all.values()]
        return [seconds for begun, seconds in self.accepts + waiting if start <= begun < end]

    def own_delays(self, start, end):
        return [seconds for wanted, seconds in self.late if start <= wanted < end]

    def close(self):
        self.held.unwatch(self.new.epoll.fileno())
        self.new.close()
        self.held.close()


def measure(program, traffic):
    """Returns two lists of delays, of peace and of the burn, each of heartbeats, accepts and this program; and the
    seconds and ticks of the burn."""
    start = time.monotonic()
    traffic.go_on(PEACE)
    peace = time.monotonic()
    program.say("burn")
    line = program.line(lambda text: text.startswith("burned "), 30, traffic.turn)
    burned = time.monotonic()
    if line is None:
        sys.exit(f"{' '.join(program.command)}: no line \"burned SECONDS TICKS\" within 30 s")
    traffic.go_on(AFTER)
    delays = [[traffic.heartbeat_delays(*window), traffic.accept_delays(*window), traffic.own_delays(*window)]
              for window in ((start, peace), (peace, burned))]
    return *delays, float(line.split()[1]), int(line.split()[2])


def late(held, limit):
    """Which 99th percentiles of the burn are over the limit, as sentences."""
    found = []
    own = spread(held[2])["p99"] if held[2] else 0
    for what, delays in zip(("heartbeats", "new connections"), held):
        p99 = spread(delays)["p99"] if delays else 0
        if p99 > limit + 2 * own:
            found.append(f"{what}: the 99th percentile of the delay is {p99} ms, over {limit:g} ms and twice this "
                         f"program's own delay of {own} ms")
    return found


def free(seconds, ticks):
    """The sentence that the lock was not held, or none."""
    if ticks <= MOST_TICKS * seconds * 1000:
        return []
    return [f"another thread ran {ticks} times during the burn: the lock was not held"]


def lacking(held, seconds):
    """What there is too little of to judge by, as sentences."""
    found = []
    if seconds < SHORTEST_BURN:
        found.append(f"the burn took {seconds:.2f} s; it must take {SHORTEST_BURN} or more")
    fewest = (HELD * seconds / HEARTBEAT / 2, seconds / EVERY / 3)
    for what, delays, least in zip(("heartbeats", "new connections"), held, fewest):
        if len(delays) < least:
            found.append(f"{what}: {len(delays)} during the burn, too few to judge by ({least:.0f})")
    return found


def once(command):
    """Measures and prints the table. Returns what measure() says about the burn."""
    with Program(command) as program:
        traffic = Traffic(program.address)
        idle, held, seconds, ticks = measure(program, traffic)
        traffic.close()
    rows = [[f"{' '.join(command)[-50:]}, ms", "samples", "p50", "p99", "max"]]
    names = ("heartbeats", "connect to head", "this program itself")
    for when, measured in (("in peace", idle), ("lock held", held)):
        for what, delays in zip(names, measured):
            found = spread(delays) or {}
            rows.append([f"{what}, {when}", len(delays), *(found.get(key, "-") for key in ("p50", "p99", "max"))])
    table(*rows)
    print(f"\nThe lock was held for {seconds:.2f} s; another thread of the program ran {ticks} times meanwhile.")
    return held, seconds, ticks


def main():
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--assert-p99-ms", type=float)
    options, command = parser.parse_args(words[:at]), words[at + 1:]
    if not command:
        parser.exit(2, "gil.py: after -- comes the program to measure\n")
    end_on_sigterm()
    gc.disable()
    wrong, tries = [], 1 if options.assert_p99_ms is None else TRIES
    for _ in range(tries):
        held, seconds, ticks = once(command)
        if options.assert_p99_ms is not None:
            wrong = free(seconds, ticks)
            if wrong:
                break
            wrong = late(held, options.assert_p99_ms) + lacking(held, seconds)
            if not wrong:
                break
    print(f"Heartbeats: delay behind 100 ms after the one before, on {HELD} connections (the library looks every 10).\n"
          f"Connect to head: a new connection to the held route every {1000 * EVERY:g} ms, until its response head.\n"
          "This program itself: how much later than it wanted it began a connection.")
    for sentence in wrong:
        print(f"FAILED {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
