package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Socket is a hijacked connection, a net.Conn: after Request.Hijack from the first byte, after HijackPartial from the
// end of the head; or one that Server.Connect has opened, or Server.Adopt has taken. Its methods may be called from any
// goroutine. End it with Close. Nothing is read before the first Read, and then no more than 64 KiB ahead.
type Socket struct {
	byteConnection
	endpoints

	// Guarded by the connection's lock.
	readLimit time.Time
	input     input
	fd        int // of DETACHED; -1: none
}

var _ net.Conn = (*Socket)(nil)

var socketCalls = calls{
	send:  func(h handle, data string) C.int { return C.hj_go_socket_send(h.c(), data) },
	close: func(h handle) C.int { return C.hj_go_socket_close(h.c()) },
	abort: func(h handle) C.int { return C.hj_go_socket_abort(h.c()) },
	free:  func(h handle) { C.hj_go_socket_free(h.c()) },
}

func newSocket(name string, request *ending, ends endpoints) *Socket {
	return &Socket{byteConnection: byteConnection{connection: newConnection(&socketCalls, name, request)},
		endpoints: ends, fd: -1}
}

// Read reads what the peer sent; io.EOF once it sends no more. Errors: os.ErrDeadlineExceeded, ErrClosed, ErrReset,
// ErrTimedOut, ErrShutdown.
func (s *Socket) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, s.gone("read")
		case s.relayed:
			return 0, s.taken("read")
		case len(p) == 0:
			return 0, nil
		case hasPassed(s.readLimit):
			return 0, &OpError{"read", s.name, os.ErrDeadlineExceeded}
		case len(s.input.chunks) > 0:
			n := s.input.consume(p)
			s.input.ask(s.giveCredit)
			return n, nil
		case s.input.eof, s.err == ErrClosed, s.err == nil && s.over:
			return 0, io.EOF
		case s.err != nil:
			return 0, s.gone("read")
		}
		if result := s.input.ask(s.giveCredit); result < 0 && Error(result) != ErrClosed {
			return 0, check("read", s.name, result)
		}
		s.changed.await(&s.mu, context.Background(), s.readLimit)
	}
}

func (s *Socket) giveCredit(credit C.uint64_t) C.int {
	return C.hj_go_socket_read(s.handle.c(), credit)
}

// Release lets the object go, while the connection lives on as a member of its broadcasters, or relayed, without any
// memory of Go. Any other is aborted.
func (s *Socket) Release() {
	s.connection.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		syscall.Close(s.fd)
		s.fd = -1
	}
}

// CloseWrite ends what the peer gets, after what was written; reading goes on. Once the peer ends too, the connection
// is closed.
func (s *Socket) CloseWrite() error {
	s.mu.Lock()
	s.shut = true
	s.changed.fire()
	s.mu.Unlock()
	return s.problem("close write", C.hj_go_socket_shutdown(s.handle.c()))
}

// Detach takes the descriptor back from the library, after what was written has gone out: a *net.TCPConn or
// *net.UnixConn that is the program's own, and bytes that were read from it already. The socket is over then. When ctx
// ends first, the connection is aborted. Errors: ErrClosed, ErrState (detached already), or why the connection ended.
func (s *Socket) Detach(ctx context.Context) (net.Conn, []byte, error) {
	if err := s.push(ctx, "detach", s.askDetach); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	for !s.over && ctx.Err() == nil {
		s.changed.await(&s.mu, ctx, time.Time{})
	}
	over := s.over
	s.mu.Unlock()
	if !over {
		s.Release()
		return nil, nil, &OpError{"detach", s.name, ctx.Err()}
	}
	return s.detached()
}

// detached is what Detach returns once the last event has come.
func (s *Socket) detached() (net.Conn, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 && s.err != nil {
		return nil, nil, &OpError{"detach", s.name, s.err}
	} else if s.fd < 0 {
		return nil, nil, s.gone("detach")
	}
	file := os.NewFile(uintptr(s.fd), s.name)
	defer file.Close() // FileConn makes a copy of its own
	s.fd = -1
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, &OpError{"detach", s.name, err}
	}
	var unread []byte
	for _, chunk := range s.input.chunks {
		unread = append(unread, chunk...)
	}
	return conn, unread, nil
}

// askDetach asks for DETACHED, which may come before the call has returned: the lock makes it find the mark.
func (s *Socket) askDetach() C.int {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := C.hj_go_socket_detach(s.handle.c())
	if result >= 0 {
		s.closed = true
		s.changed.fire()
	}
	return result
}

// SetDeadline sets the deadline of reading and of writing.
func (s *Socket) SetDeadline(t time.Time) error {
	return s.setLimits(t, &s.readLimit, &s.limit)
}

// SetReadDeadline sets when a waiting Read fails with os.ErrDeadlineExceeded; the zero time is never.
func (s *Socket) SetReadDeadline(t time.Time) error {
	return s.setLimits(t, &s.readLimit)
}

// receive takes an event, on the poller's goroutine.
func (s *Socket) receive(e *event) {
	s.mu.Lock()
	s.input.add(e)
	s.input.asked = s.input.asked && e.kind != eventPaused
	if e.kind == eventConnected {
		s.remote = parseAddr(string(e.data))
	}
	unread := e.kind == eventEOF && !s.input.asked
	if e.kind == eventDetached && s.over { // released: nobody will ask for it
		syscall.Close(int(e.status))
	} else if e.kind == eventDetached {
		s.fd = int(e.status)
	}
	s.mu.Unlock()
	if unread { // the end of a peer to which nobody listens
		s.leave(ErrClosed)
	}
	s.connection.receive(e)
}
