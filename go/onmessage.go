//go:build cgo

package hijack

// OnMessage has call get each message of a WebSocket member that has no WebSocket of Go: held, or released. It runs on
// the goroutine that takes events, for one message after the other, so it must not wait; Stop and Drain do not wait
// there either. A panic in it goes to ErrorLog, and so does an end of its goroutine. A second call, or one of
// OnUserMessage, replaces the first; without one, or with nil, what such members send is thrown away. Errors: ErrFreed,
// ErrShutdown.
func (b *Broadcaster) OnMessage(call func(kind MessageType, data []byte)) error {
	if call == nil {
		return b.OnUserMessage(nil)
	}
	return b.OnUserMessage(func(_ uint64, kind MessageType, data []byte) { call(kind, data) })
}

// OnUserMessage is OnMessage with the number of the user whose connection has sent the message; 0 is nobody.
func (b *Broadcaster) OnUserMessage(call func(user uint64, kind MessageType, data []byte)) error {
	if call == nil {
		return b.listen("on message", eventMemberMessage, nil, "member_messages", "drop")
	}
	it := &listener{keeps: true, hear: func(e *event) {
		call(native[uint64](e.data), MessageType(e.status), e.data[userBytes:])
	}}
	return b.listen("on message", eventMemberMessage, it, "member_messages", "deliver")
}
