package hijack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

var always = context.Background()

// upgrading accepts WebSockets and gives them to the test.
func upgrading(t testing.TB, options hijack.Options) (string, <-chan *hijack.WebSocket, *hijack.Server) {
	webSockets := make(chan *hijack.WebSocket, 1)
	server := newServer(t, options)
	return serve(t, server, func(r *hijack.Request) {
		protocol := ""
		if offered := r.WebSocketProtocols(); len(offered) > 0 {
			protocol = offered[len(offered)-1]
		}
		ws, err := r.WebSocket(protocol, hijack.Header{"X-A": {"b"}})
		if err != nil {
			t.Error(err)
			return
		}
		webSockets <- ws
	}), webSockets, server
}

// wantMessage reads one.
func wantMessage(t testing.TB, ws *hijack.WebSocket, kind hijack.MessageType, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(always, patience)
	defer cancel()
	got, message, err := ws.Read(ctx)
	must(t, err)
	if got != kind || string(message) != data {
		t.Fatalf("got type %d, %d bytes %.80q, want type %d, %d bytes %.80q", got, len(message), message, kind,
			len(data),
			data)
	}
}

// wantClose fails unless err holds a CloseError of this code and reason, and tells of the reason why.
func wantClose(t testing.TB, err error, code hijack.StatusCode, reason string, why error) {
	t.Helper()
	var closed hijack.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason || !errors.Is(err, why) {
		t.Fatalf("got %v (%+v), want code %d, reason %q, and %v", err, closed, code, reason, why)
	}
	want(t, "CloseStatus", hijack.CloseStatus(err), code)
}

func readError(ws *hijack.WebSocket) error {
	ctx, cancel := context.WithTimeout(always, patience)
	defer cancel()
	_, _, err := ws.Read(ctx)
	return err
}

func TestWebSocket(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	c := connect(t, addr, "/", "Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: , other ")
	ws := within(t, "the WebSocket", webSockets)
	want(t, "the answer's line", c.header.Get("X-A"), "b")
	want(t, "the answer's protocol", c.header.Get("Sec-WebSocket-Protocol"), "other")
	want(t, "Subprotocol", ws.Subprotocol(), "other")
	want(t, "String", ws, c.LocalAddr())
	big := strings.Repeat("0123456789abcdef", 1<<16)
	for _, text := range []string{"hello", "", "ünï", strings.Repeat("x", 125), strings.Repeat("x", 126),
		strings.Repeat("x", 65535), strings.Repeat("x", 65536), big} {
		c.send(opText, text)
		wantMessage(t, ws, hijack.MessageText, text)
		must(t, ws.Write(always, hijack.MessageText, []byte(text)))
		c.expect(opText, text)
		c.send(opBinary, text+"\x00\xff"[:len(text)%3/2])
		wantMessage(t, ws, hijack.MessageBinary, text+"\x00\xff"[:len(text)%3/2])
		must(t, ws.Write(always, hijack.MessageBinary, []byte("\xff"+text)))
		c.expect(opBinary, "\xff"+text)
	}
	c.sendPiece(opText, false, "in ").send(opPing, "a ping").sendPiece(opContinuation, false, "three ")
	c.send(opContinuation, "pieces")
	wantMessage(t, ws, hijack.MessageText, "in three pieces")
	c.expect(opPong, "a ping")
	must(t, ws.Ping(always))
	c.expect(opPing, "").send(opPong, "").send(opText, "after the pong")
	wantMessage(t, ws, hijack.MessageText, "after the pong")
	for i := 0; i < 3; i++ {
		c.send(opText, fmt.Sprint(i))
	}
	c.send(opClose, closing(1001, "the page was left"))
	for i := 0; i < 3; i++ {
		wantMessage(t, ws, hijack.MessageText, fmt.Sprint(i))
	}
	err := readError(ws)
	wantClose(t, err, hijack.StatusGoingAway, "the page was left", hijack.ErrClosed)
	wantError(t, err, net.ErrClosed, "read 127.0.0.1:")
	want(t, "the sentence", err, fmt.Sprintf("read %v: closed with code 1001: the page was left", c.LocalAddr()))
	c.expect(opClose, closing(1001, "the page was left")).gone()
	within(t, "Done", ws.Done())
	wantCause(t, ws.Context(), hijack.ErrClosed)
	wantClose(t, ws.Err(), hijack.StatusGoingAway, "the page was left", hijack.ErrClosed)
	wantClose(t, ws.Write(always, hijack.MessageText, nil), hijack.StatusGoingAway, "the page was left",
		hijack.ErrClosed)
	wantClose(t, ws.Ping(always), hijack.StatusGoingAway, "the page was left", hijack.ErrClosed)
	must(t, ws.Close(hijack.StatusNormalClosure, ""))
	must(t, ws.CloseNow())
}

