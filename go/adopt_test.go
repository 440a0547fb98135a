package hijack_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
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
	wantError(t, err, hijack.ErrNotSocket, "adopt pipe: a *net.pipe has no descriptor")
	wantError(t, clients.Adopt(tls.Client(near, nil), hijack.HoldRaw, nil), hijack.ErrNotSocket, "adopt pipe: a TLS")

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
	wantError(t, clients.Adopt(conn, 99, nil), hijack.ErrInvalid, "adopt: Kind(99) is not a kind")
	wantError(t, clients.Adopt(conn, hijack.HoldWebSocket, nil), hijack.ErrNotSupported, "adopt ")
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
		must(t, clients.Hijack(wrapper{wrapper{w}}, r, hijack.HoldSSE, http.Header{"X-A": {"b"}}))
	})
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		must(t, err)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		must(t, clients.Adopt(conn, hijack.HoldSSEBody, nil))
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		socket, err := server.Hijack(w, r)
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

	recorder, request := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil) // is no Hijacker, like HTTP/2
	wantError(t, clients.Hijack(recorder, request, hijack.HoldSSE, nil), hijack.ErrNotSocket,
		"hijack 192.0.2.1:1234: a *httptest.ResponseRecorder (HTTP/1.1) is not an http.Hijacker")
	_, err = server.Hijack(wrapper{recorder}, request)
	wantError(t, err, hijack.ErrNotSocket, "hijack 192.0.2.1:1234: a *httptest.ResponseRecorder ")
}

// lateWriter has a field wroteHeader only once somebody has made what it embeds.
type lateWriter struct {
	http.ResponseWriter
	*madeLate
}

type madeLate struct{ wroteHeader bool }

func (w lateWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// A writer of which a part is not there yet is no reason to panic.
func TestHijackFromAWriterWithoutAPart(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	results := make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if reason := recover(); reason != nil {
				results <- fmt.Errorf("panic: %v", reason)
			}
		}()
		results <- server.AdoptRequest(&lateWriter{ResponseWriter: w}, r, func(r *hijack.Request) {
			must(t, r.Respond(204, nil, nil))
		})
	}))
	defer web.Close()
	c := dial(t, web.Listener.Addr().String()).get("/")
	must(t, within(t, "the result", results))
	first, _ := c.head()
	want(t, "status", first, "HTTP/1.1 204 No Content")
}

func TestHijackFromTLS(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	refused := make(chan error, 1)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := clients.Hijack(w, r, hijack.HoldSSE, nil)
		http.Error(w, "not over TLS", http.StatusNotImplemented)
		refused <- err
	}))
	defer web.Close()
	response, err := web.Client().Get(web.URL)
	must(t, err)
	response.Body.Close()
	want(t, "the handler's own answer", response.StatusCode, http.StatusNotImplemented)
	wantError(t, within(t, "the refusal", refused), hijack.ErrNotSocket, "hijack 127.0.0.1:")
}

// Whatever a hijack is refused for, the client gets an answer: the handler's own, if nothing was taken, or a 503.
func TestRefusedHijacksAreAnswered(t *testing.T) {
	server, later, full := newServer(t, nil), newServer(t, nil), newServer(t, hijack.Options{"max_connections": 1})
	must(t, server.Start(nil))
	must(t, full.Start(nil))
	rooms := make(map[*hijack.Server]*hijack.Broadcaster)
	for _, it := range []*hijack.Server{server, later, full} {
		var err error
		rooms[it], err = it.NewBroadcaster(nil)
		must(t, err)
	}
	pair(t, full, false)
	until(t, "the server is full", func() bool { return full.Stats()["connections"] == 1 })
	freed, err := server.NewBroadcaster(nil)
	must(t, err)
	freed.Free()
	to := func(room *hijack.Broadcaster, kind hijack.Kind, header http.Header) func(http.ResponseWriter,
		*http.Request) error {
		return func(w http.ResponseWriter, r *http.Request) error { return room.Hijack(w, r, kind, header) }
	}
	for _, it := range []struct {
		name   string
		hijack func(w http.ResponseWriter, r *http.Request) error
		why    error
		says   string
		taken  bool
	}{
		{"a server that was not started", to(rooms[later], hijack.HoldSSE, nil), hijack.ErrState,
			"the server has not been started", false},
		{"a server with no room", to(rooms[full], hijack.HoldSSE, nil), hijack.ErrLimit, "max_connections", false},
		{"a freed broadcaster", to(freed, hijack.HoldSSE, nil), hijack.ErrFreed, "has been freed", false},
		{"an unknown kind", to(rooms[server], 99, nil), hijack.ErrInvalid, "Kind(99) is not a kind", false},
		{"a kind for Adopt", to(rooms[server], hijack.HoldSSEBody, nil), hijack.ErrInvalid,
			"HoldSSEBody is for Adopt", false},
		{"a header where there is no head", to(rooms[server], hijack.HoldRaw, http.Header{"A": {"b"}}),
			hijack.ErrInvalid, "HoldRaw writes no head", false},
		{"a header of the library's own", to(rooms[server], hijack.HoldSSE, http.Header{"Content-Length": {"5"}}),
			hijack.ErrHeader, "the library sets the line itself", false},
		{"of a WebSocket too", to(rooms[server], hijack.HoldWebSocket, http.Header{"A B": {"5"}}),
			hijack.ErrHeader, "", false},
		{"a connection without a descriptor", func(w http.ResponseWriter, r *http.Request) error {
			return rooms[server].Hijack(hidden{w}, r, hijack.HoldSSE, nil)
		}, hijack.ErrNotSocket, "a hijack_test.wrapped has no descriptor", true},
	} {
		t.Run(it.name, func(t *testing.T) {
			refused := make(chan error, 1)
			web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				err := it.hijack(w, r)
				http.Error(w, "refused", http.StatusNotImplemented)
				refused <- err
			}))
			web.Config.ErrorLog = log.New(io.Discard, "", 0) // that w was hijacked when the handler answered
			web.Start()
			defer web.Close()
			first, _ := dial(t, web.Listener.Addr().String()).get("/").head()
			status := "501 Not Implemented"
			if it.taken {
				status = "503 Service Unavailable"
			}
			want(t, "status", first, "HTTP/1.1 "+status)
			err := within(t, "the refusal", refused)
			wantError(t, err, it.why, "")
			want(t, "is ErrNotHijacked", errors.Is(err, hijack.ErrNotHijacked), !it.taken)
			if !strings.Contains(err.Error(), it.says) {
				t.Errorf("the error says %q, not %q", err, it.says)
			}
		})
	}
}

