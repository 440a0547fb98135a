package hijack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// hijacking serves sockets and gives them to the test.
func hijacking(t *testing.T, options hijack.Options) (string, <-chan *hijack.Socket, *hijack.Server) {
	sockets := make(chan *hijack.Socket, 1)
	server := newServer(t, options)
	return serve(t, server, func(r *hijack.Request) {
		make := r.Hijack
		if r.Path == "/partial" {
			make = func() (*hijack.Socket, error) { return r.HijackPartial(101, hijack.Header{"Upgrade": {"x"}}) }
		}
		socket, err := make()
		if err != nil {
			t.Error(err)
			return
		}
		sockets <- socket
	}), sockets, server
}

func TestHijack(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).say("GET / HTTP/1.1\r\nHost: me\r\n\r\nleftover")
	socket := within(t, "the socket", sockets)
	want(t, "RemoteAddr", socket.RemoteAddr(), c.LocalAddr())
	want(t, "LocalAddr", socket.LocalAddr(), c.RemoteAddr())
	want(t, "String", socket, c.LocalAddr())
	buffer := make([]byte, 4)
	_, err := io.ReadFull(socket, buffer)
	must(t, err)
	want(t, "read", string(buffer), "left")
	must(t, c.CloseWrite())
	rest, err := io.ReadAll(socket)
	must(t, err)
	want(t, "read", string(rest), "over")
	_, err = socket.WriteString("by hand")
	must(t, err)
	must(t, socket.Close())
	want(t, "the client read", c.ended(), "by hand")
	within(t, "Done", socket.Done())
	must(t, socket.Err())
}

func TestHijackPartial(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).get("/partial")
	first, lines := c.head()
	want(t, "status", first, "HTTP/1.1 101 Switching Protocols")
	if !strings.Contains(lines, "Upgrade: x\r\n") {
		t.Errorf("got the header %q", lines)
	}
	socket := within(t, "the socket", sockets)
	_, err := socket.Write([]byte{0, 1, 2})
	must(t, err)
	c.expect("\x00\x01\x02")
}

func TestCloseWrite(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	socket.WriteString("bye")
	must(t, socket.CloseWrite())
	want(t, "the client read", c.ended(), "bye")
	_, err := socket.WriteString("more")
	wantError(t, err, hijack.ErrClosed, "write ")
	c.say("I still talk")
	must(t, c.CloseWrite())
	got, err := io.ReadAll(socket)
	must(t, err)
	want(t, "the socket read", string(got), "I still talk")
	within(t, "Done", socket.Done())
	must(t, socket.Err())
	_, err = socket.Read(make([]byte, 1))
	want(t, "after the end", err, io.EOF)
}

// A write that waits for a slow peer ends with CloseWrite; what was taken of it still goes out.
func TestCloseWriteWakesTheWriter(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	fill(t, socket)
	ended := make(chan error, 1)
	go func() { _, err := socket.Write(make([]byte, 1<<20)); ended <- err }()
	parked(t, 1)
	must(t, socket.CloseWrite())
	wantError(t, within(t, "the end of the write", ended), hijack.ErrClosed, "write ")
	c.ended()
}

func TestReset(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	until(t, "the hijack", func() bool { return server.Stats()["sockets"] == 1 })
	must(t, c.SetLinger(0))
	must(t, c.Close())
	_, err := socket.Read(make([]byte, 1))
	wantError(t, err, hijack.ErrReset, "read 127.0.0.1:")
	_, err = socket.WriteString("x")
	wantError(t, err, hijack.ErrReset, "write 127.0.0.1:")
	wantError(t, socket.Err(), hijack.ErrReset, "")

	c = dial(t, addr).get("/")
	within(t, "the socket", sockets).Abort()
	_, err = c.ReadByte()
	if err == nil || err == io.EOF {
		t.Errorf("after Abort the client reads %v, not a reset", err)
	}
}

// A peer that sends without end is read only as fast as the program takes it.
func TestReadingIsByCredit(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	go func() {
		c.TCPConn.Write(sent)
		c.CloseWrite()
	}()
	one := make([]byte, 1)
	_, err := io.ReadFull(socket, one)
	must(t, err)
	until(t, "the window is full", func() bool { return server.Stats()["bytes_in"] >= 64<<10 })
	barrier(t, server)
	if in := server.Stats()["bytes_in"]; in > 64<<10+4096 {
		t.Errorf("%d bytes were read for a program that took one", in)
	}
	rest, err := io.ReadAll(socket)
	must(t, err)
	if !bytes.Equal(append(one, rest...), sent) {
		t.Error("what was read is not what was sent")
	}
}

func TestDetach(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	c := dial(t, addr).say("GET / HTTP/1.1\r\nHost: me\r\n\r\nread before, ")
	socket := within(t, "the socket", sockets)
	one := make([]byte, 1)
	_, err := socket.Read(one)
	must(t, err)
	socket.WriteString("written before, ")
	conn, unread, err := socket.Detach(context.Background())
	must(t, err)
	defer conn.Close()
	want(t, "read and unread", string(one)+string(unread), "read before, ")
	if _, ok := conn.(*net.TCPConn); !ok {
		t.Errorf("a %T was detached", conn)
	}
	until(t, "the library forgot it", func() bool { return server.Stats()["connections"] == 0 })
	want(t, "detached", server.Stats()["detached"], 1)
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	io.WriteString(conn, "written after")
	c.expect("written before, written after")
	c.say("read after")
	got := make([]byte, 10)
	_, err = io.ReadFull(conn, got)
	must(t, err)
	want(t, "read", string(got), "read after")
	_, err = socket.WriteString("x")
	wantError(t, err, hijack.ErrClosed, "write ")
	_, _, err = socket.Detach(context.Background())
	wantError(t, err, hijack.ErrClosed, "detach ")
}

// What a waiting Read sees of Detach is that the socket is closed: neither the end of the peer, nor the bytes that
// Detach returns. Many rounds, as DETACHED may come before the call that asked for it has returned.
func TestDetachIsNotTheEndOfThePeer(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	for i := 0; i < 500; i++ {
		c := dial(t, addr).get("/")
		socket := within(t, "the socket", sockets)
		ended := make(chan error, 1)
		go func() { _, err := socket.Read(make([]byte, 1)); ended <- err }()
		conn, _, err := socket.Detach(context.Background())
		must(t, err)
		wantError(t, within(t, "the end of the read", ended), hijack.ErrClosed, "read ")
		conn.Close()
		c.Close()
	}
}

// Detach waits for a peer that takes nothing; it gives up with its context, and leaves nothing open.
func TestDetachGivesUp(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	before := leftovers()
	dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	fill(t, socket)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, _, err := socket.Detach(ctx)
	wantError(t, err, context.DeadlineExceeded, "detach ")
	until(t, "the connection is gone", func() bool { return server.Stats()["connections"] == 0 })
	until(t, "no descriptor is left", func() bool { return leftovers().descriptors <= before.descriptors+1 })
}

func TestDetachOfAPeerThatGoes(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	fill(t, socket)
	detached := make(chan error)
	go func() {
		_, _, err := socket.Detach(context.Background())
		detached <- err
	}()
	parked(t, 1)
	c.SetLinger(0)
	c.Close()
	if err := within(t, "the end", detached); !errors.Is(err, hijack.ErrReset) {
		t.Errorf("got %v", err)
	}
}
