package hijack

// #include "generated.h"
import "C"

import (
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"syscall"
	"time"
)

// ErrNotHijacked is in an error of Broadcaster.Hijack, Server.Hijack, AdoptRequest and AdoptWebSocket if nothing was
// taken: w is as it was, and the handler can still answer. Other errors of them mean that the client has its answer, or
// has left.
var ErrNotHijacked = errors.New("the connection stays with net/http")

// notHijacked is an error that is ErrNotHijacked too.
type notHijacked struct{ error }

// Is makes errors.Is find ErrNotHijacked.
func (e notHijacked) Is(target error) bool { return target == ErrNotHijacked }

// Unwrap gives the error itself to errors.Is and errors.As.
func (e notHijacked) Unwrap() error { return e.error }

// Adopt takes a connection of another server as a Socket. unread is what was read from it already, and comes first from
// Read. On success conn is closed, which the peer does not notice, and must not be used again; on failure it is as it
// was. Of a wrapper with a method NetConn or UnsafeConn, the connection inside is taken. Errors: ErrNotSocket (no plain
// TCP or unix connection, TLS for example), ErrReset (the peer has left already), ErrState (the server does not run),
// ErrShutdown, ErrLimit.
func (s *Server) Adopt(conn net.Conn, unread []byte) (*Socket, error) {
	socket := newSocket(addrText(conn.RemoteAddr()), nil, endpoints{conn.LocalAddr(), conn.RemoteAddr()})
	err := s.adopt(conn, func(fd C.int) C.int {
		return s.make(socket, func(out *C.uint64_t) C.int {
			return C.hj_go_server_adopt(out, s.handle.c(), fd, text(unread))
		})
	})
	if err != nil {
		return nil, err
	}
	return socket, nil
}

// Adopt takes a connection of another server as a member, with no object of its own; kind is any Hold constant except
// HoldWebSocket, which needs the request (see Hijack); header is added to the head that HoldStream and HoldSSE write.
// What happens to conn, and the errors, are those of Server.Adopt, and ErrHeader, and of the newcomer those of
// Request.Hold.
func (b *Broadcaster) Adopt(conn net.Conn, kind Kind, header map[string][]string, newcomer ...Newcomer) error {
	it, err := b.newcomer("adopt", addrText(conn.RemoteAddr()), kind, newcomer)
	if err != nil {
		return err
	}
	lines, err := block(header)
	if err == nil {
		err = b.server.adopt(conn, func(fd C.int) C.int { return b.adopt(fd, kind, lines, it) })
	}
	return b.explain("adopt", b.server, kind, header, err)
}

// adopt takes a descriptor. -1 is refused as ErrNotSocket, once nothing else is wrong.
func (b *Broadcaster) adopt(fd C.int, kind Kind, lines string, it Newcomer) C.int {
	return C.hj_go_broadcaster_adopt(b.handle.c(), fd, C.uint32_t(kind), C.uint64_t(it.User), lines, text(it.First),
		given(it.Position))
}

// Hijack takes the connection of a request that net/http serves as a member. The handler returns after it, and nothing
// of the request stays in Go. kind, header and newcomer are those of Request.Hold; what happens to w, and the errors,
// are those of AdoptRequest and Request.Hold.
func (b *Broadcaster) Hijack(w http.ResponseWriter, r *http.Request, kind Kind, header map[string][]string,
	newcomer ...Newcomer) error {
	it, err := b.newcomer("hijack", r.RemoteAddr, kind, newcomer)
	if err != nil {
		return notHijacked{err}
	}
	lines, err := block(header)
	if err == nil {
		checked := kind
		switch kind {
		case HoldWebSocket:
			checked = HoldStream // which has the same rules for its header
		case HoldSSEBody, HoldWebSocketOpen:
			checked = 0
		}
		err = b.server.refusal("hijack", r.RemoteAddr, b.adopt(-1, checked, lines, it))
	}
	if err != nil {
		return notHijacked{b.explain("hijack", b.server, kind, header, err)}
	}
	return b.server.adoptRequest(w, r, func(it *Request) error { return it.Hold(b, kind, header, newcomer...) })
}

