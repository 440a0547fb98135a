package hijack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// listening is a listener of the test's.
func listening(t testing.TB, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener
}

// fullListener is the address of a listener whose queue is full, so that nobody gets an answer.
func fullListener(t *testing.T) string {
	t.Helper()
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(listener) })
	must(t, syscall.Bind(listener, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(listener, 0))
	name, err := syscall.Getsockname(listener)
	must(t, err)
	for i := 0; i < 3; i++ {
		kind := syscall.SOCK_STREAM | syscall.SOCK_NONBLOCK | syscall.SOCK_CLOEXEC
		client, err := syscall.Socket(syscall.AF_INET, kind, 0)
		must(t, err)
		t.Cleanup(func() { syscall.Close(client) })
		if err := syscall.Connect(client, name); err != nil && err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
	}
	return fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
}

// nothingIsLeft waits until a server has no connection.
func nothingIsLeft(t *testing.T, server *hijack.Server) {
	t.Helper()
	until(t, "no connection is left", func() bool { return server.Stats()["connections"] == 0 })
}

func TestConnect(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	listener := listening(t, "tcp", "127.0.0.1:0")
	socket, err := server.Connect(always, strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1))
	must(t, err)
	_, err = socket.WriteString("before anything is read")
	must(t, err)
	conn, err := listener.Accept()
	must(t, err)
	c := clientOf(t, conn).expect("before anything is read").say("hello")
	got := make([]byte, 5)
	_, err = io.ReadFull(socket, got)
	must(t, err)
	want(t, "read", string(got), "hello")
	want(t, "RemoteAddr", socket.RemoteAddr(), listener.Addr())
	want(t, "LocalAddr", socket.LocalAddr(), ":0")
	want(t, "outgoing", server.Stats()["outgoing"], 1)
	must(t, socket.Close())
	want(t, "the rest", c.ended(), "")
	within(t, "Done", socket.Done())
	must(t, socket.Err())
	nothingIsLeft(t, server)
}

func TestConnectToUnixSocket(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	path := filepath.Join(t.TempDir(), "here:80")
	listener := listening(t, "unix", path)
	conn, err := server.DialContext(always, "unix", path)
	must(t, err)
	other, err := listener.Accept()
	must(t, err)
	io.WriteString(other, "from a file")
	must(t, other.Close())
	all, err := io.ReadAll(conn)
	must(t, err)
	want(t, "read", string(all), "from a file")
	want(t, "RemoteAddr", conn.RemoteAddr(), path)
	want(t, "LocalAddr", conn.LocalAddr().Network(), "unix")
	must(t, conn.Close())
	must(t, listener.Close())
	_, err = server.Connect(always, "unix:"+path)
	wantError(t, err, fs.ErrNotExist, "connect unix:"+path+": this unix path does not exist")
}

func TestConnectErrors(t *testing.T) {
	server := newServer(t, nil)
	_, err := server.Connect(always, "a:1")
	wantError(t, err, hijack.ErrState, "connect a:1: the server has not been started")
	must(t, server.Start(nil))
	listener := listening(t, "tcp", "127.0.0.1:0")
	closed := listener.Addr().String()
	must(t, listener.Close())
	forms := "expected 127.0.0.1:80, [::1]:80, example.org:80 (a port from 1 to 65535), tls: before one of these, or"
	for _, it := range []struct {
		address string
		err     error
		said    string
	}{
		{closed, syscall.ECONNREFUSED, "the other side refused the connection"},
		{"a..b:80", hijack.ErrAddressNotAvailable, "the host does not exist, no route leads to it, or"},
		{"unix:/nothing/is/here", hijack.ErrNotFound, "this unix path does not exist"},
		{"unix:/" + strings.Repeat("x", 107), hijack.ErrTooBig, "expected at most 107 bytes as the path of a unix"},
		{"", hijack.ErrAddress, forms},
		{"localhost", hijack.ErrAddress, forms},
		{"127.0.0.1:0", hijack.ErrAddress, forms},
		{":80", hijack.ErrAddress, forms},
		{"localhost:65536", hijack.ErrOutOfRange, "expected a port from 1 to 65535"},
		{"tls:unix:/nothing", hijack.ErrAddress, forms},
	} {
		socket, err := server.Connect(always, it.address)
		if socket != nil {
			t.Errorf("%q: an error and a socket", it.address)
		}
		wantError(t, err, it.err, strings.TrimSpace("connect "+it.address)+": "+it.said)
	}
	conn, err := server.DialContext(always, "tcp", closed)
	if conn != nil {
		t.Error("an error and a net.Conn")
	}
	wantError(t, err, hijack.ErrRefused, "connect "+closed)
	_, err = server.DialContext(always, "udp", closed)
	wantError(t, err, net.UnknownNetworkError("udp"), "connect "+closed+": unknown network udp")
	nothingIsLeft(t, server)
	must(t, server.Stop())
	_, err = server.Connect(always, "a:1")
	wantError(t, err, hijack.ErrShutdown, "connect a:1: ")
}

