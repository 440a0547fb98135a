"""The compiled extension, checked at import, and what every call into it needs: errors, bytes, headers, options."""

from typing import Any, Dict, Iterable, List, Literal, Mapping, Optional, Tuple, Union

from ._constants import (
    ECLOSED,
    EHANDLE,
    HOLD_RAW,
    HOLD_SSE,
    HOLD_SSE_BODY,
    HOLD_STREAM,
    HOLD_WEBSOCKET,
    HOLD_WEBSOCKET_OPEN,
    VERSION,
    VERSION_NUMBER,
)
from ._errors import ERRORS, ClosedError, HeaderError, HijackError, InvalidError, OptionError, VersionError

try:
    from ._native import ffi as ffi, lib as lib
except ImportError as error:
    raise ImportError(
        f"hijack_ffi: its compiled part cannot be loaded ({error}). Install the package (pip install ./python in a "
        "checkout of libhijack), and the libraries it runs on (Debian: libh2o-evloop0.13, libssl3, zlib1g)."
    ) from error

if lib.hijack_check_version(VERSION_NUMBER) < 0:
    raise VersionError(
        f"hijack_ffi: this package is made for libhijack {VERSION}, but {ffi.string(lib.hijack_version_string()).decode()} "
        "was loaded. Install the package again, or the library that fits."
    )

Data = Union[bytes, bytearray, memoryview]
Text = Union[str, bytes, bytearray, memoryview]  #: where str stands for its UTF-8
Headers = Union[Mapping[str, str], Iterable[Tuple[str, str]], None]
Kind = Literal["raw", "stream", "sse", "sse_body", "websocket", "websocket_open"]
KINDS: Dict[str, int] = {
    "raw": HOLD_RAW,
    "stream": HOLD_STREAM,
    "sse": HOLD_SSE,
    "sse_body": HOLD_SSE_BODY,
    "websocket": HOLD_WEBSOCKET,
    "websocket_open": HOLD_WEBSOCKET_OPEN,
}


def error_of(code: int, what: str) -> HijackError:
    """The exception for a code of the library. A freed handle can only be a thing that the program has closed."""
    if code == EHANDLE:
        return ClosedError(f"{what}: it was closed before")
    return ERRORS.get(code, HijackError)(f"{what}: {sentence(code)}")


def sentence(code: int) -> str:
    """The library's words for a code."""
    text: str = ffi.string(lib.hijack_strerror(code)).decode()
    return text


def check(result: int, what: str) -> int:
    """result, or the exception that it stands for."""
    if result < 0:
        raise error_of(result, what)
    return result


def octets(data: Text) -> bytes:
    """What the library takes: bytes as they are, str as UTF-8, other buffers copied."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return memoryview(data).tobytes()


def optional(text: Optional[Text]) -> Tuple[Any, int]:
    """Pointer and length of something that may be left out."""
    if text is None:
        return ffi.NULL, 0
    data = octets(text)
    return data, len(data)


def kind_number(kind: str) -> int:
    """HIJACK_HOLD_* of a kind's name."""
    try:
        return KINDS[kind]
    except KeyError:
        raise InvalidError(f"kind {kind!r} is unknown; expected one of {', '.join(KINDS)}") from None


def header_block(headers: Headers) -> bytes:
    """The flat text that the library takes. What could begin another header line is refused here, everything else about
    names and values is the library's to judge."""
    if headers is None:
        return b""
    lines: List[str] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        if any(char in name + value for char in "\r\n\0") or ":" in name:
            raise HeaderError(f"header {name!r}: {value!r}: neither may hold CR, LF or NUL, nor the name a colon")
        lines.append(f"{name}: {value}\r\n")
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        raise HeaderError(f"headers: {error.object[error.start]!r} is not in ISO-8859-1") from None


def request_head(method: str, target: str, headers: Headers, version: str = "HTTP/1.1") -> bytes:
    """The head of a request as it goes over the wire, for Server.adopt_request."""
    first = f"{method} {target} {version}"
    if len(first.split()) != 3:
        raise InvalidError(f"request_head: {first!r} is not a request line; expected one word each")
    return first.encode("latin-1") + b"\r\n" + header_block(headers) + b"\r\n"


class Option:
    """One line of the library's table of options."""

    table: Dict[Tuple[str, str], "Option"] = {}  #: by scope and name

    def __init__(self, line: str) -> None:
        self.scope, self.name, self.type, self.minimum, self.maximum, self.default, self.help = line.split("\t")

    @classmethod
    def find(cls, name: str, *scopes: str) -> "Option":
        """The option of that name, which must belong to one of the scopes."""
        if not cls.table:
            lines = ffi.string(lib.hijack_options()).decode().splitlines()
            cls.table = {(option.scope, option.name): option for option in map(Option, lines)}
        for scope in scopes:
            if (scope, name) in cls.table:
                return cls.table[scope, name]
        known = ", ".join(sorted(it.name for it in cls.table.values() if it.scope in scopes))
        raise OptionError(f"option {name}: unknown here; expected one of {known}")


def value_text(value: Union[int, str]) -> str:
    """An option's value as the library reads it."""
    return str(int(value)) if isinstance(value, int) else str(value)


class Handle:
    """What has a handle of the library, and so can neither be copied nor sent to another process."""

    def __reduce__(self) -> Tuple[Any, ...]:
        raise TypeError(f"a {name_of(self)} can be neither copied nor pickled: it belongs to the server of this process")


GONE = (ECLOSED, EHANDLE)  #: results of a call on a connection that has gone, or that the program let go


def name_of(thing: object) -> str:
    """The public name of its class: "hijack.Server", "hijack.aio.Stream"."""
    return f"{type(thing).__module__}.{type(thing).__name__}"
