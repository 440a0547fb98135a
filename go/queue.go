package hijack

// #include <stdlib.h>
// #include "generated.h"
import "C"

import (
	"os"
	"syscall"
	"unsafe"
)

// batch is how many events one call of the library brings at most.
const batch = 64

// queue is where a server's events come from. Its descriptor is waited for by Go's own poller, so that waiting costs a
// parked goroutine and no thread.
type queue struct {
	handle handle
	events *[batch]C.hj_go_event // in C's memory, so that the library may write pointers into it
}

// event is one event with its payload copied.
type event struct {
	to     receiver // nil: its object was let go, or the type is not known
	kind   uint32
	status int32
	handle handle
	data   []byte
}

// turn is what one poll has brought, as far as it has not been handed out.
type turn struct {
	events     [batch]event
	next, last int
	record     event // one of an event of many
}

// pop takes the next event. Of one that tells of many members it gives one record after the other, since each is a call
// of a function that may end the goroutine.
func (t *turn) pop() *event {
	e := &t.events[t.next]
	if e.kind == eventMembers && len(e.data) > recordBytes {
		t.record = *e
		t.record.data, e.data = e.data[:recordBytes], e.data[recordBytes:]
		return &t.record
	}
	t.next++
	return e
}

// receiver is an object of the table: a request, stream or socket.
type receiver interface {
	// receive takes an event, on the poller's goroutine; it must not wait for anything.
	receive(e *event)
}

// registered is the object itself, for which a stand-in may be in the table.
type registered interface {
	receiver
	entry() *object
}

// object is what all of them have.
type object struct {
	server *Server
	handle handle
	id     uint64 // its key in the server's table, and its user_data; never used again
}

func (o *object) entry() *object { return o }

func newQueue(options Options) (q queue, err error) {
	var made C.uint64_t
	if err := check("queue", "", C.hj_go_queue_new(&made)); err != nil {
		return q, err
	}
	q = queue{handle(made), (*[batch]C.hj_go_event)(C.malloc(batch * C.sizeof_hj_go_event))}
	if err = options.set("option", "", "server", q.set); err != nil {
		q.free()
	}
	return q, err
}

func (q *queue) set(name, value string) C.int {
	if !ofQueue(name) {
		return 0
	}
	return C.hj_go_queue_set(q.handle.c(), name, value)
}

// open gives a file to wait on. It is a copy of the library's descriptor, which is not ours to close.
func (q *queue) open() (*os.File, error) {
	fd := C.hj_go_queue_fd(q.handle.c())
	if err := check("queue", "", fd); err != nil {
		return nil, err
	}
	mine, err := duplicate(uintptr(fd))
	if err != nil {
		return nil, err
	}
	return os.NewFile(mine, "libhijack queue"), nil
}

func (q *queue) free() {
	C.hj_go_queue_free(q.handle.c())
	C.free(unsafe.Pointer(q.events))
	q.events = nil
}

// duplicate copies a descriptor; a program that is started meanwhile does not inherit it.
func duplicate(fd uintptr) (uintptr, error) {
	mine, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return 0, os.NewSyscallError("dup", errno)
	}
	return mine, nil
}

// copyOf is a duplicate of somebody else's descriptor.
func copyOf(it syscall.Conn) (fd uintptr, err error) {
	raw, err := it.SyscallConn()
	if err != nil {
		return 0, err
	}
	if failed := raw.Control(func(theirs uintptr) { fd, err = duplicate(theirs) }); failed != nil {
		return 0, failed
	}
	return fd, err
}

// take moves waiting events into turn and returns whether there were any, with payloads copied and objects looked up.
// It excludes whoever makes a handle and puts its object into the table (see make), so that no event of it comes in
// between.
func (s *Server) take(turn *turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := C.hj_go_queue_poll(&s.queue.events[0], s.queue.handle.c(), batch, 0)
	if err := check("poll", "", result); err != nil {
		s.err, s.stopping = err, true
	}
	turn.next, turn.last = 0, 0
	for ; turn.last < int(result); turn.last++ {
		s.copy(&turn.events[turn.last], &s.queue.events[turn.last], turn.events[:turn.last])
	}
	return turn.last > 0
}

