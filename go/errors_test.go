package hijack_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestErrorEquivalents(t *testing.T) {
	for code, standard := range map[hijack.Error]error{
		hijack.ErrClosed:       net.ErrClosed,
		hijack.ErrShutdown:     net.ErrClosed,
		hijack.ErrWouldBlock:   syscall.EAGAIN,
		hijack.ErrReset:        syscall.ECONNRESET,
		hijack.ErrTimedOut:     syscall.ETIMEDOUT,
		hijack.ErrAddressInUse: syscall.EADDRINUSE,
		hijack.ErrAccessDenied: fs.ErrPermission,
		hijack.ErrNotSocket:    syscall.ENOTSOCK,
		hijack.ErrInvalid:      syscall.EINVAL,
		hijack.ErrNotSupported: syscall.ENOTSUP,
		hijack.ErrRefused:      syscall.ECONNREFUSED,
	} {
		var err error = &hijack.OpError{Op: "test", Value: "it", Err: code}
		if !errors.Is(err, code) || !errors.Is(err, standard) {
			t.Errorf("%v is not %v", err, standard)
		}
		if errors.Is(err, hijack.ErrHeader) || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v is another error too", err)
		}
		var as hijack.Error
		if !errors.As(err, &as) || as != code {
			t.Errorf("errors.As gives %v of %v", as, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	want(t, "name", hijack.ErrWouldBlock.Name(), "HIJACK_EAGAIN")
	if text := hijack.ErrReset.Error(); text == "" || strings.Contains(text, "HIJACK") {
		t.Errorf("ErrReset says %q", text)
	}
	for code := hijack.Error(-1); code >= -30; code-- {
		for _, word := range []string{"hijack", "DRAINED", "NULL", "handle", "CRLF"} {
			if strings.Contains(code.Error(), word) {
				t.Errorf("%s speaks of C: %v", code.Name(), code)
			}
		}
	}
	want(t, "without a value", &hijack.OpError{Op: "start", Err: os.ErrDeadlineExceeded}, "start: i/o timeout")
	want(t, "version", hijack.LibraryVersion(), hijack.Version)
}

// A value may come from a client: it must not begin a line of its own in a log.
func TestErrorTextIsOneLine(t *testing.T) {
	err := &hijack.OpError{Op: "header", Value: "X\r\nY", Err: hijack.ErrHeader}
	if text := err.Error(); !strings.HasPrefix(text, `header X\r\nY: `) {
		t.Errorf("the text is %q", text)
	}
}

func TestErrorsAreNetErrors(t *testing.T) {
	var err net.Error = &hijack.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	want(t, "a deadline's Timeout", err.Timeout(), true)
	err = &hijack.OpError{Op: "read", Err: hijack.ErrTimedOut}
	want(t, "a silent peer's Timeout", err.Timeout(), true)
	err = &hijack.OpError{Op: "write", Err: hijack.ErrWouldBlock}
	//lint:ignore SA1019 a net.Error must have it
	want(t, "Temporary", err.Temporary(), true)
	want(t, "Timeout", err.Timeout(), false)
	err = &hijack.OpError{Op: "read", Err: errors.New("else")}
	//lint:ignore SA1019 a net.Error must have it
	want(t, "else", err.Timeout() || err.Temporary(), false)
}

// Calls on what is over say so, and do no harm: handles are never used again.
func TestCallsAfterTheEnd(t *testing.T) {
	server := newServer(t, nil)
	streams, sockets := make(chan *hijack.Stream, 1), make(chan *hijack.Socket, 1)
	requests := make(chan *hijack.Request, 1)
	addr := serve(t, server, func(r *hijack.Request) {
		requests <- r
		if r.Path == "/stream" {
			stream, err := r.Stream(200, nil)
			must(t, err)
			streams <- stream
		} else {
			socket, err := r.Hijack()
			must(t, err)
			sockets <- socket
		}
	})
	clients, err := server.NewBroadcaster(nil)
	must(t, err)

	dial(t, addr).get("/stream").head()
	stream := within(t, "the stream", streams)
	must(t, stream.Close())
	must(t, stream.Close())
	within(t, "Done", stream.Done())
	must(t, stream.Err())
	_, err = stream.WriteString("x")
	wantError(t, err, hijack.ErrClosed, "write 127.0.0.1:")
	wantError(t, stream.SendEvent(hijack.Event{Data: "x"}), net.ErrClosed, "write ")
	wantError(t, stream.TryWrite([]byte("x")), hijack.ErrClosed, "write ")
	wantError(t, stream.SetWriteDeadline(time.Now()), hijack.ErrClosed, "set deadline ")
	wantError(t, clients.Add(stream), hijack.ErrClosed, "add ")
	must(t, stream.Abort())
	stream.Release()
	r := within(t, "the request", requests)
	wantError(t, r.Respond(200, nil, nil), hijack.ErrState, "respond GET /stream of 127.0.0.1:")

	dial(t, addr).get("/socket")
	socket := within(t, "the socket", sockets)
	must(t, socket.Abort())
	within(t, "Done", socket.Done())
	must(t, socket.Err())
	_, err = socket.Read(make([]byte, 1))
	wantError(t, err, hijack.ErrClosed, "read 127.0.0.1:")
	_, _, err = socket.Detach(context.Background())
	wantError(t, err, hijack.ErrClosed, "detach 127.0.0.1:")
	wantError(t, socket.CloseWrite(), hijack.ErrClosed, "close write ")
	must(t, socket.Close())
	socket.Release()
}
