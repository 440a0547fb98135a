from hijack_ffi import *
from hijack_ffi._errors import *
