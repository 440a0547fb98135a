"""Every program of the README's section "A program" runs, one for each language: it is started as a user would start
it, and a client of /sse gets two events from it."""
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 30  # seconds: go compiles on a cold cache before
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LANGUAGES = ("ruby", "python", "go", "c")
PORT = "8080"


def main():
    source, build, compiler = (pathlib.Path(it) for it in sys.argv[1:4])
    section = re.search(r"^## A program$(.*?)^## ", (source / "README.md").read_text(), re.M | re.S)[1]
    programs = {language: code for language, code in FENCE.findall(section) if language in LANGUAGES}
    if tuple(programs) != LANGUAGES:
        sys.exit(f"README.md, A program: programs in {', '.join(programs)}; wanted are {', '.join(LANGUAGES)}")
    for language, code in programs.items():
        if code.count(PORT) != 1:
            sys.exit(f"README.md, {language}: the port {PORT} should stand there once")
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            command = prepare(language, code.replace(PORT, str(port)), pathlib.Path(folder), source, build, compiler)
            lines = len(code.splitlines())
            print(f"{language}: {lines} lines, {run(language, command, folder, port)} events")


def prepare(language, code, folder, source, build, compiler):
    """Writes the program, compiles it where that is needed, and returns how to start it."""
    name = {"c": "clock.c", "ruby": "clock.rb", "python": "clock.py", "go": "main.go"}[language]
    (folder / name).write_text(code)
    program = folder / "clock"
    if language == "c":
        subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", f"-I{source}/include", f"-I{build}/include", "-o",
                        program, folder / name, f"-L{build}", "-lhijack"], check=True)
        return [program]
    if language == "go":
        module = "github.com/libhijack/libhijack/go"
        (folder / "go.mod").write_text(f"module clock\n\ngo 1.19\n\nrequire {module} v0.0.0\n"
                                       f"replace {module} => {source}/go\n")
        subprocess.run(["go", "build", "-o", program, "."], cwd=folder, check=True)
        return [program]
    if language == "ruby":
        return [shutil.which("ruby"), "-w", f"-I{source}/ruby/lib", folder / name]
    return [source / "build/venv/bin/python", "-W", "error", "-X", "dev", folder / name]


def run(language, command, folder, port):
    with open(os.path.join(folder, "output"), "w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            return events(port, process)
        except (OSError, AssertionError) as error:
            output.seek(0)
            sys.exit(f"README.md, {language}: {error}\n{output.read()}")
        finally:
            process.kill()
            process.wait()


def events(port, process):
    client = connect(port, process)
    with client:
        client.settimeout(PATIENCE)
        client.sendall(b"GET /sse HTTP/1.1\r\nHost: me\r\n\r\n")
        seen = b""
        while len(re.findall(rb"^data: \S.*\n\n", seen, re.M)) < 2:
            piece = client.recv(4096)
            assert piece, f"the stream ended after {seen!r}"
            seen += piece
        assert seen.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in seen, f"no SSE head: {seen!r}"
        return 2


def connect(port, process):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert process.poll() is None, f"it ended with exit code {process.returncode}"
            assert time.monotonic() < deadline, f"nobody listens on port {port} after {PATIENCE} s"
            time.sleep(0.02)


def free_port():
    """One of four digits, as many as PORT has, since C counts them."""
    while True:
        port = random.randrange(2000, 10000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


if __name__ == "__main__":
    main()
