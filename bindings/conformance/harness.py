"""What the scenarios stand on: demo processes, checks that say what was expected and what was seen, and the list.

A scenario is a function marked @scenario, with one argument, its Case, and a docstring that says what must be true. It
runs on a thread of its own beside others. What it starts through its Case is closed when it ends, however it ends.
"""

import atexit
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from client import Client, Failed, Kernel, shown

HOST = "127.0.0.1"
START_SECONDS = 60  # a first start may have to compile
STOP_SECONDS = 20  # from the signal to the end of the process, on a busy machine
# Variables that the demos look at.
SETTINGS = ("PORT", "BEEP_INTERVAL_MS", "TLS", "TLS_CERT", "TLS_KEY", "CHAT_LOG", "RELAY_TARGET", "TUNNEL_ALLOW",
            "TUNNEL_TOKEN")
BEEP_MS = "100"  # what shared beep demos run with

SCENARIOS = []  # (name, function), in the order of the files


def scenario(function):
    SCENARIOS.append((f"{function.__module__}.{function.__name__}", function))
    return function


def http1(function):
    """Marks a scenario of what only HTTP/1 has: its syntax, the end of a connection, a connection that is taken."""
    function.http1 = True
    return function


def equal(what, seen, expected):
    if seen != expected:
        raise Failed(what, shown(expected), shown(seen))


def matches(what, seen, pattern):
    """The whole of seen, text or bytes, matches the regular expression. Returns the match."""
    found = re.fullmatch(pattern, seen, re.S)
    if found is None:
        raise Failed(what, f"something like {shown(pattern)}", shown(seen))
    return found


def between(what, seen, least, most):
    if not least <= seen <= most:
        raise Failed(what, f"{least} to {most}", f"{seen:.3f}" if isinstance(seen, float) else seen)


class Mistimed(Failed):
    """A time was out of its bounds, which may be the machine's fault: the scenario is tried again."""


def took(what, seen, least, most):
    """between() for seconds."""
    if not least <= seen <= most:
        raise Mistimed(what, f"{least:.1f} to {most:.1f}", f"{seen:.3f}")


def eventually(what, function, expected, seconds=30):
    """Calls function until its result is expected, which may be a value or a condition on the result. What counts is
    when a call begins: on a machine with 100,000 sockets one look at the kernel's table of them takes seconds."""
    holds = expected if callable(expected) else lambda result: result == expected
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        seen = function()
        if holds(seen):
            return seen
        if began > deadline:
            wanted = expected.__doc__ or "another result" if callable(expected) else shown(expected)
            raise Failed(what, f"{wanted} within {seconds} s", shown(seen))
        time.sleep(0.01)


def window_shut(client):
    """Waits until bytes wait at the demo's end because the client takes none."""
    eventually("whether the window is shut", lambda: (end := client.other_end()) and end.window_shut, True)


def all_read(client):
    """Waits until the demo has read all that the client has sent."""
    eventually("bytes that the demo has not read", lambda: (end := client.other_end()) and end.unread, 0)


def free_port():
    """A port that nobody listens on, as a word. Not one that the system gives to outgoing connections, of which other
    scenarios make many."""
    while True:
        port = random.randrange(10000, 32768)
        try:
            socket.create_server((HOST, port)).close()
            return str(port)
        except OSError:
            pass


