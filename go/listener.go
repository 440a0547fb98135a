//go:build cgo

package hijack

import (
	"reflect"
	"runtime"
	"unsafe"
)

// listening is which events of a broadcaster a listener hears: of a handle, since an object of Go is let go when nobody
// else refers to it.
type listening struct {
	broadcaster handle
	kind        uint32
}

// listener hears events of a broadcaster, on the goroutine that takes them.
type listener struct {
	hear  func(e *event)
	keeps bool // it calls a function of the program, also once the program has forgotten the broadcaster
}

// listen replaces the listener of one kind of events by it, and sets the option that makes the library bring them; nil:
// there is none any more.
func (b *Broadcaster) listen(op string, kind uint32, it *listener, option, value string) error {
	b.server.mu.Lock()
	if b.server.broadcasters[b.handle] {
		b.server.listeners[listening{b.handle, kind}] = it
	}
	b.server.mu.Unlock()
	return b.orFreed(op, Options{option: value}.set("option", "", "broadcaster", b.set))
}

// listenerOf is who hears an event of a broadcaster; nil: nobody. The lock is held.
func (s *Server) listenerOf(h handle, kind uint32) receiver {
	it := s.listeners[listening{h, kind}]
	if it == nil {
		return nil
	}
	return told{s, it}
}

// isListenedTo is whether a program that has forgotten a broadcaster still wants its events. The lock is held.
func (s *Server) isListenedTo(h handle) bool {
	for _, kind := range listenedKinds {
		if it := s.listeners[listening{h, kind}]; it != nil && it.keeps {
			return true
		}
	}
	return false
}

// unlisten forgets the listeners of a broadcaster. The lock is held.
func (s *Server) unlisten(h handle) {
	for _, kind := range listenedKinds {
		delete(s.listeners, listening{h, kind})
	}
}

// listenedKinds are the events that listeners hear.
var listenedKinds = [...]uint32{eventMemberMessage, eventMembers}

// What an event of members begins with: the number of the user. A record of those that join and leave goes on with what
// happened, an int32, and four bytes without a meaning.
const (
	userBytes    = 8
	recordBytes  = 16
	memberJoined = 1 // what happened; else why the member left
)

// native is the number at the beginning of data, in the machine's order of bytes.
func native[T uint64 | int32](data []byte) (number T) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&number)), unsafe.Sizeof(number)), data)
	return number
}

// callOf is which call has given the function that hears events of a type.
func callOf(kind uint32) string {
	if kind == eventMembers {
		return "OnMembers"
	}
	return "OnMessage"
}

// told takes the events for a listener.
type told struct {
	server *Server
	to     *listener
}

func (t told) receive(e *event) { deliver(t, e) }

// deliver is a function of its own that isInCallback finds on the stack.
//
//go:noinline
func deliver(t told, e *event) {
	returned := false
	defer func() {
		if reason := recover(); reason != nil {
			t.server.logPanic("in "+callOf(e.kind), reason)
		} else if !returned {
			t.server.logf("hijack: what %s was given ended its goroutine (runtime.Goexit, as t.Fatal does); "+
				"events are taken by another one now", callOf(e.kind))
		}
	}()
	t.to.hear(e)
	returned = true
}

// isInCallback is whether this goroutine is the one that takes events of a server, any one: two that waited there for
// each other would wait for ever too.
func isInCallback() bool {
	callers := make([]uintptr, 64)
	n := runtime.Callers(1, callers)
	for ; n == len(callers); n = runtime.Callers(1, callers) {
		callers = make([]uintptr, 2*n)
	}
	entry := reflect.ValueOf(deliver).Pointer()
	for frames, more := runtime.CallersFrames(callers[:n]), n > 0; more; {
		var frame runtime.Frame
		if frame, more = frames.Next(); frame.Entry == entry {
			return true
		}
	}
	return false
}