func (s *Server) copy(to *event, from *C.hj_go_event, before []event) {
	*to = event{kind: uint32(from._type), status: int32(from.status), handle: handle(from.handle)}
	if !isKnownEvent(to.kind) {
		return // it has no receiver
	}
	id := uint64(from.user_data)
	switch {
	case to.kind == eventRequest:
		r := &Request{inPieces: to.status != 0}
		s.register(r, to.handle)
		to.to = r
	case to.kind == eventMemberMessage, to.kind == eventMembers:
		to.to = s.listenerOf(to.handle, to.kind)
	case id == 0:
		if r := sameHandle(before, to.handle); r != nil {
			to.to, id = r, r.id
		}
	default:
		to.to = s.objects[id]
	}
	if to.to != nil {
		to.data = C.GoBytes(unsafe.Pointer(from.data), C.int(from.len))
		if isLastEvent(to.kind) {
			delete(s.objects, id)
		}
	}
	if to.kind == eventStopped {
		s.stopping = true
	}
}

// sameHandle finds the request that came and went within one batch: its CLOSED was taken before it got its user_data.
func sameHandle(before []event, h handle) *Request {
	for i := range before {
		if before[i].handle == h && before[i].kind == eventRequest {
			return before[i].to.(*Request)
		}
	}
	return nil
}

// register puts an object into the table. The server's lock is held.
func (s *Server) register(to registered, h handle) {
	s.lastID++
	o := to.entry()
	o.server, o.handle, o.id = s, h, s.lastID
	s.objects[o.id] = inTable(to)
	C.hj_go_handle_set_user_data(h.c(), C.uint64_t(o.id))
}

// make runs call, which makes a handle, and registers its object before any event of it can be taken.
func (s *Server) make(to registered, call func(out *C.uint64_t) C.int) C.int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var made C.uint64_t
	result := call(&made)
	if result >= 0 {
		s.register(to, handle(made))
	}
	return result
}

// keep makes the table refer to an object, so that somebody hears of its end who has only a context of it.
func (s *Server) keep(o *object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it, ok := s.objects[o.id].(interface{ kept() receiver }); ok {
		s.objects[o.id] = it.kept()
	}
}

// forget takes an object out of the table; no event reaches it from the next batch on.
func (s *Server) forget(o *object) {
	s.mu.Lock()
	delete(s.objects, o.id)
	s.mu.Unlock()
}

// poll hands out events until the server has stopped. It runs on a goroutine of its own and keeps no thread busy. A
// listener may end that goroutine (runtime.Goexit, which t.Fatal calls); then another one goes on.
func (s *Server) poll(file *os.File, turn *turn) {
	over := false
	defer func() {
		if !over {
			go s.poll(file, turn)
		}
	}()
	s.dispatch(turn) // what the goroutine before has left
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			for s.take(turn) {
				s.dispatch(turn)
				if s.stopping {
					break
				}
			}
			return s.stopping
		})
	}
	s.finish(file, turn, err)
	over = true
}

// dispatch gives each event of a turn to its object, without any lock.
func (s *Server) dispatch(turn *turn) {
	for turn.next < turn.last {
		e := turn.pop()
		switch {
		case e.kind == eventRequest && s.stopping:
			e.to.(*Request).free() // too late for a handler: the library answers 500, or has hung up
		case e.kind == eventRequest:
			r := e.to.(*Request)
			r.TLS = tlsOf(r.handle, e.data)
			r.payload = e.data
			select {
			case s.spare <- r:
			default:
				go s.work(r)
			}
		case e.to != nil:
			e.to.receive(e)
		case e.kind == eventDetached:
			syscall.Close(int(e.status)) // its socket was let go
		}
		*e = event{}
	}
}
