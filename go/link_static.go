//go:build hijack_static

package hijack

// A file of its own, since go build does not see that another set of pkg-config flags makes another object.

// #cgo pkg-config: libhijack-static
import "C"
