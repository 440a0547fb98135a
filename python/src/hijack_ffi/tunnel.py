"""The client of a tunnel: TCP connections through a tunnel server of libhijack, over http, https, or an HTTP proxy.

    python3 -m hijack_ffi.tunnel -L 5432:db.internal:5432 https://example.org/tunnel
    ssh -o ProxyCommand='python3 -m hijack_ffi.tunnel -W %h:%p https://example.org/tunnel' example.org

It needs the standard library alone, and works as a file without the package: python3 tunnel.py -L ... URL. A token
comes from --token or, which other users of the machine cannot see, from the variable TUNNEL_TOKEN; a proxy from --proxy
or the variables http_proxy, https_proxy and no_proxy. A certificate is always verified.

One thread for each direction of a connection. The carrier is a WebSocket with the subprotocol purr: bytes are binary
messages, an empty message ends its direction, and the code 1011 means that the other side was reset. The Go client,
hijack-tunnel, has other carriers too, and is faster."""

import argparse
import base64
import hashlib
import os
import queue
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

PIECE = 65536
PATIENCE = 30  # seconds for the server's answer; it tries its target for 10
SILENCE = 20  # seconds after which a ping goes out: proxies close what is silent for a minute
HEAD_MAX = 65536
CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, INTERNAL_ERROR = 1000, 1001, 1002, 1011
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER


class TunnelError(OSError):
    """A tunnel that cannot be opened, or was cut off."""


class Local:
    """The near end: a connection of this machine."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.writing = False

    def read(self) -> bytes:
        return self.sock.recv(PIECE)

    def write(self, data: bytes) -> None:
        self.writing = True
        self.sock.sendall(data)
        self.writing = False

    def finish(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def wait(self) -> None:
        pass

    def close(self) -> None:
        self.sock.close()

    def abort(self) -> None:
        """Resets it, and wakes the threads that wait for it. To end its sending side would look like a graceful end,
        except if that waits behind bytes that the peer does not take."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.sock.shutdown(socket.SHUT_RDWR if self.writing else socket.SHUT_RD)
        except OSError:
            pass
        self.sock.close()


