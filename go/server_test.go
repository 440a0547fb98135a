package hijack_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestOptions(t *testing.T) {
	server := newServer(t, hijack.Options{"threads": 2, "heartbeat_ms": 5 * time.Second, "high_water_bytes": "8k",
		"low_water_bytes": uint16(1024), "capacity": 100})
	for name, wanted := range map[string]string{"threads": "2", "heartbeat_ms": "5000", "high_water_bytes": "8192"} {
		got, err := server.Option(name)
		must(t, err)
		want(t, name, got, wanted)
	}
	_, err := server.Option("colour")
	wantError(t, err, hijack.ErrOption, "option colour: ")

	_, err = hijack.NewServer(hijack.Options{"colour": "red"})
	wantError(t, err, hijack.ErrOption,
		"option colour=red: no server option has this name; docs/reference/options.md lists them")
	_, err = hijack.NewServer(hijack.Options{"thread": 1})
	wantError(t, err, hijack.ErrOption, "option thread=1: no server option has this name; did you mean threads?")
	_, err = hijack.NewServer(hijack.Options{"hartbeat_ms": 1})
	wantError(t, err, hijack.ErrOption,
		"option hartbeat_ms=1: no server option has this name; did you mean heartbeat_ms?")
	_, err = hijack.NewServer(hijack.Options{"max_body": 1})
	wantError(t, err, hijack.ErrOption,
		"option max_body=1: no server option has this name; did you mean max_body_bytes?")
	_, err = hijack.NewServer(hijack.Options{"overflow": "close"})
	wantError(t, err, hijack.ErrOption,
		"option overflow=close: no server option has this name; it is a broadcaster option")
	_, err = hijack.NewServer(hijack.Options{"max_body_bytes": time.Second})
	wantError(t, err, hijack.ErrOutOfRange, "option max_body_bytes=1s: expected size from 0 to ")
	_, err = hijack.NewServer(hijack.Options{"threads": 65})
	wantError(t, err, hijack.ErrOutOfRange, "option threads=65: expected int from 0 to 64: loop threads")
	wantError(t, err, syscall.ERANGE, "")
	_, err = hijack.NewServer(hijack.Options{"capacity": 0})
	wantError(t, err, hijack.ErrOutOfRange, "option capacity=0: expected int from 1 to 16777216: events")
	_, err = hijack.NewServer(hijack.Options{"heartbeat_ms": -time.Nanosecond})
	wantError(t, err, hijack.ErrOutOfRange, "option heartbeat_ms=-1: expected int from 0 to ")
	_, err = server.NewBroadcaster(hijack.Options{"overflow": "explode"})
	wantError(t, err, hijack.ErrOutOfRange,
		"option overflow=explode: expected what happens to a member over its backlog: ")
	_, err = server.NewBroadcaster(hijack.Options{"back_log_bytes": 1})
	wantError(t, err, hijack.ErrOption,
		"option back_log_bytes=1: no broadcaster option has this name; did you mean backlog_bytes?")
}

// A short time never becomes 0, which is "never".
func TestShortTimes(t *testing.T) {
	for _, it := range []struct {
		time time.Duration
		ms   string
	}{{time.Nanosecond, "1"}, {time.Millisecond, "1"}, {time.Millisecond + 1, "2"}, {0, "0"}} {
		got, err := newServer(t, hijack.Options{"idle_timeout_ms": it.time}).Option("idle_timeout_ms")
		must(t, err)
		want(t, it.time.String(), got, it.ms)
	}
}

// wantError also wants the message to begin like that.
func wantError(t testing.TB, err, wanted error, message string) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("got the error %v, want %v", err, wanted)
	}
	if !strings.HasPrefix(err.Error(), message) {
		t.Fatalf("the error says %q, want %q at its beginning", err, message)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	server := newServer(t, nil)
	_, err = server.Listen(taken.Addr().String())
	wantError(t, err, hijack.ErrAddressInUse, "listen "+taken.Addr().String()+": ")
	wantError(t, err, syscall.EADDRINUSE, "")
	_, err = server.Listen("nowhere:80")
	wantError(t, err, hijack.ErrAddress, "listen nowhere:80: ")
	_, err = server.Listen("")
	wantError(t, err, hijack.ErrInvalid, "listen: the address is empty")
	_, err = server.Listen("unix:/nonexistent-folder/socket")
	wantError(t, err, hijack.ErrNotFound, "listen unix:/nonexistent-folder/socket: ")
	wantError(t, err, fs.ErrNotExist, "")
	_, err = server.Listen("127.0.0.1:99999")
	wantError(t, err, hijack.ErrOutOfRange, "listen 127.0.0.1:99999: ")
	_, err = server.Listen("192.0.2.1:0")
	wantError(t, err, hijack.ErrAddressNotAvailable, "listen 192.0.2.1:0: ")
	_, err = server.Listen("fd:9999")
	wantError(t, err, hijack.ErrNotSocket, "listen fd:9999: ")
	_, err = server.Listen("fd:0x")
	wantError(t, err, hijack.ErrAddress, "listen fd:0x: ")
	_, err = server.ListenOn(tls.NewListener(taken, nil))
	wantError(t, err, hijack.ErrNotSocket, "listen 127.0.0.1:")
}

