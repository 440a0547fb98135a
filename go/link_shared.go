//go:build !hijack_static

package hijack

// #cgo pkg-config: libhijack
import "C"
