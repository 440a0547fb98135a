package hijack_test

import (
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// usersOf makes a server whose clients tell their user, and holds them in a room: at /raw, /sse and /ws.
func usersOf(t testing.TB, source string, options hijack.Options) (*hijack.Server, *hijack.Broadcaster) {
	t.Helper()
	server := newServer(t, options)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.SetRoute("/*", hijack.Options{"user_data": source}))
	must(t, server.Hold("/raw", room, hijack.HoldRaw, nil))
	must(t, server.Hold("/sse", room, hijack.HoldSSE, nil))
	must(t, server.Hold("/ws", room, hijack.HoldWebSocket, nil))
	return server, room
}

func TestUserNumber(t *testing.T) {
	want(t, "a number", hijack.UserNumber("18446744073709551615"), uint64(1<<64-1))
	want(t, "nobody", hijack.UserNumber(""), 0)
	want(t, "a name", hijack.UserNumber("ann"), uint64(0x49915e0d7d4b402e)) // the beginning of its SHA-256
}

func TestPublishTo(t *testing.T) {
	server, room := usersOf(t, "header:x-user", hijack.Options{"heartbeat_ms": 0, "threads": 2})
	addr := serve(t, server, nil)
	ann, five := hijack.UserNumber("ann"), uint64(5)
	page, phone := listen(t, addr, "/sse", "X-User: ann"), connect(t, addr, "/ws", "X-User: ann")
	other, nobody := listen(t, addr, "/sse", "X-User: 5"), listen(t, addr, "/sse")
	until(t, "four members", func() bool { return room.Len() == 4 })
	must(t, room.PublishStringTo(ann, "for ann"))
	must(t, room.PublishTo(ann, []byte("\xff")))
	must(t, room.PublishStringTo(99, "for nobody"))
	say(t, room, "for all")
	page.expect("data: for ann\n\ndata: \xff\n\ndata: for all\n\n")
	phone.expect(opText, "for ann").expect(opBinary, "\xff").expect(opText, "for all")
	other.expect("data: for all\n\n")
	nobody.expect("data: for all\n\n")

	second, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, second.JoinUser(ann, room))
	say(t, second, "second")
	page.expect("data: second\n\n")
	must(t, room.RemoveUser(ann)) // moved
	must(t, room.RemoveUser(five))
	want(t, "after a connection without a room", other.ended(), "")
	until(t, "one member", func() bool { return room.Len() == 1 && second.Len() == 2 })
	say(t, room, "not for ann")
	must(t, second.PublishStringTo(ann, "the last"))
	must(t, second.CloseUser(ann))
	want(t, "the end", page.ended(), "data: the last\n\n")
	phone.expect(opText, "second").expect(opText, "the last").expect(opClose, closing(1000, ""))
	nobody.expect("data: not for ann\n\n")
}

func TestUserErrors(t *testing.T) {
	server := newServer(t, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	wantError(t, room.RemoveUser(1), hijack.ErrState, "remove user 1: the server has not been started")
	must(t, server.Start(nil))
	for op, call := range map[string]func(uint64) error{
		"publish to":  func(user uint64) error { return room.PublishTo(user, nil) },
		"remove user": room.RemoveUser,
		"close user":  room.CloseUser,
		"join user":   func(user uint64) error { return room.JoinUser(user, room) },
	} {
		must(t, call(1))
		wantError(t, call(0), hijack.ErrInvalid, op+" 0: expected a user from 1 on; 0 is nobody")
	}
	wantError(t, room.PublishStringTo(7, "\xff"), hijack.ErrInvalid,
		`publish to 7: a text must be UTF-8; use PublishTo for other bytes (got "\xff")`)
	wantError(t, room.PublishTo(7, make([]byte, 17<<20)), hijack.ErrTooBig, "publish to 7: ")
	other := newServer(t, nil)
	theirs, err := other.NewBroadcaster(nil)
	must(t, err)
	wantError(t, room.JoinUser(1, theirs), hijack.ErrInvalid, "join user 1: from belongs to another server")
	freed, err := server.NewBroadcaster(nil)
	must(t, err)
	freed.Free()
	wantError(t, room.JoinUser(1, freed), hijack.ErrFreed, "join user: ")
	wantError(t, freed.JoinUser(1, room), hijack.ErrFreed, "join user: ")
	wantError(t, freed.PublishTo(1, nil), hijack.ErrFreed, "publish to: ")
	must(t, server.Stop())
	wantError(t, room.CloseUser(1), hijack.ErrShutdown, "close user 1: ")
}
