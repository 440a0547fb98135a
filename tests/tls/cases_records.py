"""Records after the handshake, one by one: KeyUpdates, cuts, and what no client may send. See records.py."""

import socket
import struct
import time
from typing import Iterator, Tuple

from harness import GET, LONG, Server, Surroundings, Wrong, case, expect, same
from records import (ALERT, BAD_RECORD_MAC, CCS, CIPHERS, CLOSE_NOTIFY, DATA, DECODE_ERROR, FATAL, HANDSHAKE,
                     ILLEGAL_PARAMETER, RECORD_OVERFLOW, UNEXPECTED_MESSAGE, UPDATE, UPDATE_REQUESTED, Records)

SSE = b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n"
ECHO = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"
BEEP = b"data: beep\n\n"


def echo_socket(server: Server, cipher: str = "aes128gcm") -> Records:
    client = Records(server, cipher)
    client.send(ECHO)
    client.send(b"first")
    client.until(b"first")
    return client


def sse_member(server: Server, cipher: str = "aes128gcm") -> Records:
    client = Records(server, cipher)
    client.send(SSE)
    client.until(BEEP)
    return client


def states(server: Server, cipher: str = "aes128gcm") -> Iterator[Tuple[str, Records]]:
    """A connection in each state that a record can meet."""
    client = Records(server, cipher)
    client.get()
    yield "kept alive", client
    yield "an SSE member", sse_member(server, cipher)
    yield "an echo socket", echo_socket(server, cipher)


@case
def each_cipher(s: Surroundings) -> None:
    with s.server() as server:
        for cipher in CIPHERS:
            client = Records(server, cipher)
            client.get()
            client.get()
            expect(client.tickets >= 1, "no NewSessionTicket has come")
            member = sse_member(server, cipher)
            member.until(BEEP)


@case
def key_update_not_requested(s: Surroundings) -> None:
    """The client's next keys; the server keeps its own."""
    with s.server() as server:
        for cipher in CIPHERS:
            member, echo = sse_member(server, cipher), echo_socket(server, cipher)
            for i in range(3):
                member.update_keys()
                member.until(BEEP)
                member.until(BEEP)
                echo.send(b"before %d" % i)
                echo.update_keys()
                echo.send(b"after %d" % i)
                echo.until(b"before %d" % i)
                echo.until(b"after %d" % i)
            same(member.updates + echo.updates, [], "the server's KeyUpdates")


@case
def key_update_requested(s: Surroundings) -> None:
    """The server answers with its own before any further data, and asks for none."""
    with s.server() as server:
        for cipher in CIPHERS:
            for title, client in states(server, cipher):
                for i in range(1, 4):
                    client.update_keys(requested=True)
                    if title == "an echo socket":
                        client.send(b"after %d" % i)
                        client.until(b"after %d" % i)
                    elif title == "kept alive":
                        client.get()
                    else:
                        client.until(BEEP)
                        client.until(BEEP)
                    same(client.updates, [0] * i, f"{title}: the server's KeyUpdates")


