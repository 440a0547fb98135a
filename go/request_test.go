package hijack_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestRequestFields(t *testing.T) {
	seen := make(chan *hijack.Request, 1)
	var body []byte
	addr := serve(t, newServer(t, nil), func(r *hijack.Request) {
		body, _ = io.ReadAll(r.Body)
		seen <- r
		r.Respond(201, hijack.Header{"X-Two": {"a", "b"}}, []byte("made"))
	})
	c := dial(t, addr).say("POST /a%20b?q=1&q=2&bad=%zz HTTP/1.1\r\nHost: me\r\nX-Twice: 1\r\nx-tWICE: 2\r\n" +
		"X-Empty:\r\nContent-Length: 5\r\n\r\nh\x00l\r\n")
	first, lines := c.head()
	c.expect("made")
	want(t, "status", first, "HTTP/1.1 201 Created")
	if !strings.Contains(lines, "X-Two: a\r\nX-Two: b\r\n") {
		t.Errorf("the response has the header %q", lines)
	}
	r := within(t, "the request", seen)
	want(t, "Method", r.Method, "POST")
	want(t, "Target", r.Target, "/a%20b?q=1&q=2&bad=%zz")
	want(t, "Path", r.Path, "/a%20b")
	want(t, "Query", r.Query()["q"], []string{"1", "2"})
	want(t, "Version", r.Version, "HTTP/1.1")
	want(t, "Peer", r.Peer, c.LocalAddr())
	want(t, "Scheme", r.Scheme, "http")
	want(t, "Host", r.Header.Get("host"), "me")
	want(t, "X-Twice", r.Header.Values("x-twice"), []string{"1", "2"})
	want(t, "X-Empty", len(r.Header["X-Empty"]), 1)
	want(t, "Body", string(body), "h\x00l\r\n")
	within(t, "the context's end, after the handler", r.Context().Done())
}

func TestHeader(t *testing.T) {
	h := make(hijack.Header)
	h.Add("x-one", "1")
	h.Add("X-One", "2")
	h.Set("x-two", "3")
	want(t, "Values", h.Values("X-ONE"), []string{"1", "2"})
	want(t, "Get", h.Get("X-Two"), "3")
}

