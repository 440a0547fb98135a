package hijack

// #include "generated.h"
import "C"

import (
	"errors"
	"strconv"
)

// UserNumber is the number that a text becomes as a user: a decimal number without leading zeros is itself, anything
// else a hash of it, and "" is 0, nobody. The route option user_data makes the same number of a header or parameter.
func UserNumber(text string) uint64 {
	return uint64(C.hj_go_hash(text))
}

// PublishTo is Publish to the members of one user. There may be none. The message is not kept in the history. Errors:
// ErrInvalid (user 0), and as Publish.
func (b *Broadcaster) PublishTo(user uint64, data []byte) error {
	return b.publishTo(user, messageBinary, text(data))
}

// PublishStringTo is PublishTo for a text: WebSockets get a text message. Errors: ErrInvalid (user 0; it is not UTF-8),
// and as Publish.
func (b *Broadcaster) PublishStringTo(user uint64, text string) error {
	return b.publishTo(user, messageText, text)
}

func (b *Broadcaster) publishTo(user uint64, kind C.uint32_t, data string) error {
	err := b.aboutUser("publish to", user, func(number C.uint64_t) C.int {
		return C.hj_go_broadcaster_send_user(b.handle.c(), number, kind, data)
	})
	if user != 0 && errors.Is(err, ErrInvalid) {
		return &OpError{"publish to", userName(user), because(ErrInvalid,
			"a text must be UTF-8; use PublishTo for other bytes (got %.40q)", data)}
	}
	return err
}

// RemoveUser ends the memberships of a user. A connection without an object that is a member of no other broadcaster
// ends. Errors: ErrInvalid (user 0), ErrState (the server never started), ErrShutdown, ErrFreed.
func (b *Broadcaster) RemoveUser(user uint64) error {
	return b.aboutUser("remove user", user, func(number C.uint64_t) C.int {
		return C.hj_go_broadcaster_remove_user(b.handle.c(), number)
	})
}

// CloseUser ends the connections of a user gracefully, each after what was published before. Errors: as RemoveUser.
func (b *Broadcaster) CloseUser(user uint64) error {
	return b.aboutUser("close user", user, func(number C.uint64_t) C.int {
		return C.hj_go_broadcaster_close_user(b.handle.c(), number)
	})
}

// JoinUser makes the members of from that are this user's members of b as well. To move a user, call RemoveUser of from
// after it. Errors: ErrInvalid (user 0; from is of another server), and as RemoveUser.
func (b *Broadcaster) JoinUser(user uint64, from *Broadcaster) error {
	err := b.aboutUser("join user", user, func(number C.uint64_t) C.int {
		return C.hj_go_broadcaster_join_user(b.handle.c(), from.handle.c(), number)
	})
	if errors.Is(err, ErrInvalid) && from.server != b.server {
		return &OpError{"join user", userName(user), because(ErrInvalid, "from belongs to another server")}
	}
	return from.orFreed("join user", err)
}

// aboutUser runs call, which asks the library for something about a user.
func (b *Broadcaster) aboutUser(op string, user uint64, call func(number C.uint64_t) C.int) error {
	if user == 0 {
		return &OpError{op, userName(user), because(ErrInvalid, "expected a user from 1 on; 0 is nobody "+
			"(UserNumber makes the number of a text)")}
	}
	return b.fail(op, userName(user), call(C.uint64_t(user)))
}

func userName(user uint64) string { return strconv.FormatUint(user, 10) }