@case
def many_key_updates(s: Surroundings) -> None:
    """Each is answered, or several by one; data in between arrives, and the connection costs the others nothing."""
    count = 1000 if LONG else 200
    with s.server() as server:
        client = echo_socket(server)
        for i in range(count):
            client.update_keys(requested=i % 2 == 0)
            client.send(b"<%d>" % i)
            if i % 20 == 0:
                client.until(b"<%d>" % i)
        client.until(b"<%d>" % (count - 1))
        expect(1 <= len(client.updates) <= count // 2, f"the server has sent {len(client.updates)} KeyUpdates")
        same(set(client.updates), {0}, "what the server's KeyUpdates ask for")


@case
def key_updates_and_nothing_else(s: Surroundings) -> None:
    """A flood of them is bounded: the connection may end, the server serves others meanwhile."""
    with s.server() as server:
        client = Records(server)
        client.get()
        batch = b""
        for _ in range(2000 if LONG else 500):
            batch += client.record(UPDATE_REQUESTED, HANDSHAKE)
            client.write.update()
        client.socket.sendall(batch)
        Records(server).get()


@case
def key_update_in_pieces(s: Surroundings) -> None:
    """A message may be split into records, and two may share one, if the keys do not change between (RFC 8446 5.1)."""
    with s.server() as server:
        client = echo_socket(server)
        for byte in UPDATE:
            client.send(bytes([byte]), HANDSHAKE)
        client.write.update()
        client.send(b"split")
        client.until(b"split")
        for title, client in states(server):
            client.send(UPDATE + UPDATE, HANDSHAKE)  # the second is under keys that have ended
            client.refused(UNEXPECTED_MESSAGE)


@case
def key_update_malformed(s: Surroundings) -> None:
    with s.server() as server:
        for message, alerts in ((b"\x18\0\0\1\2", (ILLEGAL_PARAMETER,)),
                                (b"\x18\0\0\2\0\0", (DECODE_ERROR, UNEXPECTED_MESSAGE)),
                                (b"\x18\0\0\0", (DECODE_ERROR, UNEXPECTED_MESSAGE)),
                                (b"\x18\xff\xff\xff\0", (DECODE_ERROR, UNEXPECTED_MESSAGE))):
            for title, client in states(server):
                client.send(message, HANDSHAKE)
                level, alert = client.end()
                same(level, FATAL, f"{title}, {message!r}: the level of the alert")
                expect(alert in alerts, f"{title}, {message!r}: the alert is {alert}, must be one of {alerts}")


@case
def other_handshake_messages(s: Surroundings) -> None:
    """No server gets these after the handshake, a CertificateRequest's answer and a second ClientHello neither."""
    with s.server() as server:
        for kind in (0, 1, 4, 11, 15, 20, 254):
            for title, client in states(server):
                client.send(bytes([kind]) + b"\0\0\4abcd", HANDSHAKE)
                client.refused(UNEXPECTED_MESSAGE)


@case
def empty_handshake_record(s: Surroundings) -> None:
    with s.server() as server:
        for title, client in states(server):
            client.send(b"", HANDSHAKE)
            client.refused(UNEXPECTED_MESSAGE)


@case
def cut_at_every_byte(s: Surroundings) -> None:
    """The server sees the two parts of each record apart, in each state."""
    with s.server() as server:
        for title, client in states(server, "aes128gcm"):
            for at in range(1, 40):
                if title == "kept alive":
                    record = client.record(GET % b"/")
                    client.socket.sendall(record[:at])
                    time.sleep(0.001)  # so that they are two segments; with one the test is only weaker
                    client.socket.sendall(record[at:])
                    client.until(b"hello\n")
                elif title == "an echo socket":
                    record = client.record(b"cut at %02d;" % at)
                    client.socket.sendall(record[:at])
                    time.sleep(0.001)
                    client.socket.sendall(record[at:])
                    client.until(b"cut at %02d;" % at)
                else:
                    record = client.record(UPDATE_REQUESTED, HANDSHAKE)
                    client.write.update()
                    at = at % (len(record) - 1) + 1
                    client.socket.sendall(record[:at])
                    time.sleep(0.001)
                    client.socket.sendall(record[at:])
            client_alive(title, client)


def client_alive(title: str, client: Records) -> None:
    if title == "kept alive":
        client.get()
    elif title == "an echo socket":
        client.send(b"alive?")
        client.until(b"alive?")
    else:
        client.until(BEEP)
        client.until(BEEP)


@case
def many_records_in_one_segment(s: Surroundings) -> None:
    with s.server() as server:
        client = Records(server)
        head = GET % b"/"
        client.socket.sendall(b"".join(client.record(bytes([byte])) for byte in head * 3))
        for _ in range(3):
            client.until(b"hello\n")
        client = echo_socket(server)
        client.socket.sendall(b"".join(client.record(b"<%d>" % i, padding=i) for i in range(100)))
        client.until(b"<99>")


@case
def largest_record(s: Surroundings) -> None:
    """2^14 bytes, all of it data or nearly all of it padding."""
    with s.server() as server:
        client = echo_socket(server)
        client.send(b"x" * 16383 + b"!")
        client.until(b"!")
        client.send(b"?", padding=16383)
        client.until(b"?")


@case
def record_overflow(s: Surroundings) -> None:
    with s.server() as server:
        for title, client in states(server):
            client.send(b"x" * 16385)
            client.refused(RECORD_OVERFLOW)
        for title, client in states(server):
            client.send(b"x", padding=16384)
            client.refused(RECORD_OVERFLOW)
        for title, client in states(server):  # by its header alone
            client.socket.sendall(struct.pack("!BHH", DATA, 0x303, 16384 + 257))
            client.refused(RECORD_OVERFLOW)


@case
def wrong_tag(s: Surroundings) -> None:
    with s.server() as server:
        for cipher in CIPHERS:
            for title, client in states(server, cipher):
                record = bytearray(client.record(b"data"))
                record[-1] ^= 1
                client.socket.sendall(bytes(record))
                client.refused(BAD_RECORD_MAC)
        same(server.line("/echo closed"), "/echo closed HIJACK_EPROTOCOL", "what the program is told")


@case
def wrong_key_or_number(s: Surroundings) -> None:
    """A record again, out of order, or under the keys before a KeyUpdate."""
    with s.server() as server:
        for title, client in states(server):
            record = client.record(b" ")
            client.socket.sendall(record + record)
            client.refused(BAD_RECORD_MAC)
        for title, client in states(server):
            client.record(b"never sent")
            client.send(b" ")
            client.refused(BAD_RECORD_MAC)
        for title, client in states(server):
            client.send(UPDATE, HANDSHAKE)
            client.send(b" ")
            client.refused(BAD_RECORD_MAC)


@case
def too_short(s: Surroundings) -> None:
    with s.server() as server:
        for length in (0, 1, 15, 16):
            for title, client in states(server):
                client.socket.sendall(struct.pack("!BHH", DATA, 0x303, length) + bytes(length))
                client.refused(BAD_RECORD_MAC)


@case
def padding_alone(s: Surroundings) -> None:
    with s.server() as server:
        for length in (1, 100):
            for title, client in states(server):
                client.socket.sendall(client.write.seal(bytes(length)))
                client.refused(UNEXPECTED_MESSAGE)


@case
def in_clear(s: Surroundings) -> None:
    """change_cipher_spec is only taken during a handshake; alerts and data in clear never (RFC 8446 section 5)."""
    with s.server() as server:
        for record in (struct.pack("!BHHB", CCS, 0x303, 1, 1), struct.pack("!BHHBB", ALERT, 0x303, 2, 1, 0),
                       struct.pack("!BHH", HANDSHAKE, 0x303, 5) + UPDATE, b"GET / HTTP/1.1\r\n\r\n"):
            for title, client in states(server):
                client.socket.sendall(record)
                client.refused(UNEXPECTED_MESSAGE)


@case
def unknown_inner_type(s: Surroundings) -> None:
    with s.server() as server:
        for kind in (CCS, 24, 1, 255):
            for title, client in states(server):
                client.send(b"\1", kind)
                client.refused(UNEXPECTED_MESSAGE)


@case
def empty_records(s: Surroundings) -> None:
    """A few are legal (RFC 8446 section 5.1). A flood of them ends the connection."""
    with s.server() as server:
        client = echo_socket(server)
        for _ in range(5):
            client.send(b"")
            client.send(b"-")
        for _ in range(5):
            client.until(b"-")
        for title, client in states(server):
            ended = False
            for _ in range(100):
                try:
                    client.socket.sendall(b"".join(client.record(b"") for _ in range(50)))
                except (BrokenPipeError, ConnectionResetError):
                    ended = True
                    break
            if not ended:
                ended = ends(client)
            expect(ended, f"{title}: 5,000 empty records do not end the connection")


def ends(client: Records) -> bool:
    try:
        client.refused(UNEXPECTED_MESSAGE)
    except Wrong as wrong:
        return "reset" in str(wrong)
    return True


@case
def fatal_alert_from_peer(s: Surroundings) -> None:
    with s.server() as server:
        for level, description in ((FATAL, BAD_RECORD_MAC), (FATAL, 40), (1, 40), (FATAL, 255)):
            for title, client in states(server):
                client.send(bytes([level, description]), ALERT)
                gone(title, client)
            line = server.line("/echo closed")
            expect(line != "/echo closed 0", f"the program is told: {line}")


def gone(title: str, client: Records) -> None:
    """The connection ends, with data that was under way and close_notify, or without them."""
    try:
        while client.next() is not None:
            pass
    except Wrong as wrong:
        expect("reset" in str(wrong), f"{title}: {wrong}")


@case
def malformed_alert(s: Surroundings) -> None:
    with s.server() as server:
        for alert in (b"\1", b"\1\0\0", b"\1\0\1\0", b""):
            for title, client in states(server):
                client.send(alert, ALERT)
                level, description = client.end()
                same(level, FATAL, f"{title}, {alert!r}: the level of the answer")
                expect(description in (UNEXPECTED_MESSAGE, DECODE_ERROR),
                       f"{title}, {alert!r}: the answer is {description}")


@case
def user_canceled_then_close_notify(s: Surroundings) -> None:
    """RFC 8446 section 6.1: user_canceled is followed by close_notify and says nothing by itself."""
    with s.server() as server:
        client = echo_socket(server)
        client.send(bytes([1, 90]), ALERT)
        client.send(b"still")
        client.until(b"still")
        client.send(bytes([1, CLOSE_NOTIFY]), ALERT)
        client.until(b"eof\n")
        same(client.end(), (1, CLOSE_NOTIFY), "the end")


@case
def half_close_of_the_client(s: Surroundings) -> None:
    """close_notify is EOF for the program, which may still write; its close sends close_notify."""
    with s.server() as server:
        for with_fin in (False, True):
            client = echo_socket(server)
            client.send(b"last")
            client.send(bytes([1, CLOSE_NOTIFY]), ALERT)
            if with_fin:
                client.socket.shutdown(socket.SHUT_WR)
            client.until(b"lasteof\n")
            same(client.end(), (1, CLOSE_NOTIFY), "the end")
            same(server.line("/echo eof"), "/echo eof", "the event")
            same(server.line("/echo closed"), "/echo closed 0", "the event")


@case
def data_after_close_notify(s: Surroundings) -> None:
    """It is ignored (RFC 8446 section 6.1)."""
    with s.server() as server:
        client = echo_socket(server)
        client.socket.sendall(client.record(bytes([1, CLOSE_NOTIFY]), ALERT) + client.record(b"late"))
        text = client.until(b"eof\n")
        expect(b"late" not in text, f"what followed close_notify came: {text!r}")


@case
def half_close_of_the_server(s: Surroundings) -> None:
    with s.server() as server:
        client = Records(server)
        client.send(b"GET /half HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.until(b"half")
        record = client.next()
        same((record.type, record.data), (ALERT, b"\1\0"), "what follows")
        client.send(b"still taken")
        client.send(bytes([1, CLOSE_NOTIFY]), ALERT)
        same(server.line("/half eof"), "/half eof", "the event")
        same(server.line("/half closed"), "/half closed 0", "the event")


@case
def truncated(s: Surroundings) -> None:
    """A FIN without close_notify is no clean end for the program."""
    with s.server() as server:
        for rest in (b"", b"\x17\3\3\0\x30half of a record"):
            client = echo_socket(server)
            client.socket.sendall(rest)
            client.socket.shutdown(socket.SHUT_WR)
            same(server.line("/echo"), "/echo closed HIJACK_ERESET", "what the program is told")
            gone("an echo socket", client)


@case
def closes_with_close_notify(s: Surroundings) -> None:
    with s.server() as server:
        client = Records(server)
        client.send(b"GET /close HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.until(b"last words")
        same(client.end(), (1, CLOSE_NOTIFY), "the end")
        client = Records(server)
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.until(b"hello\n")
        same(client.end(), (1, CLOSE_NOTIFY), "the end of a response")
        client = Records(server)
        client.send(b"NONSENSE\r\n\r\n")
        same(client.end(), (1, CLOSE_NOTIFY), "the end after a refusal")
        expect(client.text.startswith(b"HTTP/1.1 400"), f"the refusal is {client.text!r}")


@case
def abort_without_close_notify(s: Surroundings) -> None:
    with s.server() as server:
        client = Records(server)
        client.send(b"GET /abort HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            while True:
                record = client.next()
                expect(record is not None, "the connection ends as if in order")
                expect(record.type == HANDSHAKE, f"a record comes: {record}")
                client._handshake(record.data)
        except Wrong as wrong:
            expect("reset" in str(wrong), str(wrong))


@case
def paused_socket_answers_key_updates_when_read(s: Surroundings) -> None:
    """What a program has no credit for waits; a KeyUpdate behind it is answered once that is read."""
    with s.server() as server:
        client = Records(server)
        client.send(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n")
        for i in range(40):
            client.send(bytes([i]) * 10000)
            if i % 10 == 0:
                client.update_keys(requested=True)
        text = client.until(b"\n")
        while not text.endswith(b"\n") or b"\r\n\r\n" not in text:
            text += client.until(b"\n")
        text += b"" if text.split(b"\r\n\r\n", 1)[1] else client.until(b"\n")
        expect(b"400000 " in text, f"the answer is {text!r}")
        expect(1 <= len(client.updates) <= 4, f"the server has sent {len(client.updates)} KeyUpdates")