class Demo:
    """One demo process. Starting waits for nothing; url() and port() wait for its first line."""

    scheme = "http"
    variables = {}  # of the environment, for all of them
    running = set()  # of all threads; what is left at the end of the program is killed
    lock = threading.Lock()

    def __init__(self, command, name, port="0", soft_limit=None, **environment):
        words = [name if word == "{demo}" else word.replace("{demo}", name) for word in command]
        words = [word.replace("{port}", port or "") for word in words if port is not None or word != "{port}"]
        if soft_limit is not None:
            words = ["sh", "-c", f'ulimit -S -n {soft_limit} && exec "$@"', "sh", *words]
        plain = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        self.name = name
        self.lines = []  # (when, text) of stdout
        self.news = threading.Condition()
        self.ended = False  # stdout is at its end
        self.errors = tempfile.TemporaryFile()
        with Demo.lock:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                            env={**plain, **Demo.variables, **environment}, start_new_session=True)
            Demo.running.add(self)
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append((time.monotonic(), line.decode(errors="replace")))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def line(self, index, seconds):
        """The index-th line of stdout with its line feed; None if it does not come in time."""
        with self.news:
            self.news.wait_for(lambda: self.ended or len(self.lines) > index, seconds)
            return self.lines[index][1] if len(self.lines) > index else None

    def stderr(self):
        file = self.errors.fileno()  # whose position is the demo's as well
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def port(self):
        line = self.line(0, START_SECONDS)
        if line is None:
            raise Failed(f"the first line of {self.name}", f"{Demo.scheme}://127.0.0.1:PORT/",
                         f"no line; exit code {self.process.poll()}, stderr {shown(self.stderr())}")
        relays = self.name == "relay"
        pattern = r"relays 127\.0\.0\.1:(\d+) to [^\n]+\n" if relays else Demo.scheme + r"://127\.0\.0\.1:(\d+)/\n"
        return int(matches(f"the first line of {self.name}", line, pattern).group(1))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds):
        """The exit code, or None if the process does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def expect_end(self, what, seconds=STOP_SECONDS):
        """The process ends by itself in time, with exit code 0, silently, and leaves no other process."""
        equal(f"the exit code of {self.name} {what}, within {seconds} s", self.wait(seconds), 0)
        equal(f"stderr of {self.name} {what}", self.stderr(), "")
        eventually(f"processes that {self.name} left {what}", self.group_lives, False, 10)
        with self.news:  # what it has written is read by another thread
            equal(f"the end of stdout of {self.name} {what}", self.news.wait_for(lambda: self.ended, 10), True)

    def group_lives(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self, what):
        """The way a person stops it, with all that is expected of it then."""
        self.signal(signal.SIGTERM)
        self.expect_end(what)

    def kill(self):
        """Ends the process and everything it started, and closes what belongs to it. May be called twice."""
        with Demo.lock:
            if self not in Demo.running:
                return
            Demo.running.remove(self)
        if self.process.returncode is None or self.group_lives():
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.reader.join(1)
        self.process.stdout.close()
        self.errors.close()

    @staticmethod
    def kill_all():
        for demo in list(Demo.running):
            demo.kill()

    def connections(self):
        """How many it has open."""
        return sum(end.process for end in Kernel.ends(self.port()))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def beeps(self):
        """(when, number of clients) of each run that beep has told of."""
        found = []
        for when, line in self.lines[1:]:
            told = matches("a line of beep", line, r"BEEP to (\d+) clients in \d+\.\d ms, \d+\.\d MiB resident\n")
            found.append((when, int(told.group(1))))
        return found

    def told_clients(self, count, seconds=30):
        """Waits until beep says that it has so many clients."""
        eventually("the clients in beep's last line", lambda: (self.beeps() or [(0, -1)])[-1][1], count, seconds)


atexit.register(Demo.kill_all)


class Demos:
    """Starts demos with one command; those that disturb nothing are shared by the scenarios."""

    def __init__(self, command):
        self.command = command
        self.shared = {}
        self.lock = threading.Lock()

    def start(self, name, **options):
        return Demo(self.command, name, **options)

    def get(self, name):
        with self.lock:
            if name not in self.shared:
                self.shared[name] = self.start(name, BEEP_INTERVAL_MS=BEEP_MS)
            return self.shared[name]


class Case:
    """One scenario while it runs."""

    def __init__(self, demos):
        self.demos = demos
        self.mine = []  # to be closed at the end, last first
        self.used = []

    def demo(self, name):
        """A running demo that other scenarios use as well."""
        self.used.append(self.demos.get(name))
        return self.used[-1]

    def start(self, name, **options):
        """A demo for this scenario alone. options: port, soft_limit and variables of the environment."""
        self.used.append(self.demos.start(name, **options))
        self.mine.append(self.used[-1].kill)
        return self.used[-1]

    def connect(self, demo, **options):
        client = Client(HOST, demo.port(), **options)
        self.mine.append(client.close)
        return client

    def ask(self, demo, path, **options):
        """A new connection with a GET, or another method, on its way."""
        client = self.connect(demo)
        client.request(path, **options)
        return client

    def closing(self, function):
        """Calls function at the end of the scenario."""
        self.mine.append(function)

    def lives(self, demo):
        """The demo still serves new clients."""
        path = {"beep": "/nowhere", "hijack": "/", "websocket": "/", "tunnel": "/"}.get(demo.name, "/healthz")
        client = self.ask(demo, path)
        equal(f"the status of {path} on {demo.name} afterwards", client.response().status,
              404 if demo.name == "beep" else 200)
        client.close()

    def said(self):
        """What may explain a failure: which demos have ended, or said something on stderr."""
        text = ""
        for demo in dict.fromkeys(self.used):
            code, errors = demo.process.poll(), demo.stderr()
            if code is not None:
                text += f"; {demo.name} has ended with exit code {code}"
            if errors:
                text += f"; {demo.name} said {shown(errors, 400)}"
        return text

    def end(self):
        while self.mine:
            self.mine.pop()()
