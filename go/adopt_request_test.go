package hijack_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// Requests of net/http behind a middleware, answered by this package in each way.
func TestAdoptRequest(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	addr := adopting(t, server, func(r *hijack.Request) {
		switch r.Path {
		case "/respond":
			if r.Query().Get("a") != "b" || r.Header.Get("X-Mine") != "1" || r.Header.Get("Host") != "me" {
				t.Errorf("got %v with %v", r, r.Header)
			}
			must(t, r.Respond(201, http.Header{"x-a": {"mine"}, "vary": {"Accept"}}, []byte("made")))
		case "/stream":
			stream, err := r.Stream(200, nil)
			must(t, err)
			stream.WriteString("piece")
			must(t, stream.Close())
		case "/sse":
			must(t, r.Hold(clients, hijack.HoldSSE, nil))
		case "/events":
			stream, err := r.SSE(nil)
			must(t, err)
			must(t, stream.Close())
		case "/raw":
			must(t, r.Hold(clients, hijack.HoldRaw, nil))
		case "/socket":
			socket, err := r.Hijack()
			must(t, err)
			if socket.LocalAddr() == nil || socket.RemoteAddr().String() != r.Peer {
				t.Errorf("a socket from %v to %v", socket.LocalAddr(), socket.RemoteAddr())
			}
			socket.Read(make([]byte, 8))
			socket.WriteString("by hand")
			socket.Close()
		}
	})
	c := dial(t, addr).say("GET /respond?a=b HTTP/1.1\r\nHost: me\r\nX-Mine: 1\r\n\r\n")
	first, lines := c.head()
	want(t, "status", first, "HTTP/1.1 201 Created")
	wantLines(t, lines, "x-a: mine", "Set-Cookie: a=1", "Set-Cookie: b=2", "Vary: Origin", "Vary: Accept",
		"Content-Type: text/x-middle", "Content-Length: 4", "Connection: close")
	if strings.Contains(lines, "middleware") {
		t.Errorf("a line that the handler replaced is in %q", lines)
	}
	want(t, "the rest", c.ended(), "made")

	c = dial(t, addr).get("/stream")
	_, lines = c.head()
	wantLines(t, lines, "X-A: middleware", "Content-Type: text/x-middle", "Cache-Control: max-age=60",
		"Transfer-Encoding: chunked")
	want(t, "the rest", c.ended(), "5\r\npiece\r\n0\r\n\r\n")

	for _, path := range []string{"/events", "/sse"} {
		_, lines = dial(t, addr).get(path).head()
		wantLines(t, lines, "Content-Type: text/event-stream", "Cache-Control: no-cache", "X-Accel-Buffering: no",
			"X-A: middleware")
	}
	raw := dial(t, addr).get("/raw")
	until(t, "two members", func() bool { return clients.Len() == 2 })
	must(t, clients.Close())
	want(t, "of a raw member", raw.ended(), "")

	c = dial(t, addr).say("HEAD /sse HTTP/1.1\r\nHost: me\r\n\r\n")
	first, lines = c.head()
	want(t, "status of HEAD", first, "HTTP/1.1 200 OK")
	wantLines(t, lines, "Content-Type: text/event-stream")
	want(t, "after the head", c.ended(), "")
	want(t, "members", clients.Len(), 0)

	c = dial(t, addr).say("GET /socket HTTP/1.1\r\nHost: me\r\n\r\nbuffered")
	want(t, "of a socket", c.ended(), "by hand")
}

// WebSockets that net/http has accepted, with an object and as members without one.
func TestAdoptWebSocket(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	webSockets, results := make(chan *hijack.WebSocket, 1), make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "middleware")
		w.Header().Set("Sec-WebSocket-Protocol", "net/http has no say in it")
		ws, err := server.AdoptWebSocket(wrapper{w}, r, r.URL.Query().Get("protocol"), http.Header{"X-B": {"mine"}})
		if err == nil {
			webSockets <- ws
		} else {
			want(t, "no WebSocket", ws == nil, true)
		}
		if errors.Is(err, hijack.ErrNotHijacked) {
			http.Error(w, err.Error(), http.StatusNotImplemented)
		}
		results <- err
	})
	mux.HandleFunc("/held", func(w http.ResponseWriter, r *http.Request) {
		results <- room.Hijack(w, r, hijack.HoldWebSocket, nil)
	})
	mux.HandleFunc("/open", func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		must(t, err)
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", acceptOf(r.Header.Get("Sec-WebSocket-Key")))
		want(t, "bytes that net/http has read", buffered.Reader.Buffered(), 0)
		results <- room.Adopt(conn, hijack.HoldWebSocketOpen, nil)
	})
	web := httptest.NewServer(mux)
	defer web.Close()
	addr := web.Listener.Addr().String()

	c := connect(t, addr, "/?protocol=b", "Sec-WebSocket-Protocol: a, b", "Origin: http://me")
	must(t, within(t, "the handshake", results))
	ws := within(t, "the WebSocket", webSockets)
	want(t, "the answer's protocol", c.header.Values("Sec-WebSocket-Protocol"), "[b]")
	want(t, "the answer's lines", c.header.Get("X-A")+c.header.Get("X-B"), "middlewaremine")
	want(t, "Subprotocol", ws.Subprotocol(), "b")
	want(t, "String", ws, c.LocalAddr())
	c.send(opText, "hello")
	wantMessage(t, ws, hijack.MessageText, "hello")
	must(t, ws.Write(always, hijack.MessageBinary, []byte("and back")))
	c.expect(opBinary, "and back").send(opClose, closing(1000, "bye"))
	wantClose(t, readError(ws), hijack.StatusNormalClosure, "bye", hijack.ErrClosed)
	c.expect(opClose, closing(1000, "bye")).gone()

	// The first message comes in one packet with the request.
	whole := "GET / HTTP/1.1\r\n" + handshakeLines + "MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
	dial(t, addr).say(whole + string(frame(opText, true, "early"))).head()
	must(t, within(t, "the handshake", results))
	wantMessage(t, within(t, "the WebSocket", webSockets), hijack.MessageText, "early")

	held := connect(t, addr, "/held")
	must(t, within(t, "the hold", results))
	open := connect(t, addr, "/open")
	must(t, within(t, "the adoption", results))
	until(t, "two members", func() bool { return room.Len() == 2 })
	room.PublishString("hello")
	for _, c := range []*peer{held, open} {
		c.expect(opText, "hello").send(opPing, "1").expect(opPong, "1")
		c.send(opClose, closing(1000, "")).expect(opClose, closing(1000, "")).gone()
	}

	lines := strings.ReplaceAll(handshakeLines, "\r", "") + "MDEyMzQ1Njc4OWFiY2RlZg==\n"
	for _, it := range []struct {
		head, status string
		why          error
	}{
		{"GET / HTTP/1.1\nHost: me\n", "426 Upgrade Required", hijack.ErrProtocol},
		{"GET /held HTTP/1.1\nHost: me\n", "426 Upgrade Required", hijack.ErrProtocol},
		{"GET / HTTP/1.1\n" + lines + "Origin: http://you\n", "403 Forbidden", hijack.ErrProtocol},
		{"GET /?protocol=c HTTP/1.1\n" + lines, "501 Not Implemented", hijack.ErrInvalid},
	} {
		first, _ := refused(t, addr, it.head)
		want(t, "status", first, "HTTP/1.1 "+it.status)
		wantError(t, within(t, "the error", results), it.why, "")
	}
	until(t, "no connection is left", func() bool { return server.Stats()["connections"] <= 1 }) // the early one
}

