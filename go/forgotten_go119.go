//go:build cgo && !go1.24

package hijack

// inTable is how the table refers to an object: before Go 1.24, which has weak pointers, it keeps the object.
func inTable(to registered) receiver { return to }
