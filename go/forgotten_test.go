//go:build go1.24

package hijack_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// Streams, sockets and WebSockets that nobody refers to do not stay until their clients leave.
func TestForgottenConnections(t *testing.T) {
	server := newServer(t, nil)
	addr := serve(t, server, func(r *hijack.Request) {
		switch r.Path {
		case "/stream":
			r.Stream(200, nil)
		case "/socket":
			r.HijackPartial(200, nil)
		default:
			r.WebSocket("", nil)
		}
	})
	for i := 0; i < 3; i++ {
		for _, path := range []string{"/stream", "/socket"} {
			c := dial(t, addr).get(path)
			c.head()
			until(t, "the connection's end", func() bool { runtime.GC(); return server.Stats()["connections"] == 0 })
			want(t, "after the head", c.ended(), "")
		}
		_, err := server.Connect(always, addr)
		must(t, err)
		until(t, "the end of what was opened", func() bool { runtime.GC(); return server.Stats()["connections"] == 0 })
		connect(t, addr, "/")
		until(t, "the WebSocket's end", func() bool { runtime.GC(); return server.Stats()["connections"] == 0 })
	}
}

// One that is a member lives on as such, and one that was closed still sends what was written.
func TestForgottenMembers(t *testing.T) {
	server := newServer(t, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	addr := serve(t, server, func(r *hijack.Request) {
		stream, err := r.SSE(nil)
		must(t, err)
		if r.Path == "/member" {
			must(t, room.Add(stream))
			return
		}
		_, err = stream.Write(flood)
		must(t, err)
		must(t, stream.Close())
	})
	c := dial(t, addr).get("/member")
	c.head()
	until(t, "the object is collected", func() bool { runtime.GC(); return server.Stats()["held"] == 1 })
	_, err = room.PublishString("hello")
	must(t, err)
	c.upTo("data: hello\n\n")

	c = dial(t, addr).say("GET /closed HTTP/1.0\r\n\r\n")
	c.head()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	want(t, "what was written", len(c.ended()), len(flood))
}

// Whoever has only a context hears of the end, and not before.
func TestForgottenButWatched(t *testing.T) {
	contexts := make(chan context.Context, 1)
	server := newServer(t, nil)
	addr := serve(t, server, func(r *hijack.Request) {
		switch r.Path {
		case "/0":
			stream, _ := r.SSE(nil)
			contexts <- stream.Context()
		case "/1": // before there is a stream, and after
			ctx := r.Context()
			r.SSE(nil)
			contexts <- ctx
		case "/2":
			r.SSE(nil)
			contexts <- r.Context()
		}
	})
	for i := 0; i < 3; i++ {
		c := dial(t, addr).get(fmt.Sprint("/", i))
		c.head()
		ctx := within(t, "the context", contexts)
		for j := 0; j < 5; j++ {
			runtime.GC()
			barrier(t, server)
		}
		must(t, ctx.Err())
		c.TCPConn.Close()
		within(t, "its end", ctx.Done())
	}
}

// A server that was never started is freed with its last reference, with its socket.
func TestForgottenServer(t *testing.T) {
	forget(t, func(*hijack.Broadcaster) func(hijack.MessageType, []byte) {
		return func(hijack.MessageType, []byte) {}
	})
}

// Also where its broadcaster's OnMessage refers to it.
func TestForgottenRing(t *testing.T) {
	forget(t, func(room *hijack.Broadcaster) func(hijack.MessageType, []byte) {
		return func(_ hijack.MessageType, data []byte) { room.Publish(data) }
	})
}

func forget(t *testing.T, listener func(*hijack.Broadcaster) func(hijack.MessageType, []byte)) {
	t.Helper()
	before := leftovers()
	for i := 0; i < times(1000, 100); i++ {
		server, err := hijack.NewServer(nil)
		must(t, err)
		room, err := server.NewBroadcaster(nil)
		must(t, err)
		must(t, room.OnMessage(listener(room)))
		_, err = server.Listen("127.0.0.1:0")
		must(t, err)
	}
	until(t, "the collection", func() bool {
		runtime.GC()
		return leftovers().descriptors <= before.descriptors
	})
}
