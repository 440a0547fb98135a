//go:build hijack_gc

package hijack_test

const collecting = true

// slowdown is how much less a test repeats something where each use of a handle costs a collection.
const slowdown = 20
