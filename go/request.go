package hijack

// #include "generated.h"
import "C"

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Request is one HTTP request. One call of Respond, Stream, SSE, Hijack, HijackPartial, WebSocket or Hold
// succeeds, and then the request is over; a refused one (ErrHeader, ErrInvalid) leaves it open for another try. It may
// be passed to other goroutines, but is answered with 500 when its handler returns before one of those calls.
type Request struct {
	Method  string    // "GET"
	Target  string    // as sent, "/a?b=1"
	Path    string    // the target's path, not decoded
	Version string    // "HTTP/1.1"
	Peer    string    // "127.0.0.1:50312", "[::1]:50312" or "unix:"
	Scheme  string    // "http" or "https"
	Header  Header    // names in their usual form, "Content-Type"; Host is one of them
	Body    io.Reader // decoded; never nil. With the option request_body=pieces it waits for the client; see Read
	Trailer Header    // of a Body that is read in pieces, once it has given io.EOF
	TLS     *TLS      // what the handshake has settled; nil without TLS

	object
	ending   ending
	payload  []byte   // of the event, until it is parsed
	inPieces bool     // nothing of the body came with the head
	local    net.Addr // of an adopted connection
	below    Header   // of a response: what the server that it was adopted from would have sent

	mu       sync.Mutex
	answered bool
	freed    bool
	left     bool  // the client has ended its side
	watched  bool  // somebody has the context
	gone     error // why the client is no longer there
	became   successor
	input    input // of a body in pieces
	trailers string
	changed  signal // what a read of the body waits for
}

// successor is what a request became: a stream, socket or WebSocket.
type successor interface {
	registered
	Abort() error
	leave(cause error)
}

// parse fills the fields from the payload of the REQUEST event, on the request's own goroutine.
func (r *Request) parse() {
	head, body, _ := bytes.Cut(r.payload, []byte("\r\n\r\n"))
	r.payload = nil
	switch {
	case r.inPieces:
		r.Body = pieces{r}
	case len(body) > 0:
		r.Body = bytes.NewReader(body)
	default:
		r.Body = http.NoBody
	}
	first, lines, _ := strings.Cut(string(head), "\r\n")
	for _, field := range []*string{&r.Method, &r.Target, &r.Version, &r.Peer, &r.Scheme} {
		*field, first, _ = strings.Cut(first, " ") // later versions of the library may append some
	}
	r.Path = pathOf(r.Target)
	r.Header = parseHeader(lines)
}

// pathOf cuts off the query, and what an absolute target ("http://host/path", RFC 9112 section 3.2.2) has before the
// path.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	scheme, rest, isAbsolute := strings.Cut(path, "://")
	if !isAbsolute || !(strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return path
	}
	_, path, _ = strings.Cut(rest, "/")
	return "/" + path
}

// Query parses the target behind '?'. What cannot be parsed is left out.
func (r *Request) Query() url.Values {
	_, query, _ := strings.Cut(r.Target, "?")
	values, _ := url.ParseQuery(query)
	return values
}

// Context is cancelled when the client leaves, and when the server stops. It lives as long as the Stream, Socket or
// WebSocket that this request became; otherwise it ends when the handler returns. A client that has only ended its
// sending side has left too, and may still read an answer. With Go 1.20 or later context.Cause is the reason: ErrClosed
// if the client left, ErrReset or ErrTimedOut for example, and context.Canceled if your program ended it.
func (r *Request) Context() context.Context {
	ctx := r.ending.under(r.server.context)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched = true
	if r.became != nil {
		r.server.keep(r.became.entry())
	}
	return ctx
}

// Done is closed when Context ends.
func (r *Request) Done() <-chan struct{} {
	return r.Context().Done()
}

// Closed is whether Context has ended.
func (r *Request) Closed() bool {
	return r.ending.isOver()
}