// Hijack takes the connection of a request that net/http serves as a Socket, with the bytes that net/http had read
// already. Nothing is written to it. What happens to w, and the errors, are those of AdoptRequest.
func (s *Server) Hijack(w http.ResponseWriter, r *http.Request) (socket *Socket, err error) {
	err = s.hijack(w, r, func(conn net.Conn, unread []byte) error {
		socket, err = s.Adopt(conn, unread)
		return err
	})
	return socket, err
}

// AdoptWebSocket accepts the WebSocket of a request that net/http serves; protocol and header are those of
// Request.WebSocket. What happens to w, and the errors, are those of AdoptRequest and Request.WebSocket: a client whose
// handshake is refused has got its answer.
func (s *Server) AdoptWebSocket(w http.ResponseWriter, r *http.Request, protocol string,
	header map[string][]string) (ws *WebSocket, err error) {
	offered := protocol == ""
	for _, it := range listed(r.Header["Sec-Websocket-Protocol"]) {
		offered = offered || it == protocol
	}
	if _, err = block(header); err == nil && !offered {
		err = check("websocket", r.RemoteAddr, C.int(ErrInvalid))
	}
	if err != nil {
		return nil, notHijacked{err}
	}
	err = s.adoptRequest(w, r, func(it *Request) (err error) {
		ws, err = it.WebSocket(protocol, header)
		return err
	})
	return ws, err
}

