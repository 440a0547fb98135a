"""Requests and their bodies over HTTP/2, frame by frame: what libraries do not send, or only sometimes. Usage:
run_frames.py path-of-server [--sanitized] [name ...]

Each case has a connection of its own. A case that ends in RST_STREAM must leave the connection usable."""

import subprocess
import sys
import time

import attacks
from attacks import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, POST, RST_STREAM, Peer, frame, head
from server_process import Server

NO_ERROR, PROTOCOL, FLOW_CONTROL, REFUSED_STREAM = 0, 1, 3, 7
OPTIONS = {"case_streams": ["http2_streams", "2"], "case_slow": ["request_timeout_ms", "300"],
           "case_leaves_unread": ["send_buffer_bytes", "4096"]}
MIB = 1 << 20
UPLOAD_BYTES = 200 * MIB
PEAK_KB = 12 << 10  # over what it had before
HELD_BYTES = 2000  # 5,300 with what libh2o keeps
PATTERN = bytes(range(251)) * 600


def pattern(offset: int, size: int) -> bytes:
    start = offset % 251
    return PATTERN[start:start + size]


def field(name: str, value: str, indexed: bool = False) -> bytes:
    """A literal, which goes into the table if it is indexed."""
    return (b"\x40" if indexed else b"\0") + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def begin(peer: Peer, stream: int, path: str, fields: bytes = b"", flags: int = END_HEADERS):
    peer.pour(frame(HEADERS, flags, stream, head(path, POST) + fields))


def answer(peer: Peer, stream: int) -> bytes:
    assert peer.until(lambda: stream in peer.done or stream in peer.resets), f"no answer to {stream}: {vars(peer)}"
    assert stream in peer.done, f"stream {stream} was reset: {peer.resets[stream]}"
    return bytes(peer.bodies.get(stream, b""))


def reset_code(peer: Peer, stream: int) -> int:
    assert peer.until(lambda: stream in peer.resets), f"no RST_STREAM of {stream}: {vars(peer)}"
    return peer.resets[stream]


def still_works(peer: Peer, stream: int):
    peer.pour(attacks.get(stream))
    assert answer(peer, stream) == b"hello\n"


def send_body(peer: Peer, stream: int, total: int, piece: int = 16384):
    """Within the windows that the server gives."""
    sent = 0
    while sent < total:
        room = min(peer.windows.get(0, 65535), peer.windows.get(stream, 65536)) - sent
        size = min(piece, total - sent, room)
        if size <= 0:
            assert peer.until(lambda: min(peer.windows.get(0, 65535), peer.windows.get(stream, 65536)) > sent), \
                f"{stream} waits at {sent} of {total}: {peer.windows}, {peer.resets}, {peer.goaway}, {peer.ended}"
            continue
        sent += size
        peer.pour(frame(DATA, END_STREAM if sent == total else 0, stream, pattern(sent - size, size)))


def case_pieces(server):
    peer = Peer(server.port)
    begin(peer, 1, "/upload")
    send_body(peer, 1, 300000, 1000)
    assert answer(peer, 1) == b"300000 "
    begin(peer, 3, "/upload", field("content-length", "5"))
    peer.pour(frame(DATA, PADDED, 3, b"\x03" + pattern(0, 5) + bytes(3)) + frame(DATA, END_STREAM, 3))
    assert answer(peer, 3) == b"5 "
    still_works(peer, 5)


def case_whole(server):
    peer = Peer(server.port, attacks.initial_window(1 << 20) + attacks.window_update(0, 1 << 20))
    for stream, fields in ((1, b""), (3, field("content-length", "200000"))):
        begin(peer, stream, "/", fields)
        send_body(peer, stream, 200000)
        assert answer(peer, stream) == b"".join(pattern(i, 251) for i in range(0, 200000, 251))[:200000]
    begin(peer, 5, "/")
    peer.pour(frame(DATA, END_STREAM, 5))
    assert answer(peer, 5) == b""
    still_works(peer, 7)


