"""What kosoku does not look at in what a server sends: the answer to the handshake, and each frame's form. kosoku takes
any 101 for an answer, ignores masks, reserved bits and unknown opcodes, and leaves when the Close frame is there."""

import base64
import codecs
import hashlib
import os
import re
import zlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
TAIL = b"\0\0\xff\xff"  # of each message, left out on the wire
CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}  # that may be in a Close frame


class Wrong(Exception):
    """What is wrong, in a sentence."""


def fields_of(head: bytes) -> "dict[str, list[str]]":
    """The header fields of a head by their names in lower case, each with all its values."""
    fields = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Wrong(f"the answer has a line that is not a header field: {line!r}")
            fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    return fields


def request(head: bytes, port: int) -> "tuple[bytes, str]":
    """kosoku's request with a key of its own, instead of the one that it always sends; and the answer's accept."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = re.sub(rb"(?m)^(Sec-WebSocket-Key: )[^\r]*", b"\\g<1>" + key.encode(), head)
    head = re.sub(rb"(?m)^(Host: )[^\r]*", b"\\g<1>127.0.0.1:%d" % port, head)
    return head, base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def tokens(values: "list[str]") -> "list[str]":
    return [token.strip().lower() for value in values for token in value.split(",")]


def check_answer(head: bytes, accept: str, offers: str) -> "dict[str, str] | None":
    """The answer to the handshake. The parameters of compression, if it is agreed."""
    if not head.startswith(b"HTTP/1.1 101 "):
        raise Wrong(f"the handshake is answered with {head.partition(bytes((13,)))[0]!r}, must be HTTP/1.1 101")
    fields = fields_of(head)
    if tokens(fields.get("upgrade", [])) != ["websocket"]:
        raise Wrong(f"the field Upgrade is {fields.get('upgrade')}, must be websocket")
    if "upgrade" not in tokens(fields.get("connection", [])):
        raise Wrong(f"the field Connection is {fields.get('connection')}, must name Upgrade")
    if fields.get("sec-websocket-accept") != [accept]:
        raise Wrong(f"the field Sec-WebSocket-Accept is {fields.get('sec-websocket-accept')}, must be {accept}")
    for name in ("sec-websocket-protocol", "content-length", "transfer-encoding"):
        if name in fields:
            raise Wrong(f"the answer has the field {name}, which must not be there")
    agreed = fields.get("sec-websocket-extensions", [])
    if not agreed:
        return None
    if not any(permits(offer, ", ".join(agreed)) for offer in offers.split(",") if offer):
        raise Wrong(f"the extensions are {agreed}, but the client offered {offers or 'none'}")
    return parameters_of(agreed[0])


def parameters_of(extension: str) -> "dict[str, str]":
    name, *parts = [part.strip() for part in extension.split(";")]
    if name != "permessage-deflate" or len({part.partition("=")[0] for part in parts}) != len(parts):
        return {"": extension}
    return {part.partition("=")[0].strip(): part.partition("=")[2].strip(' "') for part in parts}


def permits(offer: str, agreed: str) -> bool:
    """Whether this answer is one to this offer: RFC 7692, section 7.1."""
    offered, answer = parameters_of(offer), parameters_of(agreed)
    for name, value in answer.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value:
                return False
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            limit = offered.get(name, "15" if name.startswith("server") else "7") or "15"
            if not re.fullmatch("8|9|1[0-5]", value) or int(value) > int(limit):
                return False
        else:
            return False
    return all(name in answer for name in ("server_no_context_takeover", "server_max_window_bits") if name in offered)


class Frames:
    """The frames of a server, in pieces of any size. Payloads are looked at as they come and not kept."""

    def __init__(self, compression: "dict[str, str] | None") -> None:
        self.compressed = compression is not None
        # kosoku inflates with the largest window, whatever was agreed.
        self.bits = int((compression or {}).get("server_max_window_bits", 15))
        self.fresh = "server_no_context_takeover" in (compression or {})
        self.inflater = zlib.decompressobj(-self.bits)
        self.buffer = b""
        self.left = 0  # bytes of the present payload that have not come
        self.opcode = -1  # of the present frame
        self.fin = True
        self.message = None  # opcode of the message that is not complete
        self.packed = False  # whether that message is compressed
        self.closed = self.broken = False

    def feed(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        at, end = 0, len(data)
        while at < end:
            if self.left == 0:
                taken = self.head(data, at)
                at += taken
                if taken == 0:
                    break
                if self.left == 0:
                    self.payload(b"")
                continue
            size = min(self.left, end - at)
            if self.opcode >= CLOSE and size < self.left:  # whole or not at all
                break
            self.left -= size
            self.payload(data[at:at + size])
            at += size
        self.buffer = data[at:]

    def payload(self, piece: bytes) -> None:
        """The next bytes of the present frame's payload; called for an empty one too."""
        if self.opcode >= CLOSE:
            return self.control(piece)
        if self.message == TEXT and not self.packed:
            self.text(piece)
        last = self.left == 0 and self.fin
        if self.packed and self.bits < 15:
            self.inflate(piece + TAIL if last else piece, last)
        if last:
            self.message = None

    def text(self, piece: bytes) -> None:
        try:
            self.utf8.decode(piece, self.fin and self.left == 0)
        except UnicodeDecodeError as error:
            raise Wrong(f"a text message is not UTF-8: {error}") from None

    def inflate(self, piece: bytes, last: bool) -> None:
        """With a window of the size that was agreed. What one call makes counts as window too, so that is little."""
        try:
            for at in range(0, len(piece), 64):
                some = piece[at:at + 64]
                while some:
                    self.inflater.decompress(some, 256)
                    some = self.inflater.unconsumed_tail
        except zlib.error as error:
            raise Wrong(f"a compressed message does not suit a window of {self.bits} bits: {error}") from None
        if last and self.fresh:
            self.inflater = zlib.decompressobj(-self.bits)

    def head(self, data: bytes, at: int) -> int:
        """Takes the head that is at this place: its size, or 0 if it is not complete."""
        if self.closed:
            raise Wrong(f"{len(data) - at} bytes came after the Close frame")
        if len(data) - at < 2:
            return 0
        first, second = data[at], data[at + 1]
        size, taken = second & 127, 2
        if size >= 126:
            taken = 4 if size == 126 else 10
            if len(data) - at < taken:
                return 0
            size = int.from_bytes(data[at + 2:at + taken], "big")
            if size < (126 if taken == 4 else 1 << 16) or size >= 1 << 63:
                raise Wrong(f"the length {size} is written in {taken - 2} bytes")
        if second & 0x80:
            raise Wrong("a frame of the server is masked")
        self.begin(first & 15, bool(first & 0x80), first & 0x70, size)
        return taken

    def begin(self, opcode: int, fin: bool, rsv: int, size: int) -> None:
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Wrong(f"a frame has the unknown opcode {opcode}")
        if rsv and not (rsv == 0x40 and self.compressed and opcode in (TEXT, BINARY)):
            raise Wrong(f"the reserved bits of a frame with opcode {opcode} are {rsv >> 4:03b}")
        self.opcode, self.left = opcode, size
        if opcode >= CLOSE:
            if not fin or size > 125:
                raise Wrong(f"a control frame has {size} bytes and is {'whole' if fin else 'a fragment'}")
            return
        if (opcode == CONTINUATION) == (self.message is None):
            raise Wrong("a continuation frame has nothing to continue" if opcode == CONTINUATION else
                        "a message begins before the last one is complete")
        if opcode != CONTINUATION:
            self.message, self.packed = opcode, rsv == 0x40
            self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.fin = fin

    def control(self, payload: bytes) -> None:
        if self.opcode != CLOSE:
            return
        self.closed = True
        if len(payload) == 1 or payload and int.from_bytes(payload[:2], "big") not in CODES:
            raise Wrong(f"a Close frame has the payload {payload!r}")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise Wrong(f"the reason of a Close frame is not UTF-8: {payload!r}") from None


def is_close(tail: bytes) -> bool:
    """Whether what a client sent ends with a Close frame with a valid code, or one without a code. Its frames are not
    parsed, since they may be wrong on purpose; by chance this is true once in 10,000 connections."""
    for size in (0, *range(2, 126)):
        at = len(tail) - 6 - size
        if at < 0:
            return False
        if tail[at] == 0x88 and tail[at + 1] == 0x80 | size:
            mask = tail[at + 2:at + 6]
            if size == 0 or (tail[at + 6] ^ mask[0]) << 8 | tail[at + 7] ^ mask[1] in CODES:
                return True
    return False
