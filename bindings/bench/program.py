"""A program under measurement: started, asked through /proc, stopped."""

import os
import pathlib
import signal
import subprocess
import sys
import time

START_SECONDS = 60


def end_on_sigterm():
    """SIGTERM ends this program like an exception does, so that what it started ends as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Program:
    """One process that prints http://127.0.0.1:PORT/ as its first line. For one thread; a context manager."""

    def __init__(self, command, **environment):
        self.command = command
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            start_new_session=True, env={**os.environ, **environment})
        except OSError as error:
            sys.exit(f"{' '.join(command)}: {error.strerror}")
        os.set_blocking(self.process.stdout.fileno(), False)
        self.pending = b""
        self.lines = []
        first = self.line(lambda text: text.startswith("http://127.0.0.1:"), START_SECONDS)
        if first is None:
            self.kill()
            sys.exit(f"{' '.join(command)}: prints no http://127.0.0.1:PORT/ (exit code {self.process.returncode})")
        self.address = ("127.0.0.1", int(first.rstrip("/").rpartition(":")[2]))

    def read(self):
        """Takes what has come on stdout, without waiting."""
        try:
            got = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        *lines, self.pending = (self.pending + got).split(b"\n")
        self.lines += [line.decode() for line in lines]

    def line(self, wanted, seconds, meanwhile=lambda: time.sleep(0.01)):
        """Waits for a line for which wanted() holds; meanwhile() is called again and again. None: not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            self.read()
            while self.lines:
                text = self.lines.pop(0)
                if wanted(text):
                    return text
            meanwhile()
        return None

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def resident(self):
        """Bytes of memory, those of shared libraries included."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """User and system time of all its threads."""
        clock = ~self.process.pid << 3 | 2  # as clock_getcpuclockid returns it; /proc counts in ticks of 10 ms
        return time.clock_gettime(clock)

    def thread_milliseconds(self):
        """Processor time of each thread, by its number: (name, milliseconds)."""
        found = {}
        for folder in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            # The first number of schedstat is in nanoseconds; stat counts in ticks of 10 ms.
            nanoseconds = int((folder / "schedstat").read_text(encoding="ascii").split()[0])
            found[folder.name] = ((folder / "comm").read_text(encoding="utf-8").strip(), nanoseconds / 1e6)
        return found

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def table(*rows):
    """Prints rows, the first of which is the heading, as a Markdown table."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |", flush=True)
