package hijack_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// What a net.Conn promises, checked on both ends of a connection of which one or both are sockets of this package.

// connected gives two ends of a TCP connection, of which Connect has made the first and net the second.
func connected(t *testing.T, server *hijack.Server) (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	socket, err := server.Connect(always, listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	far, err := listener.Accept()
	must(t, err)
	t.Cleanup(func() { far.Close() })
	return socket, far
}

// pair gives two ends of a TCP connection; the second is a Socket too, or what net made.
func pair(t *testing.T, server *hijack.Server, both bool) (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	far, err := listener.Accept()
	must(t, err)
	socket, err := server.Adopt(near, nil)
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	if both {
		other, err := server.Adopt(far, nil)
		must(t, err)
		far = other
	}
	t.Cleanup(func() { far.Close() })
	return socket, far
}

// forEachPair runs the test on a Socket against net's own connection, the other way round, and Socket against Socket;
// and with a WebSocket as a net.Conn against its client, both ways.
func forEachPair(t *testing.T, test func(t *testing.T, a, b net.Conn)) {
	server := newServer(t, nil)
	must(t, server.Start(nil))
	addr, webSockets, _ := upgrading(t, nil)
	webSocketPair := func(t *testing.T) (net.Conn, net.Conn) {
		client := &peerConn{peer: connect(t, addr, "/")}
		conn := hijack.NetConn(always, within(t, "the WebSocket", webSockets), hijack.MessageBinary)
		t.Cleanup(func() { conn.Close() })
		return conn, client
	}
	t.Run("WebSocket to client", func(t *testing.T) {
		a, b := webSocketPair(t)
		test(t, a, b)
	})
	t.Run("client to WebSocket", func(t *testing.T) {
		a, b := webSocketPair(t)
		test(t, b, a)
	})
	t.Run("connected to net", func(t *testing.T) {
		a, b := connected(t, server)
		test(t, a, b)
	})
	for _, it := range []struct {
		name          string
		both, swapped bool
	}{{"socket to net", false, false}, {"net to socket", false, true}, {"socket to socket", true, false}} {
		t.Run(it.name, func(t *testing.T) {
			a, b := pair(t, server, it.both)
			if it.swapped {
				a, b = b, a
			}
			test(t, a, b)
		})
	}
}

func TestConnCarriesBytes(t *testing.T) {
	forEachPair(t, func(t *testing.T, a, b net.Conn) {
		sent := make([]byte, 8<<20)
		for i := range sent {
			sent[i] = byte(i % 251)
		}
		var all sync.WaitGroup
		all.Add(2)
		go func() {
			defer all.Done()
			if n, err := a.Write(sent); n != len(sent) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			if half, ok := a.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
		}()
		go func() { // and back what comes
			defer all.Done()
			io.Copy(b, b)
			b.Close()
		}()
		got := make([]byte, len(sent))
		_, err := io.ReadFull(a, got)
		if _, ok := a.(interface{ CloseWrite() error }); !ok { // only its end ends the other side
			a.Close()
		} else if err == nil {
			_, err = io.ReadAll(a)
		}
		all.Wait()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back, %d were sent; %v", len(got), len(sent), err)
		}
	})
}

func wantTimeout(t *testing.T, what string, err error) {
	t.Helper()
	var netError net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &netError) || !netError.Timeout() {
		t.Errorf("%s: got %v", what, err)
	}
}

func TestConnDeadlines(t *testing.T) {
	forEachPair(t, func(t *testing.T, a, b net.Conn) {
		buffer := make([]byte, 1024)
		must(t, a.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, err := a.Read(buffer)
		wantTimeout(t, "a read at its deadline", err)

		must(t, a.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
		for err = nil; err == nil; {
			_, err = a.Write(buffer)
		}
		wantTimeout(t, "a write at its deadline", err)

		// In the past: nothing is done, although there is something to read.
		must(t, b.SetDeadline(time.Unix(1, 0)))
		n, err := b.Read(buffer)
		wantTimeout(t, "a read after its deadline", err)
		want(t, "n", n, 0)
		n, err = b.Write(buffer)
		wantTimeout(t, "a write after its deadline", err)
		want(t, "n", n, 0)

		n, err = b.Read(nil)
		want(t, "a read of nothing", fmt.Sprint(n, err), "0 <nil>")

		// Back again.
		must(t, b.SetDeadline(time.Time{}))
		_, err = b.Read(buffer)
		must(t, err)

		// A connection that was closed says so first.
		must(t, b.SetDeadline(time.Unix(1, 0)))
		must(t, b.Close())
		for _, call := range []func([]byte) (int, error){b.Read, b.Write} {
			for _, p := range [][]byte{nil, buffer} {
				if _, err := call(p); !errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%d bytes of a closed connection after the deadline: %v", len(p), err)
				}
			}
		}
		if err := b.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline of a closed connection: %v", err)
		}
	})
}

