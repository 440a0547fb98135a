"""A TLS 1.3 client whose records after the handshake are written by hand, so that they can be wrong. The handshake and
the ciphers are tlslite-ng's."""

import socket
import struct
from typing import List, NamedTuple, Optional, Tuple

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.utils.cipherfactory import createAESGCM, createCHACHA20
from tlslite.utils.cryptomath import HKDF_expand_label

from harness import DEADLINE, Server, Wrong, expect, same

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
TICKET, KEY_UPDATE = 4, 24
CLOSE_NOTIFY, UNEXPECTED_MESSAGE, BAD_RECORD_MAC, RECORD_OVERFLOW = 0, 10, 20, 22
ILLEGAL_PARAMETER, DECODE_ERROR = 47, 50
FATAL = 2
UPDATE = b"\x18\0\0\1\0"
UPDATE_REQUESTED = b"\x18\0\0\1\1"
CIPHERS = {"aes128gcm": (16, "sha256"), "aes256gcm": (32, "sha384"), "chacha20-poly1305": (32, "sha256")}


class Keys:
    """One direction."""

    def __init__(self, secret: bytes, cipher: str) -> None:
        self.cipher = cipher
        self.secret = bytearray(secret)
        self._derive()

    def _expand(self, label: bytes, length: int) -> bytearray:
        return HKDF_expand_label(self.secret, bytearray(label), bytearray(), length, CIPHERS[self.cipher][1])

    def _derive(self) -> None:
        create = createCHACHA20 if self.cipher.startswith("chacha") else createAESGCM
        self.aead = create(self._expand(b"key", CIPHERS[self.cipher][0]))
        self.iv = self._expand(b"iv", 12)
        self.seq = 0

    def update(self) -> None:
        self.secret = self._expand(b"traffic upd", len(self.secret))
        self._derive()

    def _nonce(self) -> bytearray:
        nonce = bytearray(a ^ b for a, b in zip(self.iv, bytes(4) + struct.pack("!Q", self.seq)))
        self.seq += 1
        return nonce

    def seal(self, inner: bytes) -> bytes:
        header = bytearray(struct.pack("!BHH", DATA, 0x303, len(inner) + 16))
        return bytes(header + self.aead.seal(self._nonce(), bytearray(inner), header))

    def open(self, header: bytes, body: bytes) -> bytes:
        plain = self.aead.open(self._nonce(), bytearray(body), bytearray(header))
        if plain is None:
            raise Wrong("a record of the server cannot be opened")
        return bytes(plain)


class Record(NamedTuple):
    type: int
    data: bytes


class Records:
    """The connection. What was read stays in text until it is taken."""

    def __init__(self, server: Server, cipher: str = "aes128gcm") -> None:
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = (3, 4)
        settings.cipherNames = [cipher]
        settings.keyShares = ["x25519"]
        self.socket: socket.socket = server.connect()
        connection = TLSConnection(self.socket)
        connection.handshakeClientCert(settings=settings, serverName="localhost")
        self.data = bytes(connection.sock._read_buffer)
        self.write = Keys(connection.session.cl_app_secret, cipher)
        self.read = Keys(connection.session.sr_app_secret, cipher)
        self.text = b""
        self.tickets = 0
        self.updates: List[int] = []  # the server's, each with whether it asks for ours
        self.largest = 0  # bytes in one record of the server

    def record(self, data: bytes, kind: int = DATA, padding: int = 0) -> bytes:
        return self.write.seal(data + bytes([kind]) + bytes(padding))

    def send(self, data: bytes, kind: int = DATA, padding: int = 0) -> None:
        self.socket.sendall(self.record(data, kind, padding))

    def update_keys(self, requested: bool = False) -> None:
        self.send(UPDATE_REQUESTED if requested else UPDATE, HANDSHAKE)
        self.write.update()

    def _fill(self, length: int) -> bool:
        while len(self.data) < length:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                raise Wrong("the server has reset the connection") from None
            except socket.timeout:
                raise Wrong(f"nothing comes within {DEADLINE} s; so far there is {self.text[-200:]!r}") from None
            if not piece:
                expect(not self.data, "the server has ended within a record")
                return False
            self.data += piece
        return True

    def next(self) -> Optional[Record]:
        """The next record, opened, or None at the server's FIN."""
        if not self._fill(5):
            return None
        header = self.data[:5]
        same(header[:3], b"\x17\3\3", "the beginning of a record")
        length = struct.unpack("!H", header[3:])[0]
        expect(self._fill(5 + length), "the server has ended within a record")
        inner = self.read.open(header, self.data[5:5 + length]).rstrip(b"\0")
        self.data = self.data[5 + length:]
        self.largest = max(self.largest, len(inner) - 1)
        return Record(inner[-1], inner[:-1])

    def _handshake(self, data: bytes) -> None:
        while data:
            length = int.from_bytes(data[1:4], "big")
            if data[0] == TICKET:
                self.tickets += 1
            elif data[0] == KEY_UPDATE:
                same(len(data), 5, "the length of the server's KeyUpdate and what follows in its record")
                self.updates.append(data[4])
                self.read.update()
            else:
                raise Wrong(f"a handshake message of type {data[0]} comes")
            data = data[4 + length:]

    def until(self, mark: bytes) -> bytes:
        """Reads until mark has come, and takes everything up to its end."""
        while mark not in self.text:
            record = self.next()
            expect(record is not None, f"the connection ends before {mark!r}, after {self.text[-200:]!r}")
            if record.type == DATA:
                self.text += record.data
            elif record.type == HANDSHAKE:
                self._handshake(record.data)
            else:
                raise Wrong(f"a record of type {record.type} comes: {record.data!r}")
        before, self.text = self.text.split(mark, 1)
        return before + mark

    def end(self) -> Tuple[int, int]:
        """Reads up to the server's alert, which must be the last record before its FIN."""
        while True:
            record = self.next()
            expect(record is not None, "the server has ended without an alert")
            if record.type == ALERT:
                break
            if record.type == HANDSHAKE:
                self._handshake(record.data)
            else:
                self.text += record.data
        same(len(record.data), 2, "the length of the alert")
        try:
            expect(self.next() is None, "something follows the alert")
        except Wrong as wrong:
            if record.data[0] != FATAL or "reset" not in str(wrong):
                raise
        self.socket.close()
        return record.data[0], record.data[1]

    def refused(self, alert: int) -> None:
        """The server ends the connection with this fatal alert."""
        same(self.end(), (FATAL, alert), "the server's alert (level, description)")

    def get(self, path: bytes = b"/") -> bytes:
        self.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        return self.until(b"hello\n") if path == b"/" else b""
