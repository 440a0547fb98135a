"""Writes the C source of the extension hijack_ffi._native: build_ffi.py OUTPUT. Run by CMakeLists.txt."""

import sys
from pathlib import Path

from cffi import FFI

ffi = FFI()
ffi.cdef(Path(__file__).with_name("src").joinpath("hijack_ffi", "_cdef.h").read_text(encoding="ascii"))
ffi.set_source("hijack_ffi._native", "#include <hijack/hijack.h>")

if __name__ == "__main__":
    ffi.emit_c_code(sys.argv[1])
