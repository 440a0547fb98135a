"""The shorter name of hijack_ffi: these are the same modules.

It is one file, so that a package of this name can stand beside it: django-hijack's is found first then, and this one
again once that is removed. hijack_ffi is always this library."""

import sys

import hijack_ffi.aio
import hijack_ffi.asgi
import hijack_ffi.testing
import hijack_ffi.wsgi

for _name, _module in list(sys.modules.items()):
    if _name.partition(".")[0] == "hijack_ffi":
        sys.modules["hijack" + _name[len("hijack_ffi") :]] = _module
        for _public in getattr(_module, "__all__", ()):
            _thing = getattr(_module, _public)
            if getattr(_thing, "__module__", "").startswith("hijack_ffi"):
                _thing.__module__ = _thing.__module__.replace("_ffi", "", 1)  # errors name what the program imports
