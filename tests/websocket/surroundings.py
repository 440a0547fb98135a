"""What autobahn.py, interop.py and browser.py share: the server under test as a process, its certificate, packages from
PyPI and npm, and clients as processes."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Iterator, List, Optional

START_SECONDS = 60  # a first start may have to compile
STOP_SECONDS = 20


@contextlib.contextmanager
def made(folder: pathlib.Path, needs: str) -> Iterator[bool]:
    """Whether a folder must be made, which is empty then: it does not have these needs. Tests that run side by side
    share it, so that the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "needs"
        if stamp.exists() and stamp.read_text() == needs:
            yield False
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield True
            stamp.write_text(needs)


def environment(folder: pathlib.Path, needs: "list[str]") -> pathlib.Path:
    """The Python of a virtual environment that has the packages."""
    python = folder / "bin" / "python"
    with made(folder, str(needs + [sys.version])) as missing:
        if missing:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *needs],
                           check=True)
    return python


def node_packages(folder: pathlib.Path, *packages: str) -> None:
    """The folder gets these packages of npm."""
    with made(folder, " ".join(packages)) as missing:
        if missing:
            (folder / "package.json").write_text('{"private": true}\n')  # else npm looks for one in the folders above
            subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent", *packages],
                           cwd=folder, check=True)


def node_script(folder: pathlib.Path, package: str, script: pathlib.Path) -> "list[str]":
    """The command of a script for Node that needs a package of npm, which the folder gets."""
    node_packages(folder, package)
    return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(script)]


def run_client(command: "list[str]", seconds: int) -> str:
    """What is wrong, if anything: a client is silent and ends with 0 if all is well."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"not over after {seconds} s"
    text = done.stdout.decode(errors="replace").strip()
    return "" if done.returncode == 0 and not text else f"exit code {done.returncode}: {text[-2000:]}"


def certificate(folder: str) -> None:
    """ca.pem, cert.pem and key.pem for 127.0.0.1."""
    script = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "certificate"
    subprocess.run([str(script), folder], check=True)


class Server:
    """A session of its own, which is killed as a whole."""

    def __init__(self, command: List[str], certificates: Optional[str]) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in ("TLS", "TLS_CERT", "TLS_KEY")}
        if certificates:
            environment.update(TLS_CERT=f"{certificates}/cert.pem", TLS_KEY=f"{certificates}/key.pem")
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([word.replace("{port}", "0") for word in command], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        start_new_session=True)
        self.scheme = "https" if certificates else "http"
        self.port = 0
        self.news = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            found = re.search(rb"\b(https?)://[^/\s]*:(\d+)/", line)
            if found and not self.port and found[1].decode() == self.scheme:
                self.port = int(found[2])
                self.news.set()
        self.news.set()

    def wait(self) -> int:
        """The port, when the server has printed its URL."""
        self.news.wait(START_SECONDS)
        if self.port:
            return self.port
        try:
            what = f"the server ended with code {self.process.wait(1)}, and before that had not printed"
        except subprocess.TimeoutExpired:
            what = f"within {START_SECONDS} s the server has not printed"
        raise OSError(f"{what} a line with {self.scheme}://127.0.0.1:PORT/. {self.printed()}")

    def printed(self) -> str:
        """The end of what it printed to stderr."""
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace").strip()
        return f"Its stderr ends with:\n{text[-4000:]}" if text else "Its stderr is empty."

    def stop(self) -> str:
        """What is wrong with its end, if anything: it must live until SIGTERM, and end then with 0 or by the signal. No
        sanitizer may have found anything."""
        try:
            code = self.process.wait(0.2)  # one that has crashed may still be about to end
            wrong = f"the server has ended by itself, with code {code}"
        except subprocess.TimeoutExpired:
            self.process.terminate()
            try:
                code = self.process.wait(STOP_SECONDS)
                wrong = "" if code in (0, -signal.SIGTERM) else f"the server ended with code {code}"
            except subprocess.TimeoutExpired:
                wrong = f"the server did not end within {STOP_SECONDS} s of SIGTERM"
        printed = self.printed()
        if not wrong and re.search("runtime error:|Sanitizer:", printed):
            wrong = "a sanitizer has found something"
        self.kill()
        return wrong and f"{wrong}. {printed}"

    def kill(self) -> None:
        """What is left of its session, and waits until nothing is."""
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and not self.errors.closed:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            self.process.poll()
            time.sleep(0.01)
        self.process.wait()
        self.errors.close()
