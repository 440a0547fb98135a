"""Events: what one costs from the queue to a Python object, in batches of 64 against one at a time.

    events.py [sockets [turns [rounds]]]

As tests/bench/events.c: one loop thread, and some adopted socket pairs. Each turn, every one of them gets 32 bytes from
its far end, so that each becomes a DATA event of its own. "Copied out" is the poll and the copy of fields and bytes;
"delivered" also finds the Socket, takes its lock and appends to its buffer; "end to end" times the writes, the loop and
the delivery together. No other Python thread runs."""

import ctypes
import socket
import statistics
import sys
import time
from typing import Callable, List, Tuple

import hijack
from hijack_ffi import _core
from hijack_ffi._native import lib

DATA = b"thirty-two bytes of one message."
BATCH = _core.BATCH


class Plant:
    """The server, and both ends of each connection."""

    def __init__(self, sockets: int) -> None:
        self.server = hijack.Server(threads=1)
        self.core = self.server._core
        self.core.start()  # without the thread that would take the events
        self.far: List[socket.socket] = []
        self.ours: List[hijack.Socket] = []
        for _ in range(sockets):
            near, far = socket.socketpair()
            adopted = self.server.adopt(near)
            lib.hijack_socket_read(adopted._handle, 2**64 - 1)
            self.ours.append(adopted)
            self.far.append(far)

    def write(self) -> None:
        for far in self.far:
            far.send(DATA)

    def wait_queued(self) -> None:
        while self.server.stats()["events_queued"] < len(self.far):
            time.sleep(0.0002)

    def copy_out(self) -> int:
        """Polls until all is there, and throws it away; gives the number of events."""
        events = missing = 0
        missing = len(self.far) * len(DATA)
        while missing:
            batch = self.core.turn()
            events += len(batch)
            missing -= sum(len(event[2]) for event in batch)
        return events

    def deliver(self) -> int:
        """Dispatches until all is in the buffers of the sockets; gives the number of events, one for each socket."""
        last, size = self.ours[-1]._buffer, len(DATA)
        while len(last) < size or sum(len(it._buffer) for it in self.ours) < size * len(self.ours):
            self.core.dispatch()
        return len(self.ours)

    def clear(self) -> None:
        for it in self.ours:
            it._buffer.clear()

    def close(self) -> None:
        lib.hijack_server_stop(self.core.server)
        while self.core.dispatch():
            pass
        for far in self.far:
            far.close()
        self.core.free()


def measure(plant: Plant, batch: int, full: bool, take: Callable[[], int], turns: int) -> float:
    """Nanoseconds an event, over so many turns."""
    _core.BATCH = batch
    spent = events = 0
    for _ in range(turns):
        start = time.perf_counter_ns()
        plant.write()
        if full:
            plant.wait_queued()
            start = time.perf_counter_ns()
        events += take()
        spent += time.perf_counter_ns() - start
        plant.clear()
    _core.BATCH = BATCH
    return spent / events


def compare(plant: Plant, name: str, full: bool, take: Callable[[], int], turns: int, rounds: int) -> None:
    measure(plant, BATCH, full, take, 1)
    pairs: List[Tuple[float, float]] = []
    for _ in range(rounds):
        pairs.append((measure(plant, 1, full, take, turns), measure(plant, BATCH, full, take, turns)))
    one, many = (statistics.median(column) for column in zip(*pairs))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:<20} {one:12.0f} {many:12.0f} {one / many:12.2f} {ratio:16.2f}")


def callback() -> float:
    """Nanoseconds of one call from C into Python, on the same thread and with nothing to copy (ctypes)."""
    calls = 0
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def compared(_a: int, _b: int) -> int:
        nonlocal calls
        calls += 1
        return 0

    function, array = kind(compared), (ctypes.c_int * 20000)()
    start = time.perf_counter_ns()
    ctypes.CDLL(None).qsort(array, len(array), ctypes.sizeof(ctypes.c_int), function)
    return (time.perf_counter_ns() - start) / calls


def main() -> None:
    sockets, turns, rounds = (list(map(int, sys.argv[1:4])) + [500, 50, 5][len(sys.argv) - 1 :])[:3]
    plant = Plant(sockets)
    print("Python events: nanoseconds for a DATA event of 32 bytes")
    print(f"{sockets} sockets, {turns} turns a round, median of {rounds} rounds that took turns.\n")
    print(f"{'':<20} {'1 a poll':>12} {'64 a poll':>12} {'of medians':>12} {'median of ratios':>16}")
    compare(plant, "copied out", True, plant.copy_out, turns, rounds)
    compare(plant, "delivered", True, plant.deliver, turns, rounds)
    compare(plant, "end to end", False, plant.deliver, turns, rounds)
    plant.close()
    print(f"\nA plain callback: {callback():.0f} ns for the call alone, here (ctypes, same thread, nothing copied).")
    print("One opaque event a call, with accessors and a free: 1006 ns; an array of structs in batches of 64: 422 ns")
    print("(cffi, 100 bytes copied; measured on another machine before this package was made).")


if __name__ == "__main__":
    main()
