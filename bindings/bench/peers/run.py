#!/usr/bin/env python3
"""libhijack beside its peers: one message to many clients, in one run on one machine.

    python3 -B bindings/bench/peers/run.py [--quick] [--only NAME]... [--groups GROUP,...] [--json FILE]
        [--plots FOLDER]

make bench-peers installs and builds what is needed and runs it. What is missing is left out with a word.

--quick    fewer connections and turns: some minutes in all
--only     contenders whose name contains this
--openings how often all connections are opened, for memory and accepting
--groups   of sse, websocket, sse-tls, websocket-tls and slow; all without it
--json     a file for what was measured; with --only or --groups, what it has of others stays
--plots    a folder for the pictures

Each server has the first core, its clients the last. Of each contender is measured, with a new plain loop of send() in
C beside it, which has as many clients and works in turn with it:

single, burst   one message, and 16, to all: from the request to publish until the last client has the last byte
CPU             user and system time of all its processes for a million deliveries, of the single messages
last client     the same as single, when one is published each second: p50 and p99 of the rounds
accept          from the first connect until the heads of all answers have come
memory          growth of proportional resident memory by the connections, which are idle; the kernel's comes on top

The ratios are to the plain loop's turns before and after, and medians of three, with the least and the most. A
measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import datetime
import json
import pathlib
import resource
import signal
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / folder) for folder in ("bindings/bench/peers", "bindings/bench", "tests/websocket")]

from contenders import CONTENDERS, PLAIN  # noqa: E402
from machine import Load, Server, Trouble, description  # noqa: E402
from plots import draw  # noqa: E402
from program import end_on_sigterm  # noqa: E402
from report import left_out_lines, tables  # noqa: E402
from surroundings import certificate  # noqa: E402

GROUPS = {"sse": ("sse", False), "websocket": ("websocket", False), "sse-tls": ("sse", True),
          "websocket-tls": ("websocket", True)}
SIZE, BURST = 64, 16  # bytes of a message, and messages published together
PATIENCE = 30  # seconds for a message
SLOW_SIZE, SLOW_MESSAGES, SLOW_PATIENCE = 4096, 150, 5  # beside a client that never reads


class Plan:
    """How much of everything."""

    def __init__(self, quick, tls, openings=None):
        full = (500, 5000, 5000) if tls else (1000, 10000, 19000)
        self.few, self.fanned, self.most = (200, 1000, 1000) if quick else full
        self.turns, self.singles, self.bursts = 3, 3 if quick else 5, 2
        self.rounds = 5 if quick else 20  # at 1 Hz
        self.openings = openings or (1 if quick else 3)


class Pair:
    """A contender and a plain loop, each with its clients."""

    def __init__(self, contender, kind, folder):
        self.parts = []
        try:
            for it, tls in ((PLAIN, None), (contender, folder)):
                server = Server(it, tls)
                self.parts.append(server)
                self.parts.append(Load(server, kind, tls is not None, it.post))
        except BaseException:
            self.close()
            raise
        self.plain, self.plain_load, self.server, self.load = self.parts

    def close(self):
        for part in reversed(self.parts):
            part.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def turn(server, load, messages, times):
    """Milliseconds until the last client had all, microseconds of processor time a delivery, and the load's own."""
    used, answers = server.cpu_seconds(), [load.deliver(messages, SIZE, PATIENCE) for _ in range(times)]
    time.sleep(0.02)  # what the server does after the last client has it
    used = server.cpu_seconds() - used
    deliveries = sum(answer["expected"] for answer in answers)
    return {"ms": statistics.median(answer["last_ns"] for answer in answers) / 1e6, "cpu": used * 1e6 / deliveries,
            "load": statistics.median(answer["load"] for answer in answers)}


def fan_out(pair, messages, times, turns):
    """Each turn between two of the plain loop."""
    turn(pair.server, pair.load, messages, 1)  # to warm up
    plain, ours = [turn(pair.plain, pair.plain_load, messages, times)], []
    for _ in range(turns):
        ours.append(turn(pair.server, pair.load, messages, times))
        plain.append(turn(pair.plain, pair.plain_load, messages, times))
    around = [{key: (before[key] + after[key]) / 2 for key in before} for before, after in zip(plain, plain[1:])]
    return {"ms": spread([it["ms"] for it in ours]), "cpu": spread([it["cpu"] for it in ours]),
            "rate_ratio": spread([other["ms"] / it["ms"] for it, other in zip(ours, around)]),
            "cpu_ratio": spread([it["cpu"] / other["cpu"] for it, other in zip(ours, around)]),
            "plain_ms": spread([it["ms"] for it in around]), "load": spread([it["load"] for it in ours])}


def last_client(pair, rounds):
    """Milliseconds of the last client of each round; the plain loop's rounds lie between."""
    times, plain, start = [], [], time.monotonic()
    for number in range(rounds):
        for load, values, at in ((pair.load, times, 0.0), (pair.plain_load, plain, 0.5)):
            time.sleep(max(0.0, start + number + at - time.monotonic()))
            values.append(load.deliver(1, SIZE, PATIENCE)["last_ns"] / 1e6)
    return {"rounds": rounds, **percentiles(times), "plain": percentiles(plain)}