// A second head would land in the body of the first response.
func TestHijackAfterAHead(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	refused := make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun, ")
		if r.URL.Path == "/flushed" {
			w.(http.Flusher).Flush()
		}
		refused <- clients.Hijack(wrapper{w}, r, hijack.HoldSSE, nil)
		io.WriteString(w, "and ended")
	}))
	defer web.Close()
	for _, path := range []string{"/", "/flushed"} {
		response, err := web.Client().Get(web.URL + path)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		want(t, "the handler's own response", string(body), "begun, and ended")
		err = within(t, "the refusal", refused)
		wantError(t, err, hijack.ErrState, "hijack 127.0.0.1:")
		wantError(t, err, hijack.ErrNotHijacked, "")
	}
}

// A client that reset its connection just before is an everyday event, with an error of its own.
func TestAdoptAfterAReset(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	asked, result := make(chan struct{}), make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		result <- clients.Hijack(w, r, hijack.HoldSSE, nil)
	}))
	defer web.Close()
	before := entries("/proc/self/fd")
	for i := 0; i < 20; i++ {
		c := dial(t, web.Listener.Addr().String()).get("/")
		must(t, c.SetLinger(0))
		within(t, "the request", asked)
		must(t, c.TCPConn.Close())
		wantError(t, within(t, "the refusal", result), hijack.ErrReset, "adopt 127.0.0.1:")
	}
	until(t, "no descriptor is left", func() bool { return entries("/proc/self/fd") <= before })
}

// The conventions by which wrappers show what they wrap; that of TLS is not followed.
func TestAdoptOfWrappers(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	for _, wrap := range []func(net.Conn) net.Conn{
		func(c net.Conn) net.Conn { return withNetConn{wrapped{c}, c} },
		func(c net.Conn) net.Conn { return withUnsafeConn{wrapped{c}, c} },
		func(c net.Conn) net.Conn { return withNetConn{wrapped{c}, withUnsafeConn{wrapped{c}, c}} },
	} {
		c := dial(t, listener.Addr().String())
		conn, err := listener.Accept()
		must(t, err)
		_, err = server.Adopt(withNetConn{wrapped{conn}, tls.Server(conn, nil)}, nil)
		wantError(t, err, hijack.ErrNotSocket, "adopt 127.0.0.1:")
		socket, err := server.Adopt(wrap(conn), nil)
		must(t, err)
		socket.WriteString("ours")
		must(t, socket.Close())
		want(t, "the client read", c.ended(), "ours")
	}
}

// ring wraps itself.
type ring struct{ wrapped }

func (r ring) NetConn() net.Conn { return r }

func TestAdoptOfARing(t *testing.T) {
	server := newServer(t, nil)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, err := server.Adopt(ring{wrapped{near}}, nil)
	wantError(t, err, hijack.ErrNotSocket, "adopt pipe: a hijack_test.ring has no descriptor")
}

// ringWriter wraps itself, as a middleware's mistake does.
type ringWriter struct{ http.ResponseWriter }

func (r ringWriter) Unwrap() http.ResponseWriter { return r }

func TestHijackOfARing(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	result := make(chan error, 1)
	go func() {
		_, err := server.Hijack(ringWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
		result <- err
	}()
	err := within(t, "the refusal", result)
	wantError(t, err, hijack.ErrNotSocket, "hijack 192.0.2.1:1234: a hijack_test.ringWriter wraps itself")
	wantError(t, err, hijack.ErrNotHijacked, "")
}

type withNetConn struct {
	wrapped
	inner net.Conn
}

func (w withNetConn) NetConn() net.Conn { return w.inner }

type withUnsafeConn struct {
	wrapped
	inner net.Conn
}

func (w withUnsafeConn) UnsafeConn() net.Conn { return w.inner }

// hidden gives a connection as a listener's wrapper would: without its descriptor.
type hidden struct{ http.ResponseWriter }

type wrapped struct{ net.Conn }

func (h hidden) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := h.ResponseWriter.(http.Hijacker).Hijack()
	return wrapped{conn}, buffered, err
}
