"""What each error code is called in the languages, and which of a language's own errors it also is, so that
"rescue Errno::EADDRINUSE", "except TimeoutError" and "errors.Is(err, net.ErrClosed)" do what people expect. The header
has no opinion on this; that no code is missing here is checked."""

# code: (name without Error, Ruby superclass, Python base beside HijackError, Go error that errors.Is finds)
NAMES = {
    "EINVAL": ("Invalid", "::ArgumentError", "ValueError", "syscall.EINVAL"),
    "EHANDLE": ("Handle", "::IOError", "RuntimeError", None),
    "ECLOSED": ("Closed", "::IOError", "ConnectionError", "net.ErrClosed"),
    "EAGAIN": ("WouldBlock", "::Errno::EAGAIN", "BlockingIOError", "syscall.EAGAIN"),
    "ENOMEM": ("OutOfMemory", "::StandardError", "MemoryError", "syscall.ENOMEM"),
    "EFORK": ("Fork", "::RuntimeError", "RuntimeError", None),
    "ESTATE": ("State", "::RuntimeError", "RuntimeError", None),
    "EBUSY": ("Busy", "::ThreadError", "RuntimeError", "syscall.EBUSY"),
    "EADDRINUSE": ("AddressInUse", "::Errno::EADDRINUSE", "OSError", "syscall.EADDRINUSE"),
    "EADDR": ("Address", "::ArgumentError", "OSError", None),
    "EACCES": ("AccessDenied", "::Errno::EACCES", "PermissionError", "fs.ErrPermission"),
    "EHEADER": ("Header", "::ArgumentError", "ValueError", None),
    "EOPTION": ("Option", "::ArgumentError", "ValueError", None),
    "ERANGE": ("OutOfRange", "::RangeError", "ValueError", "syscall.ERANGE"),
    "ETOOBIG": ("TooBig", "::ArgumentError", "ValueError", "syscall.EMSGSIZE"),
    "EVERSION": ("Version", "::LoadError", "ImportError", None),
    "ELIMIT": ("Limit", "::Errno::EMFILE", "OSError", "syscall.EMFILE"),
    "ETIMEDOUT": ("TimedOut", "::Errno::ETIMEDOUT", "TimeoutError", "syscall.ETIMEDOUT"),
    "ERESET": ("Reset", "::Errno::ECONNRESET", "ConnectionResetError", "syscall.ECONNRESET"),
    "ESLOW": ("Slow", "::IOError", "ConnectionError", None),
    "ESHUTDOWN": ("Shutdown", "::IOError", "ConnectionError", "net.ErrClosed"),
    "EIO": ("SystemFailure", "::Errno::EIO", "OSError", "syscall.EIO"),
    "EABORTED": ("Aborted", "::Errno::ECONNABORTED", "ConnectionAbortedError", "syscall.ECONNABORTED"),
    "ENOTSOCK": ("NotSocket", "::Errno::ENOTSOCK", "OSError", "syscall.ENOTSOCK"),
    "ENOTSUP": ("NotSupported", "::Errno::EOPNOTSUPP", "OSError", "syscall.ENOTSUP"),
    "EPROTOCOL": ("Protocol", "::Errno::EPROTO", "ConnectionError", "syscall.EPROTO"),
    "ETLS": ("TLS", "::IOError", "ConnectionError", None),
    "EREFUSED": ("Refused", "::Errno::ECONNREFUSED", "ConnectionRefusedError", "syscall.ECONNREFUSED"),
    "ENOENT": ("NotFound", "::Errno::ENOENT", "FileNotFoundError", "fs.ErrNotExist"),
    "EADDRNOTAVAIL": ("AddressNotAvailable", "::Errno::EADDRNOTAVAIL", "OSError", "syscall.EADDRNOTAVAIL"),
}


def named(header):
    """(constant, entry of NAMES) for each error of the header."""
    codes = {it.name.removeprefix("HIJACK_"): it for it in header.errors()}
    for missing in codes.keys() - NAMES.keys():
        raise SystemExit(f"bindings/generator/errors.py: HIJACK_{missing} has no names")
    for gone in NAMES.keys() - codes.keys():
        raise SystemExit(f"bindings/generator/errors.py: hijack.h has no HIJACK_{gone}")
    return [(codes[code], entry) for code, entry in NAMES.items()]