func TestWebSocketErrorsOfWriting(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	wantError(t, ws.Write(always, hijack.MessageText, []byte("\xff")), hijack.ErrInvalid,
		"write "+ws.String()+": a text must be UTF-8")
	wantError(t, ws.Write(always, 9, nil), hijack.ErrInvalid,
		"write "+ws.String()+": expected MessageText or MessageBinary (got 9)")
	wantError(t, ws.Write(always, hijack.MessageText|256, nil), hijack.ErrInvalid, "write ")
	for _, code := range []hijack.StatusCode{0, -1, 999, 1004, hijack.StatusNoStatusRcvd, hijack.StatusAbnormalClosure,
		hijack.StatusTLSHandshake, 2999, 5000} {
		wantError(t, ws.Close(code, "bye"), hijack.ErrInvalid,
			fmt.Sprintf("close %v: expected a code from 1000 to 1014", ws))
	}
	wantError(t, ws.Close(1000, strings.Repeat("x", 124)), hijack.ErrInvalid, "close ")
	wantError(t, ws.Close(1000, "\xff"), hijack.ErrInvalid, "close ")
	must(t, ws.Write(always, hijack.MessageText, []byte("still open")))
	c.expect(opText, "still open")
	want(t, "CloseStatus of another error", hijack.CloseStatus(io.EOF), -1)
	want(t, "CloseStatus of none", hijack.CloseStatus(nil), -1)
}

func TestWebSocketClose(t *testing.T) {
	addr, webSockets, server := upgrading(t, nil)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	ended := make(chan error, 1)
	go func() { ended <- readError(ws) }()
	parked(t, 1)
	must(t, ws.Write(always, hijack.MessageText, []byte("the last one")))
	must(t, ws.Close(4321, "enough"))
	must(t, ws.Close(4322, "again"))
	wantError(t, within(t, "the end of the read", ended), hijack.ErrClosed, "read ")
	wantError(t, ws.Write(always, hijack.MessageText, nil), hijack.ErrClosed, "write ")
	wantError(t, ws.Ping(always), hijack.ErrClosed, "ping ")
	c.expect(opText, "the last one").expect(opClose, closing(4321, "enough"))
	if ws.Closed() {
		t.Error("it is over before the peer has answered")
	}
	c.send(opText, "for nobody").send(opClose, closing(4321, "enough")).gone()
	within(t, "Done", ws.Done())
	wantCause(t, ws.Context(), context.Canceled)
	must(t, ws.Err())
	want(t, "CloseStatus after our own Close", hijack.CloseStatus(readError(ws)), -1)

	// Without an answer.
	c = connect(t, addr, "/")
	ws = within(t, "the WebSocket", webSockets)
	must(t, ws.Close(hijack.StatusNormalClosure, ""))
	c.expect(opClose, closing(1000, ""))
	must(t, c.Close())
	within(t, "Done", ws.Done())
	must(t, ws.Err())

	// At once.
	c = connect(t, addr, "/")
	ws = within(t, "the WebSocket", webSockets)
	until(t, "it is the loop's", func() bool { return server.Stats()["sockets"] == 1 })
	must(t, ws.CloseNow())
	if _, err := c.in.ReadByte(); err == nil || err == io.EOF {
		t.Errorf("after CloseNow the client reads %v, not a reset", err)
	}
	within(t, "Done", ws.Done())
	must(t, ws.Err())
}

