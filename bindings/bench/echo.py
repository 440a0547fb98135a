#!/usr/bin/env python3
"""Echo: WebSocket messages a second in each language, against what its programs use today.

    python3 -B bindings/bench/echo.py [go python ruby] [--rounds 7] [--ms 1000] [--connections 1000]

Every server sends back what comes. The load: on each connection one text of 64 bytes under way, whose echo is checked
(tests/bench/echo.c). The connections stay open while the servers of a language take turns, so that what is measured is
the messages alone; nobody sends pings meanwhile, and nothing is compressed. comparison.py has the rest. A measurement,
not a test: the numbers are of this machine at this moment.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bindings/bench"))

from comparison import BUILD, NOTES, PYTHON, RUBY, Contender, Language, Pair, check, compare  # noqa: E402

LOAD = BUILD / "tests/bench/echo"
TARGET = 1.0


def language(commands, *pairs):
    """commands: of a name, the command without it."""
    return Language([Contender(name, [*command, name]) for name, command in commands.items()],
                    [Pair(ours, theirs, TARGET) for ours, theirs in pairs])


GO, GO_PEERS = [str(BUILD / "go/echo")], [str(BUILD / "go/peers")]
SCRIPT = [PYTHON, str(ROOT / "python/bench/echo.py")]
RUBY_SCRIPT = [*RUBY, str(ROOT / "ruby/bench/echo.rb")]

# Compared are those that work in the same way: a thread for each WebSocket, asyncio's loop, or uvloop, which uvicorn
# chooses. Ruby's each has a thread for each WebSocket, which none of the others has.
LANGUAGES = {
    "go": language({"hijack": GO, "coder": GO_PEERS, "gorilla": GO_PEERS}, ("hijack", "coder"), ("hijack", "gorilla")),
    "python": language(
        dict.fromkeys(["threads", "aio", "aio-uvloop", "websockets-threads", "websockets", "uvicorn-websockets",
                       "uvicorn-wsproto"], SCRIPT),
        ("threads", "websockets-threads"), ("aio", "websockets"), ("aio-uvloop", "uvicorn-websockets"),
        ("aio-uvloop", "uvicorn-wsproto")),
    "ruby": language(dict.fromkeys(["on_message", "each", "faye"], RUBY_SCRIPT), ("on_message", "faye")),
}


class Load:
    """Connections that are open all the time."""

    def __init__(self, name, address, options):
        self.name = name
        command = [str(LOAD), str(options.connections), str(options.ms), "port", str(address[1])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: the load ended with exit code {self.process.wait()}")
        return line

    def turn(self):
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        words = self.line().split()
        return dict(zip(words[::2], map(float, words[1::2])))

    def close(self):
        self.process.kill()
        self.process.communicate()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ms", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    check(parser, options, LANGUAGES, LOAD)
    for name in options.languages:
        compare(name, LANGUAGES[name], options.rounds, lambda server, address: Load(server, address, options),
                "messages/s", {})
    print(NOTES)


if __name__ == "__main__":
    sys.exit(main())
