package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"fmt"
	"log"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Handler serves one request on a goroutine of its own: it answers it, or makes a Stream, a Socket or a held member of
// it. A request that it leaves unanswered is answered with 500. A panic is logged, and the Stream or Socket that was
// made is aborted; panic(http.ErrAbortHandler) resets the connection and is not logged.
type Handler func(*Request)

// Server listens, accepts, and holds connections on the library's own threads. Make it with NewServer, set it up with
// NewBroadcaster, Hold and Listen, then call Serve, or Start and Stop. Its methods may be called from any goroutine.
//
// A server that was started lives until it is stopped, also if nobody refers to it. One that was never started is freed
// with its last reference, or by Stop; before Go 1.24 only by Stop where a function given to OnMessage or OnMembers
// refers to it, or to one of its broadcasters.
type Server struct {
	// ErrorLog takes what no function can return: panics of handlers, and requests that were left unanswered. nil
	// means the log package's standard logger. Set it before the start.
	ErrorLog *log.Logger

	*resources
	handler Handler
	local   net.Addr        // the first address
	context context.Context // of all requests
	cancel  context.CancelFunc
	done    chan struct{}
	spare   chan *Request // who waits for one is a goroutine that has served another
	spares  int32         // how many wait
	err     error         // why it ended unasked; read it after done

	mu        sync.Mutex // held for moments only, and nothing else is locked meanwhile
	state     int
	objects   map[uint64]receiver
	lastID    uint64
	listeners map[listening]*listener // of handles: what a program has forgotten has no object
	stopping  bool                    // STOPPED has come; the poller's alone
}

// States of a server.
const (
	made = iota
	started
	stopped
)

// NewServer makes a server with these options; nil means defaults. Errors: ErrOption, ErrOutOfRange, ErrVersion (the
// library that runs does not fit), ErrLimit (no descriptor left), ErrOutOfMemory.
func NewServer(options Options) (*Server, error) {
	if err := checkVersion(); err != nil {
		return nil, err
	}
	queue, err := newQueue(options)
	if err != nil {
		return nil, err
	}
	var out C.uint64_t
	if err := check("server", "", C.hj_go_server_new(&out, queue.handle.c())); err != nil {
		queue.free()
		return nil, err
	}
	s := &Server{resources: &resources{handle(out), queue, make(map[handle]bool)}, done: make(chan struct{}),
		spare: make(chan *Request), objects: make(map[uint64]receiver),
		listeners: make(map[listening]*listener)}
	if err := options.set("option", "", "server", s.set); err != nil {
		s.free()
		return nil, err
	}
	s.freeWhenForgotten()
	return s, nil
}

func (s *Server) set(name, value string) C.int {
	if ofQueue(name) {
		return 0 // set before the server took the queue
	}
	return C.hj_go_server_set(s.handle.c(), name, value)
}

// Option gives the value of one of the server's options; sizes are in bytes. Errors: ErrOption.
func (s *Server) Option(name string) (string, error) {
	var out [256]C.char
	result := C.hj_go_server_get(&out[0], C.size_t(len(out)), s.handle.c(), name)
	if result < 0 {
		return "", explainOption(s.fail("option", name, result), "server", name)
	}
	return C.GoStringN(&out[0], result), nil
}

// Listen adds an address, before the start, and binds it immediately: "127.0.0.1:8080", "[::1]:8080", ":8080" or
// "*:8080" (all interfaces), "localhost:0" (a free port), "unix:/run/app.sock", "fd:3" (an inherited listening socket);
// "tls:" before any of them is ListenTLS. It returns the address with its real port. Errors: ErrAddress (cannot be
// understood), ErrOutOfRange (port), ErrTooBig (unix path over 107 bytes), ErrNotFound (folder of a unix path),
// ErrAddressNotAvailable (not an address of this machine), ErrAddressInUse, ErrAccessDenied, ErrNotSocket (fd: is not a
// listening socket), ErrState (started already), ErrLimit, ErrNotSupported (tls: without TLS in the library).
func (s *Server) Listen(address string) (net.Addr, error) {
	rest := strings.TrimPrefix(address, "tls:")
	full := address[:len(address)-len(rest)]
	if strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "::") {
		full += "*"
	}
	if result := C.hj_go_server_listen(s.handle.c(), full+rest); result < 0 {
		return nil, s.fail("listen", address, result)
	}
	if addrs := s.Addrs(); len(addrs) > 0 {
		return addrs[len(addrs)-1], nil
	}
	return nil, &OpError{"listen", address, ErrShutdown} // stopped at this moment
}

