"""Clients of other makers: openssl s_client, curl, Go's crypto/tls, Python's ssl, tlslite-ng."""

import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from typing import List

from cases_handshake import Bytes
from harness import (DEADLINE, GET, Server, Skipped, Surroundings, ask, case, expect, facts, read_until, run, same)

BEEP = b"data: beep\n\n"
SHAKEN = b"Verify return code: 0 (ok)\n"  # s_client reads its input from here on
CIPHERS = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
UPLOAD = bytes(i * 11 % 251 for i in range(3000000))


def checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total


UPLOADED = b"%d %d\n" % (len(UPLOAD), checksum(UPLOAD))
BIG = bytes((i * 7 + i // 251) & 255 for i in range(1 << 20))


class SClient:
    """openssl s_client with its commands. A command is a letter at the beginning of what one read of it gives, so each
    is sent only when the effect of the one before has been seen."""

    def __init__(self, s: Surroundings, server: Server, *options: str) -> None:
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", "localhost", "-CAfile",
             s.path("authority", "pem"), "-verify_return_error", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.text = b""
        self.arrived = threading.Condition()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        while True:
            piece = self.process.stdout.read(65536)
            with self.arrived:
                self.text += piece or b"(s_client has ended)"
                self.arrived.notify_all()
            if not piece:
                return

    def until(self, mark: bytes) -> bytes:
        with self.arrived:
            found = self.arrived.wait_for(lambda: mark in self.text or b"(s_client has ended)" in self.text, DEADLINE)
            expect(found and mark in self.text, f"s_client shows no {mark!r}, but {self.text[-300:]!r}")
            before, self.text = self.text.split(mark, 1)
            return before

    def type(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(DEADLINE)


@case
def s_client_key_updates(s: Surroundings) -> None:
    with s.server() as server:
        for cipher in CIPHERS:
            member = SClient(s, server, "-tls1_3", "-ciphersuites", cipher)
            member.until(SHAKEN)
            member.type(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
            member.until(BEEP)
            echo = SClient(s, server, "-tls1_3", "-ciphersuites", cipher)
            echo.until(SHAKEN)
            echo.type(GET % b"/echo" + b"ready\n")
            echo.until(b"ready\n")
            for i, letter in enumerate((b"K\n", b"k\n", b"K\n", b"K\n", b"k\n")):
                for client in (member, echo):
                    client.type(letter)
                    client.until(b"KEYUPDATE")
                member.until(BEEP)
                member.until(BEEP)
                echo.type(b"ping %d\n" % i)
                echo.until(b"ping %d\n" % i)
            member.end()
            echo.end()


@case
def s_client_renegotiation(s: Surroundings) -> None:
    """R asks for one by TLS 1.2. It is refused, and the connection goes on or ends."""
    with s.server() as server:
        client = SClient(s, server, "-tls1_2")
        client.until(SHAKEN)
        client.type(GET % b"/")
        client.until(b"hello\n")
        client.type(b"R\n")
        client.until(b"RENEGOTIATING")
        client.end()
        s.connect(server).close()


@case
def s_client_small_records(s: Surroundings) -> None:
    """A client that asks for records of at most 512 bytes gets no larger ones, by either version."""
    with s.server() as server:
        for version in ("-tls1_2", "-tls1_3"):
            done = run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-maxfraglen", "512",
                        "-quiet", "-ign_eof"], GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"/big")
            body = done.stdout.split(b"\r\n\r\n", 1)[-1]
            same(len(body), 1 << 20, f"{version}: the length of the body ({done.stderr[-200:]!r})")


@case
def s_client_resumption(s: Surroundings) -> None:
    with s.server() as server:
        for version in ("-tls1_2", "-tls1_3"):
            path = s.path("session" + version, "pem")
            first = SClient(s, server, version, "-sess_out", path)
            first.type(GET % b"/")
            first.until(b"hello\n")
            first.type(b"Q\n")
            first.process.wait(DEADLINE)
            expect(pathlib.Path(path).exists(), f"{version}: no session was given")
            second = SClient(s, server, version, "-sess_in", path)
            second.until(b"Reused, TLSv1")
            second.type(GET % b"/")
            second.until(b"hello\n")
            second.end()


def curl(s: Surroundings, server: Server, *arguments: str, data: bytes = b"") -> bytes:
    if shutil.which("curl") is None:
        raise Skipped("curl is not here")
    done = run(["curl", "-sS", "--http1.1", "--cacert", s.path("authority", "pem"), "--resolve",
                f"localhost:{server.port}:127.0.0.1", *arguments], data)
    same(done.returncode, 0, f"curl's exit code ({done.stderr.decode().strip()})")
    return done.stdout


@case
def curl_each_version_and_cipher(s: Surroundings) -> None:
    with s.server() as server:
        url = f"https://localhost:{server.port}/"
        same(curl(s, server, "--tlsv1.2", "--tls-max", "1.2", url), b"hello\n", "the body over TLS 1.2")
        for cipher in CIPHERS:
            options = ["--tlsv1.3", "--tls13-ciphers", cipher]
            same(curl(s, server, *options, url, url), b"hello\n" * 2, f"the bodies by {cipher}")
            expect(f"tls_cipher={cipher}" in curl(s, server, *options, url + "facts").decode(), f"not by {cipher}")
            expect(curl(s, server, *options, url + "big") == BIG, f"{cipher}: a MiB is not what was sent")
            same(curl(s, server, *options, "--data-binary", "@-", url + "upload", data=UPLOAD), UPLOADED,
                 f"{cipher}: the upload")


@case
def curl_sse(s: Surroundings) -> None:
    if shutil.which("curl") is None:
        raise Skipped("curl is not here")
    with s.server() as server:
        for version in ("1.2", "1.3"):
            process = subprocess.Popen(
                ["curl", "-sSN", f"--tlsv{version}", "--tls-max", version, "--cacert", s.path("authority", "pem"),
                 f"https://127.0.0.1:{server.port}/sse"], stdout=subprocess.PIPE)
            for _ in range(3):
                while process.stdout.readline() != b"data: beep\n":
                    expect(process.poll() is None, "curl has ended")
            process.kill()
            process.communicate()


@case
def python_each_version(s: Surroundings) -> None:
    with s.server() as server:
        for title, version in VERSIONS.items():
            connection = s.connect(server, s.context(version))
            same(ask(connection), b"hello\n", "the body")
            expect(ask(connection, b"/big") == BIG, f"TLS {title}: a MiB is not what was sent")
            found = facts(connection)
            same(found["scheme"], "https", "the scheme")
            same(found["tls_version"], "TLSv" + title, "the version")
            same(found["tls_cipher"], connection.cipher()[0], "the cipher")
            same(found["tls_server_name"], "localhost", "the name")
            expect("tls_subject" not in found and "tls_certificate" not in found, "there is a subject")
            connection.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(UPLOAD))
            connection.sendall(UPLOAD)
            expect(read_until(connection.recv, b"\r\n\r\n" + UPLOADED), "the upload")
            connection.unwrap().close()


@case
def python_resumption(s: Surroundings) -> None:
    """With tickets, by both versions, with facts of the new connection."""
    with s.server() as server:
        for version in VERSIONS.values():
            context = s.context(version)
            first = s.connect(server, context)
            before = facts(first)
            session = first.session
            first.unwrap().close()
            for _ in range(2):
                second = s.connect(server, context, session=session)
                expect(second.session_reused, f"{version}: the session is not resumed")
                same(facts(second), before, "the facts after resumption")
                second.unwrap().close()


@case
def python_echo_much(s: Surroundings) -> None:
    """Both directions at once, more than the kernel's buffers take."""
    with s.server() as server:
        for version in VERSIONS.values():
            connection = s.connect(server, s.context(version))
            connection.sendall(GET % b"/echo")
            got: List[bytes] = []
            length = 0
            connection.setblocking(False)
            sent, end = 0, time.monotonic() + 3 * DEADLINE
            while length < len(UPLOAD):
                expect(time.monotonic() < end, f"only {length} bytes have come back")
                moved = False
                try:
                    if sent < len(UPLOAD):
                        sent += connection.send(UPLOAD[sent:sent + 50000])
                        moved = True
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    pass
                try:
                    piece = connection.recv(65536)
                    expect(piece, f"the connection ends after {length} bytes")
                    got.append(piece)
                    length += len(piece)
                    moved = True
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                if not moved:
                    time.sleep(0.0005)
            expect(b"".join(got) == UPLOAD, "what comes back is not what was sent")
            connection.close()


@case
def detached(s: Surroundings) -> None:
    """The program has a plain descriptor, whose end is an end for the client, with close_notify."""
    with s.server() as server:
        for version in VERSIONS.values():
            connection = s.connect(server, s.context(version))
            connection.sendall(GET % b"/detach" + b"behind;")
            read_until(connection.recv, b"behind;")
            for i in range(20):
                connection.sendall(b"<%d>" % i)
                read_until(connection.recv, b"<%d>" % i)
            for _ in range(30):
                connection.sendall(b"x" * 10000 + b"!")
                same(read_until(connection.recv, b"!"), b"x" * 10000 + b"!", "the echo")
            connection.close()
        client = Bytes(s, server, s.context(ssl.TLSVersion.TLSv1_3))
        client.handshake(client.socket.sendall)
        client.tls.write(GET % b"/detach" + b"behind;")
        client.socket.sendall(client.flush())
        read_until(client.read, b"behind;")
        try:
            client.tls.unwrap()
        except ssl.SSLError:
            pass
        client.socket.sendall(client.flush())
        client.socket.shutdown(socket.SHUT_WR)
        rest = b""
        while True:
            piece = client.socket.recv(65536)
            if not piece:
                break
            rest += piece
        records = len(rest) // (5 + 17)
        expect(records >= 2, f"after the client's close_notify come {len(rest)} bytes, must be eof and close_notify")


@case
def go_client(s: Surroundings) -> None:
    if s.go_client is None:
        raise Skipped("go is not here")
    with s.server() as server:
        for version in VERSIONS:
            done = run([s.go_client, f"127.0.0.1:{server.port}", s.path("authority", "pem"), version])
            same(done.returncode, 0, f"TLS {version}: Go's client ({done.stderr.decode().strip()})")
            same(json.loads(done.stdout), {"get": "hello\n", "resumed": True, "beeps": 3, "echo": 100, "eof": "eof\n",
                                           "big": len(BIG)}, f"TLS {version}: what Go's client saw")


@case
def tlslite_client(s: Surroundings) -> None:
    from tlslite.api import HandshakeSettings, TLSConnection

    with s.server(certificates="rsa") as server:
        for version in ((3, 3), (3, 4)):
            settings = HandshakeSettings()
            settings.minVersion = settings.maxVersion = version
            client = TLSConnection(server.connect())
            client.handshakeClientCert(settings=settings, serverName="localhost")
            same(client.version, version, "the version")
            client.sendall(GET % b"/")
            data = b""
            while b"hello\n" not in data:
                piece = client.recv(4096)
                expect(piece, "the connection ends")
                data += bytes(piece)
            if version == (3, 4):
                for request in (0, 1, 1, 0):
                    for _ in client.send_keyupdate_request(request):
                        pass
                    client.sendall(GET % b"/")
                    data = b""
                    while b"hello\n" not in data:
                        data += bytes(client.recv(4096))
            client.close()


@case
def without_takeover(s: Surroundings) -> None:
    """tls_takeover off: the SSL object stays, and everything is the same."""
    with s.server("tls_takeover=off") as server:
        connection = s.connect(server, s.context(ssl.TLSVersion.TLSv1_3))
        same(ask(connection), b"hello\n", "the body")
        expect(ask(connection, b"/big") == BIG, "a MiB is not what was sent")
        connection.unwrap().close()
        member = SClient(s, server, "-tls1_3")
        member.until(SHAKEN)
        member.type(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        member.until(BEEP)
        for letter in (b"K\n", b"k\n"):
            member.type(letter)
            member.until(b"KEYUPDATE")
            member.until(BEEP)
            member.until(BEEP)
        member.end()
