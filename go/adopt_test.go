package hijack_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

func TestAdopt(t *testing.T) {
	server := newServer(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	c := dial(t, listener.Addr().String())
	conn, err := listener.Accept()
	must(t, err)
	defer conn.Close()
	_, err = server.Adopt(conn, nil)
	wantError(t, err, hijack.ErrState, "adopt 127.0.0.1:")
	io.WriteString(conn, "still theirs, ")
	must(t, server.Start(nil))
	socket, err := server.Adopt(conn, []byte("unread, "))
	must(t, err)
	_, err = conn.Write([]byte("x"))
	wantError(t, err, net.ErrClosed, "")
	want(t, "RemoteAddr", socket.RemoteAddr(), c.LocalAddr())
	want(t, "LocalAddr", socket.LocalAddr(), c.RemoteAddr())
	c.say("sent")
	got := make([]byte, 12)
	_, err = io.ReadFull(socket, got)
	must(t, err)
	want(t, "read", string(got), "unread, sent")
	_, err = socket.WriteString("now ours")
	must(t, err)
	must(t, socket.Close())
	want(t, "the client read", c.ended(), "still theirs, now ours")
}

func TestAdoptRefuses(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, err = server.Adopt(near, nil)
	wantError(t, err, hijack.ErrNotSocket, "adopt pipe, a *net.pipe, which has no descriptor")
	wantError(t, clients.Adopt(tls.Client(near, nil), hijack.HoldRaw, nil), hijack.ErrNotSocket, "adopt pipe, a TLS")

	udp, err := net.Dial("udp", "127.0.0.1:9")
	must(t, err)
	defer udp.Close()
	_, err = server.Adopt(udp, nil)
	wantError(t, err, hijack.ErrNotSocket, "adopt 127.0.0.1:9: ")
	if _, err := udp.Write([]byte("x")); err != nil && errors.Is(err, net.ErrClosed) {
		t.Error("a refused connection was closed")
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	c := dial(t, listener.Addr().String())
	conn, err := listener.Accept()
	must(t, err)
	defer conn.Close()
	wantError(t, clients.Adopt(conn, hijack.HoldSSE, hijack.Header{"A": {"1\r\nB: 2"}}), hijack.ErrHeader, "header A: ")
	wantError(t, clients.Adopt(conn, 99, nil), hijack.ErrInvalid, "adopt ")
	io.WriteString(conn, "unharmed")
	c.expect("unharmed")
}

// wrapper is a middleware's ResponseWriter, as http.ResponseController knows them.
type wrapper struct{ inner http.ResponseWriter }

func (w wrapper) Header() http.Header         { return w.inner.Header() }
func (w wrapper) Write(p []byte) (int, error) { return w.inner.Write(p) }
func (w wrapper) WriteHeader(status int)      { w.inner.WriteHeader(status) }
func (w wrapper) Unwrap() http.ResponseWriter { return w.inner }

func TestHijackFromNetHTTP(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	sockets := make(chan *hijack.Socket, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		must(t, clients.Hijack(wrapper{wrapper{w}}, hijack.HoldSSE, http.Header{"X-A": {"b"}}))
	})
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		must(t, err)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		must(t, clients.Adopt(conn, hijack.HoldSSEBody, nil))
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		socket, err := server.Hijack(w)
		must(t, err)
		sockets <- socket
	})
	web := httptest.NewServer(mux)
	defer web.Close()
	addr := web.Listener.Addr().String()

	sse := dial(t, addr).get("/sse")
	if first, lines := sse.head(); first != "HTTP/1.1 200 OK" || !strings.Contains(lines, "X-A: b\r\n") {
		t.Errorf("got %q %q", first, lines)
	}
	body := dial(t, addr).get("/body")
	body.head()
	until(t, "two members", func() bool { return clients.Len() == 2 })
	clients.WriteString("hello")
	sse.upTo("data: hello\n\n")
	body.upTo("data: hello\n\n")

	c := dial(t, addr).say("GET /socket HTTP/1.1\r\nHost: me\r\n\r\nbuffered")
	socket := within(t, "the socket", sockets)
	got := make([]byte, 8)
	_, err = io.ReadFull(socket, got)
	must(t, err)
	want(t, "read", string(got), "buffered")
	must(t, socket.Close())
	c.ended()

	recorder := httptest.NewRecorder() // is no Hijacker, like HTTP/2
	wantError(t, clients.Hijack(recorder, hijack.HoldSSE, nil), hijack.ErrNotSocket,
		"hijack *httptest.ResponseRecorder, which is no http.Hijacker: ")
	_, err = server.Hijack(wrapper{recorder})
	wantError(t, err, hijack.ErrNotSocket, "hijack hijack_test.wrapper, ")
}

func TestHijackFromTLS(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	refused := make(chan error, 1)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refused <- clients.Hijack(w, hijack.HoldSSE, nil)
	}))
	defer web.Close()
	if response, err := web.Client().Get(web.URL); err == nil {
		response.Body.Close()
		t.Error("a response came over TLS")
	}
	wantError(t, within(t, "the refusal", refused), hijack.ErrNotSocket, "adopt 127.0.0.1:")
}

// 5,000 connections that net/http accepted get every broadcast, while net/http goes on serving, and cost Go nothing.
func TestAdoptFiveThousand(t *testing.T) {
	const connections, messages = 5000, 20
	server := newServer(t, hijack.Options{"threads": 2})
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		if err := clients.Hijack(w, hijack.HoldSSE, nil); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "as ever") })
	web := httptest.NewServer(mux)
	defer web.Close()
	before := footprint()

	people := newCrowd(t, web.Listener.Addr().String(), fmt.Sprint(connections), "--path", "/sse", "--at-once", "64")
	people.ask("")
	until(t, "all are members", func() bool { return clients.Len() == connections })
	for i := 1; i <= messages; i++ {
		n, err := clients.Publish([]byte(fmt.Sprintf("n%d", i)))
		must(t, err)
		want(t, "addressed", n, connections)
		response, err := web.Client().Get(web.URL)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		want(t, "meanwhile net/http says", string(body), "as ever")
	}
	people.ask("sequence n 1 %d 20", messages)
	footprint().wantWithin(t, before, connections)
	must(t, server.Stop())
	people.ask("gone 20")
	want(t, "net/http's own connections", server.Stats()["connections"], 0)
}
