from hijack_ffi.testing import *