// ListenOn adds a listener that the program has made, of package net or systemd's for example, before the start. On
// success listener is closed, which clients do not notice, and must not be used again. Errors: ErrNotSocket (it is not
// a plain TCP or unix listener; for TLS give the listener inside, and Listen's address "tls:fd:3"), and as Listen.
func (s *Server) ListenOn(listener net.Listener) (net.Addr, error) {
	name := addrText(listener.Addr())
	it, ok := listener.(syscall.Conn)
	if !ok {
		return nil, &OpError{"listen", name, because(ErrNotSocket, "a %T has no descriptor; give the listener inside",
			listener)}
	}
	fd, err := copyOf(it)
	if err != nil {
		return nil, &OpError{"listen", name, err}
	}
	addr, err := s.Listen(fmt.Sprint("fd:", fd))
	if err != nil {
		syscall.Close(int(fd))
		return nil, err
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	listener.Close()
	return addr, nil
}

// Addrs are the addresses of the server, in the order of the calls of Listen.
func (s *Server) Addrs() []net.Addr {
	var addrs []net.Addr
	var out [256]C.char
	for i := C.uint32_t(0); ; i++ {
		n := C.hj_go_server_address(&out[0], C.size_t(len(out)), s.handle.c(), i)
		if n < 0 {
			return addrs
		}
		addrs = append(addrs, parseAddr(C.GoStringN(&out[0], n)))
	}
}

// Hold makes each GET of path a member of broadcaster, without a call of the handler, a goroutine or any other memory
// of Go; before the start. kind is HoldRaw, HoldStream, HoldSSE or HoldWebSocket; header is added to the response head.
// Errors: ErrHeader, ErrState (started, or path is held already), ErrInvalid (path does not start with a slash).
func (s *Server) Hold(path string, broadcaster *Broadcaster, kind Kind, header map[string][]string) error {
	lines, err := block(header)
	if err != nil {
		return err
	} else if err = checkPath("hold", path); err != nil {
		return err
	}
	result := C.hj_go_server_hold(s.handle.c(), path, C.uint32_t(kind), lines, broadcaster.handle.c())
	if Error(result) == ErrState && s.stateNow() == made {
		return &OpError{"hold", path, because(ErrState, "this path is held already")}
	}
	return broadcaster.explain("hold", s, kind, header, s.fail("hold", path, result))
}

// checkPath is what the library demands of a path.
func checkPath(op, path string) error {
	if strings.HasPrefix(path, "/") && !strings.Contains(path, "?") {
		return nil
	}
	return &OpError{op, path, because(ErrInvalid, "a path begins with a slash and has no question mark")}
}

// SetRoute sets options for the requests of path, before the start: those of scope "route" in
// docs/reference/options.md, as in Options{"request_body": "pieces"}. A * at the end of path means all paths that begin
// so. Errors: ErrOption, ErrOutOfRange, ErrNotSupported, ErrInvalid (path does not start with a slash), ErrState
// (started).
func (s *Server) SetRoute(path string, options Options) error {
	if err := checkPath("route", path); err != nil {
		return err
	}
	return options.set("route", path+": option ", "route", func(name, value string) C.int {
		return C.hj_go_server_route_set(s.handle.c(), path, name, value)
	})
}

// Start starts the server and returns; each request is given to handler on a goroutine of its own. handler nil answers
// 404 to everything that is not held. Errors: ErrState (started before), ErrShutdown (stopped), ErrLimit.
func (s *Server) Start(handler Handler) error {
	return s.start(context.Background(), handler)
}

// Serve starts the server and waits until ctx is cancelled, which stops it now, or until Stop or Drain have ended
// it. Contexts of requests come from ctx. It returns nil when it ended as asked. Errors: as Start.
func (s *Server) Serve(ctx context.Context, handler Handler) error {
	if err := s.start(ctx, handler); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.Stop()
	case <-s.done:
	}
	return s.err
}

func (s *Server) start(ctx context.Context, handler Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stopped {
		return &OpError{"start", "", because(ErrShutdown, "the server has been stopped; make a new one")}
	} else if s.state == started {
		return &OpError{"start", "", because(ErrState, "the server has been started already")}
	}
	file, err := s.queue.open()
	if err != nil {
		return err
	}
	if addrs := s.Addrs(); len(addrs) > 0 {
		s.local = addrs[0]
	}
	s.handler = handler
	s.context, s.cancel = context.WithCancel(ctx)
	if err := check("start", "", C.hj_go_server_start(s.handle.c())); err != nil {
		s.cancel()
		file.Close()
		return err
	}
	s.state = started
	go s.poll(file, new(turn))
	return nil
}

// Stop closes every connection now and waits until the server has ended, which takes milliseconds; contexts of requests
// are cancelled, but handlers are not waited for. A second call does nothing. It always returns nil. In the functions
// of OnMessage and OnMembers it does not wait; see Done.
func (s *Server) Stop() error {
	s.mu.Lock()
	if s.state == made {
		s.freeAll()
		close(s.done)
	}
	s.mu.Unlock()
	if !isClosed(s.done) {
		C.hj_go_server_stop(s.handle.c())
	}
	if !isInCallback() { // which the end waits for
		<-s.done
	}
	return nil
}

