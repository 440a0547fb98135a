from hijack_ffi.aio import *