// adopting serves handler behind net/http and a middleware.
func adopting(t *testing.T, server *hijack.Server, handler hijack.Handler) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range map[string][]string{"x-a": {"middleware"}, "Set-Cookie": {"a=1", "b=2"},
			"Vary": {"Origin"}, "Content-Type": {"text/x-middle"},
			"Content-Length": {"77"}, "Connection": {"keep-alive"},
			"Content-Encoding": {"gzip"}, "Keep-Alive": {"timeout=5"}, "Transfer-Encoding": {"chunked"},
			"Cache-Control": {"max-age=60"}, "X-Accel-Buffering": {"yes"}, "Etag": {`"tag"`},
			"Last-Modified": {"Thu, 01 Jan 1970 00:00:00 GMT"}, "Content-Range": {"bytes 0-4/5"},
			"Content-Md5": {"sum"}, "Content-Digest": {"sum"}, "Repr-Digest": {"sum"},
			"Date": nil, "No Token": {"1"}, "Trailer:X": {"1"}, "X-Bad": {"a\r\nX-Smuggled: 1"}} {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		if err := server.AdoptRequest(w, r, handler); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

// wantLines fails unless a head has these lines, and none that is another server's, or a smuggled one.
func wantLines(t *testing.T, lines string, wanted ...string) {
	t.Helper()
	for _, line := range wanted {
		if !strings.Contains("\r\n"+lines, "\r\n"+line+"\r\n") {
			t.Errorf("no line %q in %q", line, lines)
		}
	}
	for _, bad := range []string{"gzip", "timeout=5", "77", "keep-alive", "Token", "Trailer", "\nX-Smuggled",
		"Etag", "Last-Modified", "Content-Range", "Md5", "Digest"} {
		if strings.Contains(lines, bad) {
			t.Errorf("%q in %q", bad, lines)
		}
	}
	for _, once := range []string{"Content-Type:", "Cache-Control:", "X-Accel-Buffering:"} {
		if n := strings.Count(lines, once); n != 1 {
			t.Errorf("%q comes %d times in %q", once, n, lines)
		}
	}
}

// A request that the handler leaves unanswered is no client's burden.
func TestAdoptedRequestLeftUnanswered(t *testing.T) {
	server := newServer(t, nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	must(t, server.Start(nil))
	addr := adopting(t, server, func(r *hijack.Request) {})
	first, _ := dial(t, addr).get("/").head()
	want(t, "status", first, "HTTP/1.1 500 Internal Server Error")
	until(t, "a line in the log", func() bool { return strings.Contains(logged.String(), "left GET / of 127.0.0.1:") })
	until(t, "no connection is left", func() bool { return server.Stats()["connections"] == 0 })
}

// The client of an adopted request is watched, as any other.
func TestAdoptedRequestWhoseClientLeaves(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	asked, ended := make(chan struct{}), make(chan error, 1)
	addr := adopting(t, server, func(r *hijack.Request) {
		close(asked)
		<-r.Done()
		ended <- r.Respond(200, nil, []byte("still here"))
	})
	c := dial(t, addr).get("/")
	within(t, "the request", asked)
	must(t, c.CloseWrite())
	must(t, within(t, "the end", ended))
	c.head()
	want(t, "the rest", c.ended(), "still here")
}

// 5,000 connections that net/http accepted get every broadcast, while net/http goes on serving, and cost Go nothing.
func TestAdoptFiveThousand(t *testing.T) {
	const connections, messages = 5000 / slowdown, 20
	server := newServer(t, hijack.Options{"threads": 2})
	must(t, server.Start(nil))
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		if err := clients.Hijack(w, r, hijack.HoldSSE, nil); err != nil {
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
	if !collecting { // few connections, beside what net/http keeps of its own
		footprint().wantWithin(t, before, connections)
	}
	must(t, server.Stop())
	people.ask("gone 20")
	want(t, "net/http's own connections", server.Stats()["connections"], 0)
}
