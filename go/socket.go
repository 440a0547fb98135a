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

// window is how much a peer may send before the program has read it.
const window = 64 << 10

// Socket is a hijacked connection, a net.Conn: after Request.Hijack from the first byte, after HijackPartial from the
// end of the head. Its methods may be called from any goroutine. It ends with Close; forgetting it does not end it.
// Nothing is read before the first Read, and then no more than 64 KiB ahead.
type Socket struct {
	connection
	local, remote net.Addr

	// Guarded by the connection's lock.
	readLimit time.Time
	chunks    [][]byte // read and not yet taken
	taken     int      // bytes taken for which the peer has no credit yet; -1: nothing was ever read
	eof       bool
	fd        int // of DETACHED; -1: none
}

var _ net.Conn = (*Socket)(nil)

type socketCalls struct{}

func (socketCalls) send(h handle, data []byte) C.int {
	p, n := cBytes(data)
	return C.hj_go_socket_send(h.c(), p, n)
}

func (socketCalls) close(h handle) C.int { return C.hj_go_socket_close(h.c()) }
func (socketCalls) abort(h handle) C.int { return C.hj_go_socket_abort(h.c()) }
func (socketCalls) free(h handle)        { C.hj_go_socket_free(h.c()) }

func newSocket(name string, cancel context.CancelFunc, local, remote net.Addr) *Socket {
	return &Socket{connection: newConnection(socketCalls{}, name, cancel), local: local, remote: remote, taken: -1,
		fd: -1}
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
		case len(p) == 0:
			return 0, nil
		case hasPassed(s.readLimit):
			return 0, &OpError{"read", s.name, os.ErrDeadlineExceeded}
		case len(s.chunks) > 0:
			return s.consume(p), nil
		case s.eof, s.err == ErrClosed, s.err == nil && isClosed(s.done):
			return 0, io.EOF
		case s.err != nil:
			return 0, s.gone("read")
		case s.taken == -1:
			s.taken = window
			s.giveCredit()
		}
		changed, limit := s.changed.wait(), s.readLimit
		s.mu.Unlock()
		pause(context.Background(), changed, limit, nil)
		s.mu.Lock()
	}
}

func (s *Socket) consume(p []byte) (n int) {
	for n < len(p) && len(s.chunks) > 0 {
		m := copy(p[n:], s.chunks[0])
		n += m
		if s.chunks[0] = s.chunks[0][m:]; len(s.chunks[0]) == 0 {
			s.chunks[0] = nil
			s.chunks = s.chunks[1:]
		}
	}
	if s.taken += n; s.taken >= window/2 { // until then there is as much left
		s.giveCredit()
	}
	return n
}

func (s *Socket) giveCredit() {
	C.hj_go_socket_read(s.handle.c(), C.uint64_t(s.taken))
	s.taken = 0
}

// Release lets the object go, while the connection lives on as a member of its broadcasters, without any memory of Go.
// One that is no member is aborted.
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
	pause(ctx, s.done, time.Time{}, nil)
	if !isClosed(s.done) {
		s.Release()
		return nil, nil, &OpError{"detach", s.name, ctx.Err()}
	}
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
	for _, chunk := range s.chunks {
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

// LocalAddr is the server's first address; of an adopted connection its own.
func (s *Socket) LocalAddr() net.Addr {
	return s.local
}

// RemoteAddr is the peer's address.
func (s *Socket) RemoteAddr() net.Addr {
	return s.remote
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
	if (e.kind == eventData || e.kind == eventDetached) && len(e.data) > 0 {
		s.chunks = append(s.chunks, e.data)
	}
	s.eof = s.eof || e.kind == eventEOF
	if e.kind == eventDetached && isClosed(s.done) { // released: nobody will ask for it
		syscall.Close(int(e.status))
	} else if e.kind == eventDetached {
		s.fd = int(e.status)
	}
	s.mu.Unlock()
	s.connection.receive(e)
}
