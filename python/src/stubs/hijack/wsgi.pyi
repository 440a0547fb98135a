from hijack_ffi.wsgi import *
