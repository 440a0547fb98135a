package hijack

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
	"unsafe"
)

const patience = 60 * time.Second

// unknown are types that this package does not know, as a later version of the library may bring them. The last one is
// known, but never about a connection.
var unknown = []uint32{0, 1000, math.MaxInt32 + 1, math.MaxUint32, eventWake}

// bring gives the server an event that the library has not sent, by the way that all events take. user_data is 0 where
// the object has none.
func bring(s *Server, kind uint32, about object, status uintptr) {
	payload := []byte("of a later version")
	turn := turn{last: 1}
	s.mu.Lock()
	raw := s.queue.events[0]
	set(&raw.user_data, about.id)
	set(&raw.handle, uint64(about.handle))
	set(&raw.len, len(payload))
	set(&raw._type, kind)
	set(&raw.status, status)
	*(*unsafe.Pointer)(unsafe.Pointer(&raw.data)) = unsafe.Pointer(&payload[0])
	s.copy(&turn.events[0], &raw, nil)
	s.mu.Unlock()
	s.dispatch(&turn)
}

// set is an assignment to a field of a type that only cgo can name.
func set[T ~uint64 | ~uint32 | ~int32, F ~uint64 | ~uint32 | ~int | ~uintptr](to *T, from F) {
	*to = T(from)
}

// Nothing happens to the objects that an event of an unknown type is about, and what follows still arrives.
func TestUnknownEventsAreSkipped(t *testing.T) {
	for _, kind := range unknown {
		t.Run(fmt.Sprint("type ", kind), func(t *testing.T) { skips(t, kind) })
	}
}

func skips(t *testing.T, kind uint32) {
	server, sockets, streams, requests, answer := serveAllKinds(t)
	members, err := server.NewBroadcaster(nil)
	must(t, err)
	raw, piecewise, whole := ask(t, server, "/socket"), ask(t, server, "/stream"), ask(t, server, "/request")
	socket, stream, request := receive(t, sockets), receive(t, streams), receive(t, requests)
	descriptor, other, err := os.Pipe() // for the status: that of DETACHED may be closed by whoever gets it
	must(t, err)
	defer other.Close()
	defer descriptor.Close()
	for _, about := range []object{socket.object, stream.object, request.object, {handle: request.handle},
		{handle: server.handle}, {handle: members.handle}} {
		bring(server, kind, about, descriptor.Fd())
	}

	io.WriteString(raw, "later")
	got := make([]byte, 5)
	must(t, socket.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.ReadFull(socket, got); err != nil || string(got) != "later" {
		t.Fatalf("after the event, reading gives %q, %v", got, err)
	}
	if isClosed(socket.Done()) || isClosed(stream.Done()) || isClosed(server.Done()) || request.Context().Err() != nil {
		t.Fatal("something has ended")
	}
	if _, err := descriptor.Stat(); err != nil {
		t.Fatalf("the descriptor in the status: %v", err)
	}
	io.WriteString(stream, "body")
	must(t, stream.Close())
	expect(t, piecewise, "body")
	receive(t, stream.Done())
	if stream.Err() != nil {
		t.Errorf("the stream ended with %v", stream.Err())
	}
	answer <- "answer"
	expect(t, whole, "answer")
	raw.(*net.TCPConn).SetLinger(0)
	raw.Close()
	receive(t, socket.Done())
	if socket.Err() != ErrReset {
		t.Errorf("the socket ended with %v, not with %v", socket.Err(), ErrReset)
	}
}

// serveAllKinds starts a server that makes a socket, a stream, or a request that waits for its answer.
func serveAllKinds(t *testing.T) (*Server, chan *Socket, chan *Stream, chan *Request, chan string) {
	sockets, streams := make(chan *Socket, 1), make(chan *Stream, 1)
	requests, answer := make(chan *Request, 1), make(chan string, 1)
	server, err := NewServer(Options{"threads": 1})
	must(t, err)
	t.Cleanup(func() { server.Stop() })
	_, err = server.Listen("127.0.0.1:0")
	must(t, err)
	must(t, server.Start(func(r *Request) {
		switch r.Path {
		case "/socket":
			it, _ := r.Hijack()
			sockets <- it
		case "/stream":
			it, _ := r.Stream(200, nil)
			streams <- it
		default:
			requests <- r
			select {
			case body := <-answer:
				r.Respond(200, nil, []byte(body))
			case <-r.Context().Done():
			}
		}
	}))
	return server, sockets, streams, requests, answer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, c <-chan T) (it T) {
	t.Helper()
	select {
	case it = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
	}
	return it
}

func ask(t *testing.T, server *Server, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addrs()[0].String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: me\r\n\r\n")
	must(t, err)
	return conn
}

// expect reads a response with this body.
func expect(t *testing.T, conn net.Conn, body string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != body {
		t.Errorf("the body is %q, %v, not %q", got, err, body)
	}
}
