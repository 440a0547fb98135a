package hijack_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestBroadcaster(t *testing.T) {
	server := newServer(t, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/sse", clients, hijack.HoldSSE, hijack.Header{"X-A": {"b"}}))
	must(t, server.Hold("/stream", clients, hijack.HoldStream, nil))
	must(t, server.Hold("/raw", clients, hijack.HoldRaw, nil))
	wantError(t, server.Hold("/raw", clients, hijack.HoldRaw, nil), hijack.ErrState,
		"hold /raw: this path is held already")
	wantError(t, server.Hold("raw", clients, hijack.HoldRaw, nil), hijack.ErrInvalid,
		"hold raw: a path begins with a slash")
	addr := serve(t, server, func(r *hijack.Request) { must(t, r.Hold(clients, hijack.HoldSSE, nil)) })

	sse := dial(t, addr).get("/sse")
	if _, lines := sse.head(); !strings.Contains(lines, "X-A: b\r\n") {
		t.Errorf("got the header %q", lines)
	}
	stream := dial(t, addr).get("/stream")
	stream.head()
	raw := dial(t, addr).get("/raw")
	asked := dial(t, addr).get("/by/request")
	asked.head()
	until(t, "four members", func() bool { return clients.Len() == 4 })

	n, err := clients.Publish([]byte("one\ntwo"))
	must(t, err)
	want(t, "addressed", n, 4)
	for _, c := range []*client{sse, asked} {
		c.upTo("data: one\ndata: two\n\n")
	}
	stream.expect("7\r\none\ntwo\r\n")
	raw.expect("one\ntwo")

	n, err = clients.PublishEvent(hijack.Event{Name: "n", ID: "5", Data: "three"})
	must(t, err)
	want(t, "addressed", n, 4)
	sse.upTo("event: n\nid: 5\ndata: three\n\n")
	raw.expect("three")
	_, err = clients.PublishEvent(hijack.Event{ResetID: true, Data: "four"})
	must(t, err)
	sse.upTo("id:\ndata: four\n\n")
	raw.expect("four")
	_, err = clients.PublishEvent(hijack.Event{Retry: time.Second, Name: "later"})
	must(t, err)
	sse.upTo("event: later\nretry: 1000\ndata:\n\n")
	_, err = clients.PublishEvent(hijack.Event{Retry: -1})
	wantError(t, err, hijack.ErrInvalid, "publish: Retry must not be negative")
	_, err = clients.PublishEvent(hijack.Event{ID: "1\n2"})
	wantError(t, err, hijack.ErrInvalid, "publish ")

	k, err := fmt.Fprintf(clients, "%d", 4)
	want(t, "Write", fmt.Sprint(k, err), "1 <nil>")
	k, err = io.WriteString(clients, "5")
	want(t, "WriteString", fmt.Sprint(k, err), "1 <nil>")
	raw.expect("45")
	_, err = clients.Publish(make([]byte, 17<<20))
	wantError(t, err, hijack.ErrTooBig, "publish ")
	want(t, "published", clients.Stats()["published"], 6)
	want(t, "members", clients.Stats()["members"], 4)

	must(t, clients.Close())
	want(t, "the raw member's rest", raw.ended(), "")
	stream.upTo("\r\n0\r\n\r\n")
	stream.get("/stream").head()                                      // HTTP goes on
	until(t, "one member", func() bool { return clients.Len() == 1 }) // it can be used on
	clients.Free()
	_, err = clients.Publish(nil)
	wantError(t, err, hijack.ErrFreed, "publish: this broadcaster has been freed")
	wantError(t, clients.Set(hijack.Options{"backlog_bytes": 1}), hijack.ErrFreed, "option: ")
	wantError(t, clients.Close(), hijack.ErrFreed, "close: ")
	want(t, "ErrFreed is that of a client", errors.Is(err, hijack.ErrClosed) || errors.Is(err, net.ErrClosed), false)
}

// A room that is no more: the request can still be answered.
func TestHoldOfAFreedBroadcaster(t *testing.T) {
	server := newServer(t, nil)
	freed, err := server.NewBroadcaster(nil)
	must(t, err)
	freed.Free()
	addr := serve(t, server, func(r *hijack.Request) {
		wantError(t, r.Hold(freed, hijack.HoldSSE, nil), hijack.ErrFreed, "hold: ")
		must(t, r.Context().Err())
		must(t, r.Respond(503, nil, nil))
	})
	first, _ := dial(t, addr).get("/").head()
	want(t, "status", first, "HTTP/1.1 503 Service Unavailable")
}

// A room of which nobody has the object any more does not wait for the end of the server; its members stay.
func TestForgottenBroadcasters(t *testing.T) {
	server := newServer(t, nil)
	kept, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/", kept, hijack.HoldSSE, nil))
	addr := serve(t, server, func(r *hijack.Request) {
		room, err := server.NewBroadcaster(nil)
		must(t, err)
		must(t, r.Hold(room, hijack.HoldSSE, nil))
	})
	before := server.BroadcasterCount()
	for i := 0; i < 5; i++ {
		dial(t, addr).get("/room").head()
	}
	until(t, "the rooms are freed", func() bool {
		runtime.GC()
		return server.BroadcasterCount() == before
	})
	want(t, "held members", server.Stats()["held"], 5)
	_, err = kept.Publish([]byte("x"))
	must(t, err)
}

// What asks a broadcaster or a server for the last time still finds it: the collector must not free it meanwhile.
// The build tag hijack_gc makes it try.
func TestLastUse(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	for i := 0; i < times(2000, 200); i++ {
		room, err := server.NewBroadcaster(nil)
		must(t, err)
		want(t, "how many statistics", len(room.Stats()), 5)
		room, err = server.NewBroadcaster(nil)
		must(t, err)
		want(t, "members", room.Len(), 0)
		other, err := hijack.NewServer(nil)
		must(t, err)
		_, err = other.Listen("127.0.0.1:0")
		must(t, err)
		want(t, "how many statistics of a server", len(other.Stats()), 37)
	}
}

func TestKindString(t *testing.T) {
	want(t, "a kind", hijack.HoldSSE, "HoldSSE")
	want(t, "the last", hijack.HoldWebSocketOpen, "HoldWebSocketOpen")
	want(t, "none", hijack.Kind(99), "Kind(99)")
}

func TestMembers(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	one, err := server.NewBroadcaster(hijack.Options{"overflow": "drop_oldest"})
	must(t, err)
	two, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, two.Set(hijack.Options{"overflow": "latest", "backlog_bytes": "1k"}))
	c := dial(t, addr).get("/sse")
	c.head()
	stream := within(t, "the stream", streams)
	must(t, one.Add(stream))
	must(t, two.Add(stream))
	wantError(t, one.Add(stream), hijack.ErrState, "add ")
	one.WriteString("1")
	two.WriteString("2")
	stream.SendEvent(hijack.Event{Data: "3"})
	must(t, one.Remove(stream))
	wantError(t, one.Remove(stream), hijack.ErrState, "remove ")
	one.WriteString("not for it")
	two.WriteString("4")
	c.upTo("data: 1\n\n")
	c.upTo("data: 2\n\n")
	c.upTo("data: 3\n\n")
	c.upTo("data: 4\n\n")

	// Let go, it lives on as a member.
	stream.Release()
	stream.Release()
	within(t, "Done", stream.Done())
	_, err = stream.WriteString("x")
	wantError(t, err, hijack.ErrClosed, "write ")
	two.WriteString("5")
	c.upTo("data: 5\n\n")
	until(t, "it is held without an object", func() bool { return server.Stats()["held"] == 1 })

	// A stream that is nobody's member is aborted.
	c = dial(t, addr).get("/")
	c.head()
	within(t, "the stream", streams).Release()
	want(t, "after Release", c.ended(), "")

	other := newServer(t, nil)
	must(t, other.Start(nil))
	theirs, err := other.NewBroadcaster(nil)
	must(t, err)
	dial(t, addr).get("/sse").head()
	wantError(t, theirs.Add(within(t, "the stream", streams)), hijack.ErrInvalid, "add ")
}

func TestSlowMemberIsClosed(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	clients, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": "64k"})
	must(t, err)
	dial(t, addr).get("/sse").head()
	stream := within(t, "the stream", streams)
	must(t, clients.Add(stream))
	message := make([]byte, 256<<10)
	until(t, "the slow member's end", func() bool {
		_, err := clients.Publish(message)
		must(t, err)
		return stream.Err() != nil
	})
	wantError(t, stream.Err(), hijack.ErrSlow, "")
	want(t, "closed", clients.Stats()["closed"], 1)
}
