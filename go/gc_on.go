//go:build hijack_gc

package hijack

import "runtime"

// collect runs the garbage collector at each use of a handle, so that a value which is let go too early shows at once.
// For tests: go test -tags hijack_gc
func collect() { runtime.GC() }