def percentiles(values):
    ordered = sorted(values)
    return {"p50": statistics.median(ordered), "p99": ordered[-max(1, len(ordered) // 100)]}


def opening(contender, kind, folder, plan):
    """Bytes of memory a connection, seconds until they are held, and the plain loop's."""
    with Pair(contender, kind, folder) as pair:
        pair.plain_load.open(plan.few)
        pair.load.open(plan.few)
        few = pair.server.memory()
        plain = pair.plain_load.open(plan.fanned)["ns"] / 1e9
        taken = pair.load.open(plan.fanned)
        some = many = pair.server.memory()
        if plan.most > plan.fanned:
            pair.load.open(plan.most)
            many = pair.server.memory()
    seconds = taken["ns"] / 1e9
    return {"seconds": seconds, "rate": (plan.fanned - plan.few) / seconds, "ratio": plain / seconds,
            "load": taken["load"], "bytes": (many - few) / (plan.most - plan.few),
            "bytes_some": (some - few) / (plan.fanned - plan.few), "resident": many}


def measure(contender, kind, tls, folder, plan):
    openings = [opening(contender, kind, folder, plan) for _ in range(plan.openings)]
    result = {"accept": {key: spread([it[key] for it in openings]) for key in ("seconds", "rate", "ratio", "load")},
              "memory": {key: spread([it[key] for it in openings]) for key in ("bytes", "bytes_some", "resident")},
              "counts": {"few": plan.few, "fanned": plan.fanned, "most": plan.most}}
    with Pair(contender, kind, folder) as pair:
        for load in (pair.plain_load, pair.load):
            load.open(plan.fanned)
        result["single"] = fan_out(pair, 1, plan.singles, plan.turns)
        result["burst"] = fan_out(pair, BURST, plan.bursts, plan.turns)
        result["last"] = last_client(pair, plan.rounds)
    return result


def beside_slow(contender, plan):
    """Messages of SLOW_SIZE to all, one of whom never reads: when the others wait, and how long."""
    with Server(contender, None) as server, Load(server, "sse", False, contender.post) as load:
        load.open(plan.fanned // 2)
        load.ask("slow")
        load.open(plan.fanned)
        gaps = []
        for number in range(SLOW_MESSAGES):
            answer = load.publish(1, SLOW_SIZE, SLOW_PATIENCE)
            gaps.append(answer["gap_ns"] / 1e6)
            if answer["marks"] < answer["expected"]:
                return {"clients": plan.fanned, "stalled_after": number + 1, "gap_ms": gaps[-1],
                        "waiting": answer["expected"] - answer["marks"]}
        return {"clients": plan.fanned, "stalled_after": None, "gap_ms": max(gaps), "waiting": 0}


def attempt(data, key, contender, work):
    """Puts the result, or why there is none, into the data."""
    print(f"{key}: {contender.name} ...", file=sys.stderr, flush=True)
    try:
        result = work()
    except Trouble as trouble:
        result = {"trouble": str(trouble)}
        print(f"  {trouble}", file=sys.stderr)
    data["results"].setdefault(key, {})[contender.name] = {
        "language": contender.language, "ours": contender.ours, "version": contender.version(), **result}


def run(options, data, save):
    with tempfile.TemporaryDirectory(prefix="hijack-peers-") as folder:
        certificate(folder)
        for contender in CONTENDERS:
            if options.only and not any(name.lower() in contender.name.lower() for name in options.only):
                continue
            missing = contender.missing()
            data["left_out"].pop(contender.name, None)
            if missing:
                data["left_out"][contender.name] = missing
                continue
            for key, (kind, tls) in GROUPS.items():
                if key in options.groups and kind in contender.kinds and (contender.tls or not tls):
                    plan = Plan(options.quick, tls, options.openings)
                    attempt(data, key, contender,
                            lambda: measure(contender, kind, tls, folder if tls else None, plan))
                    save()
            if "slow" in options.groups and (contender.ours or "double" in contender.name):
                attempt(data, "slow", contender, lambda: beside_slow(contender, Plan(options.quick, False)))
                save()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--openings", type=int)
    parser.add_argument("--groups")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--plots", type=pathlib.Path)
    options = parser.parse_args()
    keeps = options.only or options.groups
    options.groups = options.groups.split(",") if options.groups else [*GROUPS, "slow"]
    for group in options.groups:
        if group not in (*GROUPS, "slow"):
            parser.error(f"--groups: expected some of {', '.join([*GROUPS, 'slow'])} (got {group})")
    if PLAIN.missing():
        sys.exit(f"{PLAIN.missing()}: build it first, or run make bench-peers")
    end_on_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    data = {"results": {}, "left_out": {}}
    if keeps and options.json and options.json.exists():
        data = json.loads(options.json.read_text(encoding="utf-8"))
    data["machine"] = description()
    data["date"] = datetime.date.today().isoformat()

    def save():
        if options.json:
            options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    try:
        run(options, data, save)
    except KeyboardInterrupt:
        print("interrupted: what was measured until now follows", file=sys.stderr)
    save()
    print(tables(data))
    print(left_out_lines(data))
    if options.plots:
        draw(data, options.plots)


if __name__ == "__main__":
    main()
