package hijack

// #include "generated.h"
import "C"

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"sync"
)

// Request is one HTTP request with its whole body. One call of Respond, Stream, SSE, Hijack, HijackPartial or Hold
// succeeds, and then the request is over; a refused one (ErrHeader, ErrInvalid) leaves it open for another try. It may
// be passed to other goroutines, but is answered with 500 when its handler returns before one of those calls.
type Request struct {
	Method  string // "GET"
	Target  string // as sent, "/a?b=1"
	Path    string // the target's path, not decoded
	Version string // "HTTP/1.1"
	Peer    string // "127.0.0.1:50312", "[::1]:50312" or "unix:"
	Scheme  string // "http"
	Header  Header // names in their usual form, "Content-Type"; Host is one of them
	Body    []byte // decoded

	object
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	answered bool
	gone     error // why the client is no longer there
	became   successor
}

// successor is what a request became: a stream or socket.
type successor interface {
	receiver
	Abort() error
}

// parse fills the fields from the payload of the REQUEST event, on the request's own goroutine.
func (r *Request) parse(payload []byte) {
	head, body, _ := bytes.Cut(payload, []byte("\r\n\r\n"))
	r.Body = body
	first, lines, _ := strings.Cut(string(head), "\r\n")
	fields := strings.SplitN(first, " ", 6) // later versions of the library may append some
	for i, field := range []*string{&r.Method, &r.Target, &r.Version, &r.Peer, &r.Scheme} {
		if i < len(fields) {
			*field = fields[i]
		}
	}
	r.Path = pathOf(r.Target)
	r.Header = parseHeader(lines)
}

// pathOf cuts off the query, and what an absolute target ("http://host/path", RFC 9112 section 3.2.2) has before the
// path.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if len(path) < len("http://") || !strings.EqualFold(path[:len("http://")], "http://") {
		return path
	}
	_, path, _ = strings.Cut(path[len("http://"):], "/")
	return "/" + path
}

// Query parses the target behind '?'. What cannot be parsed is left out.
func (r *Request) Query() url.Values {
	_, query, _ := strings.Cut(r.Target, "?")
	values, _ := url.ParseQuery(query)
	return values
}

// Context is cancelled when the client goes, also from the Stream or Socket that this request became; when the handler
// returns; and when the server stops.
func (r *Request) Context() context.Context {
	return r.ctx
}

// Respond answers. status is 200 to 999; Date, Content-Length and Connection are the library's. It does not wait for
// the client. Errors: ErrHeader, ErrInvalid, ErrState (answered already), ErrClosed, ErrReset (the client has gone).
func (r *Request) Respond(status int, header map[string][]string, body []byte) error {
	b, bLen := cBytes(body)
	return r.become("respond", header, func(h *C.char, hLen C.size_t) C.int {
		return C.hj_go_request_respond(r.handle.c(), C.uint32_t(status), h, hLen, b, bLen)
	})
}

// Stream answers with a head and makes a stream of the body: chunked, or of the length that a Content-Length in header
// says. The stream is the program's: it lives on when the handler returns, until it is closed. Errors: as Respond.
func (r *Request) Stream(status int, header map[string][]string) (*Stream, error) {
	return into(r, newStream(r), "stream", header, func(out *C.uint64_t, h *C.char, hLen C.size_t) C.int {
		return C.hj_go_request_stream(out, r.handle.c(), C.uint32_t(status), h, hLen)
	})
}

// SSE is Stream with the head of Server-Sent Events, and heartbeats while it is silent (option heartbeat_ms).
func (r *Request) SSE(header map[string][]string) (*Stream, error) {
	return into(r, newStream(r), "sse", header, func(out *C.uint64_t, h *C.char, hLen C.size_t) C.int {
		return C.hj_go_request_sse(out, r.handle.c(), h, hLen)
	})
}

// Hijack takes the connection with nothing written to it. What followed the request comes first from Read. The socket
// is the program's: it lives on when the handler returns, until it is closed. Errors: as Respond.
func (r *Request) Hijack() (*Socket, error) {
	return into(r, r.newSocket(), "hijack", nil, func(out *C.uint64_t, _ *C.char, _ C.size_t) C.int {
		return C.hj_go_request_hijack(out, r.handle.c())
	})
}

// HijackPartial writes a head of this status, 101 too, and then takes the connection. "Connection: close" is added
// unless header has a Connection. Errors: as Respond.
func (r *Request) HijackPartial(status int, header map[string][]string) (*Socket, error) {
	return into(r, r.newSocket(), "hijack", header, func(out *C.uint64_t, h *C.char, hLen C.size_t) C.int {
		return C.hj_go_request_hijack_partial(out, r.handle.c(), C.uint32_t(status), h, hLen)
	})
}

func (r *Request) newSocket() *Socket {
	return newSocket(r.Peer, r.cancel, r.server.local, parseAddr(r.Peer))
}

// Hold makes the connection a member of broadcaster, with no object of its own; see Server.Hold. Errors: as Respond.
func (r *Request) Hold(broadcaster *Broadcaster, kind Kind, header map[string][]string) error {
	return r.become("hold", header, func(h *C.char, hLen C.size_t) C.int {
		return C.hj_go_request_hold(r.handle.c(), broadcaster.handle.c(), C.uint32_t(kind), 0, h, hLen, nil, 0, nil, 0)
	})
}

// into makes it, a stream or socket, of r by call.
func into[T successor](r *Request, it T, op string, header map[string][]string,
	call func(out *C.uint64_t, h *C.char, hLen C.size_t) C.int) (T, error) {
	err := r.become(op, header, func(h *C.char, hLen C.size_t) C.int {
		result := r.server.make(it, func(out *C.uint64_t) C.int { return call(out, h, hLen) })
		if result >= 0 {
			r.became = it
		}
		return result
	})
	if err != nil {
		var none T
		return none, err
	}
	return it, nil
}

// become runs the call that answers the request, once, and lets the request go when that succeeded.
func (r *Request) become(op string, header map[string][]string, call func(h *C.char, hLen C.size_t) C.int) error {
	lines, err := block(header)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return &OpError{op, r.String(), ErrState}
	} else if r.gone != nil {
		return &OpError{op, r.String(), r.gone}
	}
	if result := call(cText(lines)); result < 0 {
		if Error(result) == ErrClosed {
			r.lose(ErrClosed)
		}
		return r.server.fail(op, r.String(), result)
	}
	r.answered = true
	r.free()
	return nil
}

// String says which request it is, "GET /a?b=1 of 127.0.0.1:50312".
func (r *Request) String() string {
	return r.Method + " " + r.Target + " of " + r.Peer
}

// isOpen is whether a client still waits for an answer.
func (r *Request) isOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.answered && r.gone == nil
}

// lose follows the end of the client. The lock is held.
func (r *Request) lose(why error) {
	if !r.answered && r.gone == nil {
		r.gone = why
		r.free()
	}
	r.cancel()
}

// receive knows one event: CLOSED, the client went before it got an answer.
func (r *Request) receive(e *event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.status == 0 {
		e.status = int32(ErrClosed)
	}
	if e.kind == eventClosed && !r.answered {
		r.lose(Error(e.status))
	}
}

// end follows the handler.
func (r *Request) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lose(ErrClosed)
}

// abandon follows a panic: a stream or socket that nobody drives any more must neither stay nor look whole.
func (r *Request) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.became != nil {
		r.became.Abort()
	}
}

func (r *Request) free() {
	r.server.forget(&r.object)
	C.hj_go_request_free(r.handle.c())
}
