"""Tries a server of Durable Streams with the published suite, npm's @durable-streams/server-conformance-tests.

Usage: run.py BUILD-FOLDER [--tls] -- COMMAND... {port}

The command is started with 0 instead of {port} and must print a line with http://127.0.0.1:PORT/, or https with --tls,
where it finds its certificate by TLS_CERT and TLS_KEY. Its long polls wait LONG_POLL_MS, which is set to less than the
five seconds that a test of the suite has. All tests must pass except those of LEFT_OUT, which the suite skips unless it
is asked for them. The suite is installed into the build folder by npm; without node or npm the exit code is 77."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import List

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "websocket"))

from surroundings import Server, certificate, node_packages  # noqa: E402

NEEDS = ["@durable-streams/server-conformance-tests@0.3.6", "vitest@4.1.12", "fast-check@4.11.0"]
PASSED = 332
# Subscriptions are a service beside the protocol: it calls webhooks of others when streams grow.
LEFT_OUT = {f"Reserved subscription APIs {name}" for name in (
    "creates and idempotently re-confirms a webhook subscription",
    "rejects unsafe webhook URLs",
    "webhook synchronous done auto-acks the wake snapshot",
    "webhook callback acks and fences stale wake generations",
    "adds and removes explicit subscription streams",
    "pull-wake claim, ack, and release use subscription-scoped leases",
)}
LONG_POLL_MS = "1500"
RUN_SECONDS = 270


def run_suite(folder: pathlib.Path, url: str, certificates: str) -> List[dict]:
    """The suite's verdict on each of its tests."""
    environment = {**os.environ, "CONFORMANCE_TEST_URL": url, "CI": "1"}
    if certificates:
        environment["NODE_EXTRA_CA_CERTS"] = f"{certificates}/ca.pem"
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        # A busy machine may take longer than five seconds for a test that does not wait.
        command = ["node", "node_modules/vitest/vitest.mjs", "run", "--root", str(folder), "--testTimeout", "30000",
                   "--reporter", "json", "--outputFile", report.name]
        with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True) as process:
            try:
                printed = process.communicate(timeout=RUN_SECONDS)[0]
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
        text = pathlib.Path(report.name).read_text()
    if not text:
        raise OSError(f"the suite made no report, and printed: {printed.decode(errors='replace')[-4000:]}")
    return [test for file in json.loads(text)["testResults"] for test in file["assertionResults"]]


def verdict(tests: List[dict]) -> List[str]:
    """What is wrong."""
    wrong = [f"{test['fullName']}: {' '.join(test['failureMessages'])[:2000]}" for test in tests
             if test["status"] == "failed"]
    skipped = {test["fullName"] for test in tests if test["status"] not in ("passed", "failed")}
    passed = sum(test["status"] == "passed" for test in tests)
    wrong += [f"{name}: was skipped" for name in sorted(skipped - LEFT_OUT)]
    wrong += [f"{name}: is in the list of those left out, and was not skipped" for name in sorted(LEFT_OUT - skipped)]
    if passed != PASSED and not wrong:
        wrong.append(f"expected {PASSED} tests to pass, not {passed}")
    print(f"Durable Streams: {passed} of {len(tests) - len(skipped & LEFT_OUT)} tests passed, "
          f"{len(skipped & LEFT_OUT)} of subscriptions left out")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2], add_help=False)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed")
            return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is killed
    os.environ["LONG_POLL_MS"] = LONG_POLL_MS
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as certificates:
        if arguments.tls:
            certificate(certificates)
        server = None
        try:
            folder = arguments.build.resolve() / "durable-streams"
            node_packages(folder, *NEEDS)
            shutil.copy(HERE / "suite.test.mjs", folder)
            server = Server(arguments.command, certificates if arguments.tls else None)
            url = f"{'https' if arguments.tls else 'http'}://127.0.0.1:{server.wait()}"
            wrong = verdict(run_suite(folder, url, certificates if arguments.tls else ""))
            wrong += filter(None, [server.stop()])
        except (OSError, subprocess.SubprocessError) as error:
            wrong = [str(error)]
        finally:
            if server:
                server.kill()
    for text in wrong:
        print(f"FAILED: {text}")
    print(f"{time.monotonic() - begin:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
