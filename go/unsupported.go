//go:build !linux || !cgo

package hijack

// What the compiler says where libhijack cannot be, in place of a line for each name that is missing.
func init() {
	"package hijack calls the C library libhijack: it needs Linux, a C compiler and CGO_ENABLED=1"
}