// A deadline that is moved wakes who waits already, or lets them wait longer.
func TestConnDeadlineMoves(t *testing.T) {
	forEachPair(t, func(t *testing.T, a, b net.Conn) {
		ended := make(chan error, 2)
		_, err := a.Write(make([]byte, 2)) // for b to read, whenever the other goroutines come to run
		must(t, err)
		go func() { _, err := a.Read(make([]byte, 1)); ended <- err }()
		go func() {
			var err error
			for err == nil {
				_, err = a.Write(make([]byte, 1<<20))
			}
			ended <- err
		}()
		must(t, a.SetDeadline(time.Now().Add(time.Hour)))
		if _, ours := a.(*hijack.Socket); ours {
			parked(t, 2)
		}
		must(t, a.SetDeadline(time.Now()))
		wantTimeout(t, "one", within(t, "its end", ended))
		wantTimeout(t, "the other", within(t, "its end", ended))

		must(t, b.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		must(t, b.SetReadDeadline(time.Now().Add(patience)))
		_, err = b.Read(make([]byte, 1))
		must(t, err)
		time.Sleep(15 * time.Millisecond)
		_, err = b.Read(make([]byte, 1))
		must(t, err)
	})
}

func TestConnCloseWakesEveryone(t *testing.T) {
	forEachPair(t, func(t *testing.T, a, b net.Conn) {
		const each = 3
		ended := make(chan error, 2*each)
		for i := 0; i < each; i++ {
			go func() { _, err := a.Read(make([]byte, 1)); ended <- err }()
			go func() {
				var err error
				for err == nil {
					_, err = a.Write(make([]byte, 1<<20))
				}
				ended <- err
			}()
		}
		if _, ours := a.(*hijack.Socket); ours {
			parked(t, 2*each)
		}
		must(t, a.Close())
		for i := 0; i < 2*each; i++ {
			if err := within(t, "the end", ended); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read of a closed connection: %v", err)
		}
		if _, err := a.Write(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write to a closed connection: %v", err)
		}
	})
}

// A deadline that is set while the connection ends: neither waits for the other.
func TestDeadlinesWhileItEnds(t *testing.T) {
	addr, sockets, _ := hijacking(t, nil)
	for i := 0; i < times(5000, 250); i++ {
		c := dial(t, addr).get("/")
		socket := within(t, "the socket", sockets)
		ended := make(chan struct{}, 3)
		for j := 0; j < cap(ended); j++ {
			go func() {
				for socket.SetReadDeadline(time.Now().Add(time.Minute)) == nil {
				}
				ended <- struct{}{}
			}()
		}
		go socket.Read(make([]byte, 1))
		must(t, socket.CloseWrite())
		must(t, c.Close())
		for j := 0; j < cap(ended); j++ {
			within(t, "the end of SetReadDeadline", ended)
		}
	}
}

// Every method at once, many times: the race detector looks on.
func TestConnMethodsAtOnce(t *testing.T) {
	forEachPair(t, func(t *testing.T, a, b net.Conn) {
		var all sync.WaitGroup
		for i := 0; i < 4; i++ {
			for _, use := range []func(net.Conn){
				func(c net.Conn) { c.Read(make([]byte, 64)) },
				func(c net.Conn) { c.Write(make([]byte, 64)) },
				func(c net.Conn) { c.SetDeadline(time.Now().Add(5 * time.Millisecond)) },
				func(c net.Conn) { c.SetReadDeadline(time.Now().Add(time.Millisecond)) },
				func(c net.Conn) { c.SetWriteDeadline(time.Now().Add(time.Millisecond)) },
				func(c net.Conn) { c.LocalAddr(); c.RemoteAddr() },
			} {
				use := use
				all.Add(1)
				go func() {
					defer all.Done()
					for j := 0; j < times(2000, 100); j++ {
						use(a)
						use(b)
					}
				}()
			}
		}
		time.AfterFunc(50*time.Millisecond, func() { a.Close() })
		all.Wait()
	})
}
