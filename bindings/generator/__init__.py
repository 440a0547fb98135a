"""Makes the parts of the bindings that say again what include/hijack/hijack.h says."""
