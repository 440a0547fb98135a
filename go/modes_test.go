//go:build !hijack_gc

package hijack_test

const collecting = false

// times is how often a test repeats something.
func times(n int) int { return n }
