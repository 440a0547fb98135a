//go:build cgo

package hijack

import (
	"reflect"
	"runtime"
)

// OnMessage has call get each message of a WebSocket member that has no WebSocket of Go: held, or released. It runs on
// the goroutine that takes events, for one message after the other, so it must not wait; Stop and Drain do not wait
// there either. A panic in it goes to ErrorLog, and so does an end of its goroutine. A second call replaces the first;
// without one, or with nil, what such members send is thrown away. Errors: ErrFreed, ErrShutdown.
func (b *Broadcaster) OnMessage(call func(kind MessageType, data []byte)) error {
	choice := "deliver"
	if call == nil {
		choice = "drop"
	}
	b.server.mu.Lock()
	if b.server.broadcasters[b.handle] {
		b.server.onMessage[b.handle] = call
	}
	b.server.mu.Unlock()
	options := Options{"member_messages": choice}
	return b.orFreed("on message", options.set("option", "", "broadcaster", b.set))
}

// userDataBytes is how much of the member comes before its message.
const userDataBytes = 8

// memberMessages takes what members send, for call.
type memberMessages struct {
	server *Server
	call   func(kind MessageType, data []byte)
}

func (m memberMessages) receive(e *event) { deliver(m, e) }

// deliver is a function of its own that isInOnMessage finds on the stack.
//
//go:noinline
func deliver(to memberMessages, e *event) {
	returned := false
	defer func() {
		if reason := recover(); reason != nil {
			to.server.logPanic("in OnMessage", reason)
		} else if !returned {
			to.server.logf("hijack: what OnMessage was given ended its goroutine (runtime.Goexit, as t.Fatal does); " +
				"events are taken by another one now")
		}
	}()
	to.call(MessageType(e.status), e.data[userDataBytes:])
	returned = true
}

// isInOnMessage is whether this goroutine is the one that takes events of a server, any one: two that waited there for
// each other would wait for ever too.
func isInOnMessage() bool {
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
