#!/usr/bin/env python3
"""One Ruby process and very many SSE connections under a small descriptor limit: many.py CONNECTIONS [ROUNDS]

Under "ulimit -n 20000", hard and soft, the server (ruby/bench/many.rb) starts with option private_fds and as many loop
threads as CONNECTIONS need, and the clients (tests/bench/crowd.c) with as many processes. Each of ROUNDS (10) write
runs has to reach every connection. Exit code 1 if one was not held or did not get every BEEP.

Build before: cmake --preset release && cmake --build --preset release. "Kernel" is the growth of the kernel's slab
caches, both ends of a connection, and of whatever else happens on the machine meanwhile."""

import os
import pathlib
import resource
import subprocess
import sys
import time

from program import Program, end_on_sigterm

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / os.environ.get("HIJACK_BUILD", "build/release")
LIMIT = 20000
A_LOOP = 17500  # connections of one loop, on average: the kernel deals them out by chance
A_CROWD = 19000
SETTLE_SECONDS = 15  # the loops look once more at what was written
IDLE_SECONDS = 20
SECONDS = 600
LEAST_FREE_KIB = 2 << 20  # of the machine; with less it ends


class Crowd:
    """One process of clients."""

    def __init__(self, port, count, number):
        self.count = count
        self.process = subprocess.Popen([BUILD / "tests/bench/crowd", str(port), str(count), str(number)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def expect(self, times):
        self.process.stdin.write(f"expect {times} {SECONDS}\n")
        self.process.stdin.flush()

    def hear(self, word):
        """The numbers of its next line."""
        first, *numbers = self.process.stdout.readline().split() or [""]
        if first != word:
            sys.exit(f"a crowd has ended with exit code {self.process.wait()}")
        return [int(number) for number in numbers]

    def end(self):
        self.process.kill()
        self.process.wait()


def meminfo(name):
    """In KiB."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def resident(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def processor(pid):
    """Nanoseconds of each thread."""
    used = {}
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        used[int(thread.name)] = int((thread / "schedstat").read_text().split()[0])
    return used


def share(before, after, loops, seconds):
    """Percent of one core: the loops, and all other threads."""
    used = {thread: after[thread] - before.get(thread, 0) for thread in after}
    ours = sum(used[thread] for thread in used if thread in loops)
    return tuple(part / seconds / 1e7 for part in (ours, sum(used.values()) - ours))


def open_all(server, total):
    """The crowds open their connections at the same time."""
    counts = [min(A_CROWD, total - done) for done in range(0, total, A_CROWD)]
    began = time.monotonic()
    crowds = [Crowd(server.address[1], count, 16 + number) for number, count in enumerate(counts)]
    while any(crowd.process.poll() is None for crowd in crowds):
        server.say("held")
        held = int(server.line(lambda text: text.startswith("held"), SECONDS).split()[1])
        if held >= total or time.monotonic() - began > SECONDS:
            break
        if meminfo("MemAvailable") < LEAST_FREE_KIB:
            print(f"  memory gets short: stopped at {held:,}")
            break
        time.sleep(0.1)
    took = time.monotonic() - began
    return crowds, held, took


def write_run(server, crowds, times):
    """Seconds until all was written, and until the last client had it; how many have not got it."""
    for crowd in crowds:
        crowd.expect(times)
    server.say("run")
    _, began, written = server.line(lambda text: text.startswith("run"), SECONDS).split()
    heard = [crowd.hear("received") for crowd in crowds]
    last = max(numbers[3] for numbers in heard)
    missing = sum(crowd.count - numbers[0] for crowd, numbers in zip(crowds, heard))
    return (int(written) - int(began)) / 1e9, (last - int(began)) / 1e9, missing


def median(values):
    return sorted(values)[len(values) // 2]


def measure(server, total, rounds):
    pid = server.process.pid
    loops = {int(thread) for thread in server.line(lambda text: text[:1].isdigit(), SECONDS).split()}
    empty, slab = resident(pid), meminfo("Slab")
    crowds, held, took = open_all(server, total)
    try:
        print(f"  held                      {held:12,}   by {len(loops)} loop threads and {len(crowds)} processes of "
              f"clients, in {took:.1f} s: {held / took:,.0f} a second")
        if held < total:
            return False
        for crowd in crowds:
            if crowd.hear("open") != [crowd.count]:
                return False
        print(f"  ours                      {(resident(pid) - empty) / total:12.1f}   bytes a connection; resident "
              f"{resident(pid) / 2**20:.1f} MiB, {empty / 2**20:.1f} MiB before")
        print(f"  kernel                    {(meminfo('Slab') - slab) * 1024 / total:12,.0f}   bytes of slab a "
              "connection, both ends")
        time.sleep(SETTLE_SECONDS)
        before = processor(pid)
        time.sleep(IDLE_SECONDS)
        idle = sum(share(before, processor(pid), loops, IDLE_SECONDS))
        print(f"  idle                      {idle:12.2f}   % of a core, over {IDLE_SECONDS} s")
        missing, runs = 0, []
        before, began = processor(pid), time.monotonic()
        for number in range(1, rounds + 1):
            written, last, lost = write_run(server, crowds, number)
            runs.append((written, last))
            missing = max(missing, lost)
        seconds = time.monotonic() - began
        used = share(before, processor(pid), loops, seconds)
        print(f"  write run                 {median([run[1] for run in runs]):12.2f}   s until the last client has it "
              f"({min(run[1] for run in runs):.2f} to {max(run[1] for run in runs):.2f}); "
              f"{median([run[0] for run in runs]):.2f} s until all is written")
        print(f"  processor in a write run  {used[0] * seconds / 100 / rounds:12.3f}   s in the loops, "
              f"{used[1] * seconds / 100 / rounds:.4f} s in Ruby and all else; "
              f"{used[0] * seconds / 100 / rounds / total * 1e6:.2f} µs a delivery")
        print(f"  lost                      {missing:12,}   of {total:,} in {rounds} runs")
        return missing == 0
    finally:
        for crowd in crowds:
            crowd.end()


def main():
    if len(sys.argv) not in (2, 3) or not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit(__doc__)
    end_on_sigterm()
    total, rounds = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 10
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = LIMIT if hard == resource.RLIM_INFINITY else min(LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(f"{total:,} connections, descriptor limit {limit:,}")
    ruby = ["ruby", "-I", str(SOURCE / "ruby/lib"), str(SOURCE / "ruby/bench/many.rb"), str(-(-total // A_LOOP))]
    with Program(ruby, HIJACK_LIBRARY=str(BUILD / "libhijack.so")) as server:
        fine = measure(server, total, rounds)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
