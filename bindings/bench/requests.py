#!/usr/bin/env python3
"""Requests: answers a second in each language, against the server that its programs use today.

    python3 -B bindings/bench/requests.py [go python ruby] [--rounds 7] [--ms 1000]

Every server is a process of its own that answers "hello", bound to one core. The load comes from the other core: 64
keep-alive connections with one request under way on each; every answer is checked (tests/bench/requests.c). The servers
of a language take turns. Puma announces the end of a connection after ten requests while others wait to be accepted;
such a connection is made again. HIJACK_BUILD names the build folder, build/release without it; what is compared must be
there: scripts/bench makes it. A measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bindings/bench"))

from program import Program, end_on_sigterm, table  # noqa: E402

BUILD = (ROOT / os.environ.get("HIJACK_BUILD", "build/release")).resolve()
LOAD = BUILD / "tests/bench/requests"
PYTHON = [str(ROOT / "build/venv/bin/python"), str(ROOT / "python/bench/hello.py")]
RUBY = ["ruby", f"-I{ROOT}/ruby/lib", str(ROOT / "ruby/bench/hello.rb")]
GO = [str(BUILD / "go/hello")]

SHARE = 80  # percent of its core; a server that had less is not judged: something else on the machine had it

# Of each language: the command, its servers, the other one last, and the targets of ours.
LANGUAGES = {
    "go": (GO, ["hijack", "nethttp"], {"hijack": 0.9}),
    "python": (PYTHON, ["threads", "aio", "aio-uvloop", "uvicorn"], {"threads": 1.4, "aio": 1.2, "aio-uvloop": 1.2}),
    "ruby": (RUBY, ["hijack", "puma"], {"hijack": 3.5}),
}


class Server:
    """One server under load, and what was measured of it, one value a round."""

    def __init__(self, command, name, core):
        self.name = name
        self.program = Program(["taskset", "-c", str(core), *command, name], HIJACK_LIBRARY=str(BUILD / "libhijack.so"),
                               LD_LIBRARY_PATH=str(BUILD), PYTHONDONTWRITEBYTECODE="1")
        self.rates, self.costs, self.shares, self.p99s = [], [], [], []

    def turn(self, milliseconds, counts):
        """Puts load on it; the first turn of each, which warms up, does not count."""
        used, start = self.program.cpu_seconds(), time.monotonic()
        command = [str(LOAD), "-p", str(self.program.address[1]), "-t", str(milliseconds)]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        used, passed = self.program.cpu_seconds() - used, time.monotonic() - start
        if result.returncode != 0:
            sys.exit(f"{self.name}: the load ended with exit code {result.returncode}")
        words = result.stdout.split()
        values = dict(zip(words[::2], map(float, words[1::2])))
        if counts:
            self.rates.append(values["rate"])
            self.costs.append(used * 1e6 / values["requests"])
            self.shares.append(100 * used / passed)
            self.p99s.append(values["p99_us"] / 1e3)

    def row(self, other, target):
        """What the table has of it. Ratios: ours to the other's of the same round, larger is better."""
        median = statistics.median
        row = [self.name, f"{median(self.rates):.0f}", f"{median(self.costs):.1f}", f"{median(self.shares):.0f} %",
               f"{median(self.p99s):.1f}"]
        if self is other:
            return row + ["", "", ""]
        ratios = [ours / theirs for ours, theirs in zip(self.rates, other.rates)]
        by_time = median(theirs / ours for ours, theirs in zip(self.costs, other.costs))
        verdict = "met" if min(median(ratios), by_time) >= target else "missed"
        if min(median(self.shares), median(other.shares)) < SHARE:
            verdict = "not judged"
        return row + [f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", f"{by_time:.2f}",
                      f"{target:.1f}: {verdict}"]


def compare(language, options, core):
    command, names, targets = LANGUAGES[language]
    servers = []
    try:
        for name in names:
            servers.append(Server(command, name, core))
        for number in range(-1, options.rounds):
            for at in range(len(servers)):
                servers[(at + number) % len(servers)].turn(options.ms, number >= 0)
        table([language, "answers/s", "server us", "core", "p99 ms", f"to {names[-1]} (spread)", "by time", "target"],
              *(server.row(servers[-1], targets.get(server.name)) for server in servers))
        print()
    finally:
        for server in servers:
            server.program.kill()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ms", type=int, default=1000)
    options = parser.parse_args()
    for language in options.languages:
        if language not in LANGUAGES:
            parser.exit(2, f"requests.py: {language}: not one of {', '.join(LANGUAGES)}\n")
    if options.rounds < 1 or options.ms < 10:
        parser.exit(2, "requests.py: --rounds must be at least 1 and --ms at least 10\n")
    if not LOAD.exists():
        sys.exit(f"{LOAD} is not there: build it with cmake --preset release, or run make bench")
    end_on_sigterm()
    core = min(os.sched_getaffinity(0))  # the load takes the last one
    for language in options.languages:
        compare(language, options, core)
    print(f"""Answers/s, server us (processor time of all threads of the server for a request) and the rest are medians
of the rounds. By time: the ratio of server us. Core: how much of its core the server had; below {SHARE} % something
else on the machine set the pace, and nothing is judged. A target is met when both ratios meet it.""")


if __name__ == "__main__":
    sys.exit(main())
