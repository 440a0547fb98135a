"""The compiled extension, checked at import, and what every call into it needs: errors, bytes, headers, options."""

from typing import Any, Mapping, Optional, Tuple, TypeVar, Union

from ._constants import ECLOSED, EHANDLE, KINDS, VERSION, VERSION_NUMBER
from ._errors import ERRORS, SENTENCES, ClosedError, HijackError, InvalidError, VersionError

try:
    from ._native import ffi as ffi, lib as lib
except ImportError as error:
    raise ImportError(
        f"hijack_ffi: its compiled part cannot be loaded ({error}). Install the package (pip install ./python in a "
        "checkout of libhijack), and the libraries it runs on (Debian: libh2o-evloop0.13, libssl3, zlib1g)."
    ) from error

if lib.hijack_check_version(VERSION_NUMBER) < 0:
    loaded = ffi.string(lib.hijack_version_string()).decode()
    raise VersionError(
        f"hijack_ffi: this package is made for libhijack {VERSION}, but {loaded} was loaded. Install the package "
        "again, or the library that fits."
    )

Data = Union[bytes, bytearray, memoryview]
Text = Union[str, bytes, bytearray, memoryview]  #: where str stands for its UTF-8
SelfT = TypeVar("SelfT")


def error_of(code: int, what: str, words: Optional[Mapping[int, str]] = None) -> HijackError:
    """The exception for a code of the library; words: what is said of a code here. A freed handle can only be a thing
    that the program has closed."""
    if code == EHANDLE:
        return ClosedError(f"{what}: {(words or {}).get(code, 'it was closed before')}")
    return ERRORS.get(code, HijackError)(f"{what}: {(words or {}).get(code) or sentence(code)}")


def sentence(code: int) -> str:
    """The words for a code."""
    text: str = SENTENCES.get(code) or ffi.string(lib.hijack_strerror(code)).decode()
    return text


def check(result: int, what: str, words: Optional[Mapping[int, str]] = None) -> int:
    """result, or the exception that it stands for."""
    if result < 0:
        raise error_of(result, what, words)
    return result


def octets(data: Text, what: str = "data") -> bytes:
    """What the library takes: bytes as they are, str as UTF-8, other buffers copied."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError(f"{what}: expected str, bytes, bytearray or memoryview (got {data!r:.80})") from None


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


class Block:
    """What a with block gives as it is."""

    def __enter__(self: SelfT) -> SelfT:
        return self


class Handle:
    """What has a handle of the library, and so can neither be copied nor sent to another process."""

    def __reduce__(self) -> Tuple[Any, ...]:
        raise TypeError(
            f"a {name_of(self)} can be neither copied nor pickled: it belongs to the server of this process"
        )


GONE = (ECLOSED, EHANDLE)  #: results of a call on a connection that has gone, or that the program let go


def name_of(thing: object) -> str:
    """The public name of its class: "hijack.Server", "hijack.aio.Stream"."""
    return f"{type(thing).__module__}.{type(thing).__name__}"
