"""What is measured of a server's processes, and the processes themselves: a contender that was started, and the load
generator that its clients are (tests/bench/peers/load.c)."""

import contextlib
import os
import pathlib
import platform
import random
import signal
import socket
import subprocess
import tempfile
import time
from typing import Dict, List, Optional

from contenders import PROGRAMS, Contender, Start

START_SECONDS = 30
OPEN_SECONDS = 300


class Trouble(Exception):
    """A contender did not do what it was asked for; the others go on."""


def cores() -> "tuple[int, int]":
    """The server's and the client's: the first and the last that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def description() -> Dict[str, str]:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"processor": models[0] if models else platform.machine(), "cores": str(len(os.sched_getaffinity(0))),
            "kernel": platform.release(), "load average": f"{os.getloadavg()[0]:.1f}"}


def family(pid: int) -> List[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for thread in pathlib.Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def free_port() -> int:
    """One that nobody listens on, outside of those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(10000, 32768)
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port


def kill(process: subprocess.Popen) -> None:
    """Its whole session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Server:
    """A contender on the server's core. A context manager."""

    def __init__(self, contender: Contender, certificate: Optional[str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="hijack-peers-")
        self.port, self.name = free_port(), contender.name
        command = contender.command(Start(self.port, certificate, self.folder.name))
        environment = {**os.environ, **contender.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        if certificate is not None:
            environment.update(TLS_CERT=f"{certificate}/cert.pem", TLS_KEY=f"{certificate}/key.pem")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["taskset", "-c", str(cores()[0]), *command], env=environment,
                                        cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        try:
            self.wait_until_it_accepts()
        except BaseException:
            self.close()
            raise

    def wait_until_it_accepts(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Trouble(f"does not start: {self.said()}")

    def said(self) -> str:
        """The end of what it has printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-500:] or "it printed nothing"

    def cpu_seconds(self) -> float:
        """User and system time of all its processes and threads."""
        used = 0.0
        for pid in family(self.process.pid):
            try:
                used += time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid returns it; /proc counts in ticks
            except OSError:
                continue
        return used

    def memory(self) -> int:
        """Bytes of proportional resident memory of all its processes, once they have stayed for half a second."""
        deadline, since, before = time.monotonic() + 5, time.monotonic(), self.resident()
        while time.monotonic() < deadline and time.monotonic() - since < 0.5:
            time.sleep(0.05)
            now = self.resident()
            if abs(now - before) > 4096:
                since, before = time.monotonic(), now
        return before

    def resident(self) -> int:
        kib = 0
        for pid in family(self.process.pid):
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            except OSError:
                continue
            kib += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
        return kib * 1024

    def close(self) -> None:
        kill(self.process)
        self.log.close()
        self.folder.cleanup()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Load:
    """The clients of one server, on the client's core. A context manager."""

    def __init__(self, server: Server, kind: str, tls: bool, post: bool) -> None:
        self.server = server
        words = [str(server.port), kind, "tls" if tls else "plain", "post" if post else "get"]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["taskset", "-c", str(cores()[1]), str(PROGRAMS / "load"), *words], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        start_new_session=True)

    def ask(self, text: str) -> Dict[str, float]:
        """The names and numbers of its answer."""
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        words = self.process.stdout.readline().split()
        if not words:
            self.process.wait()
            self.errors.seek(0)
            raise Trouble(f"{self.errors.read().decode(errors='replace').strip()[-300:]}; "
                          f"the server printed: {self.server.said()}")
        return dict(zip(words[::2], map(float, words[1::2])))

    def open(self, count: int) -> Dict[str, float]:
        answer = self.ask(f"open {count}")
        if answer["held"] < count:
            raise Trouble(f"holds {answer['held']:.0f} of {count} connections, has closed {answer['closed']:.0f}; "
                          f"it printed: {self.server.said()}")
        return answer

    def publish(self, messages: int, size: int, seconds: float) -> Dict[str, float]:
        return self.ask(f"publish {messages} {size} {seconds * 1000:.0f}")

    def deliver(self, messages: int, size: int, seconds: float) -> Dict[str, float]:
        """As publish; all must have all."""
        answer = self.publish(messages, size, seconds)
        if answer["marks"] < answer["expected"] or answer["closed"]:
            raise Trouble(f"{answer['marks']:.0f} of {answer['expected']:.0f} messages came within {seconds:.0f} s, "
                          f"{answer['closed']:.0f} connections were closed")
        return answer

    def close(self) -> None:
        kill(self.process)
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