func TestWebSocketCloseWithoutAnswer(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"websocket_pong_ms": 50})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	must(t, ws.Close(hijack.StatusNormalClosure, ""))
	c.expect(opClose, closing(1000, ""))
	within(t, "Done", ws.Done())
	wantError(t, ws.Err(), hijack.ErrTimedOut, "")
	want(t, "CloseStatus", hijack.CloseStatus(ws.Err()), -1)
}

// What a peer does that is no closing of its own.
func TestWebSocketEnds(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"websocket_message_bytes": "1k", "websocket_ping_ms": 500,
		"websocket_pong_ms": 1000}) // a slow machine must not be taken for a silent peer
	for _, it := range []struct {
		name  string
		act   func(c *peer)
		code  hijack.StatusCode
		why   error
		frame string
	}{
		{"no code", func(c *peer) { c.send(opClose, "") }, 1005, hijack.ErrClosed, ""},
		{"a text that is not UTF-8", func(c *peer) { c.send(opText, "\xff") }, 1007, hijack.ErrProtocol,
			closing(1007, "")},
		{"a bad frame", func(c *peer) { c.send(3, "") }, 1002, hijack.ErrProtocol, closing(1002, "")},
		{"a long message", func(c *peer) { c.send(opBinary, strings.Repeat("x", 1025)) }, 1009, hijack.ErrProtocol,
			closing(1009, "")},
		{"the end", func(c *peer) { c.Conn.(*net.TCPConn).CloseWrite() }, 1006, hijack.ErrClosed, ""},
		{"silence", func(c *peer) { c.expect(opPing, "") }, 1006, hijack.ErrTimedOut, ""},
	} {
		t.Run(it.name, func(t *testing.T) {
			c := connect(t, addr, "/")
			ws := within(t, "the WebSocket", webSockets)
			ended := make(chan error, 1)
			go func() { ended <- readError(ws) }()
			parked(t, 1)
			it.act(c)
			err := within(t, "the end of the read", ended)
			var closed hijack.CloseError
			if !errors.As(err, &closed) || closed.Code != it.code || !errors.Is(err, it.why) {
				t.Fatalf("got %v, want code %d and %v", err, it.code, it.why)
			}
			if it.frame != "" {
				if opcode, _, data := c.receive(); opcode != opClose || !strings.HasPrefix(data, it.frame) {
					t.Errorf("the client got opcode %d, %q", opcode, data)
				}
			}
			within(t, "Done", ws.Done())
			wantCause(t, ws.Context(), it.why)
			want(t, "Timeout", err.(net.Error).Timeout(), it.why == hijack.ErrTimedOut)
		})
	}
}

// A server that drains or stops closes its WebSockets with 1001.
func TestWebSocketWhenTheServerEnds(t *testing.T) {
	for name, end := range map[string]func(server *hijack.Server) error{
		"stop":  func(server *hijack.Server) error { return server.Stop() },
		"drain": func(server *hijack.Server) error { return server.Drain(always, 100*time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			addr, webSockets, server := upgrading(t, nil)
			c := connect(t, addr, "/")
			ws := within(t, "the WebSocket", webSockets)
			ended := make(chan error, 1)
			go func() { ended <- readError(ws) }()
			parked(t, 1)
			must(t, end(server))
			err := within(t, "the end of the read", ended)
			wantClose(t, err, hijack.StatusGoingAway, "", hijack.ErrShutdown)
			c.expect(opClose, closing(1001, "")).gone()
		})
	}
}

