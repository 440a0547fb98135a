"""What a good WebSocket client notices of hostile ones, and what they cost.
Usage: hostile.py [SECONDS] -- server command with {port} in it, of which /echo echoes.

For each attack the good client sends a message every 2 ms and measures its echo, alone and then beside attackers,
which are processes of their own and come back whenever they are sent away. The server's memory must stay bounded, and
the good client be served: its p99 is printed, and must stay under a quarter of a second on any machine."""


import pathlib
import socket
import struct
import subprocess
import sys
import time
import zlib

MASK = b"\x12\xa5\xff\x00"
REQUEST = ("GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n")
MOST_BYTES = 64 << 20  # that the server's memory may grow by under any attack
MOST_SECONDS = 0.25
ATTACKERS = 4


def frame(first, data, length=None):
    size = len(data) if length is None else length
    head = (struct.pack("!BB", first, 128 | size) if size < 126 else struct.pack("!BBH", first, 254, size)
            if size < 65536 else struct.pack("!BBQ", first, 255, size))
    mask = (MASK * (len(data) // 4 + 1))[:len(data)]
    return head + MASK + (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")


def connect(port, extensions=""):
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.sendall(REQUEST.format(extensions).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return sock


def bomb():
    """64 MiB of zeros in 64 KiB."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflater.compress(bytes(64 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def fragments(sock):
    sock.sendall(frame(0x01, b"x"))
    sock.sendall(frame(0x00, b"x") * 10000)


def endless(sock):
    sock.sendall(frame(0x02, b"x" * 60000))
    for _ in range(2000):
        sock.sendall(frame(0x00, b"x" * 60000))


def long_length(sock):
    sock.sendall(frame(0x82, b"", 1 << 62))
    sock.recv(1000)


def pings(sock):
    sock.sendall(frame(0x89, b"y" * 125) * 5000)


def unread(sock):
    for _ in range(1000):
        sock.sendall(frame(0x82, b"z" * 60000))


def bombs(sock):
    data = bomb()
    for _ in range(100):
        sock.sendall(frame(0xc2, data))


ATTACKS = {function.__name__: function for function in (fragments, endless, long_length, pings, unread, bombs)}


def attack(name, port, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock = connect(port, "Sec-WebSocket-Extensions: permessage-deflate\r\n" if name == "bombs" else "")
        sock.settimeout(max(end - time.monotonic(), 0.01))
        try:
            while time.monotonic() < end:
                ATTACKS[name](sock)
        except OSError:
            pass
        sock.close()


def good_client(sock, seconds):
    """The p99 of its echoes, in seconds."""
    waits, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        sock.sendall(frame(0x81, b"good morning"))
        got = b""
        while len(got) < 14:
            got += sock.recv(100)
        assert got == b"\x81\x0cgood morning", got
        waits.append(time.monotonic() - start)
        time.sleep(0.002)
    return sorted(waits)[int(len(waits) * 0.99)]


def memory(process, name):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) * 1024


def measure(command, name, seconds):
    """p99 alone and with the attack, growth of the peak of memory."""
    server = subprocess.Popen([word.replace("{port}", "0") for word in command], stdout=subprocess.PIPE, text=True)
    attackers = []
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
        sock = connect(port)
        alone, before = good_client(sock, seconds), memory(server, "VmRSS")
        attackers = [subprocess.Popen([sys.executable, "-B", __file__, name, str(port), str(seconds + 5)])
                     for _ in range(ATTACKERS)]
        time.sleep(0.2)
        beside = good_client(sock, seconds)
        return alone, beside, memory(server, "VmHWM") - before
    finally:
        for process in [*attackers, server]:
            process.kill()
            process.wait()


def main(words):
    if len(words) == 3 and words[0] in ATTACKS:
        attack(words[0], int(words[1]), float(words[2]))
        return 0
    at = words.index("--")
    seconds, wrong = float(words[0]) if at else 1.0, 0
    print("| attack | p99 alone, ms | p99 beside it, ms | growth of the server |\n|---|---|---|---|")
    for name in ATTACKS:
        alone, beside, growth = measure(words[at + 1:], name, seconds)
        print(f"| {name} | {alone * 1e3:.2f} | {beside * 1e3:.2f} | {growth / 1e6:.1f} MB |", flush=True)
        if beside > MOST_SECONDS or growth > MOST_BYTES:
            print(f"WRONG: {name}: at most {MOST_SECONDS * 1e3:.0f} ms and {MOST_BYTES >> 20} MiB are right")
            wrong += 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