// None of these may make a line of its own, and the request can still be answered after each.
func TestHeaderSmuggling(t *testing.T) {
	server := newServer(t, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	bad := []http.Header{
		{"X-A": {"1\r\nx-smuggled: 1"}},
		{"X-A": {"1\nx-smuggled: 1"}},
		{"X-A": {"1\r"}},
		{"X-A": {"1\x00"}},
		{"X-A\r\nX-Smuggled": {"1"}},
		{"X-A: 1\r\nX-Smuggled": {"1"}},
		{"X-Smuggled: 1, X": {"1"}},
		{"X A": {"1"}},
		{"": {"1"}},
		{" X": {"1"}},
		{"X-A": {"\x7f"}},
		{"Transfer-Encoding": {"chunked"}},
	}
	addr := serve(t, server, func(r *hijack.Request) {
		for _, header := range bad {
			err := r.Respond(200, header, nil)
			wantError(t, err, hijack.ErrHeader, "")
			_, err = r.Stream(200, header)
			wantError(t, err, hijack.ErrHeader, "")
			_, err = r.SSE(header)
			wantError(t, err, hijack.ErrHeader, "")
			if header.Get("Transfer-Encoding") == "" {
				_, err = r.HijackPartial(200, header)
				wantError(t, err, hijack.ErrHeader, "")
			}
			wantError(t, r.Hold(clients, hijack.HoldSSE, header), hijack.ErrHeader, "")
		}
		r.Respond(200, nil, []byte("unharmed"))
	})
	never := newServer(t, nil)
	for _, header := range bad {
		others, err := never.NewBroadcaster(nil)
		must(t, err)
		wantError(t, never.Hold("/", others, hijack.HoldSSE, header), hijack.ErrHeader, "")
	}
	c := dial(t, addr).get("/")
	if first, lines := c.head(); first != "HTTP/1.1 200 OK" || strings.Contains(strings.ToLower(lines), "smuggled") {
		t.Errorf("got %q %q", first, lines)
	}
	c.expect("unharmed")
}

func TestRefusedAnswers(t *testing.T) {
	addr := serve(t, newServer(t, nil), func(r *hijack.Request) {
		wantError(t, r.Respond(99, nil, nil), hijack.ErrInvalid, "respond GET / of 127.0.0.1:")
		short := hijack.Header{"Content-Length": {"5"}}
		wantError(t, r.Respond(200, short, []byte("four")), hijack.ErrHeader, "respond ")
		must(t, r.Respond(200, nil, nil))
		wantError(t, r.Respond(200, nil, nil), hijack.ErrState, "respond ")
		_, err := r.Hijack()
		wantError(t, err, hijack.ErrState, "hijack ")
	})
	c := dial(t, addr)
	for i := 0; i < 3; i++ { // on one connection
		first, _ := c.get("/").head()
		want(t, "status", first, "HTTP/1.1 200 OK")
	}
}

// The context tells a handler that its client has gone, before and after the request became something else.
func TestContextEndsWithTheClient(t *testing.T) {
	server := newServer(t, nil)
	ended := make(chan error, 1)
	asked := make(chan struct{}, 1)
	addr := serve(t, server, func(r *hijack.Request) {
		switch r.Path {
		case "/stream":
			stream, err := r.SSE(nil)
			must(t, err)
			defer func() { within(t, "the stream's end", stream.Done()) }()
		case "/socket":
			socket, err := r.Hijack()
			must(t, err)
			go socket.Read(make([]byte, 1))
			defer func() { wantError(t, socket.Err(), hijack.ErrReset, "") }()
		}
		until(t, "it is the loop's", func() bool { return r.Path == "/" || server.Stats()[r.Path[1:]+"s"] == 1 })
		asked <- struct{}{}
		<-r.Context().Done()
		if r.Path == "/" {
			wantError(t, r.Respond(200, nil, nil), hijack.ErrReset, "respond GET / of ")
		}
		ended <- r.Context().Err()
	})
	for _, path := range []string{"/", "/stream", "/socket"} {
		c := dial(t, addr).get(path)
		within(t, "the request", asked)
		must(t, c.SetLinger(0)) // a reset
		must(t, c.Close())
		want(t, "why", within(t, "the end of the context", ended), context.Canceled)
	}
}

// Clients that go at any moment leave nothing behind, and whatever waits for them ends.
func TestClientsThatGoAtOnce(t *testing.T) {
	server := newServer(t, nil)
	var handlers sync.WaitGroup
	asked := make(chan struct{}, 3*times(10000, 1000))
	addr := serve(t, server, func(r *hijack.Request) {
		handlers.Add(1)
		defer handlers.Done()
		if r.Path != "/" {
			asked <- struct{}{}
		}
		switch r.Path {
		case "/wait":
			<-r.Context().Done()
		case "/socket":
			if socket, err := r.Hijack(); err == nil {
				socket.SetReadDeadline(time.Now().Add(patience))
				if _, err := socket.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("a socket never heard of the end of its client")
				}
				socket.Close()
				within(t, "the socket's end", socket.Done())
			}
		case "/stream":
			if stream, err := r.Stream(200, nil); err == nil {
				within(t, "the stream's end", stream.Done())
			}
		default:
			r.Respond(200, nil, []byte("ok"))
		}
	})
	for i := 0; i < times(10000, 1000); i++ {
		for _, path := range []string{"/wait", "/socket", "/stream"} {
			c := dial(t, addr).get(path)
			if i%2 == 0 {
				within(t, "the handler", asked) // it takes the connection while it goes
			}
			c.SetLinger(0)
			c.Close()
		}
	}
	c := dial(t, addr).get("/")
	c.head()
	c.expect("ok")
	until(t, "all others are gone", func() bool { return server.Stats()["connections"] == 1 })
	ended := make(chan struct{})
	go func() { handlers.Wait(); close(ended) }()
	within(t, "the end of the handlers", ended)
}
