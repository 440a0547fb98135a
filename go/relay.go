package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"time"
)

// Relayable is a *Socket or a *WebSocket, which Relay pairs with another one.
type Relayable interface {
	base() *connection
	// stopReading takes credit back; false if there is none. Errors: ErrState. The lock is held.
	stopReading() (bool, error)
	// passOn sends what has come and was not read to the other one.
	passOn(ctx context.Context, other Relayable) error
	// takeOver sends what the other one has read.
	takeOver(ctx context.Context, kind MessageType, p []byte) error
}

// Relay pairs the socket with another connection of its server: each gets the other one's bytes, in both directions.
// The library moves them, without a goroutine; both objects may be forgotten (before Go 1.24: by Release). What was
// written before goes out first. What has come and was not read goes to the other one, so a program may read a line and
// then relay; a bufio.Reader must not have read ahead.
//
// The end of one side is passed on, and the other direction goes on; a broken connection breaks the other one. Of two
// WebSockets the messages pass as they are; between a WebSocket and a Socket, the bytes of messages do.
//
// Afterwards Read and Write fail with ErrState. Done and Err tell the end. Close ends both sides after what was passed
// on, Abort breaks both off. Relay waits, until ctx ends, for a peer that does not take what was read ahead. Errors:
// ErrInvalid (other is not another connection of this server), ErrState (one is a broadcaster's member, relayed
// already, or within a message), or why one has ended. After an error both remain usable, but what was read ahead may
// have been sent.
func (s *Socket) Relay(ctx context.Context, other Relayable) error {
	return relay(ctx, s, other)
}

// Relay is Socket.Relay: each message is bytes to a Socket, whose bytes come as binary messages; between two WebSockets
// messages stay what they are.
func (w *WebSocket) Relay(ctx context.Context, other Relayable) error {
	return relay(ctx, w, other)
}

func relay(ctx context.Context, first, second Relayable) (err error) {
	a := first.base()
	if second == nil || second.base() == a || second.base().server != a.server {
		return &OpError{"relay", a.name, because(ErrInvalid, "expected another connection of this server")}
	}
	b := second.base()
	if err := a.reserve(first); err != nil {
		return err
	}
	defer func() { a.settle(err == nil) }()
	if err := b.reserve(second); err != nil {
		return err
	}
	defer func() { b.settle(err == nil) }()
	for _, c := range []*connection{a, b} {
		if err := c.awaitPaused(ctx); err != nil {
			return err
		}
	}
	if err := first.passOn(ctx, second); err != nil {
		return err
	} else if err := second.passOn(ctx, first); err != nil {
		return err
	}
	return pair(a, b)
}

func pair(a, b *connection) error {
	result := C.hj_go_socket_relay(a.handle.c(), b.handle.c())
	if result >= 0 {
		return nil
	} else if Error(result) == ErrState {
		return check("relay", a.name, result)
	} else if b.Closed() {
		return b.problem("relay", result)
	}
	return a.problem("relay", result)
}

// reserve makes the program read no more.
func (c *connection) reserve(it Relayable) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.over || c.err != nil {
		return c.gone("relay")
	} else if c.relayed {
		return c.taken("relay")
	}
	asked, err := it.stopReading()
	if err != nil {
		return err
	}
	c.relayed, c.paused = true, !asked
	c.changed.fire()
	return nil
}

// awaitPaused waits until all has come that the program has given credit for.
func (c *connection) awaitPaused(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.paused && !c.over {
		if ctx.Err() != nil {
			return &OpError{"relay", c.name, ctx.Err()}
		}
		c.changed.await(&c.mu, ctx, time.Time{})
	}
	return nil
}

// settle follows: paired, or not after all.
func (c *connection) settle(paired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.relayed = paired
	c.changed.fire() // who waits to write is told
}

func (c *connection) isRelayed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.relayed
}

// taken is the error of what a relayed connection cannot do.
func (c *connection) taken(op string) error {
	return &OpError{op, c.name, because(ErrState, "%s", meanings["relayed"][ErrState])}
}

// takeBack gives up the credit.
func (c *connection) takeBack() {
	C.hj_go_socket_read(c.handle.c(), 0) // of an error, the last event tells
}

func (s *Socket) base() *connection { return &s.connection }

func (s *Socket) stopReading() (bool, error) {
	if s.input.asked {
		s.takeBack()
	}
	return s.input.asked, nil
}

func (s *Socket) passOn(ctx context.Context, other Relayable) error {
	for {
		s.mu.Lock()
		if len(s.input.chunks) == 0 {
			s.mu.Unlock()
			return nil
		}
		chunk := s.input.chunks[0]
		s.mu.Unlock()
		if err := other.takeOver(ctx, MessageBinary, chunk); err != nil {
			return err
		}
		s.mu.Lock()
		s.input.chunks = s.input.chunks[1:]
		s.mu.Unlock()
	}
}

func (s *Socket) takeOver(ctx context.Context, _ MessageType, p []byte) error {
	_, err := s.WriteContext(ctx, p)
	return err
}

func (w *WebSocket) base() *connection { return &w.connection }

func (w *WebSocket) stopReading() (bool, error) {
	if err := w.checkBegun(); err != nil {
		return false, err
	} else if w.deaf {
		return false, &OpError{"relay", w.name, because(ErrState, "CloseRead was called")}
	}
	if w.input.asked {
		w.takeBack()
	}
	return w.input.asked, nil
}

func (w *WebSocket) passOn(ctx context.Context, other Relayable) error {
	_, whole := other.(*WebSocket)
	for {
		piece, ok := w.oldest()
		if !ok {
			return nil
		} else if whole && (piece.more || w.isBegun()) {
			return check("relay", w.name, C.int(ErrState))
		} else if err := other.takeOver(ctx, piece.kind, piece.data); err != nil {
			return err
		}
		w.drop()
	}
}

// oldest is what has come of the message that Read waits for, or the first piece.
func (w *WebSocket) oldest() (message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		return message{kind: MessageBinary, more: true, data: w.partial}, true
	} else if len(w.input.pieces) == 0 {
		return message{}, false
	}
	return w.input.pieces[0], true
}

// drop forgets it.
func (w *WebSocket) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.partial = nil
	} else {
		w.input.pop()
	}
}

// isBegun is whether a part of the first message was read.
func (w *WebSocket) isBegun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.input.taken > 0
}

func (w *WebSocket) takeOver(ctx context.Context, kind MessageType, p []byte) error {
	return w.Write(ctx, kind, p)
}
