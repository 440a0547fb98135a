#!/usr/bin/env python3
"""Live connections in the server that a program has: this library beside what the program would do without it.

    python3 -B bindings/bench/live.py [ruby python go] [--clients 10000] [--rounds 5] [--dead 60]

In each language the same web server holds Server-Sent Events twice: by handing connections over, and as its users do
today (Puma with a thread for each client as ActionController::Live has it, uvicorn with sse-starlette, net/http with a
goroutine for each). HIJACK_BUILD names the build folder, build/release without it; scripts/bench makes what is needed.

--clients  for memory and for one message; --rounds: how often the message is sent
--dead     seconds that a client whose machine has vanished is given to be noticed; 0 leaves this out. It needs unshare
           and ip, and a kernel that lets users make namespaces

A measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import gc
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "bindings/bench"), str(ROOT / "bindings/tools")]

from comparison import BUILD, PYTHON, RUBY  # noqa: E402
from connections import Connections, request_bytes  # noqa: E402
from hold import hold, settled  # noqa: E402
from program import Program, end_on_sigterm, table  # noqa: E402

CONTENDERS = {
    "ruby": {"Puma, libhijack": [*RUBY, str(ROOT / "ruby/bench/live.rb"), "hijack"],
             "Puma, a thread for each": [*RUBY, str(ROOT / "ruby/bench/live.rb"), "live"]},
    "python": {"uvicorn, libhijack": [PYTHON, str(ROOT / "python/bench/live.py"), "hijack"],
               "uvicorn, sse-starlette": [PYTHON, str(ROOT / "python/bench/live.py"), "sse-starlette"]},
    "go": {"net/http, libhijack": [str(BUILD / "go/live"), "hijack"],
           "net/http, a goroutine for each": [str(BUILD / "go/live"), "nethttp"]},
}
BYTES = 100  # of the one message
BURNING, BEAT = 200, 0.1  # clients, and seconds between their heartbeats, while the interpreter computes
READERS, PIECE, PIECES = 20, 65536, 256  # clients beside a slow one, and what is sent to all
PATIENCE = 30  # seconds for a message
GONE = "10.9.9.9"  # address of the machine that vanishes


def start(command, heartbeat=0.0):
    return Program(command, HEARTBEAT_MS=str(int(heartbeat * 1000)), HIJACK_LIBRARY=str(BUILD / "libhijack.so"),
                   LD_LIBRARY_PATH=str(BUILD), PYTHONDONTWRITEBYTECODE="1")


def clients_of(program):
    return Connections(program.address, request_bytes("localhost", "/sse"))


def publish(program, connections, size, readers):
    """Sends one message and returns the seconds until all readers have it; None: not all in time."""
    connections.forget()
    begin = time.monotonic()
    program.say(f"publish {size}")
    waiting = {id(connection): connection for connection in readers}
    while waiting and time.monotonic() - begin < PATIENCE:
        for connection in connections.turn(0.05):
            if connection.data.count(b"x") >= size:
                waiting.pop(id(connection), None)
    program.read()
    program.lines.clear()
    return None if waiting else time.monotonic() - begin


def collected(program, connections):
    """Resident bytes without garbage."""
    program.say("collect")
    program.line(lambda text: text == "collected", PATIENCE, lambda: connections.turn(0.01))
    return settled(program, connections)


def memory_and_message(command, options):
    """Bytes of memory a client, and the milliseconds of a message."""
    with start(command) as program:
        connections = clients_of(program)
        hold(program, connections, options.clients // 10)
        few = collected(program, connections)
        hold(program, connections, options.clients)
        many = collected(program, connections)
        times = [publish(program, connections, BYTES, connections.open()) for _ in range(options.rounds + 1)][1:]
        connections.close()
    each = (many - few) / (options.clients - options.clients // 10)
    return each, "not all got it" if None in times else f"{1000 * statistics.median(times):.0f} ms"


def longest_silence(command):
    """Of any client that is to get a heartbeat each BEAT seconds, while the program computes."""
    with start(command, BEAT) as program:
        connections = clients_of(program)
        hold(program, connections, BURNING)
        last = {}

        def listen(seconds=0.01):
            for connection in connections.turn(seconds):
                now = time.monotonic()
                silences.append(now - last.get(id(connection), now))
                last[id(connection)] = now
        silences, until = [], time.monotonic() + 1
        while time.monotonic() < until:
            listen()
        silences.clear()
        program.say("burn")
        line = program.line(lambda text: text.startswith("burned "), 60, listen)
        until = time.monotonic() + 3 * BEAT
        while time.monotonic() < until:
            listen()
        connections.close()
    if line is None:
        sys.exit(f"{' '.join(command)}: no line \"burned SECONDS\" within 60 s")
    return f"{1000 * max(silences):.0f} ms of {float(line.split()[1]):.1f} s"


def slow_client(command):
    """How much the process grows while one client of many reads nothing, and how late the others are."""
    with start(command) as program:
        connections = clients_of(program)
        hold(program, connections, READERS + 1)
        slow, *readers = connections.open()
        connections.pause(slow)
        publish(program, connections, PIECE, readers)
        before, longest = collected(program, connections), 0.0
        for _ in range(PIECES):
            took = publish(program, connections, PIECE, readers)
            if took is None:
                return "the others wait as well"
            longest = max(longest, took)
        grown = (collected(program, connections) - before) / (1 << 20)
        connections.close()
    return f"+{max(grown, 0):.0f} MiB; others {1000 * longest:.0f} ms"


def sockets_of(program):
    folder, count = f"/proc/{program.process.pid}/fd", 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def dead_client(command, seconds):
    """In a network of its own: seconds until a client is given up whose address has vanished; a message goes out each
    second."""
    with start(command) as program:
        subprocess.run(["ip", "addr", "add", f"{GONE}/32", "dev", "lo"], check=True)
        client = socket.create_connection(program.address, source_address=(GONE, 0))
        client.sendall(request_bytes("localhost", "/sse"))
        client.recv(4096)
        many = sockets_of(program)
        subprocess.run(["ip", "addr", "del", f"{GONE}/32", "dev", "lo"], check=True)
        begin = time.monotonic()
        while sockets_of(program) >= many and time.monotonic() - begin < seconds:
            program.say(f"publish {BYTES}")
            program.line(lambda text: text == "published", PATIENCE)
            time.sleep(1)
        took = time.monotonic() - begin
        noticed = sockets_of(program) < many
        client.close()
    return f"{took:.0f} s" if noticed else f"not within {seconds:.0f} s"


def in_own_network(name, language, seconds):
    """Runs dead_client in a new namespace, by this program itself."""
    script = "ip link set lo up && exec \"$@\""
    command = ["unshare", "-rn", "sh", "-c", script, "sh", sys.executable, "-B", __file__, language,
               "--dead-only", name, "--dead", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "not measured"


def row(name, command, language, options):
    each, message = memory_and_message(command, options)
    cells = [name, f"{each:,.0f} bytes", message, longest_silence(command), slow_client(command)]
    return cells + ([in_own_network(name, language, options.dead)] if options.dead else [])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dead", type=float, default=60)
    parser.add_argument("--dead-only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for language in options.languages:
        if language not in CONTENDERS:
            parser.error(f"{language}: not one of {', '.join(CONTENDERS)}")
    if options.clients < 100 or options.rounds < 1:
        parser.error("--clients must be at least 100 and --rounds at least 1")
    end_on_sigterm()
    if options.dead_only:
        print(dead_client(CONTENDERS[options.languages[0]][options.dead_only], options.dead))
        return
    if options.dead and not (shutil.which("unshare") and shutil.which("ip")):
        parser.error("unshare or ip is missing (on Debian: apt-get install util-linux iproute2); --dead 0 does without")
    gc.disable()
    heading = ["", "memory of an idle client", f"one message to {options.clients}", "longest silence while it computes",
               "one client reads nothing"] + (["a client's machine vanishes"] if options.dead else [])
    table(heading, *(row(name, command, language, options) for language in options.languages
                     for name, command in CONTENDERS[language].items()))
    print(f"""
Memory: growth of the process from {options.clients // 10} to {options.clients} clients, for each of them, garbage
collected; the kernel's comes on top.
One message: {BYTES} bytes, from the publish until the last client has it; median of {options.rounds}.
Silence: {BURNING} clients are to get a heartbeat every {1000 * BEAT:.0f} ms, while one call computes and holds the
interpreter's lock (in Go: while every processor computes).
Reads nothing: growth of the process while {PIECES} messages of {PIECE >> 10} KiB go to it and to {READERS} others, and
the longest time until these have one. net/http drops messages for it here; Puma gives it up after ten seconds.
Vanishes: a message goes out every second, and nothing is acknowledged any more.""")


if __name__ == "__main__":
    main()
