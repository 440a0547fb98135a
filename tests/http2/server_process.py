"""The server of server.c as a process, and what it costs."""

import os
import pathlib
import subprocess

import attacks


class Server:
    def __init__(self, program: str, options: list[str]):
        self.process = subprocess.Popen([program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def peak_kb(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> str:
        """What is wrong with how it ended, if anything."""
        try:
            _, printed = self.process.communicate(timeout=attacks.LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "the server does not end"
        return "" if self.process.returncode == 0 and printed == "" else \
            f"the server: {self.process.returncode}, {printed[-500:]}"
