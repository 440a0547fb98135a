"""Clients that do not read what the server sends, while something is asked of it."""

import concurrent.futures
import socket
import ssl
import time

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import CipherSuite
from tlslite.errors import TLSError
from tlslite.messages import ClientHello

from harness import DEADLINE, GET, LONG, Server, Surroundings, case, expect, same
from records import DATA, Records

BIG = 1 << 20


def take(client: Records, length: int) -> None:
    """That many bytes of data, and the KeyUpdates between them."""
    while length > 0:
        record = client.next()
        expect(record is not None, f"the connection ends {length} bytes too early")
        if record.type == DATA:
            length -= len(record.data)
        else:
            client._handshake(record.data)


@case
def key_update_requested_behind_a_record_in_parts(s: Surroundings) -> None:
    """The kernel has taken a part of a record when the request comes: the answer comes before the data after it."""
    answered = 0
    for room in (20000, 65536):
        with s.server(f"send_buffer_bytes={room}") as server:
            client = Records(server)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.send(GET % b"/big")
            client.until(b"\r\n\r\n")
            client.update_keys(requested=True)
            take(client, BIG - len(client.text))
            client.text = b""
            answered += len(client.updates)
            client.send(GET % b"/")
            client.until(b"hello\n")
            same(client.updates, [0], f"the server's KeyUpdates with a send buffer of {room} bytes")
    expect(answered != 0, "no KeyUpdate came before the end of the data")


def small_connection(server: Server, room: int = 4096) -> socket.socket:
    """One whose client can receive little."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    plain.settimeout(DEADLINE)
    plain.connect(("127.0.0.1", server.port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


@case
def answers_that_nobody_reads(s: Surroundings) -> None:
    """A client asks for a new handshake for ever, of which each one is refused, and reads nothing: it is cut off."""
    with s.server("send_buffer_bytes=4096") as server:
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = (3, 3)
        settings.cipherNames = ["aes128gcm"]
        # not smaller: a full buffer of 4 KiB also drops the acknowledgements, and then it is TCP that stops the client
        plain = small_connection(server, 65536)
        client = TLSConnection(plain)
        client.handshakeClientCert(settings=settings, serverName="localhost")
        client.send(GET % b"/echo")
        hello = ClientHello().create((3, 3), bytearray(32), bytearray(),
                                     [CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256])
        try:
            for _ in range(20000):
                for _ in client._sendMsg(hello):
                    pass
        except (ConnectionError, TLSError):
            pass
        same(server.line("/echo"), "/echo closed HIJACK_EPROTOCOL", "what the program is told")
        plain.close()


def read_later(s: Surroundings, server: Server, size: int) -> bool:
    """Gets a response of this size, which the kernel has to keep for a while; whether close_notify follows it."""
    with s.context().wrap_socket(small_connection(server), server_hostname="localhost",
                                 suppress_ragged_eofs=False) as client:
        client.sendall(b"GET /some/%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % size)
        time.sleep(0.1)
        try:
            while client.recv(65536):
                pass
        except ssl.SSLEOFError:
            return False
    return True


@case
def close_notify_behind_a_full_buffer(s: Surroundings) -> None:
    """A response of which the kernel takes the last byte, and not one more: close_notify waits, and comes. Which sizes
    do that depends on the kernel, so many are tried."""
    sizes = range(8000, 60000, 5) if LONG else range(18000, 23000, 11)
    with s.server("send_buffer_bytes=8192") as server, concurrent.futures.ThreadPoolExecutor(32) as threads:
        ends = threads.map(lambda size: (size, read_later(s, server, size)), sizes)
        same([size for size, ended in ends if not ended], [], "the sizes behind which close_notify is lost")
