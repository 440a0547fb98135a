#!/usr/bin/env python3
"""A storm of clients that return to a program in Ruby or Python, also while it holds its interpreter's lock.

    python3 -B bindings/bench/returning.py [ruby python] [--clients 9000] [--behind 100] [--rounds 5]

The program serves a held SSE route on one loop thread. Its clients return together with the position at which they
left, each so many messages behind (tests/bench/returning.c is the clients' side). Each storm has a program of its own,
and before it the same clients come to a bare epoll server in C that sends as many bytes. The lock is held by one call
that computes for about three seconds (gil.py); a storm that has not ended by then does not count. HIJACK_BUILD names
the build folder, build/release without it. A measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "bindings/bench"), str(ROOT / "bindings/tools")]

from comparison import BUILD, PYTHON, RUBY  # noqa: E402
from connections import raise_descriptor_limit  # noqa: E402
from gil import free  # noqa: E402
from program import Program, end_on_sigterm, table  # noqa: E402

LANGUAGES = {"ruby": [*RUBY, str(ROOT / "ruby/bench/gil.rb")], "python": [PYTHON, str(ROOT / "python/bench/gil.py")]}
STORM = BUILD / "tests/bench/returning"
LOOP = "hijack loop"  # name of the library's threads
PATIENCE = 30  # seconds


def used(before, after):
    """Milliseconds of the library's threads and of all others."""
    spent = {True: 0.0, False: 0.0}
    for thread, (name, milliseconds) in after.items():
        spent[name == LOOP] += milliseconds - before.get(thread, (name, 0.0))[1]
    return spent[True], spent[False]


def numbers_of(storm):
    line = storm.stdout.readline()
    if not line:
        sys.exit(f"{STORM} ended with exit code {storm.wait()}")
    return [float(word) for word in line.split()]


def storm_on(program, options, locked):
    """One storm; what it took, by name. None: the lock was not held throughout."""
    command = [str(STORM), "-p", str(program.address[1]), str(options.clients), str(options.behind)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as storm:
        bare_rate, bare_each = numbers_of(storm)
        if locked:
            program.say("burn")
            if program.line(lambda text: text == "burning", PATIENCE) is None:
                sys.exit(f"{' '.join(program.command)}: no line \"burning\" within {PATIENCE} s")
        threads, resident = program.thread_milliseconds(), program.resident()
        storm.stdin.write("\n")
        storm.stdin.flush()
        rate = numbers_of(storm)[0]
        loops, others = used(threads, program.thread_milliseconds())
        grown = program.resident() - resident
        program.read()
        in_time = not program.lines
        storm.stdin.close()
    if locked:
        line = program.line(lambda text: text.startswith("burned "), PATIENCE)
        if line is None or not in_time or free(float(line.split()[1]), int(line.split()[2])):
            return None
    each = 1000 * loops / options.clients
    return {"rate": rate, "ratio": rate / bare_rate, "each": each, "by_time": bare_each / each, "others": others,
            "bytes": grown / options.clients}


def measure(language, options, locked):
    """One row of the table."""
    found = []
    for _ in range(options.rounds):
        with Program(LANGUAGES[language], HIJACK_LIBRARY=str(BUILD / "libhijack.so"), LD_LIBRARY_PATH=str(BUILD),
                     PYTHONDONTWRITEBYTECODE="1", THREADS="1", HEARTBEAT_MS="0", BEHIND=str(options.behind)) as program:
            result = storm_on(program, options, locked)
        if result is not None:
            found.append(result)
    name = f"{language}, lock held" if locked else language
    if not found:
        return [name, "no storm ended while the lock was held", "-", "-", "-", "-", "-"]
    median = {key: statistics.median(result[key] for result in found) for key in found[0]}
    ratios = [result["ratio"] for result in found]
    own = ["-", "-"] if locked else [  # which the computation would hide
        f"{median['others']:.2f} ({max(result['others'] for result in found):.2f})", f"{median['bytes']:.0f}"]
    return [name, f"{median['rate']:.0f}", f"{median['ratio']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{median['each']:.1f}", f"{median['by_time']:.2f}", *own]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--clients", type=int, default=9000)
    parser.add_argument("--behind", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for language in options.languages:
        if language not in LANGUAGES:
            parser.error(f"{language}: not one of {', '.join(LANGUAGES)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not STORM.exists():
        sys.exit(f"{STORM} is not there: build it with cmake --preset release, or run make bench")
    end_on_sigterm()
    raise_descriptor_limit()
    heading = [f"{options.clients} clients", "clients/s", "to a bare server", "loop us", "by time", "interpreter ms",
               "bytes"]
    table(heading, *(measure(language, options, locked) for language in options.languages for locked in (False, True)))
    print(f"""
Each client is {options.behind} messages of 64 bytes behind and has come back when it has all of them. Medians of
{options.rounds} storms, each on a program of its own. To a bare server: the rate divided by that of the same clients at
a bare epoll server just before, when nothing computed (least to most). Loop: processor time of the library's thread
for a client; by time: the bare server's divided by it. Interpreter: processor time of all threads of the program that
are not the library's, during the whole storm (and the most). Bytes: growth of the program's resident memory over the
storm, with all clients connected, for each.""")


if __name__ == "__main__":
    main()
