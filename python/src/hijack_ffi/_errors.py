"""Made by bindings/generate from include/hijack/hijack.h. Do not edit.

One exception class for each error code; each is a HijackError and, where Python has an exception of that
meaning, that one too."""
import errno as numbers
from typing import ClassVar, Dict, Type

__all__ = [
    "HijackError",
    "InvalidError",
    "HandleError",
    "ClosedError",
    "WouldBlockError",
    "OutOfMemoryError",
    "ForkError",
    "StateError",
    "BusyError",
    "AddressInUseError",
    "AddressError",
    "AccessDeniedError",
    "HeaderError",
    "OptionError",
    "OutOfRangeError",
    "TooBigError",
    "VersionError",
    "LimitError",
    "TimedOutError",
    "ResetError",
    "SlowError",
    "ShutdownError",
    "SystemFailureError",
    "AbortedError",
    "NotSocketError",
    "NotSupportedError",
    "ProtocolError",
    "TLSError",
    "RefusedError",
    "NotFoundError",
    "AddressNotAvailableError",
]


class HijackError(Exception):
    """What every error of this package is."""

    code: ClassVar[int] = 0  #: the HIJACK_E* number
    symbol: ClassVar[str] = ""  #: its name in C, "HIJACK_ECLOSED"
    _about = 0  # the number of the request, stream, socket or WebSocket whose end it reports

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.symbol


class InvalidError(HijackError, ValueError):
    """HIJACK_EINVAL: an argument is out of its domain (NULL, a bad length, a status not in 100..999)"""

    code = -1
    symbol = "HIJACK_EINVAL"


class HandleError(HijackError, RuntimeError):
    """HIJACK_EHANDLE: the handle is NULL, freed, or of another kind"""

    code = -2
    symbol = "HIJACK_EHANDLE"


class ClosedError(HijackError, ConnectionError):
    """HIJACK_ECLOSED: the connection is closed, or the program has closed or finished it"""

    code = -3
    symbol = "HIJACK_ECLOSED"
    errno = numbers.EPIPE


class WouldBlockError(HijackError, BlockingIOError):
    """HIJACK_EAGAIN: nothing was taken: over the high-water mark; HIJACK_EVENT_DRAINED follows"""

    code = -4
    symbol = "HIJACK_EAGAIN"
    errno = numbers.EAGAIN


class OutOfMemoryError(HijackError, MemoryError):
    """HIJACK_ENOMEM: out of memory"""

    code = -5
    symbol = "HIJACK_ENOMEM"


class ForkError(HijackError, RuntimeError):
    """HIJACK_EFORK: the handle belongs to the parent process"""

    code = -6
    symbol = "HIJACK_EFORK"


class StateError(HijackError, RuntimeError):
    """HIJACK_ESTATE: not possible in this state: already started, answered, a member, ..."""

    code = -7
    symbol = "HIJACK_ESTATE"


class BusyError(HijackError, RuntimeError):
    """HIJACK_EBUSY: another thread is polling this queue"""

    code = -8
    symbol = "HIJACK_EBUSY"


class AddressInUseError(HijackError, OSError):
    """HIJACK_EADDRINUSE: the address is in use"""

    code = -9
    symbol = "HIJACK_EADDRINUSE"
    errno = numbers.EADDRINUSE


class AddressError(HijackError, OSError):
    """HIJACK_EADDR: the address cannot be understood"""

    code = -10
    symbol = "HIJACK_EADDR"
    errno = numbers.EINVAL


class AccessDeniedError(HijackError, PermissionError):
    """HIJACK_EACCES: the operating system does not permit it (a port below 1024, a unix path)"""

    code = -11
    symbol = "HIJACK_EACCES"
    errno = numbers.EACCES


class HeaderError(HijackError, ValueError):
    """HIJACK_EHEADER: an invalid header name or value, or one that the library itself owns"""

    code = -12
    symbol = "HIJACK_EHEADER"


class OptionError(HijackError, ValueError):
    """HIJACK_EOPTION: no option of that name"""

    code = -13
    symbol = "HIJACK_EOPTION"


class OutOfRangeError(HijackError, ValueError):
    """HIJACK_ERANGE: an option's value is not of its type or out of its range; a port is over 65535"""

    code = -14
    symbol = "HIJACK_ERANGE"


class TooBigError(HijackError, ValueError):
    """HIJACK_ETOOBIG: more bytes than the limit, or than fit into out; a unix path over 107 bytes"""

    code = -15
    symbol = "HIJACK_ETOOBIG"


class VersionError(HijackError, ImportError):
    """HIJACK_EVERSION: program and library were made for different versions"""

    code = -16
    symbol = "HIJACK_EVERSION"


class LimitError(HijackError, OSError):
    """HIJACK_ELIMIT: the process or the server has no descriptor, thread or connection left"""

    code = -17
    symbol = "HIJACK_ELIMIT"
    errno = numbers.EMFILE


class TimedOutError(HijackError, TimeoutError):
    """HIJACK_ETIMEDOUT: head, request or idle timeout, or the peer acknowledges or takes nothing"""

    code = -18
    symbol = "HIJACK_ETIMEDOUT"
    errno = numbers.ETIMEDOUT


class ResetError(HijackError, ConnectionResetError):
    """HIJACK_ERESET: the peer reset the connection"""

    code = -19
    symbol = "HIJACK_ERESET"
    errno = numbers.ECONNRESET


class SlowError(HijackError, ConnectionError):
    """HIJACK_ESLOW: the peer could not keep up: a broadcaster's policy, or option backlog_total_bytes"""

    code = -20
    symbol = "HIJACK_ESLOW"