// Err is why the client can no longer be answered, ErrReset or ErrTimedOut for example; nil while it can, also if it
// has ended its sending side, and once it was answered.
func (r *Request) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

// Respond answers. status is 200 to 999; Date, Content-Length and Connection are the library's. It does not wait for
// the client. Errors: ErrHeader, ErrInvalid, ErrState (answered already), ErrClosed, ErrReset (the client has
// disconnected).
func (r *Request) Respond(status int, header map[string][]string, body []byte) error {
	if status < 200 || status > 999 {
		return r.badStatus("respond", status, 200)
	}
	return r.become("respond", r.over(header, false), func(lines string) C.int {
		return C.hj_go_request_respond(r.handle.c(), C.uint32_t(status), lines, text(body))
	})
}

// Stream answers with a head and makes a stream of the body: chunked, or of the length in a Content-Length of header.
// The stream is the program's: it lives on when the handler returns, until it is closed. Errors: as Respond.
func (r *Request) Stream(status int, header map[string][]string) (*Stream, error) {
	if status < 200 || status > 999 {
		return nil, r.badStatus("stream", status, 200)
	}
	head := r.over(header, false)
	return into(r, newStream(r), "stream", head, func(out *C.uint64_t, lines string) C.int {
		return C.hj_go_request_stream(out, r.handle.c(), C.uint32_t(status), lines)
	})
}

// SSE is Stream with the head of Server-Sent Events, and heartbeats while it is silent (option heartbeat_ms).
func (r *Request) SSE(header map[string][]string) (*Stream, error) {
	return into(r, newStream(r), "sse", r.over(header, true), func(out *C.uint64_t, lines string) C.int {
		return C.hj_go_request_sse(out, r.handle.c(), lines)
	})
}

// Hijack takes the connection with nothing written to it. What followed the request comes first from Read. The socket
// is the program's: it lives on when the handler returns, until it is closed. Errors: as Respond.
func (r *Request) Hijack() (*Socket, error) {
	return into(r, r.newSocket(), "hijack", nil, func(out *C.uint64_t, _ string) C.int {
		return C.hj_go_request_hijack(out, r.handle.c())
	})
}

// HijackPartial writes a head of this status, 101 too, and then takes the connection. "Connection: close" is added
// unless header has a Connection. Errors: as Respond.
func (r *Request) HijackPartial(status int, header map[string][]string) (*Socket, error) {
	if status < 100 || status > 999 {
		return nil, r.badStatus("hijack", status, 100)
	}
	head := r.over(header, false)
	return into(r, r.newSocket(), "hijack", head, func(out *C.uint64_t, lines string) C.int {
		return C.hj_go_request_hijack_partial(out, r.handle.c(), C.uint32_t(status), lines)
	})
}

func (r *Request) badStatus(op string, status, least int) error {
	return &OpError{op, r.String(), because(ErrInvalid, "a status is from %d to 999 (got %d)", least, status)}
}

func (r *Request) newSocket() *Socket { return newSocket(r.Peer, &r.ending, r.endpoints()) }

func (r *Request) endpoints() endpoints {
	if r.local != nil {
		return endpoints{r.local, parseAddr(r.Peer)}
	}
	return endpoints{r.server.local, parseAddr(r.Peer)}
}

// Hold makes the connection a member of broadcaster, with no object of its own; see Server.Hold. Errors: as Respond,
// with HoldWebSocket those of WebSocket, and of the newcomer ErrState (a Position without a history) and ErrInvalid
// (First of a WebSocket is not UTF-8).
func (r *Request) Hold(broadcaster *Broadcaster, kind Kind, header map[string][]string, newcomer ...Newcomer) error {
	it, err := broadcaster.newcomer("hold", r.String(), kind, newcomer)
	if err != nil {
		return err
	}
	all := header
	if kind != HoldRaw { // which has no head
		all = r.over(header, kind == HoldSSE)
	}
	err = r.become("hold", all, func(lines string) C.int {
		return C.hj_go_request_hold(r.handle.c(), broadcaster.handle.c(), C.uint32_t(kind), C.uint64_t(it.User), lines,
			text(it.First), given(it.Position))
	})
	return broadcaster.explain("hold", r.server, kind, header, err)
}

