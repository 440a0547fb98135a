package hijack

// #include "generated.h"
import "C"

import (
	"runtime"
	"unicode/utf8"
)

// Newcomer is who joins a broadcaster, and what it gets before everything that is published later. Calls take at most
// one; without one, a member is nobody's, and goes on after its client's Last-Event-ID, else live.
type Newcomer struct {
	// User is the number of a user, for PublishTo and the like; 0 is nobody. UserNumber makes one of a text.
	User uint64
	// First is sent before everything that is published later: bytes of the body as they are (Event.Bytes makes those
	// of an event), to a WebSocket one text message. Add takes none.
	First []byte
	// Position is where the member goes on, if the broadcaster keeps a history (option history_messages): after what
	// Broadcaster.Position has returned, after an event with an ID of your own, or "*" with all that is kept. What it
	// has missed comes after First, each message once.
	Position string
}

// Position is that of the newest message, "5f3c0a9d7e21b846-41". A program that saves it can set the option
// history_position after a restart. Errors: ErrState (no history: option history_messages), ErrFreed, ErrShutdown.
func (b *Broadcaster) Position() (string, error) {
	var out [64]C.char // more than the longest position
	result := C.hj_go_broadcaster_position(&out[0], C.size_t(len(out)), b.handle.c())
	if Error(result) == ErrState {
		return "", &OpError{"position", "", because(ErrState,
			"the broadcaster keeps no history; set its option history_messages before")}
	}
	n, err := b.count("position", result)
	return C.GoStringN(&out[0], C.int(n)), err
}

// newcomer is the only one of all, checked before anything happens to a connection; nobody, if there is none.
func (b *Broadcaster) newcomer(op, value string, kind Kind, all []Newcomer) (it Newcomer, err error) {
	if len(all) == 0 {
		return it, nil
	}
	it = all[0]
	isWebSocket := kind == HoldWebSocket || kind == HoldWebSocketOpen
	switch {
	case len(all) > 1:
		err = because(ErrInvalid, "expected at most one Newcomer (got %d)", len(all))
	case isWebSocket && !utf8.Valid(it.First):
		err = because(ErrInvalid, "First must be UTF-8 for a WebSocket (got %.40q)", it.First)
	case it.Position != "" && b.keepsNothing():
		err = because(ErrState, "a Position needs a history; set the broadcaster's option history_messages (got %q)",
			it.Position)
	default:
		return it, nil
	}
	return it, &OpError{op, value, err}
}

// keepsNothing is whether a broadcaster has no history. One that was freed is refused later.
func (b *Broadcaster) keepsNothing() bool {
	result := C.hj_go_broadcaster_position(nil, 0, b.handle.c())
	runtime.KeepAlive(b) // whose handle is freed with it
	return Error(result) == ErrState
}