func TestListenEverywhere(t *testing.T) {
	server := newServer(t, nil)
	addr, err := server.Listen(":0")
	must(t, err)
	must(t, server.Start(nil))
	dial(t, fmt.Sprint("127.0.0.1:", addr.(*net.TCPAddr).Port)).get("/").head()
}

// Listeners of package net are the server's own afterwards, also the file of a unix socket.
func TestListenOn(t *testing.T) {
	server := newServer(t, nil)
	path := t.TempDir() + "/socket"
	for _, it := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", path}} {
		listener, err := net.Listen(it[0], it[1])
		must(t, err)
		addr, err := server.ListenOn(listener)
		must(t, err)
		want(t, "address", addr, listener.Addr())
		_, err = listener.Accept()
		wantError(t, err, net.ErrClosed, "")
	}
	must(t, server.Start(nil))
	dial(t, server.Addrs()[0].String()).get("/").head()
	conn, err := net.Dial("unix", path)
	must(t, err)
	conn.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	_, err = server.ListenOn(listener)
	wantError(t, err, hijack.ErrState, "listen ")
	dial(t, listener.Addr().String()) // still the program's
}

func TestSetRoute(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.SetRoute("/up/*", hijack.Options{"request_body": "pieces", "max_body_bytes": "100m"}))
	err := server.SetRoute("/up/*", hijack.Options{"request_body": "some"})
	wantError(t, err, hijack.ErrOutOfRange, "route /up/*: option request_body=some: ")
	wantError(t, server.SetRoute("/", hijack.Options{"colour": "red"}), hijack.ErrOption, "")
	wantError(t, server.SetRoute("/", hijack.Options{"long_poll_ms": 1}), hijack.ErrOption, "")
	wantError(t, server.SetRoute("up", hijack.Options{"max_body_bytes": 1}), hijack.ErrInvalid, "")
	must(t, server.Start(nil))
	wantError(t, server.SetRoute("/", hijack.Options{"max_body_bytes": 1}), hijack.ErrState, "")
}

func TestAddresses(t *testing.T) {
	server := newServer(t, nil)
	path := t.TempDir() + "/socket"
	tcp, err := server.Listen("localhost:0")
	must(t, err)
	unix, err := server.Listen("unix:" + path)
	must(t, err)
	want(t, "addresses", server.Addrs(), []net.Addr{tcp, unix})
	if tcp.(*net.TCPAddr).Port == 0 || unix.(*net.UnixAddr).Name != path {
		t.Fatalf("the addresses are %v and %v", tcp, unix)
	}
	must(t, server.Start(func(r *hijack.Request) { r.Respond(200, nil, []byte(r.Peer)) }))
	conn, err := net.Dial("unix", path)
	must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write([]byte("GET / HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"))
	var response bytes.Buffer
	response.ReadFrom(conn)
	if !strings.HasSuffix(response.String(), "\r\n\r\nunix:") {
		t.Fatalf("got %q", response.String())
	}
}

