package hijack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// What any net.Conn promises, conn_test.go has; here is what is special to a WebSocket.

func TestNetConn(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	c := connect(t, addr, "/")
	conn := hijack.NetConn(always, within(t, "the WebSocket", webSockets), hijack.MessageText)
	want(t, "RemoteAddr", conn.RemoteAddr(), c.LocalAddr())
	want(t, "LocalAddr", conn.LocalAddr(), c.RemoteAddr())
	c.send(opText, "").send(opText, "one").sendPiece(opText, false, "").send(opContinuation, "two").send(opText, "")
	got := make([]byte, 2)
	for _, wanted := range []string{"on", "e", "tw", "o"} {
		n, err := conn.Read(got)
		must(t, err)
		want(t, "read", string(got[:n]), wanted)
	}
	n, err := conn.Write([]byte("a message"))
	want(t, "Write", fmt.Sprint(n, err), "9 <nil>")
	c.expect(opText, "a message")
	n, err = conn.Write(nil)
	want(t, "Write of nothing", fmt.Sprint(n, err), "0 <nil>")
	must(t, json.NewEncoder(conn).Encode(map[string]int{"a": 1}))
	c.expect(opText, "{\"a\":1}\n")
	_, err = conn.Write([]byte("\xff"))
	wantError(t, err, hijack.ErrInvalid, "write ")
	c.send(opText, "the last").send(opClose, closing(1000, ""))
	rest, err := io.ReadAll(conn)
	want(t, "the rest", fmt.Sprintf("%s %v", rest, err), "the last <nil>")
	c.expect(opClose, closing(1000, "")).gone()
	_, err = conn.Write([]byte("x"))
	wantError(t, err, hijack.ErrClosed, "write ")
	must(t, conn.Close())
}

func TestNetConnEnds(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	for _, it := range []struct {
		name, sent string
		opcode     byte
		code       hijack.StatusCode // 0: io.EOF
	}{
		{"it goes away", closing(1001, ""), opClose, 0},
		{"an error of the peer's", closing(1011, "no"), opClose, 1011},
		{"no code", "", opClose, 1005},
		{"another type", "text", opText, 1003},
	} {
		t.Run(it.name, func(t *testing.T) {
			c := connect(t, addr, "/")
			conn := hijack.NetConn(always, within(t, "the WebSocket", webSockets), hijack.MessageBinary)
			c.send(opBinary, "before").send(it.opcode, it.sent).sendPiece(opBinary, true, "after")
			rest, err := io.ReadAll(conn)
			want(t, "read", string(rest), "before")
			if it.code == 0 {
				must(t, err)
			} else if hijack.CloseStatus(err) != it.code {
				t.Fatalf("got %v", err)
			}
		})
	}
	c := connect(t, addr, "/")
	conn := hijack.NetConn(always, within(t, "the WebSocket", webSockets), hijack.MessageBinary)
	must(t, conn.Close())
	c.expect(opClose, closing(1000, "")).send(opClose, closing(1000, "")).gone()
}

func TestNetConnEndsWithItsContext(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	connect(t, addr, "/")
	ctx, cancel := context.WithCancel(always)
	conn := hijack.NetConn(ctx, within(t, "the WebSocket", webSockets), hijack.MessageBinary)
	_, err := conn.Write(flood)
	must(t, err)
	ended := make(chan error, 2)
	go func() { _, err := conn.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := conn.Write([]byte("waits")); ended <- err }()
	parked(t, 2)
	cancel()
	for i := 0; i < 2; i++ {
		if err := within(t, "the end", ended); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	_, err = conn.Write(nil)
	wantError(t, err, context.Canceled, "write ")
	if !strings.HasPrefix(err.Error(), "write "+conn.RemoteAddr().String()) {
		t.Errorf("the error is %v", err)
	}
}
