"""Headers on their way to the library."""

import re
from collections import abc
from typing import Any, Iterable, List, Mapping, Sequence, Tuple, Union, cast

from ._errors import HeaderError, InvalidError

#: None leaves the header out, a list or tuple gives a line for each element.
HeaderValue = Union[str, int, None, Sequence[Union[str, int]]]
Headers = Union[Mapping[str, HeaderValue], Iterable[Tuple[str, HeaderValue]], None]
EXPECTED = "expected a str, an int, None, or a list or tuple of str and int"


def header_pairs(headers: Headers) -> List[Tuple[str, HeaderValue]]:
    """Name and value of each."""
    if isinstance(headers, (dict, abc.Mapping)):  # that of typing takes ten times as long
        return list(cast("Mapping[str, HeaderValue]", headers).items())
    try:
        pairs = [] if headers is None else [(name, value) for name, value in headers]
    except (TypeError, ValueError):
        raise TypeError(f"headers: expected a mapping or pairs of name and value (got {headers!r})") from None
    return pairs


def _lines(name: Any, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "".join([_line(name, each) for each in value])
    return "" if value is None else _line(name, value)


def _line(name: Any, value: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"header {name!r}: expected a str as its name")
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise TypeError(f"header {name!r}: {EXPECTED} (got {value!r})")
    line = f"{name}: {value}\r\n"
    if "\0" in line or line.count("\r") + line.count("\n") != 2 or ":" in name:
        raise HeaderError(f"header {name!r}: {value!r}: neither may hold CR, LF or NUL, nor the name a colon")
    return line


def header_block(headers: Headers) -> bytes:
    """The flat text that the library takes. What could begin another header line is refused here, everything else about
    names and values is the library's to judge."""
    if not headers:
        return b""
    try:
        return "".join([_lines(name, value) for name, value in header_pairs(headers)]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise HeaderError(f"headers: {error.object[error.start]!r} is not in ISO-8859-1") from None


def request_head(method: str, target: str, headers: Headers, version: str = "HTTP/1.1") -> bytes:
    """The head of a request as it goes over the wire, for Server.adopt_request."""
    first = f"{method} {target} {version}"
    if len(first.split()) != 3:
        raise InvalidError(f"request_head: {first!r} is not a request line; expected one word each")
    return first.encode("latin-1") + b"\r\n" + header_block(headers) + b"\r\n"


def encoded(target: str) -> str:
    """With all encoded that has no place in a request line, although another server has let it through."""
    return re.sub("[^!-~]", lambda found: f"%{ord(found[0]):02X}", target)


def without(headers: Headers, names: Iterable[str]) -> Tuple[Tuple[str, HeaderValue], ...]:
    """Those whose name, in lower case, is not among names."""
    return tuple(it for it in header_pairs(headers) if it[0].lower() not in names)


