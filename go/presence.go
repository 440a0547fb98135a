//go:build cgo

package hijack

import "sync"

// presence is who the members of a broadcaster are. The server's table refers to it, and it to no broadcaster, so that
// one can be forgotten.
type presence struct {
	mu    sync.Mutex     // before the server's lock
	users map[uint64]int // connections of each; nil: nobody has asked
	call  func(user uint64, joined bool, err error)
}

// OnMembers has call hear of each member that joins or leaves, first of those that are there: the number of its user
// (0 is nobody), and why it left, ErrClosed (the peer closed the connection), ErrReset or ErrSlow for example; nil if
// the program ended it. A user with several connections joins several times; Members counts a connection before call
// hears of it. call runs where the function of OnMessage does, under the same rules. A second call replaces the first,
// and does not hear of those that are there; with nil, nobody hears. Errors: ErrFreed, ErrShutdown.
func (b *Broadcaster) OnMembers(call func(user uint64, joined bool, err error)) error {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	b.presence.call = call
	return b.begin()
}

// Members are the numbers of connections of each user; those of nobody are under 0. The counting begins with the first
// call of Members or OnMembers, which counts whoever is there already a moment later: call it when you make the
// broadcaster. The numbers are exact as soon as the events have been handled. A broadcaster that was freed has none.
func (b *Broadcaster) Members() map[uint64]int {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	users := make(map[uint64]int, len(b.presence.users))
	if b.presence.users == nil && b.begin() != nil || b.isFreed() {
		return users
	}
	for user, connections := range b.presence.users {
		users[user] = connections
	}
	return users
}

// begin has the library bring events of members. The presence's lock is held.
func (b *Broadcaster) begin() error {
	it := &listener{b.presence.hear, b.presence.call != nil}
	err := b.listen("on members", eventMembers, it, "member_events", "on")
	if err == nil && b.presence.users == nil {
		b.presence.users = make(map[uint64]int)
	}
	return err
}

// hear takes one record.
func (p *presence) hear(e *event) {
	user, what := native[uint64](e.data), native[int32](e.data[userBytes:])
	joined := what == memberJoined
	p.mu.Lock()
	if joined {
		p.users[user]++
	} else if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
	call := p.call
	p.mu.Unlock()
	switch {
	case call == nil:
	case joined || what == 0:
		call(user, joined, nil)
	default:
		call(user, false, Error(what))
	}
}
