"""autobahn.py finds what it should: it runs against reference.py, right and with each of its faults.
Usage: check_harness.py BUILD-FOLDER"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Options of autobahn.py, the fault, and what a line of its output must match; where that is empty, nothing is wrong.
CHECKS = [
    # By the cases of the suite:
    ("--cases 1.*,2.*,3.*,7.*,10.*,12.1.1,13.3.4,13.5.4", "", ""),
    ("--cases 1.*,13.2.1 --tls", "", ""),
    ("--cases 1.*,7.* --direct", "", ""),
    ("--cases 1.1.1,13.1.1 --declines 13.*", "no-compression", ""),
    ("--cases 1.1.1,13.1.1", "no-compression", r"13\.1\.1: UNIMPLEMENTED"),
    ("--cases 13.1.1 --declines 13.*", "", r"13\.1\.1: OK"),
    ("--cases 2.*", "pong-payload", r"2\.2: FAILED"),
    ("--cases 2.2,5.19", "no-pong", r"2\.2: FAILED.*(?s:.*)tried a second time, alone: 2\.2"),
    ("--cases 3.*", "any-rsv", r"3\.3: FAILED"),
    ("--cases 4.*", "any-opcode", r"4\.2\.3: FAILED"),
    ("--cases 6.4.*", "late-utf8", r"6\.4\.1: NON-STRICT"),
    ("--cases 1.*", "binary", r"1\.1\.2: FAILED"),
    ("--cases 1.*", "cut", r"1\.1\.4: FAILED"),
    ("--cases 7.*", "close-code", r"7\.1\.1: FAILED, its closing WRONG CODE with code 1002"),
    ("--cases 13.2.3", "context-kept", r"13\.2\.3: "),
    # By what the relay looks at, which the suite passes:
    ("--cases 1.1.1", "accept", r"1\.1\.1: the field Sec-WebSocket-Accept is"),
    ("--cases 1.1.1 --tls", "masked", r"1\.1\.1: a frame of the server is masked"),
    ("--cases 1.1.2", "long-length", r"1\.1\.2: the length \d+ is written in 2 bytes"),
    ("--cases 1.1.1", "lingers", r"1\.1\.1: the server does not end the connection within 5 s after the .* Close"),
    ("--cases 1.1.1", "after-close", r"1\.1\.1: 2 bytes came after the Close frame"),
    ("--cases 1.1.1", "reset", r"1\.1\.1: the server breaks the connection off"),
    ("--cases 1.1.1", "extension", r"1\.1\.1: the extensions are \['permessage-deflate'\], but .* offered none"),
    ("--cases 1.1.2", "compressed-bit", r"1\.1\.2: .*the reserved bits of a frame with opcode 1 are 100"),
    ("--cases 13.3.4", "wide-window", r"13\.3\.4: a compressed message does not suit a window of 9 bits: "),
    ("--cases 1.1.4", "interleaved", r"1\.1\.4: .*a message begins before the last one is complete"),
    ("--cases 1.1.1 --tls", "no-close-notify", r"1\.1\.1: the server breaks .* without close_notify"),
    # By what becomes of the server and of the time:
    ("--cases 1.2.*", "crash", r"FAILED: the server has ended by itself, with code 3"),
    ("--cases 9.1.* --path /nowhere", "path", r"9\.1\.1: ERROR"),
    ("--cases 12.1.* --seconds 2", "", r"FAILED: the time is over"),
]


def check(build: str, options: str, fault: str, pattern: str) -> str:
    """What is wrong, if anything."""
    plain = {key: value for key, value in os.environ.items() if key != "HIJACK_LONG"}
    python = [sys.executable, "-B"]
    done = subprocess.run([*python, str(HERE / "autobahn.py"), build, *options.split(), "--at-once", "4", "--",
                           *python, str(HERE / "reference.py"), "{port}", *filter(None, [fault])],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=plain)
    if done.returncode != (1 if pattern else 0) or not re.search(f"(?m)^{pattern}", done.stdout):
        return (f"{options}, fault {fault or 'none'}: exit code {done.returncode}, expected "
                f"{f'1 and a line like {pattern}' if pattern else '0'}, with:\n{done.stdout}")
    return ""


def main() -> int:
    (build,) = sys.argv[1:]
    first, *others = CHECKS  # the first makes the virtual environment
    wrong = [check(build, *first)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong += pool.map(lambda each: check(build, *each), others)
    wrong = list(filter(None, wrong))
    print("\n".join(wrong), f"\n{len(CHECKS) - len(wrong)} of {len(CHECKS)} checks passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
