#!/usr/bin/env python3
"""The kernel's memory of idle connections: kernel.py [COUNT] [-- COMMAND]

Holds COUNT clients (10,000) of a demo and compares the slab caches of sockets before and after, as root. Both ends
are on this machine, so that half of the growth is the server's. COMMAND starts the demo, {port} stands for its port;
without it, build/release/demos/beep. Sockets that other programs open meanwhile count."""

import pathlib
import subprocess
import sys

CACHES = ("TCP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi")  # others grow by chance
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def slabs():
    """Bytes of live objects in each cache."""
    rows = [line.split() for line in pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]]
    return {row[0]: int(row[1]) * int(row[3]) for row in rows if row[0] in CACHES}


def main():
    words = sys.argv[1:]
    command = words[words.index("--") + 1:] if "--" in words else [str(SOURCE / "build/release/demos/beep"), "{port}"]
    count = int(words[0]) if words and words[0] != "--" else 10000
    demo = subprocess.Popen([word.replace("{port}", "0") for word in command], stdout=subprocess.PIPE, text=True,
                            env={"BEEP_INTERVAL_MS": "1000000"})
    try:
        address = demo.stdout.readline().strip().rstrip("/").partition("//")[2]
        before = slabs()
        crowd = subprocess.Popen([sys.executable, "-B", SOURCE / "bindings/tools/crowd.py", address, str(count)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print(crowd.stdout.readline().strip())
        growth = {name: (size - before[name]) / count / 2 for name, size in slabs().items()}
        crowd.stdin.close()
        crowd.wait()
    finally:
        demo.terminate()
        demo.wait()
    for name, size in sorted(growth.items(), key=lambda each: -each[1]):
        print(f"{size:8.0f}  {name}")
    print(f"{sum(growth.values()):8.0f}  bytes of the kernel for one end of one connection")


if __name__ == "__main__":
    main()