// Drain stops accepting, lets open requests and streams finish, closes held members spread evenly over within, and what
// is left then; it waits until the server has ended. When ctx ends first, the server is stopped now and ctx.Err()
// comes back. In the functions of OnMessage and OnMembers it does not wait, and returns nil. Errors: ErrState (not
// started), ErrShutdown (ended).
func (s *Server) Drain(ctx context.Context, within time.Duration) error {
	ms := milliseconds(within)
	if ms < 0 || ms > math.MaxUint32 {
		return &OpError{"drain", within.String(), because(ErrOutOfRange, "expected a time from 0 to 49 days")}
	}
	if err := s.fail("drain", within.String(), C.hj_go_server_drain(s.handle.c(), C.uint32_t(ms))); err != nil {
		return err
	}
	if isInCallback() { // which the end waits for
		go s.awaitDrain(ctx)
		return nil
	}
	return s.awaitDrain(ctx)
}

func (s *Server) awaitDrain(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.Stop()
		return ctx.Err()
	}
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} {
	return s.done
}

// finish is the poller's end: nothing is left behind.
func (s *Server) finish(file *os.File, turn *turn, err error) {
	C.hj_go_server_stop(s.handle.c()) // after a drain, the threads are still to be joined
	s.stopping = true
	for s.take(turn) {
		s.dispatch(turn)
	}
	s.mu.Lock()
	rest := s.objects
	s.objects = make(map[uint64]receiver)
	s.freeAll()
	s.mu.Unlock()
	for _, it := range rest {
		it.receive(&event{to: it, kind: eventClosed, status: int32(ErrShutdown)})
	}
	file.Close()
	s.cancel()
	if s.err == nil {
		s.err = err
	}
	close(s.done)
}

// freeAll also lets go what OnMessage and OnMembers were given, which may refer to the server. The lock is held.
func (s *Server) freeAll() {
	s.state = stopped
	s.free()
	s.listeners = nil
}

// Stats are the server's counters by name, "connections" or "accepted" for example; docs/reference/statistics.md lists
// them. Each is exact; together they are not one instant. After the end there are none.
func (s *Server) Stats() map[string]uint64 {
	var values [statCount]C.uint64_t
	stats := make(map[string]uint64)
	result := C.hj_go_server_stats(&values[0], statCount, s.handle.c())
	runtime.KeepAlive(s) // whose handle is freed with it
	if result < 0 {
		return stats
	}
	for i, value := range values {
		stats[C.GoString(C.hj_go_server_stat_name(C.uint32_t(i)))] = uint64(value)
	}
	return stats
}

// fail is check for what ends with the server, and is freed then. The lock is not held.
func (s *Server) fail(op, value string, result C.int) error {
	state := s.stateNow()
	if Error(result) == ErrState && state == made {
		return &OpError{op, value, because(ErrState, "the server has not been started; call Start or Serve")}
	} else if Error(result) == ErrState {
		return &OpError{op, value, because(ErrState, "the server has been started already")}
	} else if Error(result) == ErrHandle && state == stopped {
		result = C.int(ErrShutdown)
	}
	return check(op, value, result)
}

func (s *Server) stateNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *Server) logf(format string, values ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, values...)
	} else {
		log.Printf(format, values...)
	}
}

// spareWorkers is how many goroutines without a request wait for one: their stacks have grown to what a handler needs.
const spareWorkers = 256

// work runs the handler, and then that of further requests.
func (s *Server) work(r *Request) {
	for {
		s.serve(r)
		if atomic.AddInt32(&s.spares, 1) > spareWorkers {
			atomic.AddInt32(&s.spares, -1)
			return
		}
		select {
		case r = <-s.spare:
			atomic.AddInt32(&s.spares, -1)
		case <-s.done:
			return
		}
	}
}

func (s *Server) serve(r *Request) {
	defer r.end()
	r.parse()
	s.run(r, s.handler)
}

// logPanic is called where it was recovered from.
func (s *Server) logPanic(where string, reason any) {
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	s.logf("hijack: panic %s: %v\n%s", where, reason, stack)
}

// run is a call of a handler.
func (s *Server) run(r *Request, handler Handler) {
	returned := false
	defer func() {
		switch reason := recover(); reason {
		case nil:
			if !returned {
				s.logf("hijack: the handler of %v ended its goroutine (runtime.Goexit, as t.Fatal does)", r)
			}
		case http.ErrAbortHandler: // as with net/http: the client sees a broken connection, and nobody logs it
			r.cut()
		default:
			s.logPanic("serving "+r.String(), reason)
			r.abandon()
		}
	}()
	if handler == nil {
		r.Respond(404, Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(notFound))
	} else if handler(r); r.isOpen() && s.context.Err() == nil {
		s.logf("hijack: the handler left %v unanswered: 500", r)
	}
	returned = true
}

// notFound is what the library itself says where a server has nobody to ask.
const notFound = "404 Not Found: nothing is served here\n"

// parseAddr reads "127.0.0.1:80", "[::1]:80" or "unix:/path".
func parseAddr(text string) net.Addr {
	if addr, err := netip.ParseAddrPort(text); err == nil {
		return net.TCPAddrFromAddrPort(addr)
	}
	return &net.UnixAddr{Name: strings.TrimPrefix(text, "unix:"), Net: "unix"}
}
