"""What docs/guides/tunnel.md promises: TCP through the nginx of docs/operate and the demo tunnel, by both clients, to a
real sshd and a real Redis. With HIJACK_LONG (make conformance) 100 MB go each way, otherwise 5.

    tunnel.py go|python BUILD"""

import contextlib
import os
import pathlib
import shlex
import socket
import struct
import subprocess
import sys
import threading

from fronts import Front, Nginx
from harness import HOST, SOURCE, Missing, Wrong, eventually, expect, free_port, program, run, same
from sshd import Sshd

SIZE = 100_000_000 if os.environ.get("HIJACK_LONG") else 5_000_000
SECONDS = 120  # for all that
TOKEN = "a token of the test"
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER


class Origin:
    """A listener that a tunnel leads to."""

    def __init__(self, place):
        self.place = place
        self.listener = place.keep(socket.create_server((HOST, 0)))
        self.listener.settimeout(SECONDS)
        self.address = f"{HOST}:{self.listener.getsockname()[1]}"

    def accept(self):
        sock = self.place.keep(self.listener.accept()[0])
        sock.settimeout(SECONDS)
        return sock


class Tunnel:
    """C's demo behind nginx."""

    def __init__(self, place, *allowed, changes=None):
        self.place = place
        self.demo, self.port = start_demo(place, *allowed)
        self.front = Front(place, Nginx, self.port, changes=changes)
        self.url = f"https://localhost:{self.front.port}/tunnel"

    def client(self, language, *options, url=None):
        binary = self.place.build / "go/hijack-tunnel"
        if language == "go" and not binary.exists():
            raise Missing("the Go client is not built: scripts/prepare go")
        script = [sys.executable, "-B", SOURCE / "python/src/hijack_ffi/tunnel.py"]
        return [*([binary] if language == "go" else script), "--cacert", self.front.ca, *options, url or self.url]

    def listens(self, language, target, *options, url=None):
        """The process of a client and its local port."""
        process = self.place.start(self.client(language, "-L", f"0:{target}", *options, url=url), env=environment())
        return process, int(process.line().partition(" ")[0].rpartition(":")[2])


def environment():
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**plain, "TUNNEL_TOKEN": TOKEN}


def start_demo(place, *allowed, **variables):
    process = place.start([place.build / "demos/tunnel", "0"],
                          env={**os.environ, "TUNNEL_ALLOW": ",".join(allowed), "TUNNEL_TOKEN": TOKEN, **variables})
    return process, int(process.line().rstrip("/\n").rpartition(":")[2])


def dial(place, port):
    sock = place.keep(socket.create_connection((HOST, port), SECONDS))
    sock.settimeout(SECONDS)
    return sock


