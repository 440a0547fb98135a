"""Tries a server for WebSocket with all cases of the Autobahn test suite, which kosoku (PyPI) runs.

Usage: autobahn.py BUILD-FOLDER [option...] -- COMMAND... {port}

    --tls                over wss; the server finds its certificate by TLS_CERT and TLS_KEY, and must print https://
    --cases PATTERNS     these alone: 7.1.5, 7.* or 1.*,2.*; otherwise all if HIJACK_LONG=1 is set, and if it is not,
                         all of 1 to 10, and of 12 and 13, which compress, what does not take long
    --name NAME          of the server, in what is printed
    --path PATH          of the echo, /echo
    --declines PATTERNS  cases in which the server does not agree to compress; without it, it must agree in each
    --at-once N          cases at a time; as many as there are cores
    --seconds N          for all
    --direct             without the relay of relay.py, so without what it looks at; not over TLS
    --reports FOLDER     kosoku's reports in JSON and HTML go there

The command is started with 0 instead of {port} and must print a line with http://127.0.0.1:PORT/. A case must be OK in
what it exchanges and in how it closes, else a line says what is wrong and the exit code is 1. NON-STRICT is a failure.
INFORMATIONAL passes in the three cases that have no other result. The server must send no ping of its own while a case
lasts: the suite takes it for a wrong answer, and in 12 and 13 for the end."""

import argparse
import fnmatch
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from typing import Dict, List, Optional

from relay import Relay
from surroundings import Server, certificate, environment

