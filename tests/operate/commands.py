"""The commands of docs/operate that are marked to be run, with the page's program: its port and its process.

    commands.py BUILD"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from harness import HOST, SOURCE, Place, expect, free_port, run
from programs import App, command

BLOCK = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```$", re.M | re.S)
TIMED_OUT = 28  # of curl -m, which ends a stream


def lines():
    for page in sorted((SOURCE / "docs/operate").glob("*.md")):
        for block in BLOCK.findall(page.read_text()):
            yield from ((page.name, line) for line in block.splitlines())


def check(place, app, port):
    for page, line in lines():
        words = line.replace("8080", str(port)).replace("$(pgrep -n app)", str(app.process.process.pid))
        done = subprocess.run(["bash", "-o", "pipefail", "-c", words], capture_output=True, text=True, timeout=20)
        expect(done.returncode in (0, TIMED_OUT) and done.stdout and not done.stderr,
               f"{page}: {line}: exit code {done.returncode}, {done.stdout!r}, {done.stderr!r}")


def settings(_):
    """The kernel has each setting of the page, and takes its value in a namespace of its own."""
    text = (SOURCE / "tests/operate/kernel/60-app.conf").read_text()
    found = re.findall(r"^([\w.]+) = (.*)$", text, re.M)
    expect(found, "60-app.conf has no settings")
    for name, value in found:
        path = pathlib.Path("/proc/sys", name.replace(".", "/"))
        expect(path.exists(), f"60-app.conf: the kernel has no {name}")
        if name.startswith("net.") and os.geteuid() == 0:
            done = subprocess.run(["unshare", "--net", "sh", "-c", 'echo "$1" >"$2" && cat "$2"', "sh", value, path],
                                  capture_output=True, text=True)
            expect(done.stdout.split() == value.split(), f"{name} = {value}: {done.stdout} {done.stderr}")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()

    def commands(place):
        port = free_port()
        app = App(place, command("ruby", build, place.folder), f"{HOST}:{port}")
        app.process.wait_for_port(port)
        check(place, app, port)

    run([("commands", commands), ("settings", settings)], build)


if __name__ == "__main__":
    main()