func TestStates(t *testing.T) {
	server := newServer(t, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	_, err = clients.Publish([]byte("x"))
	wantError(t, err, hijack.ErrState, "publish broadcaster: the server has not been started")
	wantError(t, server.Drain(context.Background(), time.Second), hijack.ErrState,
		"drain 1s: the server has not been started")
	serve(t, server, nil)
	wantError(t, server.Start(nil), hijack.ErrState, "start: the server has been started already")
	wantError(t, server.Hold("/x", clients, hijack.HoldSSE, nil), hijack.ErrState,
		"hold /x: the server has been started already")
	must(t, server.Stop())
	must(t, server.Stop())
	within(t, "Done", server.Done())
	wantError(t, server.Start(nil), hijack.ErrShutdown, "start: ")
	wantError(t, server.Drain(context.Background(), time.Second), hijack.ErrShutdown, "drain 1s: ")
	_, err = server.NewBroadcaster(nil)
	wantError(t, err, hijack.ErrShutdown, "broadcaster: ")
	_, err = clients.Publish([]byte("x"))
	wantError(t, err, hijack.ErrShutdown, "publish broadcaster: ")
	wantError(t, err, net.ErrClosed, "")
	clients.Free()
	clients.Free()
	want(t, "Len", clients.Len(), 0)
	want(t, "Stats", server.Stats(), map[string]uint64{})

	never := newServer(t, nil)
	must(t, never.Stop())
	within(t, "Done", never.Done())
	wantError(t, never.Serve(context.Background(), nil), hijack.ErrShutdown, "start: ")
}

// A handler, a stream, a reader and a writer wait; the end of the context wakes all of them.
func TestServeEndsWithItsContext(t *testing.T) {
	server := newServer(t, nil)
	addr, err := server.Listen("127.0.0.1:0")
	must(t, err)
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	defer cancel()
	ended := make(chan error, 4)
	waiting := make(chan struct{}, 4)
	handler := func(r *hijack.Request) {
		if r.Context().Value(key{}) != "value" {
			t.Error("the request's context does not come from that of Serve")
		}
		switch r.Path {
		case "/handler":
			waiting <- struct{}{}
			<-r.Context().Done()
			ended <- r.Context().Err()
		case "/stream":
			stream, _ := r.Stream(200, nil)
			waiting <- struct{}{}
			<-stream.Done()
			ended <- stream.Err()
		case "/read":
			socket, _ := r.Hijack()
			waiting <- struct{}{}
			_, err := socket.Read(make([]byte, 1))
			ended <- err
		case "/write":
			socket, _ := r.Hijack()
			waiting <- struct{}{}
			_, err := socket.Write(make([]byte, 64<<20))
			ended <- err
		}
	}
	served := make(chan error)
	go func() { served <- server.Serve(ctx, handler) }()
	for _, path := range []string{"/handler", "/stream", "/read", "/write"} {
		dial(t, addr.String()).get(path)
		within(t, path, waiting)
	}
	until(t, "the writer waits", func() bool { return server.Stats()["backlog_bytes"] > 0 })
	start := time.Now()
	cancel()
	must(t, within(t, "the end of Serve", served))
	if took := time.Since(start); took > 10*time.Second && !collecting {
		t.Errorf("Serve ended %v after its context", took)
	}
	for i := 0; i < 4; i++ {
		if err := within(t, "the end of what waited", ended); err == nil {
			t.Error("something that waited ended without an error")
		} else if !errors.Is(err, context.Canceled) && !errors.Is(err, hijack.ErrShutdown) {
			t.Errorf("something that waited ended with %v", err)
		}
	}
}

func TestServeEndsWithStop(t *testing.T) {
	server := newServer(t, nil)
	addr, err := server.Listen("127.0.0.1:0")
	must(t, err)
	served := make(chan error)
	go func() { served <- server.Serve(context.Background(), nil) }()
	dial(t, addr.String()).get("/").head()
	must(t, server.Stop())
	must(t, within(t, "the end of Serve", served))
}

func TestDrain(t *testing.T) {
	server := newServer(t, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/held", clients, hijack.HoldSSE, nil))
	release := make(chan struct{})
	asked := make(chan struct{})
	addr := serve(t, server, func(r *hijack.Request) {
		close(asked)
		<-release
		r.Respond(200, nil, []byte("late"))
	})
	held := dial(t, addr).get("/held")
	held.head()
	open := dial(t, addr).get("/open")
	within(t, "the request", asked)
	drained := make(chan error)
	go func() { drained <- server.Drain(context.Background(), time.Second) }()
	until(t, "the listener is closed", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	open.head()
	open.expect("late")
	want(t, "the held member's rest", held.ended(), "0\r\n\r\n")
	must(t, within(t, "the end of Drain", drained))
	within(t, "Done", server.Done())
}

func TestDrainEndsWithItsContext(t *testing.T) {
	server := newServer(t, nil)
	addr := serve(t, server, func(r *hijack.Request) { <-r.Context().Done() })
	dial(t, addr).get("/")
	until(t, "the request", func() bool { return server.Stats()["requests"] == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	wantError(t, server.Drain(ctx, time.Hour), context.DeadlineExceeded, "")
	within(t, "Done", server.Done())
}

func TestPanicIsLoggedAndAnswered(t *testing.T) {
	server := newServer(t, nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	addr := serve(t, server, func(r *hijack.Request) {
		switch r.Path {
		case "/panic":
			panic("boom")
		case "/stream":
			stream, _ := r.Stream(200, nil)
			stream.WriteString("half")
			panic("in the middle")
		case "/socket":
			socket, _ := r.Hijack()
			socket.WriteString("half")
			panic("with a socket")
		case "/nothing":
		case "/exit":
			runtime.Goexit()
		default:
			r.Respond(200, nil, []byte("fine"))
		}
	})
	for _, path := range []string{"/panic", "/nothing", "/exit"} {
		first, _ := dial(t, addr).get(path).head()
		want(t, path, first, "HTTP/1.1 500 Internal Server Error")
	}
	broken := dial(t, addr).get("/stream")
	broken.head()
	if rest := broken.ended(); strings.HasSuffix(rest, "0\r\n\r\n") {
		t.Errorf("a stream whose handler panicked looks whole: %q", rest)
	}
	dial(t, addr).get("/socket").ended()
	until(t, "the end of the socket", func() bool { return server.Stats()["sockets"] == 0 })
	first, _ := dial(t, addr).get("/").head()
	want(t, "after the panics", first, "HTTP/1.1 200 OK")
	for _, wanted := range []string{"panic serving GET /panic of 127.0.0.1:", "boom", "server_test.go", "in the middle",
		"the handler left GET /nothing of 127.0.0.1:",
		"the handler of GET /exit of 127.0.0.1:"} {
		if !strings.Contains(logged.String(), wanted) {
			t.Errorf("%q was not logged, but\n%s", wanted, logged.String())
		}
	}
}

// http.ErrAbortHandler is no accident: nothing is logged, and the client sees a broken connection.
func TestAbortHandler(t *testing.T) {
	server := newServer(t, nil) // which fails the test if it logs
	serving := func(r *hijack.Request) {
		if r.Path == "/stream" {
			stream, err := r.Stream(200, nil)
			must(t, err)
			stream.WriteString("half")
		}
		panic(http.ErrAbortHandler)
	}
	addr := serve(t, server, serving)
	for _, addr := range []string{addr, adopting(t, server, serving)} {
		want(t, "without an answer", dial(t, addr).get("/").ended(), "")
		c := dial(t, addr).get("/stream")
		c.head()
		if rest := c.ended(); strings.HasSuffix(rest, "0\r\n\r\n") {
			t.Errorf("an aborted stream looks whole: %q", rest)
		}
	}
	until(t, "no connection is left", func() bool { return server.Stats()["connections"] == 0 })
}

// Goroutines serve one request after the other; a crowd does not leave all of its goroutines behind.
func TestSpareGoroutines(t *testing.T) {
	const crowd, spare = 600, 256
	server := newServer(t, nil)
	inside, leave := make(chan struct{}, crowd), make(chan struct{})
	addr := serve(t, server, func(r *hijack.Request) {
		inside <- struct{}{}
		if r.Path == "/crowd" {
			<-leave
		}
		r.Respond(200, nil, nil)
	})
	before := runtime.NumGoroutine()
	clients := make([]*client, crowd)
	for i := range clients {
		clients[i] = dial(t, addr).get("/crowd")
	}
	for range clients {
		within(t, "a request", inside)
	}
	close(leave)
	for _, c := range clients {
		c.head()
	}
	until(t, "most goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+spare })
	for i := 0; i < 10; i++ {
		clients[0].get("/").head()
	}
	if more := runtime.NumGoroutine() - before; more < spare-10 || more > spare {
		t.Errorf("%d goroutines wait for requests", more)
	}
	must(t, server.Stop())
	until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestNobodyToAsk(t *testing.T) {
	c := dial(t, serve(t, newServer(t, nil), nil)).get("/")
	first, lines := c.head()
	want(t, "status", first, "HTTP/1.1 404 Not Found")
	if !strings.Contains(lines, "Content-Length: 38\r\n") {
		t.Errorf("got %q", lines)
	}
	c.expect("404 Not Found: nothing is served here\n")
}

func TestStats(t *testing.T) {
	server := newServer(t, nil)
	addr := serve(t, server, func(r *hijack.Request) { r.Respond(200, nil, nil) })
	dial(t, addr).get("/").head()
	stats := server.Stats()
	want(t, "accepted", stats["accepted"], 1)
	want(t, "requests", stats["requests"], 1)
	want(t, "how many", len(stats), 37)
}

func TestCycles(t *testing.T) {
	before := leftovers()
	for i := 0; i < times(5000, 1000); i++ {
		server, err := hijack.NewServer(hijack.Options{"threads": 1})
		must(t, err)
		_, err = server.NewBroadcaster(nil)
		must(t, err)
		addr, err := server.Listen("127.0.0.1:0")
		must(t, err)
		must(t, server.Start(func(r *hijack.Request) { r.SSE(nil) }))
		if i%10 == 0 {
			conn, err := net.Dial("tcp", addr.String())
			must(t, err)
			conn.Write([]byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n"))
			conn.Read(make([]byte, 10))
			conn.Close()
		}
		if i%3 == 0 {
			must(t, server.Drain(context.Background(), time.Millisecond))
		} else {
			must(t, server.Stop())
		}
	}
	until(t, "nothing is left", func() bool { return leftovers().within(before) })
}
