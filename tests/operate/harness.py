"""What the tests of docs/operate share: processes that always end, free ports, a throw-away certificate, the
configurations of the pages with other addresses, and cases that say what was expected."""

import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SECONDS = 10  # for each thing that is waited for, on a busy machine
HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
HOST = "127.0.0.1"


class Wrong(Exception):
    """What is wrong, in a sentence."""


class Missing(Exception):
    """What this machine lacks for the test."""


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def same(what, seen, expected):
    expect(seen == expected, f"{what}: expected {expected!r}, seen {seen!r}")


def eventually(what, function, expected, seconds=SECONDS):
    """Calls function until it returns what is expected: a value, or a condition on the value. What counts is when a
    call begins: it may take long itself."""
    holds = expected if callable(expected) else lambda seen: seen == expected
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if holds(seen := function()):
            return seen
        expect(began < end, f"{what}: not within {seconds} s, at last {seen!r}")
        time.sleep(0.01)


def free_port():
    """A port that nobody listens on, outside of those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(10000, 32768)
        with contextlib.suppress(OSError):
            socket.create_server((HOST, port)).close()
            return port


def listens(port):
    with contextlib.suppress(OSError):
        socket.create_connection((HOST, port), 1).close()
        return True
    return False


class Process:
    """A process with a session of its own, which end() kills as a whole. What it prints is kept."""

    def __init__(self, command, folder, **options):
        self.name = pathlib.Path(command[0]).name
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True, **options)

    def line(self):
        """Its next line; the process's end closes the pipe."""
        timer = threading.Timer(SECONDS * 2, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().decode()
        timer.cancel()
        expect(line, f"{self.name} printed no line: {self.printed()}")
        return line

    def printed(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()[-1000:]

    def wait_for_port(self, port):
        def ready():
            expect(self.process.poll() is None, f"{self.name} has ended: {self.printed()}")
            return listens(port)

        eventually(f"{self.name} listens on {port}", ready, True)

    def stop(self, number=signal.SIGTERM, seconds=SECONDS):
        """The exit code after this signal."""
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds=SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{self.name} has not ended within {seconds} s: {self.printed()}") from None

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Place:
    """One case's folder, processes and connections, which end with it."""

    def __init__(self, folder, build):
        self.folder = folder
        self.build = build
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def start(self, command, **options):
        process = Process(command, self.folder, **options)
        self.stack.callback(process.end)
        return process

    def keep(self, closing):
        self.stack.callback(closing.close)
        return closing


def certificate(folder):
    """ca.pem, cert.pem and key.pem for localhost, and both.pem for HAProxy."""
    subprocess.run([SOURCE / "scripts/certificate", folder], check=True)
    both = pathlib.Path(folder, "both.pem")
    both.write_bytes(b"".join(pathlib.Path(folder, name).read_bytes() for name in ("cert.pem", "key.pem")))


def adapted(name, changes):
    """The text of a page's configuration with parts replaced. Each part must be there, so that no test runs another
    configuration than it says."""
    text = (HERE / name).read_text()
    for old, new in changes.items():
        expect(old in text, f"{name} does not contain {old!r}")
        text = text.replace(old, new)
    return text


def program(name, packages):
    """The path of an installed program; Debian keeps some in sbin, which is not in everybody's PATH."""
    for folder in [*os.environ["PATH"].split(":"), "/usr/sbin", "/sbin"]:
        if os.access(pathlib.Path(folder, name), os.X_OK):
            return str(pathlib.Path(folder, name))
    raise Missing(f"{name} is not installed; scripts/install-deps test installs {packages}")


def run(cases, build, side_by_side=4):
    """Runs (name, function of a Place) side by side, and ends the program: 77 where something is missing."""
    results, lock, todo = [], threading.Lock(), list(cases)

    def work():
        while True:
            with lock:
                if not todo:
                    return
                name, function = todo.pop(0)
            start, problem = time.monotonic(), ""
            try:
                with tempfile.TemporaryDirectory() as folder, Place(pathlib.Path(folder), build) as place:
                    os.chmod(folder, 0o755)
                    function(place)
            except Missing as error:
                problem = f"skipped: {error}"
            except (Wrong, OSError) as error:
                problem = f"{type(error).__name__}: {error}"
            except Exception:  # a mistake of the test itself
                problem = traceback.format_exc()
            with lock:
                results.append(problem)
                seconds = time.monotonic() - start
                print(f"{'FAIL' if problem else 'ok  '} {seconds:5.1f} s  {name}  {problem}", flush=True)

    threads = [threading.Thread(target=work) for _ in range(side_by_side)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    missing = [it for it in results if it.startswith("skipped")]
    sys.exit(1 if len([it for it in results if it]) > len(missing) else 77 if missing else 0)