def read_all(sock):
    parts = []
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def exchange(near, far):
    """SIZE bytes each way at the same time, each ended by its sender."""
    sent, results = {near: os.urandom(SIZE), far: os.urandom(SIZE)}, {}

    def send(sock):
        with contextlib.suppress(OSError):
            sock.sendall(sent[sock])
            sock.shutdown(socket.SHUT_WR)

    def receive(sock):
        try:
            results[sock] = read_all(sock)
        except OSError as error:
            results[sock] = error

    threads = [threading.Thread(target=work, args=(sock,)) for sock in (near, far) for work in (send, receive)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, sock, other in (("near", near, far), ("far", far, near)):
        got = results[sock]
        expect(got == sent[other], f"what came to the {name} end: {got if isinstance(got, OSError) else len(got)} "
                                   f"and not the {SIZE} bytes that were sent")


def connections(port):
    """How many are open at a port, as the kernel has it in /proc/net/tcp."""
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(local == f"0100007F:{port:04X}" and state != "0A" and inode != "0"
               for _, local, _, state, _, _, _, _, _, inode, *_ in lines)


def is_reset(what, sock):
    try:
        rest = read_all(sock)
    except ConnectionResetError:
        return
    raise Wrong(f"{what}: expected a reset, seen an end in order after {rest[:100]!r}")


def both_ways(place, language):
    origin = Origin(place)
    tunnel = Tunnel(place, origin.address)
    _, port = tunnel.listens(language, origin.address)
    near = dial(place, port)
    exchange(near, origin.accept())


def half_close(place, language):
    origin = Origin(place)
    _, port = Tunnel(place, origin.address).listens(language, origin.address)
    for _ in range(3):
        near = dial(place, port)
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        far = origin.accept()
        same("all that came", read_all(far), b"question")
        far.sendall(b"answer" * 20_000)
        far.close()
        same("the answer", read_all(near), b"answer" * 20_000)
        near = dial(place, port)
        far = origin.accept()
        far.sendall(b"welcome")
        far.shutdown(socket.SHUT_WR)
        same("all that came back", read_all(near), b"welcome")
        near.sendall(b"thanks" * 20_000)
        near.close()
        same("what came after its end", read_all(far), b"thanks" * 20_000)


def deaths(place, language):
    """Whoever dies, by a reset or with its process, the other end is reset."""
    origin = Origin(place)
    tunnel = Tunnel(place, origin.address)
    process, port = tunnel.listens(language, origin.address)

    def pair():
        near = dial(place, port)
        far = origin.accept()
        near.sendall(b"x")
        same("a byte", far.recv(1), b"x")
        return near, far

    near, far = pair()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    far.close()
    is_reset("the near end after the far one", near)
    near, far = pair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    near.close()
    is_reset("the far end after the near one", far)
    near, far = pair()
    process.process.kill()
    is_reset("the far end after the client", far)
    process, port = tunnel.listens(language, origin.address)
    near, far = pair()
    tunnel.demo.process.kill()
    is_reset("the near end after the server", near)


def many(place, language):
    origin = Origin(place)
    _, port = Tunnel(place, origin.address).listens(language, origin.address)
    nears = [dial(place, port) for _ in range(50)]
    for number, near in enumerate(nears):
        near.sendall(b"%04d" % number)
    for far in [origin.accept() for _ in nears]:
        far.sendall(b"%04d" % (int(far.recv(4)) + 1))
    for number, near in enumerate(nears):
        same("the answer", near.recv(4), b"%04d" % (number + 1))


def through_a_proxy(place, language):
    """A second demo is the HTTP proxy, which CONNECT leads through; its own token is not asked for."""
    origin = Origin(place)
    tunnel = Tunnel(place, origin.address)
    proxy, port = start_demo(place, f"localhost:{tunnel.front.port}", TUNNEL_TOKEN="")
    _, port = tunnel.listens(language, origin.address, "--proxy", f"http://{HOST}:{port}")
    near = dial(place, port)
    exchange(near, origin.accept())
    near = dial(place, port)
    near.sendall(b"x")
    same("a byte", origin.accept().recv(1), b"x")
    proxy.process.kill()  # if the client had gone another way, nothing would happen
    is_reset("the near end after the proxy", near)


def carriers(place, _):
    """Without nginx Go's client may choose another carrier, and both speak http."""
    origin = Origin(place)
    tunnel = Tunnel(place, origin.address)
    for language, *options in (("go", "--carrier", "purr"), ("go", "--carrier", "connect"), ("python",)):
        _, port = tunnel.listens(language, origin.address, *options, url=f"http://{HOST}:{tunnel.port}/")
        near = dial(place, port)
        exchange(near, origin.accept())


def refusals(place, language):
    """What the server says comes to whoever asked for the tunnel."""
    dead = f"{HOST}:{free_port()}"
    tunnel = Tunnel(place, dead)
    wrong = f"https://localhost:{free_port()}/"
    for options, variables, url, words in (
            (["-W", "10.0.0.1:22"], {}, None, ["403", "This target is not allowed."]),
            (["-W", dead], {}, None, ["502", f"Cannot connect to {dead}"]),
            (["-W", dead], {"TUNNEL_TOKEN": "another"}, None, ["401", "The token is missing or wrong."]),
            (["-W", dead], {}, wrong, ["refused"]),
            (["-W", dead, "--cacert", "/etc/ssl/certs/ca-certificates.crt"], {}, None, ["certificate"]),
            (["-L", "1:2"], {}, None, ["[bind:]port:host:port"])):
        command = tunnel.client(language, *options, url=url)
        result = subprocess.run([str(word) for word in command], input=b"", capture_output=True, timeout=SECONDS,
                                env={**environment(), **variables}, check=False)
        said = result.stderr.decode()
        expect(result.returncode in (1, 2) and all(word in said for word in words),
               f"{options}: expected {words} and exit code 1 or 2, seen {result.returncode} and {said!r}")


def ssh(place, language):
    """ssh with the client as its ProxyCommand, to a real sshd, as the user of this process."""
    sshd = Sshd(place)
    tunnel = Tunnel(place, f"{HOST}:{sshd.port}")
    proxy = shlex.join(str(word) for word in tunnel.client(language, "-W", "%h:%p"))
    command = sshd.client("-o", f"ProxyCommand={proxy}", command=["cat"])
    data = os.urandom(SIZE)
    result = subprocess.run([str(word) for word in command], input=data, capture_output=True, timeout=SECONDS,
                            env=environment(), check=False)
    expect(result.returncode == 0 and result.stdout == data,
           f"ssh gave {len(result.stdout)} of {SIZE} bytes, exit code {result.returncode}: {result.stderr.decode()}")


def database(place, language):
    """A large value goes into a Redis and comes back."""
    port = free_port()
    place.start([program("redis-server", "redis-server"), "--bind", HOST, "--port", str(port), "--save", "",
                 "--dir", place.folder]).wait_for_port(port)
    _, local = Tunnel(place, f"{HOST}:{port}").listens(language, f"{HOST}:{port}")
    redis, value = dial(place, local), os.urandom(SIZE)
    redis.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (SIZE, value))
    same("the answer to SET", redis.recv(5), b"+OK\r\n")
    redis.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nQUIT\r\n")
    same("whether the value came back", read_all(redis) == b"$%d\r\n%b\r\n+OK\r\n" % (SIZE, value), True)


def nothing_left(place, language):
    """When all have gone, the server has no connection left."""
    origin = Origin(place)
    tunnel = Tunnel(place, origin.address)
    process, port = tunnel.listens(language, origin.address)
    for _ in range(10):
        near = dial(place, port)
        far = origin.accept()
        near.close()
        same("the end", read_all(far), b"")
        far.close()
    process.process.kill()
    eventually("connections of the server", lambda: connections(tunnel.port), 0)


CASES = (both_ways, half_close, deaths, many, through_a_proxy, refusals, ssh, database, nothing_left)


def main():
    language, build = sys.argv[1:]
    cases = [*CASES, *([carriers] if language == "go" else [])]
    run([(function.__name__, lambda place, it=function: it(place, language)) for function in cases],
        pathlib.Path(build).resolve(), 2)


if __name__ == "__main__":
    main()
