"""Certificates on their way to the library, and what a handshake has settled on its way back."""

import os
from dataclasses import fields
from typing import Any, Optional, Tuple, Union

from ._facts import TLS
from ._library import ffi, lib, optional

Certificate = Union[str, bytes, "os.PathLike[str]"]  #: PEM text, or the path of a file
Staple = Union[str, bytes, "os.PathLike[str]"]  #: an OCSP response in DER, or the path of a file
FACTS = tuple((f"tls_{it.name}".encode(), len(f"tls_{it.name}")) for it in fields(TLS))


def facts(handle: Any) -> Optional[TLS]:
    """Those of a request, while nobody can free it; None if it came without TLS."""
    out, size = ffi.new("char **"), ffi.new("size_t *")
    found = [
        bytes(ffi.unpack(out[0], size[0])).decode("utf-8", "replace")
        if lib.hijack_request_info(out, size, handle, name, length) > 0
        else None
        for name, length in FACTS
    ]
    version, cipher, server_name, subject, certificate = found
    return TLS(version, cipher or "", server_name, subject, certificate) if version else None


def pem(certificate: Certificate) -> bytes:
    """PEM text or path, as the library takes both."""
    return certificate.encode() if isinstance(certificate, str) and is_text(certificate) else os.fsencode(certificate)


def is_text(certificate: Certificate) -> bool:
    """Whether it is PEM, and no path."""
    if isinstance(certificate, str):
        return "-----BEGIN" in certificate
    return isinstance(certificate, bytes) and b"-----BEGIN" in certificate


def name(certificate: Certificate) -> str:
    """How an error names it: a key must not get into a log."""
    return "PEM text" if is_text(certificate) else os.fsdecode(certificate)


def response(staple: Optional[Staple]) -> Tuple[Any, int]:
    """Pointer and length of an OCSP response, which may be left out."""
    return optional(None if staple is None else os.fsencode(staple))
