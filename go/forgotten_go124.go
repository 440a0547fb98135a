//go:build cgo && go1.24

package hijack

import (
	"runtime"
	"syscall"
	"weak"
)

// forgettable is a stream, socket or WebSocket in the server's table. The table does not keep it alive: once the
// program has no reference left, its handle is freed as by Release.
type forgettable[T any, P interface {
	*T
	receiver
}] struct{ weak.Pointer[T] }

func (f forgettable[T, P]) receive(e *event) {
	if it := P(f.Value()); it != nil {
		it.receive(e)
	} else if e.kind == eventDetached {
		syscall.Close(int(e.status))
	}
}

// kept is the object itself, where there is one.
func (f forgettable[T, P]) kept() receiver {
	if it := P(f.Value()); it != nil {
		return it
	}
	return f
}

// inTable is how the table refers to an object. A request is over with its handler anyway.
func inTable(to registered) receiver {
	switch it := to.(type) {
	case *Stream:
		return forget[Stream](it, &it.connection)
	case *Socket:
		return forget[Socket](it, &it.connection)
	case *WebSocket:
		return forget[WebSocket](it, &it.connection)
	}
	return to
}

func forget[T any, P interface {
	*T
	receiver
}](it P, c *connection) receiver {
	calls, server := c.calls, c.server
	runtime.AddCleanup((*T)(it), func(o object) {
		server.forget(&o)
		calls.free(o.handle)
	}, c.object)
	return forgettable[T, P]{weak.Make((*T)(it))}
}

// freeWhenForgotten frees a server that was never started: a started one is its poller's until all is freed. Cleanups,
// unlike finalizers, also free what refers to itself, by what OnMessage was given.
func (s *Server) freeWhenForgotten() {
	runtime.AddCleanup(s, (*resources).free, s.resources)
}

// freeWhenForgotten lets a broadcaster go, unless its server goes too.
func (b *Broadcaster) freeWhenForgotten() {
	server := weak.Make(b.server)
	runtime.AddCleanup(b, func(h handle) {
		if s := server.Value(); s != nil {
			s.freeBroadcaster(h, true)
		}
	}, b.handle)
}
