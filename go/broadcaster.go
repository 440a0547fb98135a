package hijack

// #include "generated.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
)

// Broadcaster sends one message to any number of connections, and never waits for any of them. It is an io.Writer.
// Its methods may be called from any goroutine. Make one for each room, and Free it when the room is no more; one that
// nobody refers to is freed by the garbage collector, unless it has OnMessage or OnMembers, and all of them with the
// server.
type Broadcaster struct {
	server   *Server
	handle   handle
	presence *presence
}

// Member is a Stream, a Socket or a WebSocket.
type Member interface {
	fmt.Stringer
	member() handle
	entry() *object
}

// NewBroadcaster makes a broadcaster for connections of this server, before or after its start. options may have
// "backlog_bytes" and "overflow" for example; nil means defaults. Errors: ErrOption, ErrOutOfRange, ErrShutdown,
// ErrOutOfMemory.
func (s *Server) NewBroadcaster(options Options) (*Broadcaster, error) {
	s.mu.Lock()
	var out C.uint64_t
	result := C.hj_go_broadcaster_new(&out, s.handle.c())
	if result >= 0 {
		s.broadcasters[handle(out)] = true
	}
	s.mu.Unlock()
	if result < 0 {
		return nil, s.fail("broadcaster", "", result)
	}
	b := &Broadcaster{s, handle(out), new(presence)}
	b.freeWhenForgotten()
	if err := options.set("option", "", "broadcaster", b.set); err != nil {
		b.Free()
		return nil, err
	}
	return b, nil
}

func (b *Broadcaster) set(name, value string) C.int {
	return C.hj_go_broadcaster_set(b.handle.c(), name, value)
}

// Set changes options, for messages published afterwards.
func (b *Broadcaster) Set(options Options) error {
	return b.orFreed("option", options.set("option", "", "broadcaster", b.set))
}

// Publish sends data to every member: as it is to raw and stream members, as one event to SSE members, as one binary
// message to WebSockets. It returns how many members it was addressed to. Errors: ErrTooBig (over 16 MiB),
// ErrWouldBlock (256 MiB wait for the server's threads: publish less, or later), ErrState (the server never started),
// ErrShutdown, ErrFreed.
func (b *Broadcaster) Publish(data []byte) (int, error) {
	return b.publish(messageBinary, text(data))
}

// PublishString is Publish for a text, without copying it: WebSockets get a text message. Errors: ErrInvalid (it is not
// UTF-8), and as Publish.
func (b *Broadcaster) PublishString(text string) (int, error) {
	return b.publish(messageText, text)
}

func (b *Broadcaster) publish(kind C.uint32_t, data string) (int, error) {
	return b.count("publish", C.hj_go_broadcaster_publish(b.handle.c(), kind, data))
}

// PublishEvent is PublishString with the fields of an event. Other members get its Data alone. With the overflow policy
// "latest", an unsent message is replaced by a newer one of the same Key. Errors: ErrInvalid (a line end in Name or ID,
// a negative Retry), and as Publish.
func (b *Broadcaster) PublishEvent(e Event) (int, error) {
	if err := e.check("publish", ""); err != nil {
		return 0, err
	}
	n, err := b.count("publish",
		C.hj_go_broadcaster_publish_sse(b.handle.c(), given(e.Name), e.id(), e.data(), given(e.Key), e.retry()))
	return n, e.explain("publish", err)
}

// Respond answers all requests that wait here (HoldLongPoll) with this response; other members get nothing, and the
// history keeps nothing. For answers whose header is not known before: else the first message is the answer. status is
// 200 to 999, and body is empty with 204, 205 and 304; Date, Content-Length and Connection are the library's. It
// returns how many members of all kinds there were. Errors: ErrInvalid (status, body), ErrHeader, and as Publish.
func (b *Broadcaster) Respond(status int, header map[string][]string, body []byte) (int, error) {
	lines, err := block(header)
	if err != nil {
		return 0, &OpError{"respond", "", err}
	}
	if status < 200 || status > 999 || (len(body) > 0 && (status == 204 || status == 205 || status == 304)) {
		return 0, &OpError{"respond", "", because(ErrInvalid,
			"expected a status from 200 to 999, and no body with 204, 205 and 304 (got %d and %d bytes)",
			status, len(body))}
	}
	return b.count("respond", C.hj_go_broadcaster_respond(b.handle.c(), C.uint32_t(status), lines, text(body)))
}

