package chat

import (
	"context"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// connection is a WebSocket, or the Stream of /events.
type connection interface {
	hijack.Member
	Done() <-chan struct{}
	Abort() error
	Err() error
}

type member struct {
	name       string
	connection connection
	first      time.Time // when the first of so many messages came
	messages   int
}

func (it *member) readsEvents() bool {
	_, isStream := it.connection.(*hijack.Stream)
	return isStream
}

// greet sends what comes before all that the broadcasters send. id is that of the event.
func (it *member) greet(json, id string) {
	switch conn := it.connection.(type) {
	case *hijack.WebSocket:
		conn.Write(context.Background(), hijack.MessageText, []byte(json))
	case *hijack.Stream:
		conn.SendEvent(hijack.Event{ID: id, Data: json})
	}
}

// maySay counts the message too.
func (it *member) maySay() bool {
	if now := time.Now(); now.Sub(it.first) >= window {
		it.first, it.messages = now, 0
	}
	it.messages++
	return it.messages <= maxMessages
}