// into makes it, a stream, socket or WebSocket, of r by call.
func into[T successor](r *Request, it T, op string, header map[string][]string,
	call func(out *C.uint64_t, lines string) C.int) (T, error) {
	err := r.become(op, header, func(lines string) C.int {
		result := r.server.make(it, func(out *C.uint64_t) C.int { return call(out, lines) })
		if result >= 0 {
			r.became = it
			if r.watched {
				r.server.keep(it.entry())
			}
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
func (r *Request) become(op string, header map[string][]string, call func(lines string) C.int) error {
	lines, err := block(header)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return &OpError{op, r.String(), because(ErrState, "the request has been answered already")}
	} else if r.gone != nil {
		return &OpError{op, r.String(), r.gone}
	}
	if result := call(lines); result < 0 {
		if Error(result) == ErrClosed {
			r.lose(ErrClosed)
		} else if Error(result) == ErrProtocol { // the library has refused the handshake of a WebSocket
			r.answered = true
			r.free()
			return &OpError{op, r.String(), because(ErrProtocol, "the client's handshake was wrong, and was refused")}
		} else if Error(result) == ErrState { // see Body
			return check(op, r.String(), result)
		}
		return r.server.fail(op, r.String(), result)
	}
	r.answered = true
	if r.left && r.became != nil {
		r.became.leave(ErrClosed)
	}
	if !r.isReading() {
		r.free()
	}
	return nil
}

// String describes the request, "GET /a?b=1 of 127.0.0.1:50312".
func (r *Request) String() string {
	return r.Method + " " + r.Target + " of " + r.Peer
}

// isOpen is whether a client still waits for an answer.
func (r *Request) isOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.answered && r.gone == nil
}

// isReading is whether more of the body may come. The lock is held.
func (r *Request) isReading() bool {
	return r.inPieces && !r.input.eof
}

// lose follows the end of the client or of the handler. The lock is held.
func (r *Request) lose(why error) {
	if (!r.answered || r.isReading()) && r.gone == nil {
		r.gone = why
		r.changed.fire()
	}
	r.free()
}

// receive takes an event, on the poller's goroutine.
func (r *Request) receive(e *event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.kind {
	case eventHangup:
		r.left = true
		if r.became != nil {
			r.became.leave(ErrClosed)
		}
		r.ending.tell(ErrClosed)
	case eventClosed:
		why := Error(e.status)
		if why == 0 {
			why = ErrClosed
		}
		if !r.answered || e.status != 0 {
			r.ending.tell(why)
		}
		r.lose(why)
	case eventData, eventEOF:
		r.input.add(e)
		if e.kind == eventEOF {
			r.trailers = string(e.data)
		}
		r.changed.fire()
	}
}

// end follows the handler. A stream or socket lives on, and the context with it.
func (r *Request) end() {
	r.mu.Lock()
	r.lose(ErrClosed)
	over := r.became == nil
	r.mu.Unlock()
	if over {
		r.ending.tell(nil)
	}
}

// abandon follows a panic: a stream or socket that nobody drives any more must neither stay nor look whole.
func (r *Request) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.became != nil {
		r.became.Abort()
	}
}

// cut breaks the connection: the client gets no answer, or the end of none.
func (r *Request) cut() {
	if r.isOpen() {
		if _, err := r.Hijack(); errors.Is(err, ErrNotSupported) || errors.Is(err, ErrState) { // HTTP/2, an unread body
			r.Stream(500, nil)
		}
	}
	r.abandon()
}

func (r *Request) free() {
	if !r.freed {
		r.freed = true
		r.server.forget(&r.object)
		C.hj_go_request_free(r.handle.c())
	}
}
