"""Servers in one language that take turns under load: what requests.py and echo.py share.

Every server is a process of its own, bound to one core; the load comes from the other one. HIJACK_BUILD names the build
folder, build/release without it; what is compared must be there: scripts/bench makes it."""

import os
import pathlib
import resource
import statistics
import sys
import time
from dataclasses import dataclass, field

from program import Program, end_on_sigterm, table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("HIJACK_BUILD", "build/release")).resolve()
PYTHON = str(ROOT / "build/venv/bin/python")
RUBY = ["ruby", f"-I{ROOT}/ruby/lib"]

SHARE = 80  # percent of its core; a server that had less is not judged: something else on the machine had it
NOTES = f"""A ratio is ours to theirs of the same round, larger is better: the median, with the least and the most.
By time: the same of the processor time that all threads of the server took for one ("server us"). These and the other
numbers are medians of the rounds. Core: how much of its core the server had; below {SHARE} % something else on the
machine set the pace, and nothing is judged. A target is met when both ratios meet it."""


@dataclass(frozen=True)
class Contender:
    """A server under test, and what starts it."""

    name: str
    command: "list[str]"


@dataclass(frozen=True)
class Pair:
    """One of ours against one that its users have today."""

    ours: str
    theirs: str
    target: float


@dataclass
class Language:
    contenders: "list[Contender]"
    pairs: "list[Pair]" = field(default_factory=list)


class Server:
    """One server under load, and what was measured of it, one value a round. make_load(name, address) gives an object
    with close() and with turn(), which returns the numbers of a turn by name, among them rate and requests."""

    def __init__(self, contender, core, make_load):
        self.name = contender.name
        self.program = Program(["taskset", "-c", str(core), *contender.command],
                               HIJACK_LIBRARY=str(BUILD / "libhijack.so"), LD_LIBRARY_PATH=str(BUILD),
                               PYTHONDONTWRITEBYTECODE="1")
        self.load = None
        self.rounds = []
        try:
            self.load = make_load(self.name, self.program.address)
        finally:
            if self.load is None:
                self.close()

    def turn(self, counts):
        """Puts load on it; the first turn of each, which warms up, does not count."""
        used, start = self.program.cpu_seconds(), time.monotonic()
        values = self.load.turn()
        used, passed = self.program.cpu_seconds() - used, time.monotonic() - start
        if counts:
            self.rounds.append({**values, "cost": used * 1e6 / values["requests"], "share": 100 * used / passed})

    def all(self, what):
        return [values[what] for values in self.rounds]

    def median(self, what):
        return statistics.median(self.all(what))

    def row(self, columns):
        return [self.name, f"{self.median('rate'):.0f}", f"{self.median('cost'):.1f}", f"{self.median('share'):.0f} %",
                *(f"{self.median(key) / scale:.1f}" for key, scale in columns.values())]

    def close(self):
        self.program.kill()
        if self.load is not None:
            self.load.close()


def pair_row(pair, servers):
    """Ratios: ours to the other's of the same round, larger is better."""
    ours, theirs = servers[pair.ours], servers[pair.theirs]
    ratios = [mine / other for mine, other in zip(ours.all("rate"), theirs.all("rate"))]
    by_time = statistics.median(other / mine for mine, other in zip(ours.all("cost"), theirs.all("cost")))
    rate = statistics.median(ratios)
    verdict = "met" if min(rate, by_time) >= pair.target else "missed"
    if min(ours.median("share"), theirs.median("share")) < SHARE:
        verdict = "not judged"
    return [f"{pair.ours} to {pair.theirs}", f"{rate:.2f} ({min(ratios):.2f}-{max(ratios):.2f})", f"{by_time:.2f}",
            f"{pair.target:.1f}: {verdict}"]


def compare(title, language, rounds, make_load, unit, columns):
    """Prints what the servers of a language did, then how ours compare. columns: headings of more numbers of a turn,
    with their keys and what they are divided by."""
    core = min(os.sched_getaffinity(0))  # the load takes the last one
    servers = []
    try:
        for contender in language.contenders:
            servers.append(Server(contender, core, make_load))
        for number in range(-1, rounds):
            for at in range(len(servers)):
                servers[(at + number) % len(servers)].turn(number >= 0)
        table([title, unit, "server us", "core", *columns], *(server.row(columns) for server in servers))
        print()
        by_name = {server.name: server for server in servers}
        table([title, "ratio (spread)", "by time", "target"], *(pair_row(pair, by_name) for pair in language.pairs))
        print()
    finally:
        for server in servers:
            server.close()


def check(parser, options, known, load):
    """What both programs check before they begin. Takes as many descriptors as this process may have."""
    for name in options.languages:
        if name not in known:
            parser.error(f"{name}: not one of {', '.join(known)}")
    if options.rounds < 1 or options.ms < 10:
        parser.error("--rounds must be at least 1 and --ms at least 10")
    if not load.exists():
        sys.exit(f"{load} is not there: build it with cmake --preset release, or run make bench")
    end_on_sigterm()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