NEEDS = ["kosoku==0.1.0"]
LONG = bool(os.environ.get("HIJACK_LONG"))
# What has no other result in the suite: 256 KiB, a Close and a Ping at once, and close codes out of range.
INFORMATIONAL = ("7.1.6", "7.13.1", "7.13.2")
SHORT = [*(f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
         # Messages of 16 B, 1 KiB, 16 KiB, and 8 KiB in fragments, each a thousand times.
         *(f"{section}.*.{which}" for section in (12, 13) for which in (1, 4, 7, 11))]
CASE_SECONDS = 480 if LONG else 60  # 480 is the suite's own limit
RUN_SECONDS = 3000 if LONG else 150
AGAIN = 5  # so many cases may have a second try


class Suite:
    """kosoku with one server, and its results as they come."""

    def __init__(self, python: pathlib.Path, url: str, reports: str, deadline: float) -> None:
        self.command = [str(python), "-B", str(pathlib.Path(__file__).with_name("drive.py"))]
        self.url, self.reports, self.deadline = url, reports, deadline
        self.results: Dict[str, dict] = {}
        self.wrong = ""  # with the run as such

    def run(self, names: List[str], at_once: int) -> None:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen([*self.command, self.url, str(at_once), self.reports, *names],
                                       stdout=subprocess.PIPE, stderr=errors, text=True)
            timer = threading.Timer(max(self.deadline - time.monotonic(), 0), process.kill)
            timer.start()
            try:
                for line in process.stdout:
                    result = json.loads(line)
                    self.results[result["case"]] = result
                code = process.wait()
            finally:
                timer.cancel()
                process.kill()
                process.wait()
            errors.seek(0)
            printed = errors.read().decode(errors="replace").strip()
        if code == -signal.SIGKILL:
            self.wrong = "the time is over"
        elif code or printed:
            self.wrong = f"kosoku ended with code {code}: {printed[-2000:]}"


def matches(name: str, patterns: List[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def verdict(result: Optional[dict], declines: bool) -> str:
    """What is wrong, if anything."""
    if result is None:
        return "has no result"
    seen = (result["behavior"], result["behaviorClose"])
    expected = "UNIMPLEMENTED" if declines else "OK"
    if seen == (expected, "OK") or result["case"] in INFORMATIONAL and set(seen) == {"INFORMATIONAL"}:
        return ""
    texts = [text.strip() for got, text in zip(seen, (result["result"], result["resultClose"])) if got != "OK"]
    return (f"{seen[0]}, its closing {seen[1]} with code {result['remoteCloseCode']}, after {result['duration']} ms: "
            f"{' '.join(dict.fromkeys(filter(None, texts)))}")


def verdicts(arguments: argparse.Namespace, names: List[str], suite: Suite, relay: Optional[Relay]) -> Dict[str, str]:
    """What is wrong, by the name of the case."""
    wrong = {}
    for name in names:
        parts = [verdict(suite.results.get(name), matches(name, arguments.declines))]
        parts += relay.wrong.get(name, []) if relay else []
        text = "; ".join(dict.fromkeys(part for part in parts if part))
        if text:
            wrong[name] = text
    return wrong


def try_again(arguments: argparse.Namespace, names: List[str], suite: Suite, relay: Optional[Relay]) -> List[str]:
    """Cases in which kosoku gave up waiting, mostly after a second, alone: the machine may have been the reason."""
    late = [name for name, result in suite.results.items()
            if result["gaveUp"] and verdict(result, matches(name, arguments.declines))]
    if not 0 < len(late) <= AGAIN or suite.wrong:
        return []
    if relay:
        for name in late:
            relay.wrong.pop(name, None)
    suite.reports = ""
    suite.run(late, 1)
    return late


def print_table(names: List[str], results: Dict[str, dict], wrong: Dict[str, str]) -> None:
    print(f"{'section':>7}  {'passed':>10}  seconds, added up")
    for section in sorted({int(name.partition(".")[0]) for name in names}):
        mine = [name for name in names if name.startswith(f"{section}.")]
        passed = sum(name not in wrong for name in mine)
        spent = sum(results[name]["duration"] for name in mine if name in results) / 1000
        print(f"{section:>7}  {f'{passed}/{len(mine)}':>10}  {spent:.1f}")


def report(arguments: argparse.Namespace, names: List[str], suite: Suite, wrong: Dict[str, str],
           relay: Optional[Relay]) -> None:
    for name, text in wrong.items():
        print(f"{name}: {text}")
    print_table(names, suite.results, wrong)
    for name in INFORMATIONAL:
        if name in suite.results:
            print(f"{name} is informational; the server closed with code {suite.results[name]['remoteCloseCode']}")
    for what, count in relay.notes.items() if relay else ():
        if count:
            print(f"{count} connections ended with {what}, which the client's errors allow")


def run_suite(arguments: argparse.Namespace, python: pathlib.Path, names: List[str], server: Server,
              certificates: Optional[str]) -> bool:
    begin = time.monotonic()
    port = server.wait()
    relay = None
    if not arguments.direct:
        context = ssl.create_default_context(cafile=f"{certificates}/ca.pem") if certificates else None
        relay = Relay(port, context, CASE_SECONDS)
        port = relay.start()
    suite = Suite(python, f"ws://127.0.0.1:{port}{arguments.path}", arguments.reports, begin + arguments.seconds)
    try:
        suite.run(names, arguments.at_once)
        again = try_again(arguments, names, suite, relay)
    finally:
        if relay:
            relay.stop()
    ended = server.stop()
    wrong = verdicts(arguments, names, suite, relay)
    report(arguments, names, suite, wrong, relay)
    if again:
        print(f"tried a second time, alone: {', '.join(again)}")
    for text in filter(None, (suite.wrong, ended, "; ".join(relay.wrong.get("?", [])) if relay else "")):
        print(f"FAILED: {text}")
        wrong[text] = text
    print(f"{arguments.name}{' over TLS' if arguments.tls else ''}: {len(names) - len(set(wrong) & set(names))} of "
          f"{len(names)} cases passed in {time.monotonic() - begin:.1f} s", flush=True)
    return not wrong


def parse(words: List[str]) -> argparse.Namespace:
    def patterns(text: str) -> List[str]:
        return [part for part in text.replace(" ", "").split(",") if part]

    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2], add_help=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--cases", type=patterns, default=["*"] if LONG else SHORT)
    parser.add_argument("--declines", type=patterns, default=[])
    parser.add_argument("--name", default="the server")
    parser.add_argument("--path", default="/echo")
    parser.add_argument("--at-once", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=RUN_SECONDS)
    parser.add_argument("--reports", default="")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args(words)
    if arguments.tls and arguments.direct:
        parser.error("--direct with --tls: kosoku does not speak TLS, so that it needs the relay")
    return arguments


def main() -> int:
    arguments = parse(sys.argv[1:])
    if sys.version_info < (3, 10):
        print(f"skipped: kosoku needs Python 3.10, this is {sys.version.split()[0]}")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is killed
    python = environment(arguments.build.resolve() / "websocket-venv", NEEDS)
    everything = subprocess.run([str(python), "-B", str(pathlib.Path(__file__).with_name("drive.py")), "list"],
                                check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    unknown = [pattern for pattern in arguments.cases if not any(matches(name, [pattern]) for name in everything)]
    if unknown:
        sys.exit(f"no case is called {unknown[0]}; they are called {everything[0]} to {everything[-1]}")
    names = [name for name in everything if matches(name, arguments.cases)]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tls:
            certificate(folder)
        server = None
        try:
            server = Server(arguments.command, folder if arguments.tls else None)
            return 0 if run_suite(arguments, python, names, server, folder if arguments.tls else None) else 1
        except OSError as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            if server:
                server.kill()


if __name__ == "__main__":
    sys.exit(main())