// When the context ends, nothing is left of the connection.
func TestConnectIsCancelled(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	address := fullListener(t)
	before := entries("/proc/self/fd")
	for i := 0; i < 3; i++ {
		ctx, cancel := context.WithCancel(always)
		failed := make(chan error)
		go func() {
			_, err := server.Connect(ctx, address)
			failed <- err
		}()
		until(t, "it is on its way", func() bool { return server.Stats()["connections"] == 1 })
		parked(t, 1)
		cancel()
		wantError(t, within(t, "the error", failed), context.Canceled, "connect "+address+": context canceled")
		nothingIsLeft(t, server)

		ctx, cancel = context.WithTimeout(always, 20*time.Millisecond)
		_, err := server.Connect(ctx, address)
		wantError(t, err, context.DeadlineExceeded, "connect "+address+": ")
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() {
			t.Errorf("%v is not a timeout", err)
		}
		_, err = server.Connect(ctx, address) // it has ended before
		wantError(t, err, context.DeadlineExceeded, "connect "+address+": ")
		cancel()
		nothingIsLeft(t, server)
	}
	until(t, "no descriptor is left", func() bool { return entries("/proc/self/fd") <= before })
}

func TestConnectTakesTooLong(t *testing.T) {
	server := newServer(t, hijack.Options{"connect_timeout_ms": 100})
	must(t, server.Start(nil))
	address := fullListener(t)
	_, err := server.Connect(always, address)
	wantError(t, err, syscall.ETIMEDOUT, "connect "+address+": it was not open within the time of the option connect_")
	if !os.IsTimeout(err) {
		t.Errorf("%v is not a timeout", err)
	}
	nothingIsLeft(t, server)
}

func TestStopWhileConnecting(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	address := fullListener(t)
	failed := make(chan error)
	go func() {
		_, err := server.Connect(always, address)
		failed <- err
	}()
	until(t, "it is on its way", func() bool { return server.Stats()["connections"] == 1 })
	must(t, server.Stop())
	wantError(t, within(t, "the error", failed), hijack.ErrShutdown, "connect "+address+": ")
}

// The client of net/http with connections of this package, also with TLS.
func TestTransport(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for i, web := range []*httptest.Server{httptest.NewServer(handler), httptest.NewTLSServer(handler)} {
		defer web.Close()
		transport := web.Client().Transport.(*http.Transport)
		transport.DialContext = server.DialContext
		defer transport.CloseIdleConnections()
		for _, body := range []string{"one", strings.Repeat("two", 1<<20)} { // by one connection
			response, err := web.Client().Post(web.URL, "text/plain", strings.NewReader(body))
			must(t, err)
			answer, err := io.ReadAll(response.Body)
			must(t, err)
			response.Body.Close()
			if string(answer) != body {
				t.Fatalf("%d bytes came back of %d", len(answer), len(body))
			}
		}
		want(t, "outgoing", server.Stats()["outgoing"], i+1)
		transport.CloseIdleConnections()
		nothingIsLeft(t, server)
	}
}

func TestConnectedMember(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	listener := listening(t, "tcp", "127.0.0.1:0")
	socket, err := server.Connect(always, listener.Addr().String())
	must(t, err)
	must(t, room.Add(socket))
	room.WriteString("to all")
	conn, err := listener.Accept()
	must(t, err)
	clientOf(t, conn).expect("to all")
	must(t, socket.Close())
}
