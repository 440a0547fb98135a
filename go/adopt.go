package hijack

// #include "generated.h"
import "C"

import (
	"bufio"
	"fmt"
	"net"
	"reflect"
	"syscall"
)

// ResponseWriter is what a web server hands its handlers: any http.ResponseWriter.
type ResponseWriter interface {
	Write([]byte) (int, error)
	WriteHeader(statusCode int)
}

// hijacker is http.Hijacker.
type hijacker interface {
	Hijack() (net.Conn, *bufio.ReadWriter, error)
}

// Adopt takes a connection of another server as a Socket. unread is what was read from it already, and comes first from
// Read. On success conn is closed, which the peer does not notice, and must not be used again; on failure it is as it
// was. Errors: ErrNotSocket (no plain TCP or unix connection, TLS for example), ErrState (the server does not run),
// ErrShutdown, ErrLimit.
func (s *Server) Adopt(conn net.Conn, unread []byte) (*Socket, error) {
	socket := newSocket(addrText(conn.RemoteAddr()), func() {}, conn.LocalAddr(), conn.RemoteAddr())
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

// Adopt takes a connection of another server as a member, with no object of its own; kind is any Hold constant, header
// is added to the head that HoldStream and HoldSSE write. What happens to conn, and the errors, are those of
// Server.Adopt, and ErrHeader.
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
// of the request stays in Go. Where w cannot be hijacked (HTTP/2, or a middleware that hides it), the error is
// ErrNotSocket and w can still answer; after any other error the connection is closed.
func (b *Broadcaster) Hijack(w ResponseWriter, kind Kind, header map[string][]string) error {
	return hijack(w, func(conn net.Conn, _ *bufio.Reader) error { return b.Adopt(conn, kind, header) })
}

// Hijack takes the connection of a request that net/http serves as a Socket, with the bytes that net/http had read
// already. Errors: as Broadcaster.Hijack.
func (s *Server) Hijack(w ResponseWriter) (socket *Socket, err error) {
	err = hijack(w, func(conn net.Conn, buffered *bufio.Reader) error {
		unread, _ := buffered.Peek(buffered.Buffered())
		socket, err = s.Adopt(conn, unread)
		return err
	})
	return socket, err
}

// hijack finds the hijacker in w, or in what w wraps (see http.ResponseController), and gives adopt what it hands out.
func hijack(w ResponseWriter, adopt func(net.Conn, *bufio.Reader) error) error {
	for it := any(w); it != nil; it = unwrap(it) {
		if h, ok := it.(hijacker); ok {
			conn, buffered, err := h.Hijack()
			if err != nil {
				return err
			}
			if err = adopt(conn, buffered.Reader); err != nil {
				conn.Close()
			}
			return err
		}
	}
	return &OpError{"hijack", fmt.Sprintf("%T, which is no http.Hijacker", w), ErrNotSocket}
}

// unwrap calls Unwrap() http.ResponseWriter, whose result has a type that only a package which imports net/http can
// name. It gives nil where there is no such method.
func unwrap(w any) any {
	method := reflect.ValueOf(w).MethodByName("Unwrap")
	if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 {
		return nil
	}
	return method.Call(nil)[0].Interface()
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