def case_trailers(server):
    """They reach the program, with a length too, and what they put into the table is there afterwards."""
    for fields in (b"", field("content-length", "4")):
        peer = Peer(server.port)
        begin(peer, 1, "/upload", fields)
        peer.pour(frame(DATA, 0, 1, pattern(0, 4)) +
                  frame(HEADERS, END_STREAM | END_HEADERS, 1, field("x-sum", "abc", True)))
        assert answer(peer, 1) == b"4 x-sum: abc\r\n", answer(peer, 1)
        # in pieces, after a body that is whole; the field comes out of the table
        begin(peer, 3, "/upload")
        peer.pour(frame(DATA, 0, 3, pattern(0, 2)) + frame(HEADERS, END_STREAM, 3, b"") +
                  frame(CONTINUATION, 0, 3, field("x-two", "2")[:4]) + frame(CONTINUATION, 0, 3, b"") +
                  frame(CONTINUATION, END_HEADERS, 3, field("x-two", "2")[4:] + b"\xbe"))
        assert answer(peer, 3) == b"2 x-two: 2\r\nx-sum: abc\r\n", answer(peer, 3)
        still_works(peer, 5)


def case_bad_trailers(server):
    for fields in (field("x-bad", "a\rb"), field("x-bad", "a\nb"), field("x bad", "a"), b"".join(
            field(f"x-{i}", "a") for i in range(101))):
        peer = Peer(server.port)
        begin(peer, 1, "/upload")
        peer.pour(frame(DATA, 0, 1, pattern(0, 4)) + frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
        assert reset_code(peer, 1) == PROTOCOL
        still_works(peer, 3)
    for flags, fields in ((END_HEADERS, field("x-a", "b")), (END_STREAM | END_HEADERS, field(":path", "/"))):
        peer = Peer(server.port)
        begin(peer, 1, "/upload")
        peer.pour(frame(HEADERS, flags, 1, fields))
        assert peer.finish()["goaway"] == PROTOCOL


def case_length(server):
    """Content-Length and what comes differ: more, fewer, and with trailers."""
    peer = Peer(server.port)
    for stream, path in ((1, "/upload"), (7, "/"), (13, "/early")):
        for i, rest in enumerate((frame(DATA, 0, stream, pattern(0, 6)),
                                  frame(DATA, END_STREAM, stream + 2, pattern(0, 4)),
                                  frame(DATA, 0, stream + 4, pattern(0, 4)) +
                                  frame(HEADERS, END_STREAM | END_HEADERS, stream + 4, field("x-a", "b")))):
            begin(peer, stream + 2 * i, path, field("content-length", "5"))
            if path == "/early":
                assert answer(peer, stream + 2 * i) == b"early\n"
            peer.pour(rest)
            assert reset_code(peer, stream + 2 * i) == PROTOCOL
            peer.pour(frame(DATA, 0, stream + 2 * i, pattern(0, 100)))  # was on its way
    still_works(peer, 19)
    begin(peer, 21, "/", field("content-length", "5"), END_HEADERS | END_STREAM)
    assert reset_code(peer, 21) == PROTOCOL
    assert not any(peer.resets[stream] != PROTOCOL for stream in peer.resets)


def case_window(server):
    """More than the window is not taken; a body that nobody reads does not stop the others."""
    peer = Peer(server.port)
    for stream in range(1, 181, 2):
        begin(peer, stream, "/unread")
    for stream in range(1, 181, 2):
        peer.pour(frame(DATA, 0, stream, pattern(0, 16384)))
    begin(peer, 181, "/upload")
    send_body(peer, 181, 200000)
    assert answer(peer, 181) == b"200000 "
    peer = Peer(server.port)
    server.process.send_signal(19)  # stopped: nothing is given back
    try:
        begin(peer, 1, "/upload")
        peer.pour(b"".join(frame(DATA, 0, 1, pattern(i * 16384, 16384)) for i in range(8)))
    finally:
        server.process.send_signal(18)
    assert reset_code(peer, 1) == FLOW_CONTROL
    still_works(peer, 3)


def case_early(server):
    """The answer comes before the body has ended, and the rest is read all the same."""
    peer = Peer(server.port)
    begin(peer, 1, "/early")
    assert answer(peer, 1) == b"early\n"
    send_body(peer, 1, 200000)
    still_works(peer, 3)
    assert not peer.resets


def case_left(server):
    """A body that the program does not read is thrown away, and stopped after a while; so are many of them."""
    peer = Peer(server.port)
    begin(peer, 1, "/leave")
    assert answer(peer, 1) == b"early\n"
    peer.pour(frame(DATA, END_STREAM, 1, pattern(0, 1000)))
    still_works(peer, 3)
    begin(peer, 51, "/leave")  # it sends nothing
    assert answer(peer, 51) == b"early\n" and reset_code(peer, 51) == NO_ERROR
    peer = Peer(server.port)
    begin(peer, 5, "/leave")
    for i in range(100):
        if 5 in peer.resets:
            break
        assert peer.until(lambda: peer.windows.get(5, 65536) > i * 16384 + 16384 or 5 in peer.resets)
        peer.pour(frame(DATA, 0, 5, pattern(i * 16384, 16384)))
    assert reset_code(peer, 5) == NO_ERROR
    for stream in range(7, 47, 2):
        begin(peer, stream, "/leave")
        assert answer(peer, stream) == b"early\n"
    assert peer.until(lambda: len(peer.resets) >= 15), peer.resets
    still_works(peer, 47)


def case_too_long(server):
    """413 before the first byte, with a length; else once it is too long. What was on its way does no harm."""
    peer = Peer(server.port)
    begin(peer, 1, "/", field("content-length", "1048577"))
    assert b"max_body_bytes" in answer(peer, 1)
    peer.pour(frame(DATA, 0, 1, pattern(0, 16384)))
    begin(peer, 3, "/")
    for i in range(100):
        if 3 in peer.done:
            break
        assert peer.until(lambda: peer.windows.get(3, 65536) > i * 16384 + 16384 or 3 in peer.done)
        peer.pour(frame(DATA, 0, 3, pattern(i * 16384, 16384)))
    assert b"max_body_bytes" in answer(peer, 3)
    still_works(peer, 5)


def case_reset(server):
    """The client gives up, with a body on its way, also after an early answer."""
    peer = Peer(server.port)
    for stream, path in ((1, "/upload"), (3, "/early"), (5, "/"), (7, "/leave")):
        begin(peer, stream, path)
        peer.pour(frame(DATA, 0, stream, pattern(0, 5000)))
        if stream in (3, 7):
            answer(peer, stream)
        peer.pour(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
    still_works(peer, 9)


def case_goes_away(server):
    """The connection ends with bodies open in every state."""
    for reset in (False, True):
        peer = Peer(server.port)
        for stream, path in ((1, "/upload"), (3, "/early"), (5, "/"), (7, "/leave")):
            begin(peer, stream, path)
            peer.pour(frame(DATA, 0, stream, pattern(0, 5000)))
        answer(peer, 3)
        if reset:
            peer.socket.setsockopt(attacks.socket.SOL_SOCKET, attacks.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.socket.close()
    still_works(Peer(server.port), 1)


def case_leaves_unread(server):
    """The client ends its half when the kernel has just taken all of an answer and has room for nothing more: not for
    close_notify, for which nobody waits."""
    watcher = Peer(server.port)
    peers = []
    for _ in range(40):
        peers.append(Peer(server.port, attacks.initial_window(1 << 20) + attacks.window_update(0, 1 << 20)))
    stream = 1
    for round in range(2):
        for i, peer in enumerate(peers):
            peer.pour(attacks.get(2 * round + 1, f"/big?{i * 1500 if round else 60000}"), reads=False)
        still_works(watcher, stream)
        still_works(watcher, stream + 2)
        stream += 4
    for peer in peers:
        peer.socket.shutdown(attacks.socket.SHUT_WR)
    end = time.monotonic() + attacks.LIMIT_SECONDS
    while True:
        watcher.pour(attacks.get(stream, "/connections"))
        left = answer(watcher, stream)
        if left == b"1":
            break
        assert time.monotonic() < end, f"{left} connections have not ended"
        time.sleep(0.05)
        stream += 2


def case_continue(server):
    peer = Peer(server.port)
    begin(peer, 1, "/upload", field("expect", "100-continue"))
    assert peer.until(lambda: peer.heads == 1)
    assert 1 not in peer.done
    peer.pour(frame(DATA, END_STREAM, 1, pattern(0, 10)))
    assert answer(peer, 1) == b"10 " and peer.heads == 2


def case_head(server):
    """Names and values that HTTP/1 would refuse, and no path."""
    peer = Peer(server.port)
    stream = 1
    for bad in (field("x bad", "a"), field("x:bad", "a"), field("x-bad", "a\rb"), field("x-bad", "a\nb"),
                field("x-bad", "a\0b"), field("x-bad", "\x7f")):
        peer.pour(frame(HEADERS, END_STREAM | END_HEADERS, stream, head() + bad))
        assert reset_code(peer, stream) == PROTOCOL, bad
        stream += 2
    for path in ("", "/a b", "/a\r\nb", "/a#b", "/\x7f"):
        peer.pour(attacks.get(stream, path))
        assert reset_code(peer, stream) == PROTOCOL, path
        stream += 2
    still_works(peer, stream)


def case_streams(server):
    """More streams than are allowed at once are refused, and the others go on."""
    peer = Peer(server.port)
    peer.pour(attacks.get(1, "/wait") + attacks.get(3, "/wait") + attacks.get(5))
    assert reset_code(peer, 5) == REFUSED_STREAM
    peer.pour(frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))
    still_works(peer, 7)


def case_slow(server):
    """A body that does not go on is answered 408, also beside a stream that is held; one that was answered is left."""
    peer = Peer(server.port)
    peer.pour(attacks.get(1, "/events"))
    for stream, path in ((3, "/"), (5, "/upload"), (7, "/early")):
        begin(peer, stream, path)
        peer.pour(frame(DATA, 0, stream, pattern(0, 10)))
    assert b"408" in answer(peer, 3) and b"408" in answer(peer, 5) and answer(peer, 7) == b"early\n"
    still_works(peer, 9)
    peer.socket.close()


def case_held(server):
    """A held stream keeps none of the memory that libh2o had for its request."""
    if "--sanitized" in sys.argv:
        return
    peers = []
    for count in (20, 100):
        while len(peers) < count:
            peers.append(Peer(server.port))
            peers[-1].pour(b"".join(attacks.get(stream, "/events") for stream in attacks.odd(90)))
        for peer in peers:
            assert peer.until(lambda: peer.heads == 90)
        if count == 20:
            before = server.resident_kb()
    each = (server.resident_kb() - before) * 1024 / (80 * 90)
    print(f"    {each:.0f} bytes a held stream, 90 on a connection")
    assert each <= HELD_BYTES
    peers[0].pour(attacks.get(301, "/publish?1"))
    for peer in peers:
        assert peer.until(lambda: b"a message" in peer.bodies.get(1, b"") and b"a message" in peer.bodies.get(179, b""))


def case_200_mb(server):
    if "--sanitized" in sys.argv:
        return
    before = server.peak_kb()
    start = time.monotonic()
    peer = Peer(server.port)
    begin(peer, 1, "/upload")
    send_body(peer, 1, UPLOAD_BYTES)
    assert answer(peer, 1) == b"%d " % UPLOAD_BYTES
    seconds, grown = time.monotonic() - start, server.peak_kb() - before
    print(f"    {UPLOAD_BYTES // MIB} MiB in {seconds:.2f} s, peak {server.peak_kb()} KB, {grown} KB more than before")
    assert grown <= PEAK_KB, f"{grown} KB"


def main() -> int:
    failed = 0
    only = [f"case_{name}" for name in sys.argv[2:] if name != "--sanitized"]
    for name, case in list(globals().items()):
        if not name.startswith("case_") or (only and name not in only):
            continue
        server = Server(sys.argv[1], OPTIONS.get(name, []))
        try:
            case(server)
            problem = ""
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            problem = repr(error)[:1000]
        problem = problem or server.stop()
        if server.process.poll() is None:
            server.process.kill()
        print(f"{name[5:]:16} {'failed: ' + problem if problem else 'passed'}", flush=True)
        failed += bool(problem)
    return 1 if failed else 0


sys.exit(main())
