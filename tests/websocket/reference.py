"""An echo server for WebSocket in Python alone, right in every case of the suite; with the name of a fault it is wrong
in that one way. check_harness.py runs the harness against it. Usage: reference.py PORT [FAULT]

TLS_CERT and TLS_KEY in the environment make it speak https, as the demos do."""

import asyncio
import base64
import codecs
import hashlib
import os
import socket
import ssl
import struct
import sys
import zlib

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
TAIL = b"\0\0\xff\xff"
MESSAGE_BYTES = 64 << 20

FAULTS = ("no-compression", "pong-payload", "no-pong", "late-utf8", "any-rsv", "any-opcode", "binary", "cut",
          "close-code", "context-kept", "wide-window", "accept", "masked", "long-length", "lingers", "after-close",
          "reset", "extension", "compressed-bit", "no-close-notify", "interleaved", "crash", "deaf", "path")
FAULT = ""


class Failed(Exception):
    """The close code with which the connection is failed."""


class Deflate:
    """permessage-deflate as one connection agreed on it."""

    def __init__(self, fresh: bool, bits: int, client_fresh: bool) -> None:
        self.fresh, self.bits, self.client_fresh = fresh, bits, client_fresh
        self.out, self.into = self._compressor(), zlib.decompressobj(-15)

    def _compressor(self):
        return zlib.compressobj(1, zlib.DEFLATED, -(15 if FAULT == "wide-window" else self.bits))

    def compress(self, data: bytes) -> bytes:
        if self.fresh and FAULT != "context-kept":
            self.out = self._compressor()
        return (self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def decompress(self, data: bytes, last: bool) -> bytes:
        try:
            data = self.into.decompress(data + (TAIL if last else b""))
        except zlib.error:
            raise Failed(1007) from None
        if last and self.client_fresh:
            self.into = zlib.decompressobj(-15)
        return data


def agree(offers: str) -> "tuple[str, Deflate | None]":
    """The extension line of the answer, and what it means; the first offer is as good as any."""
    if FAULT == "no-compression":
        return "", None
    name, *parameters = [part.strip() for part in offers.split(",")[0].split(";")]
    if name != "permessage-deflate":
        return ("permessage-deflate", None) if FAULT == "extension" else ("", None)
    given = dict(part.partition("=")[::2] for part in parameters)
    answer, bits = name, 15
    if "server_no_context_takeover" in given:
        answer += "; server_no_context_takeover"
    fresh = "client_no_context_takeover" in given and "server_no_context_takeover" in given
    if fresh:  # gorilla/websocket insists on both
        answer += "; client_no_context_takeover"
    if "server_max_window_bits" in given:
        bits = int(given["server_max_window_bits"])
        answer += f"; server_max_window_bits={bits}"
    # zlib cannot write raw streams for a window of 8 bits; one of 9 takes them.
    return answer, Deflate("server_no_context_takeover" in given, max(bits, 9), fresh)


class Connection(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.open = self.closed = False
        self.deflate = None
        self.opcode = None  # of the message that is being read
        self.frame = None  # opcode, fin, bytes left, mask, offset: of the frame that is being read

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        try:
            if not self.open and not self.handshake():
                return
            while not self.closed and self.step():
                pass
        except Failed as failed:
            self.close(failed.args[0])
        if self.closed:
            self.buffer.clear()

    def handshake(self) -> bool:
        head, mark, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not mark:
            return False
        fields = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        self.buffer = bytearray(rest)
        self.open = True
        if FAULT == "path" and not head.startswith(b"GET /echo "):
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()
            return False
        key = fields["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + (b"" if FAULT == "accept" else GUID)).digest()).decode()
        extension, self.deflate = agree(fields.get("sec-websocket-extensions", ""))
        self.transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nServer: reference\r\n"
            f"{'Sec-WebSocket-Extensions: ' + extension + chr(13) + chr(10) if extension else ''}\r\n".encode())
        return True

    def step(self) -> bool:
        """Takes a head, or what is there of a payload. Whether there may be more to take."""
        if self.frame is None:
            return self.take_head()
        opcode, fin, left, mask, offset = self.frame
        if opcode >= CLOSE and len(self.buffer) < left:
            return False
        piece = bytes(self.buffer[:left])
        del self.buffer[:left]
        if piece:
            size = len(piece)
            turned = ((mask[offset % 4:] + mask[:offset % 4]) * (size // 4 + 1))[:size]
            piece = (int.from_bytes(piece, "big") ^ int.from_bytes(turned, "big")).to_bytes(size, "big")
        left -= len(piece)
        self.frame = None if left == 0 else (opcode, fin, left, mask, offset + len(piece))
        if opcode >= CLOSE:
            self.control(opcode, piece)
        else:
            self.data(piece, fin and left == 0)
        return left == 0

    def take_head(self) -> bool:
        if len(self.buffer) < 2:
            return False
        first, second = self.buffer[:2]
        fin, rsv, opcode, size, at = first & 0x80, first & 0x70, first & 15, second & 127, 2
        compressed = rsv == 0x40 and opcode in (TEXT, BINARY) and self.deflate is not None
        if (rsv and not compressed and FAULT != "any-rsv") or not second & 0x80:
            raise Failed(1002)
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            if FAULT != "any-opcode":
                raise Failed(1002)
        elif opcode >= CLOSE:
            if not fin or size > 125:
                raise Failed(1002)
        elif (opcode == CONTINUATION) == (self.opcode is None):
            raise Failed(1002)
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(self.buffer) < at:
                return False
            size = int.from_bytes(self.buffer[2:at], "big")
        if size > MESSAGE_BYTES:
            raise Failed(1009)
        if len(self.buffer) < at + 4:
            return False
        mask = bytes(self.buffer[at:at + 4])
        del self.buffer[:at + 4]
        if opcode in (TEXT, BINARY):
            self.opcode, self.compressed, self.parts = opcode, compressed, []
            self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.frame = (opcode, bool(fin), size, mask, 0)
        return True

    def data(self, piece: bytes, last: bool) -> None:
        if self.compressed:
            piece = self.deflate.decompress(piece, last)
        self.parts.append(piece)
        if self.opcode == TEXT and (last or FAULT != "late-utf8"):
            try:
                self.utf8.decode(b"".join(self.parts) if FAULT == "late-utf8" else piece, last)
            except UnicodeDecodeError:
                raise Failed(1007) from None
        if last:
            opcode, self.opcode = self.opcode, None
            self.message(opcode, b"".join(self.parts))

    def message(self, opcode: int, data: bytes) -> None:
        if FAULT == "crash" and len(data) == 65535:
            os._exit(3)
        if FAULT == "deaf" and len(data) == 65535:
            return
        if FAULT == "binary":
            opcode = BINARY
        if FAULT == "cut" and len(data) > 125:
            data = data[:-1]
        rsv = 0
        if self.deflate is not None and len(data) > 16:  # others would grow
            data, rsv = self.deflate.compress(data), 0x40
        elif FAULT == "compressed-bit":
            rsv = 0x40
        if FAULT == "interleaved" and len(data) > 125:
            self.send(opcode, data[:9], fin=0)
            return self.send(opcode, data[9:])
        self.send(opcode, data, rsv)

    def control(self, opcode: int, data: bytes) -> None:
        if opcode == PING and FAULT != "no-pong":
            self.send(PONG, data[::-1] if FAULT == "pong-payload" else data)
        if opcode != CLOSE:
            return
        if not data:
            return self.close(None)
        code = int.from_bytes(data[:2], "big")
        try:
            data[2:].decode()
        except UnicodeDecodeError:
            raise Failed(1007) from None
        if len(data) < 2 or not (1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code < 5000):
            raise Failed(1002)
        self.close(1002 if FAULT == "close-code" else code, data[2:])

    def send(self, opcode: int, data: bytes, rsv: int = 0, fin: int = 0x80) -> None:
        size = len(data)
        masked = 0x80 if FAULT == "masked" else 0
        if size < 126 and not (FAULT == "long-length" and opcode < CLOSE):
            head = struct.pack("!BB", fin | rsv | opcode, masked | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", fin | rsv | opcode, masked | 126, size)
        else:
            head = struct.pack("!BBQ", fin | rsv | opcode, masked | 127, size)
        self.transport.write(head + (b"\0\0\0\0" if masked else b"") + data)

    def close(self, code: "int | None", reason: bytes = b"") -> None:
        self.closed = True
        self.send(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)
        if FAULT == "after-close":
            self.send(PING, b"")
        if FAULT == "lingers":
            return
        if FAULT == "reset":
            plain = self.transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if FAULT == "no-close-notify":
            asyncio.get_running_loop().call_later(0.05, self.transport.abort)
        elif FAULT != "reset" and self.transport.can_write_eof():
            # What has not been read would make a reset of the end, which may take the last frames with it.
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(2, self.transport.close)
        else:
            self.transport.close()

    def eof_received(self) -> bool:
        return False


async def serve(port: int) -> None:
    context = None
    if os.environ.get("TLS_CERT"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, ssl=context)
    print(f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[2:]:
        FAULT = sys.argv[2]
        if FAULT not in FAULTS:
            sys.exit(f"The fault {FAULT!r} is unknown; expected one of {', '.join(FAULTS)}.")
    asyncio.run(serve(int(sys.argv[1])))
