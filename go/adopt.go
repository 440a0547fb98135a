package hijack

// #include "generated.h"
import "C"

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Adopt takes a connection of another server as a Socket. unread is what was read from it already, and comes first from
// Read. On success conn is closed, which the peer does not notice, and must not be used again; on failure it is as it
// was. Errors: ErrNotSocket (no plain TCP or unix connection, TLS for example), ErrState (the server does not run),
// ErrShutdown, ErrLimit.
func (s *Server) Adopt(conn net.Conn, unread []byte) (*Socket, error) {
	socket := newSocket(addrText(conn.RemoteAddr()), nil, conn.LocalAddr(), conn.RemoteAddr())
	err := s.adopt(conn, func(fd C.int) C.int {
		p, n := cBytes(unread)
		return s.make(socket, func(out *C.uint64_t) C.int {
			return C.hj_go_server_adopt(out, s.handle.c(), fd, p, n)
		})
	})
	if err != nil {
		return nil, err
	}
	return socket, nil
}

// Adopt takes a connection of another server as a member, with no object of its own; kind is any Hold constant except
// HoldWebSocket, which needs the request (see Hijack); header is added to the head that HoldStream and HoldSSE write.
// What happens to conn, and the errors, are those of Server.Adopt, and ErrHeader.
func (b *Broadcaster) Adopt(conn net.Conn, kind Kind, header map[string][]string) error {
	lines, err := block(header)
	if err != nil {
		return err
	}
	return b.server.adopt(conn, func(fd C.int) C.int {
		h, n := cText(lines)
		return C.hj_go_broadcaster_adopt(b.handle.c(), fd, C.uint32_t(kind), 0, h, n, nil, 0, nil, 0)
	})
}

// Hijack takes the connection of a request that net/http serves as a member. The handler returns after it, and nothing
// of the request stays in Go. kind and header are those of Request.Hold; what happens to w, and the errors, are those
// of AdoptRequest. After an error of Request.Hold the client has got a 500, or with HoldWebSocket the library's answer.
func (b *Broadcaster) Hijack(w http.ResponseWriter, r *http.Request, kind Kind, header map[string][]string) error {
	var failed error
	err := b.server.AdoptRequest(w, r, func(it *Request) {
		if failed = it.Hold(b, kind, header); failed != nil {
			it.below = nil
			it.Respond(500, nil, nil)
		}
	})
	if err == nil {
		err = failed
	}
	return err
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
	var failed error
	err = s.AdoptRequest(w, r, func(it *Request) {
		if ws, failed = it.WebSocket(protocol, header); failed != nil {
			it.below = nil
			it.Respond(500, nil, nil)
		}
	})
	if err == nil {
		err = failed
	}
	return ws, err
}

// AdoptRequest takes a request that net/http serves, with its connection, and gives it to handler, which answers it as
// any other: AdoptRequest returns when handler does. The header of w, such as a middleware has set it, goes into the
// head of the response, except what belongs to net/http's own response: Content-Encoding, Content-Length, Connection
// and the like. A line that handler sets replaces one of w; both Set-Cookie and both Vary stay. The request has no
// body: net/http reads it, before AdoptRequest. The connection closes after the response.
//
// Errors: ErrNotSocket (HTTP/2, TLS, or a middleware that hides the http.Hijacker), ErrState (the server does not run),
// ErrShutdown. After these w can still answer. If the library refuses the connection itself, the client has got a 503:
// ErrNotSocket (a listener's wrapper without a descriptor), ErrLimit, ErrShutdown (it drains), ErrHeader (the request).
func (s *Server) AdoptRequest(w http.ResponseWriter, r *http.Request, handler Handler) error {
	target := r.RequestURI
	it := &Request{Method: r.Method, Target: target, Path: pathOf(target), Version: r.Proto, Peer: r.RemoteAddr,
		Scheme: "http", Header: Header(r.Header.Clone()), Body: http.NoBody, below: passedOn(w.Header())}
	if r.Host != "" || r.ProtoAtLeast(1, 1) {
		it.Header.Set("Host", r.Host)
	}
	err := s.hijack(w, r, func(conn net.Conn, unread []byte) error {
		it.local = conn.LocalAddr()
		lines, err := block(it.Header)
		if err != nil {
			return err
		}
		head := it.Method + " " + target + " " + it.Version + "\r\n" + lines + "\r\n"
		return s.adopt(conn, func(fd C.int) C.int {
			h, hLen := cText(head)
			p, n := cBytes(unread)
			return s.make(it, func(out *C.uint64_t) C.int {
				return C.hj_go_server_adopt_request(out, s.handle.c(), fd, h, hLen, p, n)
			})
		})
	})
	if err == nil {
		defer it.end()
		s.run(it, handler)
	}
	return err
}

// refusal answers a client whose connection net/http has given up, and nobody takes.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// hijack finds the hijacker in w, or in what w wraps (see http.ResponseController), and gives adopt what it hands out.
// What can be known before is refused before, so that w can still answer.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request, adopt func(net.Conn, []byte) error) error {
	if r.TLS != nil {
		return &OpError{"hijack", r.RemoteAddr + ", a TLS connection, whose descriptor carries encrypted bytes",
			ErrNotSocket}
	} else if err := s.running("hijack"); err != nil {
		return err
	}
	for it := w; it != nil; it = unwrap(it) {
		h, ok := it.(http.Hijacker)
		if !ok {
			continue
		}
		conn, buffered, err := h.Hijack()
		if err != nil {
			return err
		}
		unread, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
		if err = adopt(conn, unread); err != nil {
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(conn, refusal)
			conn.Close()
		}
		return err
	}
	return &OpError{"hijack", fmt.Sprintf("%T, which is no http.Hijacker", w), ErrNotSocket}
}

// running is nil while the server can take connections.
func (s *Server) running(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case made:
		return &OpError{op, "server that was not started", ErrState}
	case stopped:
		return &OpError{op, "", ErrShutdown}
	}
	return nil
}

// unwrap gives what w wraps, or nil.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if it, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return it.Unwrap()
	}
	return nil
}

// adopt gives a copy of conn's descriptor to call, and closes conn when the library has taken it.
func (s *Server) adopt(conn net.Conn, call func(fd C.int) C.int) error {
	name := addrText(conn.RemoteAddr())
	if _, ok := conn.(interface{ Handshake() error }); ok {
		return &OpError{"adopt", name + ", a TLS connection, whose descriptor carries encrypted bytes", ErrNotSocket}
	}
	it, ok := conn.(syscall.Conn)
	if !ok {
		what := fmt.Sprintf("%s, a %T, which has no descriptor: give the connection that it wraps", name, conn)
		return &OpError{"adopt", what, ErrNotSocket}
	}
	raw, err := it.SyscallConn()
	if err != nil {
		return &OpError{"adopt", name, err}
	}
	var fd uintptr
	var failed error
	if err = raw.Control(func(theirs uintptr) { fd, failed = duplicate(theirs) }); err == nil {
		err = failed
	}
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

func addrText(addr net.Addr) string {
	if addr == nil {
		return "connection"
	}
	return addr.String()
}
