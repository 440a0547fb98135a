"""Every program and shell block of the README and of the pages in docs/start, docs/guides and docs/migrate runs, as a
reader would run it: the blocks of a page in their order, in a folder that has a checkout called libhijack.

    check_pages.py SOURCE BUILD [PAGE...]       PAGE: a path in the checkout; without one, all of them

A comment before a block, which readers do not see, says what to do with it:

    <!-- file NAME -->    writes the block to this file
    <!-- serve -->        starts the command, which goes on until the next "serve" of this page
    <!-- serve each -->   the next "run" (and "listen") is done with each of these servers, one after the other
    <!-- run -->          runs the commands to their end, which must be 0
    <!-- watch -->        runs a command that does not end by itself, until it has printed what is expected
    <!-- listen -->       starts such a command in a second terminal
    <!-- heard -->        before text: what that command prints, while the block before is run again and again
    <!-- install -->      changes the system: its syntax is checked; with HIJACK_INSTALL=1 it is run, as root of a
                          Debian that may be changed, and what it installs is used
    <!-- in PATH -->      an excerpt: these lines are in this file of the checkout, in this order; other tests run it
    <!-- syntax -->       a fragment, or a program of another library, as it was before a change: its syntax is checked

A block of text after one that ran is what it must have printed: a number stands for any number, "..." for anything.
Ports are replaced by free ones. A block of a language in LANGUAGES without a comment is a mistake."""

import concurrent.futures
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 240  # seconds: Go may have to compile on a cold cache before, and on a busy machine
MODULE = "github.com/libhijack/libhijack/go"
LANGUAGES = ("ruby", "python", "go", "c", "cmake", "sh", "html", "js")
FOLDERS = ("docs/start", "docs/guides", "docs/migrate")
BLOCK = re.compile(r"(?:^<!-- (\w+) ?([^\n>]*?) ?-->\n\s*)?^```(\w+)[^\n]*\n(.*?)^```$", re.M | re.S)
PORT = re.compile(r"\b(?:8080|8081|9292|8000|6379)\b")
SYNTAX = {"ruby": ["ruby", "-wc"], "python": ["python3", "-m", "py_compile"], "sh": ["sh", "-n"], "go": ["gofmt", "-l"],
          "js": ["node", "--check"],
          "c": ["sh", "-c", 'cc -std=c11 -Wall -Werror -fsyntax-only $(pkg-config --cflags libhijack) "$0"']}
INSTALL = bool(os.environ.get("HIJACK_INSTALL"))


class Failed(Exception):
    """What is wrong with a page, in words."""


