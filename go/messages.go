package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"io"
)

// message is one, or a piece of one (option websocket_piece_bytes).
type message struct {
	kind MessageType
	more bool // it is a piece, and not the last one
	data []byte
}

// messages are what has come of a WebSocket's peer and was not read yet: one, as credit is given for one at a time. Its
// owner's lock guards it.
type messages struct {
	pieces []message
	asked  bool  // credit was given, and nothing has come since
	taken  int64 // bytes of the message under way that were read
}

// oneMessage is the credit for one: it comes whole, however little credit there is.
const oneMessage = 1

// add takes an event.
func (in *messages) add(e *event) {
	it := message{kind: MessageType(e.status &^ messageMore), more: e.status&messageMore != 0, data: e.data}
	in.pieces = append(in.pieces, it)
	in.asked = false
}

// size is how long the message of the first piece is, up to its end.
func (in *messages) size() int64 {
	return in.taken + int64(len(in.pieces[0].data))
}

// pop takes the first piece.
func (in *messages) pop() message {
	it := in.pieces[0]
	in.taken = in.size()
	if !it.more {
		in.taken = 0
	}
	in.pieces[0] = message{}
	in.pieces = in.pieces[1:]
	return it
}

// consume moves bytes of the first piece to p.
func (in *messages) consume(p []byte) int {
	first := &in.pieces[0]
	n := copy(p, first.data)
	if n == len(first.data) {
		in.pop()
	} else {
		first.data = first.data[n:]
		in.taken += int64(n)
	}
	return n
}

// ask gives credit for the next message or piece. Credit that give does not take is asked for again next time.
func (in *messages) ask(give func(credit C.uint64_t) C.int) C.int {
	if in.asked || len(in.pieces) > 0 {
		return 0
	}
	result := give(oneMessage)
	in.asked = result >= 0
	return result
}

// messageReader reads one message in pieces.
type messageReader struct {
	w    *WebSocket
	ctx  context.Context
	kind MessageType
	rest []byte // of the piece that came last
	last bool   // no further piece follows
}

// Reader is Read for a message in pieces: it waits for the first one, and the io.Reader for the others, all with ctx.
// This is of use with the option websocket_piece_bytes, without which messages come whole. Until the message was read
// up to io.EOF, the next one cannot be begun: ErrState. When ctx ends before, another Reader gets the rest.
func (w *WebSocket) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.current; before != nil && before.ctx.Err() != nil && ctx.Err() == nil {
		w.current = &messageReader{w: w, ctx: ctx, kind: before.kind, rest: before.rest}
		w.changed.fire()
		return before.kind, w.current, nil
	} else if err := w.checkBegun(); err != nil {
		return 0, nil, err
	} else if err = w.await(ctx, nil); err != nil {
		return 0, nil, err
	}
	w.current = &messageReader{w: w, ctx: ctx, kind: w.input.pieces[0].kind, rest: w.partial}
	w.partial = nil
	return w.current.kind, w.current, nil
}

// Read reads the message.
func (r *messageReader) Read(p []byte) (int, error) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(r.rest) == 0 && len(p) > 0 {
		if r.last {
			return 0, io.EOF
		} else if err := w.await(r.ctx, r); err != nil {
			return 0, err
		} else if r.last { // by another goroutine
			continue
		}
		piece := w.input.pop()
		r.rest, r.last = append(r.rest, piece.data...), !piece.more
		if r.last {
			w.current = nil
			w.changed.fire()
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// messageWriter writes one message in pieces. One goroutine uses it.
type messageWriter struct {
	w     *WebSocket
	ctx   context.Context
	kind  C.uint32_t
	begun bool  // a piece was sent
	ended bool  // by Close
	err   error // of a piece that was not sent: the message cannot become whole
}

// Writer is Write for a message in pieces: each Write of the io.WriteCloser sends one, and Close ends the message.
// Until then other messages wait; ctx is for all of it. If a piece cannot be sent, Close ends the connection
// (CloseNow), so that no half of a message looks like a whole one. Errors: ErrState (it is a broadcaster's member,
// which gets whole messages only), and as Write.
func (w *WebSocket) Writer(ctx context.Context, kind MessageType) (io.WriteCloser, error) {
	if err := w.checkKind(kind); err != nil {
		return nil, err
	} else if err = w.acquire(ctx); err != nil {
		return nil, err
	}
	return &messageWriter{w: w, ctx: ctx, kind: C.uint32_t(kind)}, nil
}

// Write sends a piece.
func (m *messageWriter) Write(p []byte) (int, error) {
	if m.ended {
		return 0, &OpError{"write", m.w.name, because(ErrState, "this message was closed already")}
	} else if m.err != nil || len(p) == 0 {
		return 0, m.err
	} else if m.err = m.w.send(m.ctx, m.kind|messageMore, p); m.err != nil {
		return 0, m.err
	}
	m.begun = true
	return len(p), nil
}

// Close ends the message.
func (m *messageWriter) Close() error {
	if m.ended {
		return nil
	}
	m.ended = true
	defer m.w.relinquish()
	if m.err == nil {
		m.err = m.w.send(m.ctx, m.kind, nil)
	}
	if m.err != nil && m.begun {
		m.w.CloseNow()
	}
	return m.err
}