// Write is Publish for an io.Writer.
func (b *Broadcaster) Write(p []byte) (int, error) {
	if _, err := b.Publish(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteString is PublishString for an io.StringWriter.
func (b *Broadcaster) WriteString(s string) (int, error) {
	if _, err := b.PublishString(s); err != nil {
		return 0, err
	}
	return len(s), nil
}

// Add makes a Stream, Socket or WebSocket of the same server a member; one may be a member of many. What a WebSocket
// sends is read as before. If a Write of over 64 KiB is under way in another goroutine, Add waits for its end, so that
// no message comes into the middle. Of a newcomer it takes User and Position. Errors: ErrState (it is a member already,
// or a message of a WebSocket's Writer is under way, or a Position without a history), ErrInvalid (of another server,
// or with a Content-Length, or First), ErrClosed, ErrFreed.
func (b *Broadcaster) Add(member Member, newcomer ...Newcomer) error {
	it, err := b.newcomer("add", member.String(), 0, newcomer)
	if err == nil && len(it.First) > 0 {
		err = &OpError{"add", member.String(), because(ErrInvalid,
			"First is for a connection without an object; write it before Add (got %d bytes)", len(it.First))}
	}
	if err != nil {
		return err
	}
	return b.change("add", member,
		C.hj_go_broadcaster_add(b.handle.c(), member.member().c(), C.uint64_t(it.User), given(it.Position)))
}

// Remove ends a membership; the connection goes on. Errors: ErrState (not a member), ErrInvalid (of another server),
// ErrClosed, ErrFreed.
func (b *Broadcaster) Remove(member Member) error {
	return b.change("remove", member, C.hj_go_broadcaster_remove(b.handle.c(), member.member().c()))
}

// change follows a change of memberships.
func (b *Broadcaster) change(op string, member Member, result C.int) error {
	err := because(ErrInvalid, "a Stream with a Content-Length cannot be a member")
	if Error(result) == ErrState {
		return check(op, member.String(), result)
	} else if Error(result) != ErrInvalid {
		return b.fail(op, member.String(), result)
	} else if member.entry().server != b.server {
		err = because(ErrInvalid, "it belongs to another server than the broadcaster")
	}
	return &OpError{op, member.String(), err}
}

// Close ends every member gracefully, each after what was published before. The broadcaster remains usable.
func (b *Broadcaster) Close() error {
	return b.fail("close", "broadcaster", C.hj_go_broadcaster_close(b.handle.c()))
}

// Len is how many members there are now.
func (b *Broadcaster) Len() int {
	n, _ := b.count("count", C.hj_go_broadcaster_count(b.handle.c()))
	return n
}

// Stats are the broadcaster's counters by name: members, published, delivered, dropped, closed.
func (b *Broadcaster) Stats() map[string]uint64 {
	var values [broadcasterStatCount]C.uint64_t
	stats := make(map[string]uint64)
	if C.hj_go_broadcaster_stats(&values[0], broadcasterStatCount, b.handle.c()) >= 0 {
		for i, name := range broadcasterStats {
			stats[name] = uint64(values[i])
		}
	}
	runtime.KeepAlive(b) // whose handle is freed with it
	return stats
}

// Free lets the broadcaster go. Members that are nobody's Stream or Socket stay connected until they leave or the
// server stops; Close first if that is not wanted. Freeing again does nothing.
func (b *Broadcaster) Free() {
	b.server.freeBroadcaster(b.handle, false)
}

// isFreed is whether Free was called, before the end of the server.
func (b *Broadcaster) isFreed() bool {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	return !b.server.broadcasters[b.handle] && b.server.state != stopped
}

func (b *Broadcaster) count(op string, result C.int) (int, error) {
	if result < 0 {
		return 0, b.fail(op, "broadcaster", result)
	}
	return int(result), nil
}

func (b *Broadcaster) fail(op, value string, result C.int) error {
	return b.orFreed(op, b.server.fail(op, value, result))
}

// orFreed says it where an error came because the broadcaster was freed. That is not ErrClosed, which tells of one
// client.
func (b *Broadcaster) orFreed(op string, err error) error {
	if errors.Is(err, ErrClosed) && b.isFreed() {
		return &OpError{op, "", ErrFreed}
	}
	return err
}

// explain says what is wrong with making members of connections of a server.
func (b *Broadcaster) explain(op string, s *Server, kind Kind, header map[string][]string, err error) error {
	switch {
	case !errors.Is(err, ErrInvalid):
		return b.orFreed(op, err)
	case b.server != s:
		err = because(ErrInvalid, "the broadcaster belongs to another server")
	case op != "adopt" && (kind == HoldSSEBody || kind == HoldWebSocketOpen):
		err = because(ErrInvalid, "%v is for Adopt, after a head that your program has written", kind)
	case len(header) > 0 && kind > 0 && kind <= HoldWebSocketOpen:
		err = because(ErrInvalid, "%v writes no head, so it cannot have header lines (got %d)", kind, len(header))
	default:
		err = because(ErrInvalid, "%v is not a kind; use a Hold constant such as HoldSSE", kind)
	}
	return &OpError{op, "", err}
}
