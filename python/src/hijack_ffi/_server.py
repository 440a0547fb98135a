"""What a Server is in both faces."""

import os
import socket
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Dict, Generic, List, Optional, TypeVar, Union, cast

from ._adopt import Adoptable, adopt_request, hand_over, peername, unread_by
from ._broadcaster import Broadcaster
from ._constants import ERANGE, ESTATE, STAT_COUNT, Kind
from ._core import Core
from ._errors import WORDS, InvalidError, OutOfRangeError
from ._headers import Headers, header_block
from ._library import Data, Handle, ffi, kind_number, lib, name_of, octets
from ._options import Option
from ._tls import Certificate, Staple, name, pem, response

if TYPE_CHECKING:
    from ._request import RequestCore

SocketT = TypeVar("SocketT")
RequestT = TypeVar("RequestT", bound="RequestCore[Any, Any, Any]")
TEXT_SIZE = 4096
LONGEST_MS = 2**31 - 1


def _abandoned(core: Core) -> None:
    if core.process != os.getpid():
        return
    running = core.started and not core.over
    core.abandon()
    if running:
        warnings.warn("a hijack Server was dropped while it ran; stop it, or use a with block", ResourceWarning)


class ServerCore(Handle, Generic[SocketT, RequestT]):
    """Listens, accepts, and owns the threads that serve. Options are keywords, such as threads=2, heartbeat_ms=5000 or
    max_connections=100000: all those of scope "server" or "queue" in docs/reference/options.md."""

    def __init__(self, core: Core) -> None:
        self._core = core
        finalizer: Any = weakref.finalize(self, _abandoned, core)
        finalizer.atexit = False  # what still runs then is stopped by _core

    def __repr__(self) -> str:
        core = self._core
        state = "stopped" if core.over or core.server == ffi.NULL else "running" if core.started else "new"
        return f"<{name_of(self)} {state}>"

    def get(self, option: str) -> Union[int, str]:
        """The value of an option: an int, for sizes in bytes; text for those that are text."""
        found, key, out = Option.find(option, "server"), option.encode(), ffi.new("char[]", TEXT_SIZE)
        self._core.check(lib.hijack_server_get(out, TEXT_SIZE, self._core.server, key, len(key)), f"option {option}")
        text: str = ffi.string(out).decode()
        return int(text) if found.type in ("int", "size") else text

    def __getitem__(self, option: str) -> Union[int, str]:
        return self.get(option)

    def listen(
        self,
        address: Union[str, socket.socket],
        certfile: Optional[Certificate] = None,
        keyfile: Optional[Certificate] = None,
    ) -> int:
        """Adds an address to listen on, before the start, and binds it immediately: "127.0.0.1:8080", "[::1]:8080",
        "*:8080", "localhost:0" (any free port), "unix:/path" (its file has the rights of option unix_mode) or "fd:3",
        or a socket that listens already, of which it takes a copy. Returns the port, or 0 if the address has none.

        With certfile the listener speaks TLS; the two are given to certificate. "tls:" before an address is TLS with
        the certificates that the server has, or gets before the start.

        Raises AddressError (cannot be understood), OutOfRangeError (port), TooBigError (unix path over 107 bytes),
        NotFoundError (folder of a unix path), AddressNotAvailableError (not an address of this machine),
        AddressInUseError, AccessDeniedError or NotSocketError ("fd:" is not a listening socket)."""
        if isinstance(address, socket.socket):
            copy = os.dup(address.fileno())
            try:
                return self.listen(f"fd:{copy}", certfile, keyfile)
            except BaseException:
                os.close(copy)
                raise
        if not isinstance(address, str):
            raise TypeError(f"listen: expected text such as '127.0.0.1:8080', or a listening socket (got {address!r})")
        if certfile is not None:
            self.certificate(certfile, keyfile)
            address = address if address.startswith("tls:") else f"tls:{address}"
        elif keyfile is not None:
            raise InvalidError("listen: keyfile belongs to a certfile, and there is none")
        raw = address.encode()
        result = lib.hijack_server_listen(self._core.server, raw, len(raw))
        return self._core.check(result, f"listen {address}", WORDS["listen"], before=True)

    def certificate(
        self, certfile: Certificate, keyfile: Optional[Certificate] = None, staple: Optional[Staple] = None
    ) -> None:
        """Adds a certificate for the listeners that speak TLS, or replaces the one for the same names: later
        handshakes get the new one. So a reload is the same call again, also while the server runs. With several
        certificates a client gets the one for the name it asks for (SNI), or else the first.

        certfile, keyfile: the paths of PEM files, or PEM text; the server's own certificate comes first, and the key
        has no passphrase. Without keyfile the key is in certfile, as for ssl.SSLContext.load_cert_chain. staple: an
        OCSP response in DER, or the path of a file.

        Raises TLSError (cannot be used, or key and certificate do not belong together), NotFoundError,
        AccessDeniedError, TooBigError (a file) or NotSupportedError (the library was built without TLS)."""
        keyfile = certfile if keyfile is None else keyfile
        chain, key = pem(certfile), pem(keyfile)
        result = lib.hijack_server_certificate(self._core.server, chain, len(chain), key, len(key), *response(staple))
        more = "" if staple is None else ", and its OCSP response"
        self._core.check(result, f"certificate {name(certfile)} with key {name(keyfile)}{more}")

    @property
    def addresses(self) -> List[str]:
        """What it listens on, with the real ports: ["127.0.0.1:41873"]."""
        found: List[str] = []
        out = ffi.new("char[]", TEXT_SIZE)
        while True:
            result = lib.hijack_server_address(out, TEXT_SIZE, self._core.server, len(found))
            if result == ERANGE:
                return found
            self._core.check(result, "addresses")
            found.append(ffi.string(out).decode())

    def hold(self, path: str, broadcaster: Broadcaster, kind: Kind = "sse", headers: Headers = None) -> None:
        """Makes each GET of path a member of broadcaster, on the library's own threads: no Python code runs and no
        Python object is made for it. Before the start. kind: see Request.hold."""
        raw, block = _path(path, "hold"), header_block(headers)
        if not isinstance(broadcaster, Broadcaster):
            raise TypeError(f"hold {path}: expected a Broadcaster (got {broadcaster!r})")
        fields = (kind_number(kind), block, len(block), broadcaster._alive(f"hold {path}"))
        result = lib.hijack_server_hold(self._core.server, raw, len(raw), *fields)
        self._core.check(result, f"hold {path}", WORDS["hold a route"], before=True)

    def route_set(self, path: str, **options: Union[int, str]) -> None:
        """Sets options for the requests of path, before the start: those of scope "route" in docs/reference/options.md,
        such as request_body="pieces" or max_body_bytes="100m". A "*" at the end of path
        means all paths that begin so."""
        raw, where = _path(path, "route"), f"route {path}: option "
        for name, value in options.items():
            option = Option.find(name, "route", where=where)
            if self._core.started:
                self._core.check(ESTATE, f"{where}{name}={value}", before=True)
            option.set(value, lib.hijack_server_route_set, self._core.server, raw, len(raw), where=where)

    def broadcaster(self, **options: Union[int, str]) -> Broadcaster:
        """A new broadcaster for connections of this server; options as Broadcaster.set takes them."""
        self._core.check_process()
        made = Broadcaster(self._core, options)
        made._server = self
        return made

    def adopt(self, connection: Adoptable, unread: Data = b"") -> SocketT:
        """Takes a connection of another server, as a Socket. unread: what was read from it already and not used; what
        still waits in the StreamReader of a StreamWriter need not be given.

        connection: a socket.socket, an asyncio (or uvloop) transport or StreamWriter (on their loop's thread), or a
        descriptor. On success its object is released: a socket is detached, a transport is closed without shutting the
        connection down, a descriptor is the library's. ClosedError if the client has disconnected; the connection is
        closed then. On any other failure all is as before. TLS connections are refused."""
        data, core = octets(unread) + unread_by(connection), self._core

        def adopt(out: Any) -> int:
            def take(descriptor: int) -> int:
                result = lib.hijack_server_adopt(out, core.server, descriptor, data, len(data))
                return core.check(result, f"adopt descriptor {descriptor}")

            return hand_over(connection, take, lambda: bool(out[0] != ffi.NULL))

        address = peername(connection)
        made: Any = core.own(core.socket_type, "hijack_socket **", "adopt", adopt)
        made._address = address
        return cast(SocketT, made)

    def adopt_request(
        self, connection: Adoptable, head: bytes, unread: Data = b"", headers: Headers = None
    ) -> RequestT:
        """Takes a request that another server has read, with its connection, as a Request: HEAD, HTTP/1.0 and
        Last-Event-ID are heeded, its body is not read, and the connection closes after the answer. Close the request
        (or use a with block) if it is not answered.

        head: as it was sent, with its empty line; request_head makes one. headers: what the other server or its
        middleware has set for the answer; they are part of each answer, except those about its connection and the body
        that it would have sent, such as Content-Length, Content-Encoding and Connection. A header of the answer itself
        replaces theirs of that name; both Set-Cookie and both Vary stay. connection, unread and failures: see adopt."""
        request: RequestT = adopt_request(self._core, connection, head, unread, headers)
        return request

    def _connect(self, address: str) -> SocketT:
        if not isinstance(address, str):
            raise TypeError(f"connect: expected text such as '127.0.0.1:80' or 'unix:/path' (got {address!r})")
        raw, core = os.fsencode(address), self._core

        def connect(out: Any) -> int:
            result = lib.hijack_server_connect(out, core.server, raw, len(raw), 0)
            return core.check(result, f"connect {address}", WORDS["connect"])

        made: Any = core.own(core.socket_type, "hijack_socket **", "connect", connect)
        return cast(SocketT, made)

    def stats(self) -> Dict[str, int]:
        """The server's counters and gauges by name: connections, held, accepted, delivered, dropped, ..."""
        values = ffi.new("uint64_t[]", STAT_COUNT)
        self._core.check(lib.hijack_server_stats(values, STAT_COUNT, self._core.server), "stats")
        return {ffi.string(lib.hijack_server_stat_name(i)).decode(): values[i] for i in range(STAT_COUNT)}

    def _drain(self, seconds: float) -> None:
        if not isinstance(seconds, (int, float)):
            raise TypeError(f"drain: expected a number of seconds (got {seconds!r})")
        if not seconds >= 0:
            raise OutOfRangeError(f"drain: seconds must not be negative (got {seconds})")
        self._core.check(lib.hijack_server_drain(self._core.server, int(min(seconds * 1000, LONGEST_MS))), "drain")


def _path(path: str, what: str) -> bytes:
    if not path.startswith("/") or "?" in path or not path.isascii():
        raise InvalidError(f'{what} {path}: expected a path as it is in a URL, which begins with "/" and has no "?"')
    return path.encode()
