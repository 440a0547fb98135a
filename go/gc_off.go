//go:build !hijack_gc

package hijack

// collect does nothing; see gc_on.go.
func collect() {}
