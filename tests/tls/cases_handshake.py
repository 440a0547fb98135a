"""Handshakes: cut anywhere, with data behind the last message, never ended, and what is no handshake at all."""

import socket
import ssl
import struct
import time
from typing import Callable, List, Optional

from harness import GET, LONG, Server, Surroundings, case, expect, read_until, same


class Bytes:
    """Python's client over bytes that the case carries: flush() takes what it wants to send."""

    def __init__(self, s: Surroundings, server: Server, context: Optional[ssl.SSLContext] = None) -> None:
        self.socket = server.connect()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or s.context()).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def flush(self) -> bytes:
        return self.outgoing.read()

    def _retry(self, what: Callable[[], bytes], send: Callable[[bytes], None]) -> bytes:
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                if self.outgoing.pending:
                    send(self.flush())
                piece = self.socket.recv(65536)
                if piece:
                    self.incoming.write(piece)
                else:
                    self.incoming.write_eof()

    def handshake(self, send: Callable[[bytes], None]) -> None:
        """What is left to be sent afterwards is not: the client's Finished, for TLS 1.3."""
        self._retry(lambda: self.tls.do_handshake() or b"", send)

    def read(self, size: int) -> bytes:
        return self._retry(lambda: self.tls.read(size), self.socket.sendall)


@case
def handshake_byte_by_byte(s: Surroundings) -> None:
    with s.server() as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = Bytes(s, server, s.context(version))

            def dribble(data: bytes) -> None:
                for i in range(len(data)):
                    client.socket.sendall(data[i:i + 1])

            client.handshake(dribble)
            dribble(client.flush())
            client.tls.write(GET % b"/")
            dribble(client.flush())
            read_until(client.read, b"hello\n")


@case
def handshake_in_records_of_one_byte(s: Surroundings) -> None:
    """A ClientHello that is split by its records, as RFC 8446 section 5.1 allows."""
    def split(data: bytes, size: int) -> bytes:
        length = struct.unpack("!H", data[3:5])[0]
        message = data[5:5 + length]
        same(len(data), 5 + length, "the length of the ClientHello")
        return b"".join(data[:3] + struct.pack("!H", len(message[i:i + size])) + message[i:i + size]
                        for i in range(0, length, size))

    with s.server() as server:
        for size in (1, 2, 4, 5, 100):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                client = Bytes(s, server, s.context(version))
                first: List[bool] = []

                def send(data: bytes) -> None:
                    client.socket.sendall(data if first else split(data, size))
                    first.append(True)

                client.handshake(send)
                client.tls.write(GET % b"/")
                client.socket.sendall(client.flush())
                read_until(client.read, b"hello\n")


@case
def request_with_the_finished(s: Surroundings) -> None:
    """The client's Finished and requests in one segment, cut everywhere: nothing that OpenSSL has read is lost."""
    with s.server() as server:
        at = 0
        while True:
            client = Bytes(s, server, s.context(ssl.TLSVersion.TLSv1_3))
            client.handshake(client.socket.sendall)
            client.tls.write(GET % b"/")
            client.tls.write(GET % b"/")
            data = client.flush()
            cut = len(data) - at
            if cut < 0:
                break
            client.socket.sendall(data[:cut])
            if cut < len(data):
                time.sleep(0.003)  # so that the first part is read alone; without it the test is only weaker
                client.socket.sendall(data[cut:])
            text = read_until(client.read, b"hello\n")
            if text.count(b"hello\n") < 2:
                read_until(client.read, b"hello\n")
            client.socket.close()
            at += 1 if LONG else 7


def ends_in_time(connection: socket.socket, title: str) -> bytes:
    """What comes before the server ends the connection."""
    data = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
    except ConnectionResetError:
        return data
    except socket.timeout:
        expect(False, f"{title}: the connection stays open")
    finally:
        connection.close()
    return data


def client_hello(s: Surroundings, version: Optional[ssl.TLSVersion] = None) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = s.context(version).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


@case
def no_tls_at_all(s: Surroundings) -> None:
    """Plain HTTP is told so; after that, an HTTP/2 preface or noise the connection ends, and others are served."""
    with s.server() as server:
        noise = bytes((i * 167 + 13) % 256 for i in range(4096))
        for data in (GET % b"/", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", noise, b"\n", b"\x80\x2e\1\0\2" + bytes(43),
                     b"\x15\3\1\0\2\1\0", b"\x16\3\1\0\0", b"\x16\3\1\xff\xff", b"\x16\3\1\0\4\2\0\0\0",
                     b"\x17\3\3\0\x20" + bytes(32), b"\x14\3\3\0\1\1"):
            connection = server.connect()
            connection.sendall(data)
            answer = ends_in_time(connection, repr(data[:20]))
            if data[:1].isalpha():
                expect(answer.startswith(b"HTTP/1.1 400 "), f"the answer to plain HTTP is {answer!r}")
            else:
                expect(len(answer) < 100 and b"HTTP" not in answer, f"the answer to {data[:20]!r} is {answer!r}")
        s.connect(server).close()