func TestWebSocketHandshakes(t *testing.T) {
	results := make(chan error, 1)
	addr := serve(t, newServer(t, nil), func(r *hijack.Request) {
		if r.Path == "/ask" {
			r.Respond(200, nil, []byte(fmt.Sprint(r.IsWebSocket(), r.WebSocketProtocols())))
			return
		}
		protocol := ""
		if r.Path == "/foreign" {
			protocol = "not offered"
		}
		var header hijack.Header
		if r.Path == "/header" {
			header = hijack.Header{"Sec-WebSocket-Accept": {"mine"}}
		}
		_, err := r.WebSocket(protocol, header)
		if err != nil && !errors.Is(err, hijack.ErrProtocol) {
			must(t, r.Respond(500, nil, nil))
		} else if err != nil {
			wantError(t, r.Respond(500, nil, nil), hijack.ErrState, "respond ")
		}
		results <- err
	})
	good := "GET / HTTP/1.1\nHost: me\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n" +
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\n"
	for _, it := range []struct{ name, from, to, status string }{
		{"another version", "13", "12", "426 Upgrade Required"},
		{"no upgrade", "Upgrade: websocket\n", "", "426 Upgrade Required"},
		{"a bad key", "MDEyMz", "", "400 Bad Request"},
		{"another method", "GET", "POST", "405 Method Not Allowed"},
		{"another origin", "Host: me\n", "Host: me\nOrigin: http://you\n", "403 Forbidden"},
	} {
		t.Run(it.name, func(t *testing.T) {
			first, _ := refused(t, addr, strings.Replace(good, it.from, it.to, 1))
			want(t, "status", first, "HTTP/1.1 "+it.status)
			err := within(t, "the error", results)
			wantError(t, err, hijack.ErrProtocol, "websocket ")
			if !strings.Contains(err.Error(), ": the client's handshake was wrong, and was refused") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for path, why := range map[string]error{"/foreign": hijack.ErrInvalid, "/header": hijack.ErrHeader} {
		first, _ := refused(t, addr, strings.Replace(good, "/", path, 1))
		want(t, "status", first, "HTTP/1.1 500 Internal Server Error")
		wantError(t, within(t, "the error", results), why, "websocket GET "+path)
	}
	for lines, wanted := range map[string]string{"": "false []", "Upgrade: h2c\n": "false []",
		"Upgrade: h2c, WebSocket\nConnection: upgrade\nSec-WebSocket-Protocol: a,b\n": "true [a b]"} {
		c := dial(t, addr).say(strings.ReplaceAll("GET /ask HTTP/1.1\nHost: me\n"+lines+"\n", "\n", "\r\n"))
		c.head()
		c.expect(wanted)
	}
	first, _ := dial(t, addr).say("GET / HTTP/1.0\r\n\r\n").head()
	want(t, "status of HTTP/1.0", first[len("HTTP/1.1 "):], "426 Upgrade Required")
	wantError(t, within(t, "the error", results), hijack.ErrProtocol, "websocket ")
}

// Messages of many goroutines: each arrives whole, and those of one goroutine in their order.
func TestWebSocketManyWriters(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"high_water_bytes": "16k", "low_water_bytes": "4k"})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	const writers = 8
	count := times(2000, 200)
	var all sync.WaitGroup
	for i := 0; i < writers; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for j := 0; j < count; j++ {
				text := fmt.Sprintf("%d %d %s", i, j, strings.Repeat("x", j%3*40000))
				if err := ws.Write(always, hijack.MessageText, []byte(text)); err != nil {
					t.Error(err)
				}
				if j%10 == 0 {
					ws.Ping(always)
				}
			}
		}(i)
	}
	go func() { all.Wait(); ws.Close(hijack.StatusNormalClosure, "all") }()
	var next [writers]int
	for {
		opcode, _, data := c.receive()
		if opcode == opClose {
			break
		} else if opcode == opPing {
			continue
		}
		parts := strings.SplitN(data, " ", 3)
		i, _ := strconv.Atoi(parts[0])
		if parts[1] != fmt.Sprint(next[i]) || parts[2] != strings.Repeat("x", next[i]%3*40000) {
			t.Fatalf("of writer %d message %s came with %d bytes, want message %d", i, parts[1], len(data), next[i])
		}
		next[i]++
	}
	want(t, "how many came", next, [writers]int{count, count, count, count, count, count, count, count})
}