class Page:
    """One page, its folder, its ports, and the server that runs now."""

    def __init__(self, path, source, folder, environment):
        self.path, self.source, self.environment = path, source, environment
        self.folder = folder / "work"
        self.folder.mkdir()
        (self.folder / "libhijack").symlink_to(source)
        self.environment["PATH"] = f"{self.folder}/venv/bin:{environment['PATH']}"
        self.ports, self.each, self.ran = {}, [], 0
        self.server = self.listener = None

    def check(self):
        output, unwatched = None, ""
        for action, argument, language, code in BLOCK.findall(self.path.read_text(encoding="utf-8")):
            if action != "in":
                code = PORT.sub(lambda found: self.port(found[0]), code)
            if language == "text" and action == "heard":
                self.hear(code)
            elif language == "text" and self.each:
                self.run_each(code)
            elif language == "text" and output is not None:
                self.expect(output, code)
                output, unwatched = None, ""
            elif unwatched:
                raise Failed(f"a block of text must follow, with what this prints:\n{unwatched}")
            elif language in LANGUAGES:
                if not action:
                    raise Failed(f"no comment says what to do with this block of {language}:\n{code}")
                output = getattr(self, f"do_{action}")(argument, language, code)
                unwatched = code if action == "watch" else ""
                self.ran += 1
            elif action:
                raise Failed(f"there is a comment before a block of {language}, which no test runs:\n{code}")

    def expect(self, output, text):
        pattern = re.sub(r"\d+", r"\\d+", re.escape(text.rstrip("\n")).replace(r"\.\.\.", r"[\s\S]*?"))
        wanted = re.compile(pattern)
        seen = output(wanted)
        if not wanted.search(seen):
            raise Failed(f"expected was\n{text}\nIt printed\n{seen[:4000]}{self.said()}")

    def port(self, written):
        if written not in self.ports:
            self.ports[written] = free_port(self.ports.values())
        return self.ports[written]

    def do_file(self, name, language, code):
        if language in SYNTAX:
            self.do_syntax("", language, code)
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(code)

    def do_serve(self, each, _, code):
        if each:
            self.each.append(code)
            return
        self.stop()
        self.log = tempfile.TemporaryFile(mode="w+")
        self.server = self.start(code, self.log, self.log)
        named = [self.folder / word for word in code.split()]
        self.served = code + "".join(file.read_text(errors="replace") for file in named if file.is_file())

    def make_module(self):
        """As docs/start/go.md says, where the page has not done it."""
        if not (self.folder / "go.mod").exists():
            (self.folder / "go.mod").write_text(
                f"module live\n\ngo 1.19\n\nrequire {MODULE} v0.0.0\n\nreplace {MODULE} => ./libhijack/go\n")

    def do_run(self, _, __, code):
        if self.each:
            self.repeated = code
            return None
        self.wait_for_server()
        process = self.start(code, subprocess.PIPE, subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            output = f"(not over after {PATIENCE} s)".encode()
        finally:
            end(process)
        output = plain(output)
        if process.returncode != 0:
            raise Failed(f"exit code {process.returncode} of\n{code}\nIt printed:\n{output}{self.said()}")
        self.repeated = code
        return lambda _: output

    def do_watch(self, _, __, code):
        """Returns a function that runs it until what it prints is as wanted."""
        self.wait_for_server()

        def watch(wanted):
            process = self.start(code, subprocess.PIPE, subprocess.DEVNULL)
            try:
                return read_until(process, wanted)
            finally:
                end(process)
        return watch

    def do_listen(self, _, __, code):
        if self.each:
            self.listening = code
            return
        self.wait_for_server()
        self.listener = self.start(code, subprocess.PIPE, subprocess.DEVNULL)

    def run_each(self, text):
        """Without a listener: what the block prints itself."""
        servers, self.each = self.each, []
        for server in servers:
            self.do_serve("", "sh", server)
            self.expect(self.do_run("", "sh", self.repeated), text)

    def hear(self, text):
        servers, self.each = self.each, []
        for server in servers:
            self.do_serve("", "sh", server)
            self.do_listen("", "sh", self.listening)
            self.expect(self.heard, text)
        if not servers:
            self.expect(self.heard, text)

    def heard(self, wanted):
        try:
            return read_until(self.listener, wanted, lambda: self.do_run("", "sh", self.repeated))
        finally:
            end(self.listener)
            self.listener = None

    def do_install(self, _, language, code):
        if INSTALL:
            return self.do_run("", language, code)
        return self.do_syntax("", language, code)

    def do_in(self, name, language, code):
        text = (self.source / name).read_text(encoding="utf-8").splitlines()
        lines, at = [line.strip() for line in text], 0
        for wanted in filter(None, (line.strip() for line in code.splitlines())):
            if wanted not in lines[at:]:
                raise Failed(f"{name} has no line {wanted!r} behind those before it")
            at = lines.index(wanted, at) + 1

    def do_syntax(self, _, language, code):
        if language not in SYNTAX:
            raise Failed(f"there is no check of the syntax of {language}")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "block." + language)
            file.write_text(code)
            done = subprocess.run([*SYNTAX[language], str(file)], env=self.environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0 or (language == "go" and done.stdout):
            raise Failed(f"the syntax or the layout of this is wrong:\n{code}\n{done.stdout}")

    def start(self, code, stdout, stderr):
        if re.search(r"\bgo (?:run|test) ", code):
            self.make_module()
        return subprocess.Popen(["sh", "-ec", code], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=stdout, stderr=stderr, start_new_session=True)

    def wait_for_server(self):
        """Until somebody listens on each port that the server's command, or a file that it names, has."""
        for written, port in self.ports.items():
            deadline = time.monotonic() + PATIENCE
            while self.server is not None and port in self.served and not listens(port):
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"nobody listens on port {written}{self.said()}")
                time.sleep(0.02)

    def said(self):
        """What the server printed, for a message."""
        if self.server is None:
            return ""
        self.log.seek(0)
        return f"\nThe server (exit code {self.server.poll()}) printed:\n{self.log.read()[-4000:]}"

    def stop(self):
        if self.listener is not None:
            end(self.listener)
        if self.server is not None:
            end(self.server)
            self.log.close()
            deadline = time.monotonic() + PATIENCE  # what its shell had started may need a moment to end
            while any(map(listens, self.ports.values())) and time.monotonic() < deadline:
                time.sleep(0.01)
        self.server = self.listener = None


