from hijack_ffi.asgi import *