// A peer that does not read makes Write wait; a context ends that, and nothing of the message is sent.
func TestWebSocketSlowReader(t *testing.T) {
	addr, webSockets, server := upgrading(t, hijack.Options{"high_water_bytes": "16k", "low_water_bytes": "4k"})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	must(t, ws.Write(always, hijack.MessageBinary, flood))
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(always)
	go func() { ended <- ws.Write(ctx, hijack.MessageText, []byte("never sent")) }()
	parked(t, 1)
	cancel()
	wantError(t, within(t, "the end of the write", ended), context.Canceled, "write ")
	ctx, cancel = context.WithTimeout(always, 10*time.Millisecond)
	defer cancel()
	wantError(t, ws.Write(ctx, hijack.MessageText, []byte("nor this")), context.DeadlineExceeded, "write ")
	wantError(t, ws.Ping(ctx), context.DeadlineExceeded, "ping ")
	if waiting := server.Stats()["backlog_bytes"]; waiting > uint64(len(flood)) {
		t.Errorf("%d bytes wait", waiting)
	}
	go func() { ended <- ws.Write(always, hijack.MessageText, []byte("one")) }()
	go func() { ended <- ws.Write(always, hijack.MessageText, []byte("two")) }()
	parked(t, 2)
	c.expect(opBinary, string(flood))
	must(t, within(t, "a write", ended))
	must(t, within(t, "the other", ended))
	_, _, first := c.receive()
	_, _, second := c.receive()
	if got := first + second; got != "onetwo" && got != "twoone" {
		t.Errorf("got %q", got)
	}

	// The end of the connection wakes whoever writes.
	must(t, ws.Write(always, hijack.MessageBinary, flood))
	go func() { ended <- ws.Write(always, hijack.MessageText, []byte("waits")) }()
	parked(t, 1)
	must(t, ws.CloseNow())
	wantError(t, within(t, "the end of the write", ended), hijack.ErrClosed, "write ")
}

// A peer that sends without end is read as fast as the program takes it; nothing is lost or out of order, also where
// reads are given up all the time.
func TestWebSocketReadingIsByCredit(t *testing.T) {
	addr, webSockets, server := upgrading(t, hijack.Options{"threads": 1})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	count := times(3000, 400)
	sizes := []int{0, 1, 7000, 50, 200000, 0, 33000, 70000}
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < count; i++ {
			text := fmt.Sprintf("%d ", i) + strings.Repeat("x", sizes[i%8])
			if _, err := c.Conn.Write(frame(opText, true, text)); err != nil {
				sent <- err
				return
			}
		}
		c.Conn.Write(frame(opClose, true, closing(1000, "")))
		sent <- nil
	}()
	for i := 0; i < 4; i++ {
		barrier(t, server)
		if in := server.Stats()["bytes_in"]; in > 128<<10 {
			t.Errorf("%d bytes were read for a program that took %d short messages", in, i)
		}
		wantMessage(t, ws, hijack.MessageText, fmt.Sprintf("%d ", i)+strings.Repeat("x", sizes[i]))
	}
	for i := 4; i < count; {
		ctx, cancel := context.WithTimeout(always, time.Duration(i%4)*20*time.Microsecond)
		kind, data, err := ws.Read(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			if i%2 == 0 {
				wantMessage(t, ws, hijack.MessageText, fmt.Sprintf("%d ", i)+strings.Repeat("x", sizes[i%8]))
				i++
			}
			continue
		}
		must(t, err)
		wanted := fmt.Sprintf("%d ", i) + strings.Repeat("x", sizes[i%8])
		if kind != hijack.MessageText || string(data) != wanted {
			t.Fatalf("message %d: %d bytes %.20q, want %d bytes", i, len(data), data, len(wanted))
		}
		i++
	}
	wantClose(t, readError(ws), hijack.StatusNormalClosure, "", hijack.ErrClosed)
	must(t, within(t, "the sender's end", sent))
}

// What a program answers to the last message goes out before the peer's closing is answered; until then, so that there
// is something to answer, it is not read.
func TestWebSocketAnswersTheLastMessage(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	for i := 0; i < times(300, 30); i++ {
		c := connect(t, addr, "/")
		ws := within(t, "the WebSocket", webSockets)
		c.Conn.Write(append(frame(opText, true, "last"), frame(opClose, true, closing(1000, "bye"))...))
		wantMessage(t, ws, hijack.MessageText, "last")
		must(t, ws.Write(always, hijack.MessageText, []byte("answer")))
		wantClose(t, readError(ws), hijack.StatusNormalClosure, "bye", hijack.ErrClosed)
		c.expect(opText, "answer").expect(opClose, closing(1000, "bye")).gone()
	}
}

// Several readers: each message goes to one of them.
