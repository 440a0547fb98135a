package hijack

// #include "generated.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// handle is what the library calls one of its objects: a number in Go, never a pointer, so that the collector has no
// opinion on it. 0 is no object. The library checks each handle it is given, also one that was freed a moment ago.
type handle uint64

// c gives the handle for one call. With the build tag hijack_gc the collector runs at each.
func (h handle) c() C.uint64_t {
	collect()
	return C.uint64_t(h)
}

// LibraryVersion is the version of the C library that runs, "0.2.0".
func LibraryVersion() string {
	return C.GoString(C.hj_go_version_string())
}

func checkVersion() error {
	if C.hj_go_check_version(versionNumber) == 0 {
		return nil
	}
	versions := fmt.Sprintf("libhijack %s for a package made for %s", LibraryVersion(), Version)
	return &OpError{"load", versions, ErrVersion}
}

// text is b as a string for one call of C, without copying it. C only reads, and keeps nothing.
func text(b []byte) string { return *(*string)(unsafe.Pointer(&b)) }

// given is s for parameters of C where the pointer NULL means "none", which a string without bytes may not be.
func given(s string) string {
	if s == "" {
		return ""
	}
	return s
}
