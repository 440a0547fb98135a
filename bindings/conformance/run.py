#!/usr/bin/env python3
"""The conformance suite: one list of scenarios for the demos of every language.

    python3 -B bindings/conformance/run.py --name c -- build/release/demos/{demo} {port}
    python3 -B bindings/conformance/run.py --name ruby -- scripts/demo ruby {demo} {port}

What follows "--" starts a demo: {demo} becomes sse, beep, hijack, websocket, chat, rooms, relay or tunnel, {port} the
port; where a scenario wants no port, the word {port} is left out. The process must be the demo itself: a script has to
exec it.

    --name NAME    what the last line calls this run
    --only TEXT    only scenarios with TEXT in their name; may be given more than once
    --list         prints the scenarios with what they say, and ends
    --times        prints how long each one took
    --jobs COUNT   scenarios side by side; default 12
    --tls          over TLS: the demos get a throw-away certificate by TLS_CERT and TLS_KEY, and every client checks it
    --http2        over HTTP/2, in clear or with --tls by ALPN: the scenarios that are not of HTTP/1 alone. Needs the
                   package h2 from PyPI, which the other clients do without
    --adopt        only the scenarios of connections that another server hands over, with a server as the demo
    --short        only the areas that look at the connection itself, unless HIJACK_LONG is set (make conformance)

One line is printed for each scenario that failed, with what was expected and what was seen; then how many passed. The
exit code is 0 if all did, else 1. Python 3.9 or later, standard library only, Linux. What the demos promise is what the
C demos do: demos/*.c.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import encrypted  # noqa: E402
import harness  # noqa: E402
from client import Client, Failed  # noqa: E402
from connections import raise_descriptor_limit  # noqa: E402

# Where the connection itself is looked at.
SHORT = ("arguments.", "sse.", "hijack.", "leftovers.", "websocket.", "chat.", "chat_restart.", "tunnel.")
HTTP1 = ("arguments.", "bad_input.", "slow_readers.", "hijack.", "leftovers.", "relay.")  # nothing of HTTP/2
HTTP2 = ("streams.",)  # where there is nothing of HTTP/1
PLAIN = ("relay.",)  # where the demo speaks no TLS
TRIES = 3  # of a scenario that misses its time; everything else counts at once
# The long ones first: scenarios run side by side.
AREAS = ["shutdown", "chat", "rooms", "arguments", "sse", "streaming", "hijack", "slow_readers", "many_clients",
         "disconnects", "leftovers", "relay", "chat_restart", "heads", "bad_input", "websocket", "streams", "tunnel"]


def attempt(demos, function):
    """Runs a scenario once. Returns what is wrong, or None, and whether that was a matter of time."""
    case, problem, mistimed = harness.Case(demos), None, False
    try:
        function(case)
    except Failed as error:
        problem, mistimed = str(error), isinstance(error, harness.Mistimed)
    except OSError as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{error} ({pathlib.Path(at.filename).name}:{at.lineno})"
    except Exception:  # a mistake in the scenario itself: it must not pass for a silent one
        problem = traceback.format_exc()
    finally:
        problem = problem and problem + case.said()
        case.end()
    return problem, mistimed


def run_one(demos, name, function):
    """Runs one scenario. Returns (name, what is wrong or None, seconds)."""
    start = time.monotonic()
    for _ in range(TRIES):
        problem, mistimed = attempt(demos, function)
        if not mistimed:
            break
    return name, problem, time.monotonic() - start


def end_shared(demos):
    """The demos that served the scenarios end well after all that."""
    for name, demo in demos.shared.items():
        start, problem = time.monotonic(), None
        try:
            demo.stop("after all scenarios")
        except Failed as error:
            problem = str(error)
        demo.kill()
        yield f"shutdown.after_everything_{name}", problem, time.monotonic() - start


def report(result, times):
    name, problem, seconds = result
    if problem is not None:
        print(f"FAILED {name}: {problem}", flush=True)
    elif times:
        print(f"{seconds:6.2f} s  {name}", flush=True)


def run(demos, first, chosen, jobs, times):
    results = []
    try:
        demos.get(first).port()
    except (Failed, OSError) as error:  # one sentence about the command, not one for each scenario
        print(f"FAILED to start a demo with {' '.join(demos.command)}: {error}")
        return 0, len(chosen)
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        for future in concurrent.futures.as_completed([pool.submit(run_one, demos, *each) for each in chosen]):
            results.append(future.result())
            report(results[-1], times)
    finally:  # what is left over, if this was interrupted, fails at once without its demos
        pool.shutdown(wait=False, cancel_futures=True)
        if len(results) < len(chosen):
            harness.Demo.kill_all()
    for result in end_shared(demos):
        results.append(result)
        report(result, times)
    return sum(problem is None for _, problem, _ in results), sum(problem is not None for _, problem, _ in results)


@contextlib.contextmanager
def over_tls(protocols):
    """The demos and their clients speak TLS meanwhile, and by ALPN one of these protocols."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([HERE.parents[1] / "scripts" / "certificate", folder], check=True)
        context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
        context.set_alpn_protocols(protocols)
        Client.wrap = staticmethod(lambda sock: encrypted.Encrypted(sock, context, harness.HOST))
        harness.Demo.scheme = "https"
        harness.Demo.variables = {"TLS_CERT": f"{folder}/cert.pem", "TLS_KEY": f"{folder}/key.pem"}
        yield


def over_http2():
    """The clients speak HTTP/2 from now on."""
    import multiplexed

    below, scheme = Client.wrap or (lambda sock: sock), harness.Demo.scheme
    Client.wrap = staticmethod(lambda sock: multiplexed.Multiplexed(below(sock), scheme))
    Client.http2 = True


def options_of(words):
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--name", default="demos")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--adopt", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--jobs", type=int, default=12)
    at = words.index("--") if "--" in words else len(words)
    options, command = parser.parse_args(words[:at]), words[at + 1:]
    if not options.list and not any(("{port}" if options.adopt else "{demo}") in word for word in command):
        parser.exit(2, "run.py: after -- comes the command that starts a demo, with {demo} and {port} in it\n")
    return options, command


def main():
    options, command = options_of(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # the demos must not inherit that one of them is ignored
        signal.signal(number, lambda *_: sys.exit(1))
    raise_descriptor_limit()
    for area in [*AREAS, "adopt"]:
        __import__(area)
    chosen = [each for each in harness.SCENARIOS if not options.only or any(text in each[0] for text in options.only)]
    chosen = [each for each in chosen if each[0].startswith("adopt.") == options.adopt]
    if options.short and not os.environ.get("HIJACK_LONG"):
        chosen = [each for each in chosen if each[0].startswith(SHORT)]
    if options.tls:
        chosen = [each for each in chosen if not each[0].startswith(PLAIN)]
    if options.http2:
        chosen = [each for each in chosen if not (each[0].startswith(HTTP1) or hasattr(each[1], "http1"))]
    else:
        chosen = [each for each in chosen if not each[0].startswith(HTTP2)]
    if options.list:
        for name, function in chosen:
            print(f"{name}\n    {' '.join(function.__doc__.split())}")
        return 0
    if not chosen:
        print(f"no scenario has {' or '.join(options.only)} in its name; --list shows them all")
        return 1
    with over_tls(["h2"] * options.http2) if options.tls else contextlib.nullcontext():
        if options.http2:
            over_http2()
        first = "adopt" if options.adopt else "sse"
        passed, failed = run(harness.Demos(command), first, chosen, options.jobs, options.times)
    print(f"conformance {options.name}: {passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
