#!/usr/bin/env python3
"""Requests: answers a second in each language, against the server that its programs use today.

    python3 -B bindings/bench/requests.py [go python ruby] [--rounds 7] [--ms 1000]

Every server answers "hello". The load: 64 keep-alive connections with one request under way on each; every answer is
checked (tests/bench/requests.c). The servers of a language take turns; comparison.py has the rest. Puma announces the
end of a connection after ten requests while others wait to be accepted; such a connection is made again. A measurement,
not a test: the numbers are of this machine at this moment.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bindings/bench"))

from comparison import BUILD, NOTES, PYTHON, RUBY, Contender, Language, Pair, check, compare  # noqa: E402

LOAD = BUILD / "tests/bench/requests"


def language(command, names, *pairs):
    return Language([Contender(name, [*command, name]) for name in names], [Pair(*pair) for pair in pairs])


LANGUAGES = {
    "go": language([str(BUILD / "go/hello")], ["hijack", "nethttp"], ("hijack", "nethttp", 0.9)),
    "python": language([PYTHON, str(ROOT / "python/bench/hello.py")], ["threads", "aio", "aio-uvloop", "uvicorn"],
                       ("threads", "uvicorn", 1.4), ("aio", "uvicorn", 1.2), ("aio-uvloop", "uvicorn", 1.2)),
    "ruby": language([*RUBY, str(ROOT / "ruby/bench/hello.rb")], ["hijack", "puma"], ("hijack", "puma", 3.5)),
}


class Load:
    """Opens its connections anew for each turn."""

    def __init__(self, name, address, milliseconds):
        self.name = name
        self.command = [str(LOAD), "-p", str(address[1]), "-t", str(milliseconds)]

    def turn(self):
        result = subprocess.run(self.command, stdout=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{self.name}: the load ended with exit code {result.returncode}")
        words = result.stdout.split()
        return dict(zip(words[::2], map(float, words[1::2])))

    def close(self):
        pass


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ms", type=int, default=1000)
    options = parser.parse_args()
    check(parser, options, LANGUAGES, LOAD)
    for name in options.languages:
        compare(name, LANGUAGES[name], options.rounds, lambda server, address: Load(server, address, options.ms),
                "answers/s", {"p99 ms": ("p99_us", 1e3)})
    print(NOTES)


if __name__ == "__main__":
    sys.exit(main())
