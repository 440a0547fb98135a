//go:build !hijack_gc

package hijack_test

const collecting = false

// slowdown is by how much less a test repeats something; see modes_gc_test.go.
const slowdown = 1