class ShutdownError(HijackError, ConnectionError):
    """HIJACK_ESHUTDOWN: the server stops or has stopped"""

    code = -21
    symbol = "HIJACK_ESHUTDOWN"
    errno = numbers.ESHUTDOWN


class SystemFailureError(HijackError, OSError):
    """HIJACK_EIO: the operating system failed in an unexpected way"""

    code = -22
    symbol = "HIJACK_EIO"
    errno = numbers.EIO


class AbortedError(HijackError, ConnectionAbortedError):
    """HIJACK_EABORTED: the program aborted it"""

    code = -23
    symbol = "HIJACK_EABORTED"
    errno = numbers.ECONNABORTED


class NotSocketError(HijackError, OSError):
    """HIJACK_ENOTSOCK: the descriptor is not a socket of the needed sort: connected (adopt), listening (fd:)"""

    code = -24
    symbol = "HIJACK_ENOTSOCK"
    errno = numbers.ENOTSOCK


class NotSupportedError(HijackError, OSError):
    """HIJACK_ENOTSUP: not possible with this protocol, or with this version or build of the library"""

    code = -25
    symbol = "HIJACK_ENOTSUP"
    errno = numbers.EOPNOTSUPP


class ProtocolError(HijackError, ConnectionError):
    """HIJACK_EPROTOCOL: the peer broke the protocol's rules (a chunked body, say)"""

    code = -26
    symbol = "HIJACK_EPROTOCOL"
    errno = numbers.EPROTO


class TLSError(HijackError, ConnectionError):
    """HIJACK_ETLS: TLS: unusable certificate or key, failed handshake, or a peer that is not verified"""

    code = -27
    symbol = "HIJACK_ETLS"


class RefusedError(HijackError, ConnectionRefusedError):
    """HIJACK_EREFUSED: the other side refused the connection"""

    code = -28
    symbol = "HIJACK_EREFUSED"
    errno = numbers.ECONNREFUSED


class NotFoundError(HijackError, FileNotFoundError):
    """HIJACK_ENOENT: no such file or folder (a unix path, a certificate)"""

    code = -29
    symbol = "HIJACK_ENOENT"
    errno = numbers.ENOENT


class AddressNotAvailableError(HijackError, OSError):
    """HIJACK_EADDRNOTAVAIL: no such host, or the address is not one of this machine"""

    code = -30
    symbol = "HIJACK_EADDRNOTAVAIL"
    errno = numbers.EADDRNOTAVAIL


ERRORS: Dict[int, Type[HijackError]] = {
    -1: InvalidError,
    -2: HandleError,
    -3: ClosedError,
    -4: WouldBlockError,
    -5: OutOfMemoryError,
    -6: ForkError,
    -7: StateError,
    -8: BusyError,
    -9: AddressInUseError,
    -10: AddressError,
    -11: AccessDeniedError,
    -12: HeaderError,
    -13: OptionError,
    -14: OutOfRangeError,
    -15: TooBigError,
    -16: VersionError,
    -17: LimitError,
    -18: TimedOutError,
    -19: ResetError,
    -20: SlowError,
    -21: ShutdownError,
    -22: SystemFailureError,
    -23: AbortedError,
    -24: NotSocketError,
    -25: NotSupportedError,
    -26: ProtocolError,
    -27: TLSError,
    -28: RefusedError,
    -29: NotFoundError,
    -30: AddressNotAvailableError,
}

#: instead of the library's own sentences, where those are for programs in C
SENTENCES: Dict[int, str] = {
    -1: "an argument is not one of those that are allowed",
    -4: "too much waits unsent already",
    -6: "it belongs to the parent process; make a new one after the fork",
    -7: "not possible in this state",
    -10: "expected 127.0.0.1:8080, [::1]:8080, *:8080, localhost:8080, unix:/path or fd:3; names other than "
    "localhost are not resolved",
    -12: "a name or value is not valid in a header, or the library sets this header itself",
    -13: "no option has this name",
    -14: "a value is out of its range",
    -15: "more bytes than the limit",
    -24: "expected a connected stream socket, TCP or unix",
}

#: what a code means after one call
WORDS: Dict[str, Dict[int, str]] = {
    "respond": {
        -1: "expected a status from 200 to 999",
    },
    "publish": {
        -1: "an event must not hold a line break, an id neither that nor NUL, and a text must be UTF-8",
        -4: "256 MiB of messages wait for the server's threads; publish less",
        -15: "expected at most 16 MiB",
    },
    "add": {
        -1: "it belongs to another server, or its Content-Length is known",
        -7: "it is a member already",
    },
    "remove": {
        -1: "it belongs to another server",
        -7: "it is not a member",
    },
    "hold": {
        -1: "kind 'raw' takes no headers; expected kind sse, stream, websocket or raw",
        -7: "its body comes in pieces: read all of it first",
    },
    "hold a route": {
        -1: "expected kind sse, stream, websocket or raw (without headers)",
        -7: "this path is held already",
    },
    "adopt_request": {
        -12: "head: expected one whole head of a request, as hijack.request_head makes it",
    },
    "listen": {
        -14: "expected a port from 0 to 65535",
        -15: "expected at most 107 bytes as the path of a unix socket",
        -24: "expected a listening socket",
    },
}

#: what the values of an option are, by its type
VALUES: Dict[str, str] = {
    "int": "a whole number from {minimum} to {maximum}",
    "size": "a number of bytes from {minimum} to {maximum}, or text such as '64k' or '1m'",
    "string": "a text of {minimum} to {maximum} bytes",
    "mode": "text of four octal digits from {minimum} to {maximum}, such as '0660'",
    "choice": "one of its choices ({help})",
}