class Stdio:
    """The near end: standard input and output."""

    def read(self) -> bytes:
        return os.read(0, PIECE)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    def finish(self) -> None:
        os.close(1)

    def wait(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Encrypted:
    """TLS over a connection. One lock for the object of OpenSSL, which two threads must not use at the same time, and
    nobody waits for the network with it; another keeps the records in their order."""

    def __init__(self, wire: "Wire", context: ssl.SSLContext, name: str) -> None:
        self.wire = wire
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.lock, self.sending = threading.Lock(), threading.Lock()
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
        self._push()

    def recv(self, size: int) -> bytes:
        while True:
            with self.lock:
                try:
                    return self.tls.read(size)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            self._push()
            self._pull()

    def sendall(self, data: bytes) -> None:
        with self.lock:
            self.tls.write(data)
        self._push()

    def _push(self) -> None:
        with self.sending:
            with self.lock:
                data = self.outgoing.read()
            if data:
                self.wire.sendall(data)

    def _pull(self) -> None:
        data = self.wire.recv(PIECE)
        with self.lock:
            if data:
                self.incoming.write(data)
            else:
                self.incoming.write_eof()  # the next read reports that this is not a graceful end


Wire = Union[socket.socket, Encrypted]


class WebSocket:
    """The far end. One thread reads, any may write."""

    def __init__(self, sock: socket.socket, wire: Wire, unread: bytes) -> None:
        self.sock, self.wire = sock, wire  # sock is below wire, or the same
        self.unread = bytearray(unread)
        self.left = 0  # bytes of the frame that are not read yet
        self.within = False  # a message goes on in the next frame
        self.empty = False  # it has had no byte yet
        self.lock = threading.Lock()
        self.closed = False  # our close frame is written
        self.pongs: "queue.SimpleQueue[Optional[bytes]]" = queue.SimpleQueue()  # to send; None: no more
        threading.Thread(target=self._answer_pings, daemon=True).start()

    def read(self) -> bytes:
        """Bytes; none when the server's direction has ended."""
        while self.left == 0:
            if self._next():
                return b""
        if not self.unread:
            self._more()
        data = bytes(self.unread[: min(self.left, PIECE)])
        del self.unread[: len(data)]
        self.left -= len(data)
        return data

    def write(self, data: bytes) -> None:
        self._send(BINARY, data)

    def finish(self) -> None:
        self._send(BINARY, b"")

    def wait(self) -> None:
        """Answers pings while our direction goes on, until the close frame."""
        while not self.closed:
            self._next()
            if self.left:
                raise self._wrong("bytes after the end")

    def close(self) -> None:
        self.pongs.put(None)
        self.sock.close()

    def abort(self) -> None:
        """A reset would not pass through a proxy; the code does."""
        self.pongs.put(None)
        try:
            self.sock.settimeout(1)
            self._send(CLOSE, struct.pack("!H", INTERNAL_ERROR))
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def _answer_pings(self) -> None:
        """In a thread of its own: the reader must never wait for the writer, or a target that stops reading until its
        own bytes are taken would wait for ever. Sends pings too."""
        while True:
            opcode: int = PONG
            data: Optional[bytes] = b""
            try:
                data = self.pongs.get(timeout=SILENCE)
            except queue.Empty:
                opcode = PING
            if data is None:
                return
            try:
                self._send(opcode, data)
            except OSError:
                return

    def _more(self) -> None:
        data = self.wire.recv(PIECE)
        if not data:
            raise TunnelError("the server has ended the connection without a close frame")
        self.unread += data

    def _exactly(self, count: int) -> bytes:
        while len(self.unread) < count:
            self._more()
        data = bytes(self.unread[:count])
        del self.unread[:count]
        return data

    def _next(self) -> bool:
        """Reads the head of a frame, and a control frame as a whole; whether the server's direction ends with it."""
        first, size = self._exactly(2)
        opcode, final = first & 15, first >= 0x80
        if first & 0x70 or size >= 0x80:
            raise self._wrong("reserved bits, or a mask")
        if opcode >= CLOSE:
            return self._control(opcode, final, size)
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        if opcode > BINARY or (opcode == CONTINUATION) != self.within or size >> 63:
            raise self._wrong("a frame that does not belong here")
        self.empty = (self.empty or not self.within) and size == 0
        self.within, self.left = not final, size
        return final and self.empty

    def _control(self, opcode: int, final: bool, size: int) -> bool:
        if not final or size > 125 or opcode > PONG:
            raise self._wrong("a control frame in pieces, too long, or unknown")
        data = self._exactly(size)
        if opcode == PING:
            self.pongs.put(data)
        if opcode != CLOSE:
            return False
        self._send(CLOSE, data[:2])
        code = int.from_bytes(data[:2], "big") if len(data) >= 2 else NORMAL
        if code not in (NORMAL, GOING_AWAY):
            raise TunnelError(f"{code} {data[2:].decode(errors='replace')}")
        return True

    def _wrong(self, what: str) -> TunnelError:
        self._send(CLOSE, struct.pack("!H", PROTOCOL_ERROR))
        return TunnelError(f"the server sends {what}")

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            length = bytes([0x80 | size])
        else:
            length = struct.pack("!BH", 0xFE, size) if size < 65536 else struct.pack("!BQ", 0xFF, size)
        mask = os.urandom(4)
        frame = bytes([0x80 | opcode]) + length + mask + masked(data, mask)
        with self.lock:
            if self.closed and opcode != CLOSE:
                raise TunnelError("the WebSocket is closed")
            if not self.closed:
                self.closed = opcode == CLOSE
                self.wire.sendall(frame)


End = Union[Local, Stdio, WebSocket]


def masked(data: bytes, mask: bytes) -> bytes:
    """As RFC 6455 section 5.3; an XOR of two large integers is one step for Python."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


class Server(NamedTuple):
    """Where tunnels are opened."""

    url: urllib.parse.SplitResult
    token: Optional[str]
    proxy: Optional[urllib.parse.SplitResult]
    tls: ssl.SSLContext

    def dial(self, target: str) -> WebSocket:
        """The far end of a tunnel to host:port."""
        first = self.proxy or self.url
        sock = socket.create_connection(address(first), PATIENCE)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = self._encrypted(sock, first)
            if self.proxy:
                self._pass_proxy(wire)
                wire = self._encrypted(wire, self.url)
            unread = self._open(wire, target)
            sock.settimeout(None)
            return WebSocket(sock, wire, unread)
        except BaseException:
            sock.close()
            raise

    def _encrypted(self, wire: Wire, url: urllib.parse.SplitResult) -> Wire:
        return Encrypted(wire, self.tls, url.hostname or "") if url.scheme == "https" else wire

    def _pass_proxy(self, wire: Wire) -> None:
        assert self.proxy
        host = "{}:{}".format(*bracketed(address(self.url)))
        headers = [f"Host: {host}"]
        if self.proxy.username is not None:
            both = f"{urllib.parse.unquote(self.proxy.username)}:{urllib.parse.unquote(self.proxy.password or '')}"
            headers.append("Proxy-Authorization: Basic " + base64.b64encode(both.encode()).decode())
        status, fields, rest = ask(wire, f"CONNECT {host}", headers)
        if not status.startswith("2"):
            raise refusal(f"the proxy {self.proxy.hostname}", wire, status, fields, rest)

    def _open(self, wire: Wire, target: str) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        query = urllib.parse.parse_qsl(self.url.query) + [("target", target)]
        headers = [
            f"Host: {self.url.netloc.rpartition('@')[2]}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Protocol: purr",
        ]
        if self.token:
            headers.append(f"Authorization: Bearer {self.token}")
        path = self.url.path if self.url.path not in ("", "/") else "/tunnel"
        status, fields, rest = ask(wire, f"GET {path}?{urllib.parse.urlencode(query)}", headers)
        if not status.startswith("101"):
            raise refusal(self.url.netloc, wire, status, fields, rest)
        # What RFC 6455 section 4.2.2 makes of a key.
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if fields.get("sec-websocket-accept") != base64.b64encode(accept).decode():
            raise TunnelError(f"{self.url.netloc}: the answer to the handshake is not a WebSocket's")
        if fields.get("sec-websocket-protocol") != "purr":
            raise TunnelError(f"{self.url.netloc}: a WebSocket, and not a tunnel: it lacks the subprotocol purr")
        return rest


def address(url: urllib.parse.SplitResult) -> Tuple[str, int]:
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def bracketed(where: Tuple[str, int]) -> Tuple[str, int]:
    host, port = where
    return f"[{host}]" if ":" in host else host, port


def ask(wire: Wire, request: str, headers: List[str]) -> Tuple[str, Dict[str, str], bytes]:
    """Sends a request without a body. Returns the status with its phrase, the fields, and what follows the head."""
    lines = [f"{request} HTTP/1.1", *headers, "", ""]
    if any(set(line) & {"\r", "\n"} for line in lines) or len(request.split(" ")) != 2:
        raise TunnelError("a line end or a space in the target, the token or the URL")
    wire.sendall("\r\n".join(lines).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = wire.recv(PIECE)
        if not more or len(data) > HEAD_MAX:
            raise TunnelError("no response of HTTP came")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in fields)
    return first.partition(" ")[2], {name.lower(): value.strip() for name, _, value in pairs}, rest


def refusal(who: str, wire: Wire, status: str, fields: Dict[str, str], rest: bytes) -> TunnelError:
    """What an answer contains that opens no tunnel."""
    reason = ""
    length = fields.get("content-length", "")
    if fields.get("content-type", "").startswith("text/plain") and length.isdigit():
        while len(rest) < min(int(length), 1000):
            more = wire.recv(PIECE)
            if not more:
                break
            rest += more
        reason = rest[:1000].decode(errors="replace").strip()
    return TunnelError(f"{who} answers {status}. {reason}")


def join(near: End, far: End) -> None:
    """Carries bytes both ways until both have ended; raises if one side has died, which the other one is told."""
    results: "queue.SimpleQueue[Optional[Exception]]" = queue.SimpleQueue()

    def carry(source: End, to: End) -> None:
        try:
            while True:
                data = source.read()
                if not data:
                    break
                to.write(data)
            to.finish()
            source.wait()  # closing earlier could cost bytes that are still on their way there
            results.put(None)
        except Exception as error:
            results.put(error)

    for ends in ((near, far), (far, near)):
        threading.Thread(target=carry, args=ends, daemon=True).start()
    error = results.get() or results.get()
    if error is None:
        near.close()
        far.close()
        return
    far.abort()  # before the near end, whose reader takes its own abort for a graceful end
    near.abort()
    raise error


def carry_connection(server: Server, near: Local, target: str) -> None:
    try:
        far = server.dial(target)
    except OSError as error:
        print(f"tunnel: {target}: {error}", file=sys.stderr, flush=True)
        near.abort()
        return
    try:
        join(near, far)
    except OSError:
        pass  # both sides know


def serve(server: Server, listener: socket.socket, target: str) -> None:
    while True:
        try:
            sock = listener.accept()[0]
        except OSError:  # no descriptor is left, or the client has gone already
            time.sleep(0.1)
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=carry_connection, args=(server, Local(sock), target), daemon=True).start()


def forward(text: str) -> Tuple[str, int, str]:
    """[bind:]port:host:port as the address to listen on and the target; addresses of IPv6 are in brackets."""
    fields, depth = [""], 0
    for char in text:
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == ":" and depth == 0:
            fields.append("")
        else:
            fields[-1] += char
    if len(fields) == 3:
        fields.insert(0, "127.0.0.1")
    if len(fields) != 4 or not all(fields[1:]) or not fields[1].isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected [bind:]port:host:port")
    return fields[0].strip("[]"), int(fields[1]), f"{fields[2]}:{fields[3]}"


def http_url(text: str) -> urllib.parse.SplitResult:
    url = urllib.parse.urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise argparse.ArgumentTypeError(f"{text!r}: expected http://HOST or https://HOST")
    return url


def proxy_of(url: urllib.parse.SplitResult) -> Optional[urllib.parse.SplitResult]:
    """What the variables of the environment name for this URL."""
    host = url.hostname or ""
    proxy = urllib.request.getproxies().get(url.scheme)
    local = host == "localhost" or host.startswith("127.") or host == "::1"
    return http_url(proxy) if proxy and not local and not urllib.request.proxy_bypass(host) else None


def options_of(words: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("hijack_ffi.tunnel", description="TCP connections through a tunnel server.")
    parser.add_argument("-L", dest="local", metavar="[bind:]port:host:port", action="append", default=[], type=forward,
                        help="listens here and connects there; may be given several times")  # fmt: skip
    parser.add_argument("-W", dest="stdio", metavar="host:port", help="carries standard input and output")
    parser.add_argument("--token", default=os.environ.get("TUNNEL_TOKEN"), help="better in TUNNEL_TOKEN")
    parser.add_argument("--proxy", type=http_url, help="URL of an HTTP proxy; default: http_proxy, https_proxy")
    parser.add_argument("--cacert", help="file with the authorities that sign the server's certificate")
    parser.add_argument("url", type=http_url, help="of the server; its path is /tunnel if it has none")
    options = parser.parse_args(words)
    if bool(options.local) == bool(options.stdio):
        parser.error("expected -L or -W")
    return options


def main(words: Optional[List[str]] = None) -> None:
    options = options_of(words)
    try:
        proxy = options.proxy or proxy_of(options.url)
        server = Server(options.url, options.token, proxy, ssl.create_default_context(cafile=options.cacert))
        if options.stdio:
            join(Stdio(), server.dial(options.stdio))
            return
        for bind, port, target in options.local:
            family = socket.AF_INET6 if ":" in bind else socket.AF_INET
            listener = socket.create_server((bind, port), family=family, backlog=128)
            host, port = bracketed(listener.getsockname()[:2])
            print(f"{host}:{port} -> {target}", flush=True)
            threading.Thread(target=serve, args=(server, listener, target), daemon=True).start()
        threading.Event().wait()
    except (OSError, argparse.ArgumentTypeError) as error:
        sys.exit(f"tunnel: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