def plain(output):
    return output.decode(errors="replace").replace("\r", "")


def read_until(process, wanted, meanwhile=lambda: None):
    """What the process prints until it is as wanted, or time is over; meanwhile() is called again and again."""
    os.set_blocking(process.stdout.fileno(), False)
    seen, deadline = b"", time.monotonic() + PATIENCE
    while not wanted.search(plain(seen)) and time.monotonic() < deadline and process.poll() is None:
        meanwhile()
        select.select([process.stdout], [], [], 0.1)
        seen += process.stdout.read() or b""
    return plain(seen + (process.stdout.read() or b""))


def end(process):
    """What is left of the process and of what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def free_port(taken):
    """One of four digits, as those in the pages."""
    while True:
        port = str(random.randrange(2000, 8000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", int(port)))
            except OSError:
                continue
        if port not in taken:
            return port


def surroundings(source, build):
    """Where a reader has installed libhijack, this finds that of the build."""
    venv = source / "build/venv/bin"
    values = {**os.environ, "PATH": f"{venv}:{os.environ['PATH']}", "RUBYLIB": f"{source}/ruby/lib",
              "HIJACK_LIBRARY": str(build / "libhijack.so"), "CMAKE_PREFIX_PATH": str(build / "stage"),
              "PYTHONDONTWRITEBYTECODE": "1",
              "GOFLAGS": "-mod=mod -trimpath", "GOPROXY": "off", "GOWORK": "off",
              # Go's cache knows a package without its folder, but with this: that of another checkout is not taken
              "CGO_LDFLAGS": f"-O2 -g -L{build / 'stage' / 'lib'}"}
    if INSTALL:  # what the pages install is to be found instead
        values["PATH"] = os.environ["PATH"]
        for name in ("RUBYLIB", "HIJACK_LIBRARY", "CMAKE_PREFIX_PATH", "GOPROXY", "CGO_LDFLAGS"):
            del values[name]
    return values


def check(path, source, build):
    with tempfile.TemporaryDirectory() as folder:
        page = Page(path, source, pathlib.Path(folder), surroundings(source, build))
        start = time.monotonic()
        try:
            page.check()
            return f"{path.relative_to(source)}: {page.ran} blocks, {time.monotonic() - start:.1f} s", True
        except Failed as failure:
            return f"{path.relative_to(source)}: {failure}", False
        finally:
            page.stop()


def main():
    source, build = (pathlib.Path(it).resolve() for it in sys.argv[1:3])
    pages = [source / name for name in sys.argv[3:]] or [
        source / "README.md", *(page for folder in FOLDERS for page in sorted((source / folder).glob("*.md")))]
    fine = True
    with concurrent.futures.ThreadPoolExecutor(1 if INSTALL else 4) as pool:
        for message, right in pool.map(lambda page: check(page, source, build), pages):
            print(message, flush=True)
            fine = fine and right
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
