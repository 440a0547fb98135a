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
	readLimit     deadline

	// Guarded by the connection's lock.
	readable signal
	chunks   [][]byte // read and not yet taken
	taken    int      // bytes taken for which the peer has no credit yet; -1: nothing was ever read
	eof      bool
	fd       int // of DETACHED; -1: none
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

func newSocket(r *Request) *Socket {
	return &Socket{connection: newConnection(socketCalls{}, r.Peer, r.cancel), local: r.server.local,
		remote: parseAddr(r.Peer), taken: -1, fd: -1}
}

// Read reads what the peer sent; io.EOF once it sends no more. Errors: os.ErrDeadlineExceeded, ErrClosed, ErrReset,
// ErrTimedOut, ErrShutdown.
func (s *Socket) Read(p []byte) (int, error) {
	for {
		limit := s.readLimit.wait()
		if isClosed(limit) {
			return 0, &OpError{"read", s.name, os.ErrDeadlineExceeded}
		}
		n, readable, err := s.tryRead(p)
		if readable == nil {
			return n, err
		}
		select {
		case <-readable:
		case <-limit:
		}
	}
}

// tryRead reads what is there, or gives the channel to wait on.
func (s *Socket) tryRead(p []byte) (int, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, nil, &OpError{"read", s.name, ErrClosed}
	case len(p) == 0:
		return 0, nil, nil
	case len(s.chunks) > 0:
		return s.consume(p), nil, nil
	case s.eof, s.ended && s.err == nil, s.err == ErrClosed:
		return 0, nil, io.EOF
	case s.ended:
		return 0, nil, &OpError{"read", s.name, s.err}
	case s.taken == -1:
		s.taken = window
		s.giveCredit()
	}
	return 0, s.readable.wait(), nil
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

// Close ends the connection in order: what was written still goes out, and nothing more is read. It does not wait for
// that; see Done. Closing again does nothing.
func (s *Socket) Close() error {
	defer s.wakeReaders()
	return s.connection.Close()
}

// Abort resets the connection; what was not sent yet is lost.
func (s *Socket) Abort() error {
	defer s.wakeReaders()
	return s.connection.Abort()
}

// Release lets the object go, while the connection lives on as a member of its broadcasters, without any memory of Go.
// One that is no member is aborted.
func (s *Socket) Release() {
	s.connection.Release()
	s.wakeReaders()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		syscall.Close(s.fd)
		s.fd = -1
	}
}

func (s *Socket) wakeReaders() {
	s.mu.Lock()
	s.readable.fire()
	s.mu.Unlock()
}

// CloseWrite ends what the peer gets, after what was written; reading goes on. Once the peer ends too, the connection
// is closed.
func (s *Socket) CloseWrite() error {
	s.endWriting()
	return s.problem("close write", C.hj_go_socket_shutdown(s.handle.c()))
}

func (s *Socket) endWriting() {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
}

// Detach takes the descriptor back from the library, after what was written has gone out: a *net.TCPConn or
// *net.UnixConn that is the program's own, and bytes that were read from it already. The socket is over then. When ctx
// ends first, the connection is aborted. Errors: ErrClosed, ErrState (detached already), or why the connection ended.
func (s *Socket) Detach(ctx context.Context) (net.Conn, []byte, error) {
	s.endWriting()
	if err := s.problem("detach", C.hj_go_socket_detach(s.handle.c())); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	s.closed = true
	s.readable.fire()
	s.drained.fire()
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
		if isClosed(s.done) {
			break
		}
		s.Release()
		return nil, nil, &OpError{"detach", s.name, ctx.Err()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 && s.err != nil {
		return nil, nil, &OpError{"detach", s.name, s.err}
	} else if s.fd < 0 {
		return nil, nil, &OpError{"detach", s.name, ErrClosed}
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
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets when a waiting Read fails with os.ErrDeadlineExceeded; the zero time is never.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if isClosed(s.done) {
		return &OpError{"set deadline", s.name, ErrClosed}
	}
	s.readLimit.set(t)
	return nil
}

// receive takes an event, on the poller's goroutine.
func (s *Socket) receive(e *event) {
	s.mu.Lock()
	switch e.kind {
	case eventData:
		s.chunks = append(s.chunks, e.data)
	case eventEOF:
		s.eof = true
	case eventDrained:
		s.drained.fire()
	case eventDetached:
		if s.ended { // released: nobody will ask for it
			syscall.Close(int(e.status))
			break
		}
		s.fd = int(e.status)
		if len(e.data) > 0 {
			s.chunks = append(s.chunks, e.data)
		}
	}
	s.readable.fire()
	s.mu.Unlock()
	switch e.kind {
	case eventClosed:
		s.cancel()
		s.last(Error(e.status))
	case eventDetached:
		s.last(0)
	}
}

// last follows the last event.
func (s *Socket) last(why Error) {
	s.end(why)
	s.readLimit.stop()
	s.wakeReaders()
	C.hj_go_socket_free(s.handle.c())
}
