#!/usr/bin/env python3
"""What held clients cost in each language: memory for each, CPU while nothing happens, and one message to all.

    python3 -B bindings/bench/hold.py [c ruby python go] [--clients 10000] [--idle 10]

Runs "scripts/demo LANGUAGE beep 0" for each language; "-- COMMAND..." measures one other command instead, with port 0
in it. A measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import gc
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "bindings/bench"), str(ROOT / "bindings/tools")]

from connections import Connections, request_bytes  # noqa: E402
from program import Program, end_on_sigterm, table  # noqa: E402

LANGUAGES = ["c", "ruby", "python", "go"]
FEW = 1000
RUNS = 7  # runs of beep that are looked at
NEVER_MS = "3600000"


def settled(program, connections):
    """Resident bytes, once they have been the same for half a second; or after five seconds."""
    deadline, since, before = time.monotonic() + 5, time.monotonic(), program.resident()
    while time.monotonic() < deadline and time.monotonic() - since < 0.5:
        connections.turn(0.05)
        if program.resident() != before:
            since, before = time.monotonic(), program.resident()
    return before


def hold(program, connections, count):
    """Opens connections until there are so many, each with the head of its response."""
    connections.start(count - len(connections.all))
    deadline = time.monotonic() + 60
    while connections.opening() > 0:
        connections.turn(0.1)
        if connections.gone or time.monotonic() > deadline:
            sys.exit(f"{' '.join(program.command)}: {len(connections.open())} of {count} connections are held, "
                     f"{dict(connections.gone)}")


def clients_of(program):
    return Connections(program.address, request_bytes("localhost"))


def memory_and_idle(command, clients, seconds):
    with Program(command, BEEP_INTERVAL_MS=NEVER_MS) as program:
        connections = clients_of(program)
        base = settled(program, connections)
        hold(program, connections, FEW)
        few = settled(program, connections)
        hold(program, connections, clients)
        many = settled(program, connections)
        before, start = program.cpu_seconds(), time.monotonic()
        time.sleep(seconds)  # the connections are silent, nobody needs a turn
        percent = 100 * (program.cpu_seconds() - before) / (time.monotonic() - start)
        connections.close()
    return base, few, many, percent


def write_runs(command, clients):
    """The milliseconds of beep's runs to all clients, and the resident bytes afterwards."""
    with Program(command, BEEP_INTERVAL_MS="1000") as program:
        connections = clients_of(program)
        hold(program, connections, clients)
        times = []

        def read_all():
            connections.turn(0.02)
            connections.forget()
        while len(times) < RUNS:
            line = program.line(lambda text: text.startswith(f"BEEP to {clients} clients"), 20, read_all)
            if line is None:
                sys.exit(f"{' '.join(command)}: no BEEP to {clients} clients")
            times.append(float(line.split(" in ")[1].split(" ms")[0]))
        resident = program.resident()
        connections.close()
    return times[1:], resident


def mib(count):
    return f"{count / (1 << 20):.1f}"


def measure(name, command, options, c_bytes):
    """One row of the table, and the bytes of a connection."""
    base, few, many, percent = memory_and_idle(command, options.clients, options.idle)
    times, resident = write_runs(command, options.clients)
    each = (many - few) / (options.clients - FEW)
    ratio = f"{each / c_bytes:.2f}" if c_bytes else "-"
    return [name, mib(base), mib(few), mib(many), f"{each:.0f}", ratio, f"{percent:.1f} %",
            f"{statistics.median(times):.1f} ({min(times):.1f}-{max(times):.1f})", mib(resident)], each


def main():
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--idle", type=float, default=10)
    options, command = parser.parse_args(words[:at]), words[at + 1:]
    if options.clients <= FEW:
        parser.exit(2, f"hold.py: --clients {options.clients}: must be over {FEW}\n")
    end_on_sigterm()
    gc.disable()
    commands = {command[0]: command} if command else {
        name: [str(ROOT / "scripts/demo"), name, "beep", "0"] for name in options.languages}
    rows, c_bytes = [], None
    for name, each_command in commands.items():
        row, each = measure(name, each_command, options, c_bytes)
        c_bytes = each if name == "c" else c_bytes
        rows.append(row)
    table(["beep", "MiB with 0", f"{FEW}", f"{options.clients} clients", "bytes a client", "to C",
           f"CPU idle {options.idle:.0f} s", "a run, ms", "MiB after runs"], *rows)
    print(f"""
MiB: resident memory of the whole process, interpreter and shared libraries included; "0" is the program itself.
Bytes a client: what {FEW} to {options.clients} clients of / added, for each of them. "to C": divided by C's.
CPU: user and system time of all threads with {options.clients} clients and no run, in percent of one core.
A run: one BEEP to {options.clients} clients every second, as beep itself tells it; median (least-most) of {RUNS - 1},
while this program reads all of them on the same machine.""")


if __name__ == "__main__":
    main()
