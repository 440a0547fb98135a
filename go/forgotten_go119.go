//go:build cgo && !go1.24

package hijack

import "runtime"

// inTable is how the table refers to an object: before Go 1.24, which has weak pointers, it keeps the object.
func inTable(to registered) receiver { return to }

// freeWhenForgotten frees a server that was never started: a started one is its poller's until all is freed.
func (s *Server) freeWhenForgotten() {
	runtime.SetFinalizer(s, func(s *Server) { s.free() })
}

// freeWhenForgotten lets a broadcaster go.
func (b *Broadcaster) freeWhenForgotten() {
	runtime.SetFinalizer(b, func(b *Broadcaster) { b.server.freeBroadcaster(b.handle, true) })
}