// adoptRequest is AdoptRequest for what may fail, and is answered with 500 then.
func (s *Server) adoptRequest(w http.ResponseWriter, r *http.Request, answer func(*Request) error) (err error) {
	failed := s.AdoptRequest(w, r, func(it *Request) {
		if err = answer(it); err != nil {
			it.below = nil
			it.Respond(500, nil, nil)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

// AdoptRequest takes a request that net/http serves, with its connection, and gives it to handler, which answers it as
// any other: AdoptRequest returns when handler does. The header of w, such as a middleware has set it, goes into the
// head of the response, except what belongs to net/http's own response: Content-Encoding, Content-Length, ETag,
// Connection and the like; a head of Server-Sent Events has a Content-Type, Cache-Control and X-Accel-Buffering of its
// own. A line that handler sets replaces one of w; both Set-Cookie and both Vary stay. The request has no body:
// net/http reads it, before AdoptRequest. The connection closes after the response.
//
// Errors: ErrNotSocket (HTTP/2, TLS, or a middleware that hides the http.Hijacker), ErrState (the server does not run,
// or the handler has written a head already), ErrShutdown, ErrLimit. These are also ErrNotHijacked: w can still answer.
// ErrReset: the client left a moment ago, and there is nobody to answer. If a listener's wrapper hides the descriptor,
// which shows only afterwards, the error is ErrNotSocket, and the client has got a 503.
func (s *Server) AdoptRequest(w http.ResponseWriter, r *http.Request, handler Handler) error {
	target := r.RequestURI
	it := &Request{Method: r.Method, Target: target, Path: pathOf(target), Version: r.Proto, Peer: r.RemoteAddr,
		Scheme: "http", Header: Header(r.Header.Clone()), Body: http.NoBody, below: passedOn(w.Header())}
	if r.Host != "" || r.ProtoAtLeast(1, 1) {
		it.Header.Set("Host", r.Host)
	}
	lines, err := block(it.Header)
	if err != nil {
		return notHijacked{err}
	}
	head := it.Method + " " + target + " " + it.Version + "\r\n" + lines + "\r\n"
	err = s.hijack(w, r, func(conn net.Conn, unread []byte) error {
		it.local = conn.LocalAddr()
		return s.adopt(conn, func(fd C.int) C.int {
			return s.make(it, func(out *C.uint64_t) C.int {
				return C.hj_go_server_adopt_request(out, s.handle.c(), fd, head, text(unread))
			})
		})
	})
	if err == nil {
		defer it.end()
		s.run(it, handler)
	}
	return err
}

// unavailable answers a client whose connection net/http has given up, and nobody takes.
const unavailable = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// hijack gives adopt what the http.Hijacker in w hands out. Whatever can be known before is refused before.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request, adopt func(net.Conn, []byte) error) error {
	var none C.uint64_t
	err := s.refusal("hijack", r.RemoteAddr, C.hj_go_server_adopt(&none, s.handle.c(), -1, ""))
	if err != nil {
		return notHijacked{err}
	}
	hijacker, err := hijackerOf(w, r)
	if err != nil {
		return notHijacked{&OpError{"hijack", r.RemoteAddr, err}}
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		return notHijacked{&OpError{"hijack", r.RemoteAddr, err}}
	}
	unread, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err = adopt(conn, unread); err != nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(conn, unavailable)
		conn.Close()
	}
	return err
}

// refusal is why a connection would not be taken. result is that of trying it with the descriptor -1: ErrNotSocket is
// what comes when all else is well.
func (s *Server) refusal(op, value string, result C.int) error {
	if Error(result) == ErrNotSocket {
		return nil
	}
	return s.fail(op, value, result)
}

// hijackerOf is the first http.Hijacker in w, or in what it wraps (see http.ResponseController). The innermost writer
// must be one too: middlewares implement it also where they cannot do it.
func hijackerOf(w http.ResponseWriter, r *http.Request) (first http.Hijacker, err error) {
	if r.TLS != nil {
		return nil, errTLS
	}
	for wrappers := 0; wrappers < tooMany; wrappers++ {
		it, ok := w.(http.Hijacker)
		if ok && first == nil {
			first = it
		}
		if wrapper, wraps := w.(interface{ Unwrap() http.ResponseWriter }); wraps {
			w = wrapper.Unwrap()
		} else if !ok {
			return nil, because(ErrNotSocket, "a %T (%s) is not an http.Hijacker", w, r.Proto)
		} else if hasHead(w) {
			return nil, because(ErrState, "the handler has written the head of a response already")
		} else {
			return first, nil
		}
	}
	return nil, because(ErrNotSocket, "a %T wraps itself; its Unwrap must return the writer inside", w)
}

// hasHead is whether a handler has written to net/http's own writer, which keeps that to itself. Its other head would
// follow the first one in the middle of a body.
func hasHead(w http.ResponseWriter) bool {
	it := reflect.ValueOf(w)
	if it.Kind() != reflect.Pointer || it.Elem().Kind() != reflect.Struct {
		return false
	}
	field, ok := it.Elem().Type().FieldByName("wroteHeader")
	if !ok || len(field.Index) > 1 { // in something embedded, which may be nil: a writer that is not net/http's
		return false
	}
	wrote := it.Elem().FieldByIndex(field.Index)
	return wrote.Kind() == reflect.Bool && wrote.Bool()
}

var errTLS = because(ErrNotSocket, "a TLS connection cannot be taken over: its descriptor carries encrypted bytes")

// adopt gives a copy of conn's descriptor to call, and closes conn when the library has taken it.
func (s *Server) adopt(conn net.Conn, call func(fd C.int) C.int) error {
	name := addrText(conn.RemoteAddr())
	plain, err := plainConn(conn)
	if err != nil {
		return &OpError{"adopt", name, err}
	}
	fd, err := copyOf(plain)
	if err != nil {
		return &OpError{"adopt", name, err}
	}
	if result := call(C.int(fd)); result < 0 {
		syscall.Close(int(fd))
		return s.fail("adopt", name, result)
	}
	conn.Close()
	return nil
}

// tooMany connections or writers that wrap each other are one that wraps itself.
const tooMany = 100

// plainConn is conn, or the connection that it wraps, which has a descriptor.
func plainConn(conn net.Conn) (syscall.Conn, error) {
	for wrappers := 0; ; wrappers++ {
		if _, ok := conn.(interface{ Handshake() error }); ok {
			return nil, errTLS
		}
		switch it := conn.(type) {
		case syscall.Conn:
			return it, nil
		case interface{ NetConn() net.Conn }:
			conn = it.NetConn()
		case interface{ UnsafeConn() net.Conn }:
			conn = it.UnsafeConn()
		default:
			wrappers = tooMany
		}
		if wrappers >= tooMany {
			return nil, because(ErrNotSocket, "a %T has no descriptor; give it a method NetConn() net.Conn that "+
				"returns the connection inside", conn)
		}
	}
}

func addrText(addr net.Addr) string {
	if addr == nil {
		return "connection"
	}
	return addr.String()
}
