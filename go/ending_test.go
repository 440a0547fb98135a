package hijack_test

import (
	"context"
	"io"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// watched is what a request, a stream and a socket have in common.
type watched interface {
	Done() <-chan struct{}
	Context() context.Context
	Closed() bool
	Err() error
}

// waiting serves objects that do nothing but watch their client, and gives each to the test with its request. The
// request is answered with what comes from the returned channel.
func waiting(t *testing.T, server *hijack.Server) (string, <-chan [2]watched, chan<- string) {
	objects, answers := make(chan [2]watched, 1), make(chan string)
	return serve(t, server, func(r *hijack.Request) {
		var it watched = r
		var say func(text string) error
		switch r.Path {
		case "/stream", "/sse":
			stream, err := r.Stream(200, nil)
			must(t, err)
			defer stream.Close()
			it, say = stream, func(text string) error { _, err := stream.WriteString(text); return err }
		case "/socket":
			socket, err := r.Hijack()
			must(t, err)
			defer socket.Close()
			it, say = socket, func(text string) error { _, err := socket.WriteString(text); return err }
		default:
			say = func(text string) error { return r.Respond(200, nil, []byte(text)) }
		}
		objects <- [2]watched{it, r}
		if err := say(<-answers); err != nil {
			t.Error(err)
		}
	}), objects, answers
}

var quietPaths = []string{"/request", "/stream", "/socket"}

// A client that ends its side is noticed at once, although nobody reads or writes; and it still gets what is written.
func TestClientThatLeavesIsNoticed(t *testing.T) {
	addr, objects, answers := waiting(t, newServer(t, nil))
	for _, path := range quietPaths {
		t.Run(path[1:], func(t *testing.T) {
			c := dial(t, addr).get(path)
			both := within(t, "the object", objects)
			for _, it := range both {
				if it.Closed() || isDone(it) || it.Err() != nil {
					t.Fatal("it is over before the client has left")
				}
			}
			must(t, c.CloseWrite())
			for _, it := range both {
				within(t, "Done", it.Done())
				within(t, "the end of the context", it.Context().Done())
				want(t, "Closed", it.Closed(), true)
				want(t, "the context's error", it.Context().Err(), context.Canceled)
				wantCause(t, it.Context(), hijack.ErrClosed)
				want(t, "Err", it.Err(), nil)
			}
			answers <- "still here"
			c.upTo("still here")
			c.ended()
		})
	}
}

// The end may come right behind the request, at any moment of the handler's.
func TestClientThatEndsWithItsRequest(t *testing.T) {
	addr, objects, answers := waiting(t, newServer(t, nil))
	for i := 0; i < times(3000, 300); i++ {
		c := dial(t, addr).get(quietPaths[i%3])
		must(t, c.CloseWrite())
		for _, it := range within(t, "the object", objects) {
			within(t, "Done of "+quietPaths[i%3], it.Done())
			wantCause(t, it.Context(), hijack.ErrClosed)
		}
		answers <- "x"
		c.upTo("x")
	}
}

// A reset is a last event: its reason is the cause, and nothing can be written any more.
func TestCauseOfAReset(t *testing.T) {
	server := newServer(t, nil)
	objects := make(chan [2]watched, 1)
	addr := serve(t, server, func(r *hijack.Request) {
		var it watched = r
		if r.Path == "/stream" {
			it, _ = r.Stream(200, nil)
		} else if r.Path == "/socket" {
			it, _ = r.Hijack()
		}
		objects <- [2]watched{it, r}
		<-r.Done()
	})
	for _, path := range quietPaths {
		c := dial(t, addr).get(path)
		both := within(t, "the object", objects)
		until(t, "it is the loop's", func() bool {
			return path == "/request" || server.Stats()[path[1:]+"s"] == 1
		})
		must(t, c.SetLinger(0))
		must(t, c.Close())
		for _, it := range both {
			within(t, "Done", it.Done())
			wantCause(t, it.Context(), hijack.ErrReset)
		}
		wantError(t, both[0].Err(), hijack.ErrReset, "")
	}
}

// What the program ends itself has no cause of its own, and a server that stops is one.
func TestCauseOfTheProgramsEnd(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	dial(t, addr).get("/").head()
	stream := within(t, "the stream", streams)
	must(t, stream.Close())
	within(t, "Done", stream.Done())
	wantCause(t, stream.Context(), context.Canceled)
	must(t, stream.Err())

	dial(t, addr).get("/").head()
	stream = within(t, "the stream", streams)
	asked := stream.Context() // before the end
	must(t, server.Stop())
	within(t, "the context's end", asked.Done())
	wantCause(t, asked, hijack.ErrShutdown)
	wantError(t, stream.Err(), hijack.ErrShutdown, "")
}

// A stream's context has the values of Serve's, and ends with the stream, not before: whoever sees its end sees why.
func TestContextOfServe(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	server := newServer(t, nil)
	addr, err := server.Listen("127.0.0.1:0")
	must(t, err)
	streams, served := make(chan *hijack.Stream, 1), make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, func(r *hijack.Request) {
			want(t, "a request's value", r.Context().Value(key{}), "value")
			stream, _ := r.Stream(200, nil)
			streams <- stream
		})
	}()
	dial(t, addr.String()).get("/").head()
	stream := within(t, "the stream", streams)
	want(t, "a stream's value", stream.Context().Value(key{}), "value")
	cancel()
	within(t, "Done", stream.Done())
	wantError(t, stream.Err(), hijack.ErrShutdown, "")
	must(t, within(t, "the end of Serve", served))
}

