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

// view is the bytes of a string where they are. Nobody may write to them; C only reads, and keeps nothing.
func view(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&s)), len(s)) // a string starts with the pointer to its bytes
}

// cBytes is the pointer and length by which C reads b during one call; NULL for none.
func cBytes(b []byte) (*C.char, C.size_t) {
	if len(b) == 0 {
		return nil, 0
	}
	return (*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(b))
}

// cText is cBytes of a string.
func cText(s string) (*C.char, C.size_t) {
	return cBytes(view(s))
}
