package modules

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

const patience = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// running is a started server, which needs no address, and a room of it.
func running(t testing.TB) (*hijack.Server, *hijack.Broadcaster) {
	t.Helper()
	server, err := hijack.NewServer(hijack.Options{"threads": 1})
	must(t, err)
	t.Cleanup(func() { server.Stop() })
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Start(nil))
	return server, room
}

// listening runs serve on a free port.
func listening(t testing.TB, serve func(net.Listener) error) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go serve(listener)
	return listener.Addr().String()
}

// ask sends a request and gives the head of the response, and its connection.
func ask(t testing.TB, addr, request string) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, request)
	must(t, err)
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	must(t, err)
	return response, reader
}

func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen in %v", what, patience)
		}
	}
}
