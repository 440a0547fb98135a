"""The programs of docs/operate in each language: they listen on a descriptor that they inherit, publish their
statistics, and drain at SIGTERM.

    programs.py ruby|python|go BUILD"""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

from clients import Lines, ask
from harness import HERE, HOST, SECONDS, SOURCE, Missing, eventually, expect, free_port, program, run, same

STATISTICS = re.compile(r"^\| `HIJACK_STAT_\w+` \| (\w+) \| (now|total) \|", re.M)


def command(language, build, folder):
    """How the page's program starts. Go's is compiled in a module of its own."""
    source = HERE / "app"
    if language == "ruby":
        return [program("ruby", "ruby"), "-w", f"-I{SOURCE}/ruby/lib", source / "app.rb"]
    if language == "python":
        python = SOURCE / "build/venv/bin/python"
        if not python.exists():
            raise Missing("build/venv is not made: scripts/prepare python")
        return [python, "-B", "-X", "dev", "-W", "error", source / "app.py"]
    module = "github.com/libhijack/libhijack/go"
    (folder / "app.go").write_text((source / "app.go").read_text())
    (folder / "go.mod").write_text(f"module app\n\ngo 1.19\n\nrequire {module} v0.0.0\n"
                                   f"replace {module} => {SOURCE}/go\n")
    (stage,) = (build / "stage").glob("lib*/**/pkgconfig")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(stage)}
    subprocess.run([program("go", "golang-go"), "build", "-o", folder / "app", "."], cwd=folder, check=True,
                   env=environment)
    return [folder / "app"]


class App:
    """The program as a process."""

    def __init__(self, place, started, listen, wrapper=(), drain="0.5", **options):
        environment = {**os.environ, "LISTEN": listen, "DRAIN_SECONDS": drain, "LD_LIBRARY_PATH": str(place.build),
                       "HIJACK_LIBRARY": str(place.build / "libhijack.so")}
        self.process = place.start([*wrapper, *started], env=environment, **options)

    def ends_well(self, signal_number=signal.SIGTERM):
        same("the exit code after the drain", self.process.stop(signal_number, 2 * SECONDS), 0)
        same("what the program printed to stderr", self.process.printed(), "")


def listener(place):
    """A socket that listens, as systemd would make it."""
    return place.keep(socket.create_server((HOST, 0), backlog=64))


# Makes its first argument descriptor 3 and becomes the rest.
INHERIT = """import os, sys
fd = int(sys.argv[1])
os.dup2(fd, 3)
fd == 3 or os.close(fd)
os.execvp(sys.argv[2], sys.argv[2:])"""


def start(place, started, listening, before=()):
    """The program with this socket as descriptor 3."""
    fd = listening.fileno()
    wrapper = [sys.executable, "-S", "-E", "-c", INHERIT, fd, *before]
    return App(place, started, "fd:3", wrapper, pass_fds=[fd])


def metrics(place, started):
    """Each statistic is there, with the type that the page of statistics has."""
    port = free_port()
    app = App(place, started, f"{HOST}:{port}")
    app.process.wait_for_port(port)
    lines = place.keep(Lines(port, "/events"))
    status, headers, text = ask(port, "/metrics")
    same("status and type of /metrics", (status, headers["content-type"]), (200, "text/plain; version=0.0.4"))
    seen = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text.decode(), re.M))
    values = dict(re.findall(r"^(\w+) (\d+)$", text.decode(), re.M))
    table = STATISTICS.findall((SOURCE / "docs/reference/statistics.md").read_text())
    expect(len(table) > 20, "docs/reference/statistics.md has no table of statistics: is the test still right?")
    expected = {f"hijack_{name}" + ("" if kind == "now" else "_total"): "gauge" if kind == "now" else "counter"
                for name, kind in table}
    same("the metrics and their types", seen, expected)
    same("the metrics with a value", sorted(values), sorted(expected))
    same("hijack_held", values["hijack_held"], "1")
    lines.next("data: ")
    app.ends_well()


def drained(place, started):
    """SIGTERM: a client sees the end of the response, not a reset, within the drain; the exit code is 0."""
    listening = listener(place)
    app = start(place, started, listening)
    lines = place.keep(Lines(listening.getsockname()[1], "/events"))
    lines.next("data: ")
    app.process.process.send_signal(signal.SIGTERM)
    while lines.line():
        pass
    same("the exit code", app.process.wait(2 * SECONDS), 0)


def replaced(place, started):
    """Two processes share a listening socket: the new one starts, the old one drains, and no client is refused."""
    listening = listener(place)
    port = listening.getsockname()[1]
    old = start(place, started, listening)
    lines = place.keep(Lines(port, "/events"))  # for whose end the drain takes its time
    lines.next("data: ")
    new = start(place, started, listening)
    old.process.process.send_signal(signal.SIGTERM)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(ask_until_end, port, old.process.process) for _ in range(2)]
        same("the exit code of the old process", old.process.wait(2 * SECONDS), 0)
        same("the answer of the new process", ask(port, "/healthz")[0], 200)
        expect(min(client.result() for client in clients) > 0, "a client had no answer during the change")
    new.ends_well()


def ask_until_end(port, process):
    """How many requests were answered until the process had ended; all of them must be."""
    count = 0
    while process.poll() is None:
        same("an answer during the change", ask(port, "/healthz")[0], 200)
        count += 1
    return count


def restarted(place, started):
    """The socket outlives the process: who connects in between waits and is served by the next one."""
    listening = listener(place)
    port = listening.getsockname()[1]
    first = start(place, started, listening)
    same("the answer of the first process", ask(port, "/healthz")[0], 200)
    first.ends_well()
    with contextlib.closing(socket.create_connection((HOST, port), SECONDS)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start(place, started, listening)
        expect(client.recv(100).startswith(b"HTTP/1.1 200"), "the client that waited was not answered with 200")


def activated(place, started):
    """By systemd's own tool, which starts the program with the first connection."""
    port = free_port()
    tool = program("systemd-socket-activate", "systemd")
    wrapper = [tool, "-l", f"{HOST}:{port}", *[word for name in
               ("LISTEN", "DRAIN_SECONDS", "LD_LIBRARY_PATH", "HIJACK_LIBRARY") for word in ("-E", name)]]
    app = App(place, started, "fd:3", wrapper)
    eventually("the answer", lambda: answer(port), 200)
    same("the exit code", app.process.stop(seconds=2 * SECONDS), 0)


def answer(port):
    with contextlib.suppress(ConnectionRefusedError):
        return ask(port, "/healthz")[0]


def first_process(place, started):
    """As process 1 of a container, which the kernel sends no signal that it has no handler for."""
    tool = program("unshare", "util-linux")
    if subprocess.run([tool, "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode:
        raise Missing("no right to make a namespace of processes")
    listening = listener(place)
    app = start(place, started, listening, [tool, "--pid", "--fork", "--kill-child"])
    same("the answer", ask(listening.getsockname()[1], "/healthz")[0], 200)
    pid = app.process.process.pid
    (child,) = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    same("the exit code", app.process.wait(2 * SECONDS), 0)


def main():
    language, build = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    cases = [metrics, drained, replaced, restarted, activated, first_process]
    with tempfile.TemporaryDirectory() as folder:
        started = command(language, build, pathlib.Path(folder))
        run([(case.__name__, lambda place, case=case: case(place, started)) for case in cases], build)


if __name__ == "__main__":
    main()