// A stream whose client is gone for good fails to write once the connection has ended, and Err tells the reason.
func TestPeerGoes(t *testing.T) {
	addr, streams, _ := streaming(t, nil, nil)
	c := dial(t, addr).get("/sse")
	c.head()
	stream := within(t, "the stream", streams)
	must(t, c.Close())
	within(t, "Done", stream.Done())
	var err error
	until(t, "writing fails", func() bool { _, err = stream.WriteString("x"); return err != nil })
	wantError(t, err, hijack.ErrReset, "write ")
	wantError(t, stream.Err(), hijack.ErrReset, "")
	wantCause(t, stream.Context(), hijack.ErrClosed) // the first reason
}

// After CloseWrite the peer's end is the end of the connection, whether somebody reads or not.
func TestPeerEndsAfterCloseWrite(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	for _, reads := range []bool{true, false} {
		c := dial(t, addr).get("/")
		socket := within(t, "the socket", sockets)
		must(t, socket.CloseWrite())
		want(t, "the client read", c.ended(), "")
		ended := make(chan error, 1)
		if reads {
			go func() {
				got, err := io.ReadAll(socket)
				want(t, "read", string(got), "last words")
				ended <- err
			}()
			parked(t, 1)
			c.say("last words")
		}
		must(t, c.CloseWrite())
		if reads {
			must(t, within(t, "the end of the read", ended))
		}
		within(t, "Done", socket.Done())
		until(t, "no connection is left", func() bool { return server.Stats()["connections"] == 0 })
		must(t, socket.Err())
	}
}

// The end of a peer that somebody reads from comes from Read, and ends nothing else: an echo goes on.
func TestEndOfAPeerThatIsRead(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	ended := make(chan error, 1)
	go func() {
		got, err := io.ReadAll(socket)
		want(t, "read", string(got), "x")
		ended <- err
	}()
	parked(t, 1)
	c.say("x")
	must(t, c.CloseWrite())
	must(t, within(t, "the end of the read", ended))
	if socket.Closed() || isDone(socket) {
		t.Error("the end that was read has ended the socket")
	}
	socket.WriteString("answer")
	must(t, socket.Close())
	want(t, "the client read", c.ended(), "answer")
}

// The context of a request ends with its handler, also if it is asked for only then.
func TestRequestEndsWithItsHandler(t *testing.T) {
	requests := make(chan *hijack.Request, 1)
	addr := serve(t, newServer(t, nil), func(r *hijack.Request) {
		r.Respond(200, nil, nil)
		requests <- r
	})
	dial(t, addr).get("/").head()
	r := within(t, "the request", requests)
	within(t, "Done", r.Done())
	want(t, "Closed", r.Closed(), true)
	wantCause(t, r.Context(), context.Canceled)
	must(t, r.Err())
}

func isDone(it watched) bool { return isClosed(it.Done()) }

// The context of a request that became a stream lives as long as the stream, also after the handler.
func TestContextOutlivesItsHandler(t *testing.T) {
	returned := make(chan *hijack.Request, 1)
	streams := make(chan *hijack.Stream, 1)
	addr := serve(t, newServer(t, nil), func(r *hijack.Request) {
		stream, err := r.SSE(nil)
		must(t, err)
		streams <- stream
		returned <- r
	})
	c := dial(t, addr).get("/")
	c.head()
	r, stream := within(t, "the request", returned), within(t, "the stream", streams)
	must(t, stream.SendEvent(hijack.Event{Data: "x"})) // after the handler
	c.upTo("data: x\n\n")
	must(t, r.Context().Err())
	must(t, c.SetLinger(0))
	must(t, c.TCPConn.Close())
	within(t, "the end of the context", r.Done())
	wantCause(t, r.Context(), hijack.ErrReset)
}
