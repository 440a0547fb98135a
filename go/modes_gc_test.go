//go:build hijack_gc

package hijack_test

const collecting = true

// times is less where each use of a handle costs a collection.
func times(n int) int { return (n + 19) / 20 }