@case
def huge_client_hello(s: Surroundings) -> None:
    """One that promises 16 MB is refused by its length; nothing collects it."""
    with s.server("tls_handshake_timeout_ms=60000") as server:
        connection = server.connect()
        record = b"\x16\3\1\x40\0" + b"\1\xff\xff\xff" + bytes(16380)
        try:
            for _ in range(100):
                connection.sendall(record)
        except (BrokenPipeError, ConnectionResetError):
            pass
        ends_in_time(connection, "a ClientHello of 16 MB")
        s.connect(server).close()


@case
def handshake_timeout(s: Surroundings) -> None:
    """Silent clients, and such as stop at each message, end; slow bytes do not give them more time."""
    with s.server("tls_handshake_timeout_ms=400") as server:
        hello = client_hello(s, ssl.TLSVersion.TLSv1_3)
        hello12 = client_hello(s, ssl.TLSVersion.TLSv1_2)
        begin = time.monotonic()
        silent = [server.connect() for _ in range(4)]
        for connection, data in zip(silent, (b"", hello[:1], hello[:-1], hello)):
            connection.sendall(data)
        silent.append(server.connect())
        silent[-1].sendall(hello12)
        slow = server.connect()
        slow.settimeout(0.02)
        ended = False
        for i in range(200):
            try:
                slow.sendall(hello[i:i + 1])
                ended = slow.recv(65536) == b""
            except socket.timeout:
                continue
            except (BrokenPipeError, ConnectionResetError):
                ended = True
            if ended:
                break
        took = time.monotonic() - begin
        expect(ended, "a client that sends a byte now and then stays")
        expect(0.3 <= took < 3, f"it ends after {took:.2f} s, must be about 0.4 s")
        for i, connection in enumerate(silent):
            ends_in_time(connection, f"silent client {i}")
        expect(time.monotonic() - begin < 4, "the silent clients end late")
        same(server.command("stat tls_failed"), "6", "how many have completed no handshake")
        s.connect(server).close()


@case
def handshake_done_in_time_stays(s: Surroundings) -> None:
    with s.server("tls_handshake_timeout_ms=300") as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            connection = s.connect(server, s.context(version))
            connection.sendall(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
            end = time.monotonic() + 0.8
            while time.monotonic() < end:
                expect(connection.recv(4096), "the member is closed")
            connection.close()


@case
def reset_within_the_handshake(s: Surroundings) -> None:
    with s.server() as server:
        hello = client_hello(s)
        for data in (b"", hello[:3], hello[:100], hello):
            for _ in range(10):
                connection = server.connect()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(data)
                connection.close()
        s.connect(server).close()


@case
def versions_and_ciphers(s: Surroundings) -> None:
    """TLS 1.2 is the least, or what tls_min_version says; no cipher without forward secrecy, none with CBC."""
    def refused(server: Server, context: ssl.SSLContext, title: str) -> None:
        try:
            s.connect(server, context).close()
        except (ssl.SSLError, ConnectionResetError):
            return
        expect(False, f"{title} is accepted")

    with s.server(certificates="rsa") as server:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(s.path("authority", "pem"))
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        refused(server, old, "TLS 1.1")
        for cipher in ("AES128-GCM-SHA256", "AES256-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA"):
            context = s.context(ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher)
            refused(server, context, cipher)
        for cipher in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"):
            context = s.context(ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher)
            connection = s.connect(server, context)
            same(connection.cipher()[0], cipher, "the cipher")
            connection.close()
    with s.server("tls_min_version=1.3") as server:
        refused(server, s.context(ssl.TLSVersion.TLSv1_2), "TLS 1.2 with tls_min_version 1.3")
        s.connect(server, s.context(ssl.TLSVersion.TLSv1_3)).close()


@case
def no_record_over_the_limit(s: Surroundings) -> None:
    """Of a response of a MiB; and none so small that its headers and tags are much of it."""
    with s.server() as server:
        client = Bytes(s, server, s.context(ssl.TLSVersion.TLSv1_3))
        client.handshake(client.socket.sendall)
        client.tls.write(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.socket.sendall(client.flush())
        data = b""
        while True:
            piece = client.socket.recv(1 << 20)
            if not piece:
                break
            data += piece
        at = records = 0
        while at < len(data):
            length = struct.unpack("!H", data[at + 3:at + 5])[0]
            expect(length <= 16384 + 17, f"a record has {length} bytes")
            at += 5 + length
            records += 1
        same(at, len(data), "where the last record ends")
        expect(records < 200, f"a MiB takes {records} records")
