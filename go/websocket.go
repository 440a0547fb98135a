package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// MessageType is what a message of a WebSocket is.
type MessageType int

// The types of messages.
const (
	MessageText   MessageType = messageText   // UTF-8
	MessageBinary MessageType = messageBinary // any bytes
)

// WebSocket is a connection that carries messages both ways (RFC 6455): see Request.WebSocket. Its methods may be
// called from any goroutine, and several may read or write: each gets or sends whole messages. End it with Close.
//
// One message is read ahead, and no more while it waits for a Read: so the peer waits for a slow program. Its pings and
// its closing behind that message also wait; a program that only writes calls CloseRead. A peer that is silent is sent
// pings (option websocket_ping_ms).
type WebSocket struct {
	connection
	endpoints
	subprotocol string

	// Guarded by the connection's lock.
	input     messages
	readLimit time.Time      // the deadline of a NetConn
	longest   int64          // of SetReadLimit; 0: none
	deaf      bool           // CloseRead was called
	partial   []byte         // what has come of the message that Read waits for
	current   *messageReader // the message that a reader has begun
}

// IsWebSocket is whether the client asks for a WebSocket.
func (r *Request) IsWebSocket() bool {
	for _, protocol := range listed(r.Header["Upgrade"]) {
		if strings.EqualFold(protocol, "websocket") {
			return true
		}
	}
	return false
}

// WebSocketProtocols are the subprotocols that the client offers, those that it prefers first; WebSocket takes one of
// them.
func (r *Request) WebSocketProtocols() []string {
	return listed(r.Header["Sec-Websocket-Protocol"])
}

// listed are the elements of a header that is a list (RFC 9110 section 5.6.1).
func listed(values []string) (elements []string) {
	for _, element := range strings.Split(strings.Join(values, ","), ",") {
		if element = strings.Trim(element, " \t"); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}

// WebSocket accepts the client's handshake. protocol is one of WebSocketProtocols, or "" for none; header is added to
// the answer. The WebSocket is the program's: it lives on when the handler returns, until it is closed.
//
// A client whose handshake is wrong, or that is a page of another origin (option websocket_origins), gets its answer
// from the library: 400, 403, 405 or 426. The error is ErrProtocol then, and the request is over. The other errors
// leave it open: ErrNotSupported (over HTTP/2), ErrInvalid (protocol was not offered), ErrHeader, and as Respond.
func (r *Request) WebSocket(protocol string, header map[string][]string) (*WebSocket, error) {
	it := &WebSocket{connection: newConnection(&socketCalls, r.Peer, &r.ending), endpoints: r.endpoints(),
		subprotocol: protocol}
	head := r.over(header, false)
	it, err := into(r, it, "websocket", head, func(out *C.uint64_t, lines string) C.int {
		return C.hj_go_request_websocket(out, r.handle.c(), protocol, lines)
	})
	if err != nil {
		return nil, err
	}
	it.mu.Lock()
	defer it.mu.Unlock()
	it.input.ask(it.giveCredit) // of an error, the last event tells
	return it, nil
}

// Subprotocol is what was agreed upon in the handshake; "" is none.
func (w *WebSocket) Subprotocol() string {
	return w.subprotocol
}

// Read waits for the next message. When ctx ends first, nothing is lost: the next Read gets the message. Once the
// connection has ended, and what came before was read, the error holds a CloseError; see CloseStatus. After a Close of
// this program it is ErrClosed.
func (w *WebSocket) Read(ctx context.Context) (MessageType, []byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.checkBegun(); err != nil {
		return 0, nil, err
	}
	for {
		if err := w.await(ctx, nil); err != nil {
			return 0, nil, err
		}
		piece := w.input.pop()
		if !piece.more && w.partial == nil {
			return piece.kind, piece.data, nil
		}
		w.partial = append(w.partial, piece.data...)
		if !piece.more {
			whole := w.partial
			w.partial = nil
			return piece.kind, whole, nil
		}
	}
}

// SetReadLimit sets how long a message may be that is read afterwards: at a longer one, the connection is closed with
// StatusMessageTooBig. Below 1 there is no such limit. That of the option websocket_message_bytes holds in any case.
func (w *WebSocket) SetReadLimit(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = n
}

// CloseRead is for a program that only writes: the peer's pings and its closing are heeded without a Read, and without
// a goroutine. The context, a child of ctx, ends when the connection ends. No message can be read any more; when one
// comes, the connection is closed with StatusPolicyViolation.
func (w *WebSocket) CloseRead(ctx context.Context) context.Context {
	w.Context() // so that there is one
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = true
	if len(w.input.pieces) > 0 {
		w.refuse(StatusPolicyViolation, "no message is expected", ErrState)
	} else if !w.closed && !w.over {
		w.input.ask(w.giveCredit) // of an error, the last event tells
	}
	w.partial, w.current = nil, nil
	w.changed.fire()
	return w.ending.beside(ctx)
}

// Write sends a message, whole, and waits while the peer takes less than is sent: until ctx or the connection ends.
// Then nothing of the message was sent. Write returns when the message is on its way, not when it has arrived. Errors:
// ErrInvalid (a text that is not UTF-8, or no such type), or why the connection has ended, as Read.
func (w *WebSocket) Write(ctx context.Context, kind MessageType, p []byte) error {
	if err := w.checkKind(kind); err != nil {
		return err
	}
	return w.exclusive(ctx, func() error { return w.send(ctx, C.uint32_t(kind), p) })
}

func (w *WebSocket) checkKind(kind MessageType) error {
	if kind != MessageText && kind != MessageBinary {
		return &OpError{"write", w.name, because(ErrInvalid, "expected MessageText or MessageBinary (got %d)", kind)}
	}
	return nil
}

// send sends a message or a piece.
func (w *WebSocket) send(ctx context.Context, kind C.uint32_t, p []byte) error {
	return w.push(ctx, "write", func() C.int {
		return C.hj_go_socket_send_message(w.handle.c(), kind, text(p))
	})
}

// Ping sends a ping, and waits as Write does. It does not wait for the answer: the library ends the connection of a
// peer that does not answer its own pings (options websocket_ping_ms and websocket_pong_ms), and Read and Done tell.
func (w *WebSocket) Ping(ctx context.Context) error {
	if _, _, err := w.writable(ctx, "ping"); err != nil {
		return err
	}
	return w.push(ctx, "ping", func() C.int {
		return C.hj_go_socket_send_message(w.handle.c(), messagePing, "")
	})
}

// Close sends a close frame after what was written, with a code that may be sent (1000 to 1014 without 1004 to 1006, or
// 3000 to 4999) and a reason of at most 123 bytes of UTF-8. Nothing more is read. It does not wait for the peer's
// answer: Done is closed when it has come, or after the option websocket_pong_ms. Closing again does nothing. Errors:
// ErrInvalid.
func (w *WebSocket) Close(code StatusCode, reason string) error {
	err := w.finish("close", func(h handle) C.int {
		return C.hj_go_socket_close_message(h.c(), C.uint32_t(code), reason)
	})
	if errors.Is(err, ErrInvalid) {
		return &OpError{"close", w.name, because(ErrInvalid, "expected a code from 1000 to 1014 (not 1004 to 1006) or "+
			"from 3000 to 4999 and a reason of at most 123 bytes of UTF-8 (got %d and %q)", code, reason)}
	}
	return err
}

// CloseNow ends the connection now, without a close frame; what was not sent yet is lost. It is Abort.
func (w *WebSocket) CloseNow() error {
	return w.Abort()
}

// checkBegun fails where a reader has begun a message. The lock is held.
func (w *WebSocket) checkBegun() error {
	if w.current != nil && !w.closed {
		return &OpError{"read", w.name, because(ErrState, "a Reader has not read its message to the end")}
	}
	return nil
}

// await waits for a piece of the message that this reader has begun (nil: Read itself), or for the end. The lock is
// held.
func (w *WebSocket) await(ctx context.Context, reader *messageReader) error {
	for {
		switch {
		case w.closed:
			return w.gone("read")
		case w.relayed:
			return w.taken("read")
		case ctx.Err() != nil:
			return &OpError{"read", w.name, ctx.Err()}
		case hasPassed(w.readLimit):
			return &OpError{"read", w.name, os.ErrDeadlineExceeded}
		case len(w.input.pieces) > 0 && w.current == reader:
			if w.longest <= 0 || w.input.size() <= w.longest {
				return nil
			}
			w.refuse(StatusMessageTooBig, fmt.Sprintf("the message is over %d bytes", w.longest), ErrTooBig)
			continue
		case len(w.input.pieces) == 0 && (w.err != nil || w.over):
			return w.gone("read")
		case w.deaf:
			return &OpError{"read", w.name, because(ErrState, "CloseRead was called")}
		}
		if result := w.input.ask(w.giveCredit); result < 0 && Error(result) != ErrClosed {
			return check("read", w.name, result)
		}
		w.changed.await(&w.mu, ctx, w.readLimit)
	}
}

func (w *WebSocket) giveCredit(credit C.uint64_t) C.int {
	return C.hj_go_socket_read(w.handle.c(), credit)
}

// receive takes an event, on the poller's goroutine.
func (w *WebSocket) receive(e *event) {
	switch e.kind {
	case eventMessage:
		w.mu.Lock()
		w.accept(e)
		w.mu.Unlock()
	case eventPaused:
		w.mu.Lock()
		w.input.asked = false
		w.mu.Unlock()
	case eventClosed:
		w.mu.Lock()
		why := w.reason(e)
		w.mu.Unlock()
		w.end(why)
		w.calls.free(w.handle)
		return
	}
	w.connection.receive(e)
}

// accept takes a message or a piece. The lock is held.
func (w *WebSocket) accept(e *event) {
	switch {
	case w.err != nil: // closed already because of one before
	case w.deaf:
		w.refuse(StatusPolicyViolation, "no message is expected", ErrState)
	default:
		w.input.add(e)
	}
}

// refuse closes the connection because of what the peer has sent, of which nothing is read any more. The lock is held.
func (w *WebSocket) refuse(code StatusCode, reason string, why Error) {
	w.input.pieces, w.partial, w.current = nil, nil, nil
	w.changed.fire()
	if w.closed || w.over || w.err != nil {
		return
	}
	C.hj_go_socket_close_message(w.handle.c(), C.uint32_t(code), reason)
	w.shut = true
	w.err = CloseError{Code: code, Reason: reason, why: why}
}
