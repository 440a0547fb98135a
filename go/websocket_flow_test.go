package hijack_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestWebSocketManyReaders(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"websocket_piece_bytes": 100})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	const readers, count = 4, 500
	got := make(chan string, count)
	ended := make(chan error, readers)
	for i := 0; i < readers; i++ {
		go func() {
			for {
				_, data, err := ws.Read(always)
				if err != nil {
					ended <- err
					return
				}
				got <- string(data)
			}
		}()
	}
	wanted := map[string]bool{}
	for i := 0; i < count; i++ {
		text := strings.Repeat(fmt.Sprintf("%d ", i), i%50)
		wanted[text] = true
		c.send(opText, text)
	}
	for i := 0; i < count; i++ {
		text := within(t, "a message", got)
		if !wanted[text] {
			t.Fatalf("got %q", text)
		}
	}
	c.send(opClose, closing(1000, ""))
	for i := 0; i < readers; i++ {
		wantClose(t, within(t, "the end of a reader", ended), hijack.StatusNormalClosure, "", hijack.ErrClosed)
	}
}

func TestWebSocketSetReadLimit(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"websocket_piece_bytes": 7})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	ws.SetReadLimit(10)
	c.send(opText, "0123456789")
	wantMessage(t, ws, hijack.MessageText, "0123456789")
	ws.SetReadLimit(-1)
	c.send(opText, "0123456789a")
	wantMessage(t, ws, hijack.MessageText, "0123456789a")
	ws.SetReadLimit(10)
	c.send(opText, "before").send(opText, "0123456789a").send(opText, "after")
	wantMessage(t, ws, hijack.MessageText, "before")
	err := readError(ws)
	wantClose(t, err, hijack.StatusMessageTooBig, "the message is over 10 bytes", hijack.ErrTooBig)
	c.expect(opClose, closing(1009, "the message is over 10 bytes")).send(opClose, closing(1009, "")).gone()
	within(t, "Done", ws.Done())
	wantClose(t, ws.Err(), hijack.StatusMessageTooBig, "the message is over 10 bytes", hijack.ErrTooBig)
	wantClose(t, ws.Write(always, hijack.MessageText, nil), hijack.StatusMessageTooBig, "the message is over 10 bytes",
		hijack.ErrTooBig)
}

func TestWebSocketCloseRead(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	type key struct{}
	for _, it := range []string{"the peer closes", "the peer sends", "we close", "the parent ends"} {
		t.Run(it, func(t *testing.T) {
			c := connect(t, addr, "/")
			ws := within(t, "the WebSocket", webSockets)
			ended := make(chan error, 1)
			go func() { ended <- readError(ws) }()
			parked(t, 1)
			parent, cancel := context.WithCancel(context.WithValue(always, key{}, "value"))
			defer cancel()
			ctx := ws.CloseRead(parent)
			want(t, "a value", ctx.Value(key{}), "value")
			wantError(t, within(t, "the end of the read", ended), hijack.ErrState, "read ")
			must(t, ctx.Err())
			c.send(opPing, "still there?").expect(opPong, "still there?")
			must(t, ws.Write(ctx, hijack.MessageText, []byte("hello")))
			c.expect(opText, "hello")
			switch it {
			case "the peer closes":
				c.send(opClose, closing(1000, "bye")).expect(opClose, closing(1000, "bye")).gone()
				within(t, "the context's end", ctx.Done())
				wantCause(t, ctx, hijack.ErrClosed)
				wantClose(t, ws.Err(), hijack.StatusNormalClosure, "bye", hijack.ErrClosed)
			case "the peer sends":
				c.send(opText, "hello").expect(opClose, closing(1008, "no message is expected"))
				c.send(opClose, closing(1008, "")).gone()
				within(t, "the context's end", ctx.Done())
				wantClose(t, ws.Err(), hijack.StatusPolicyViolation, "no message is expected", hijack.ErrState)
			case "we close":
				must(t, ws.Close(hijack.StatusNormalClosure, ""))
				c.expect(opClose, closing(1000, "")).send(opClose, closing(1000, "")).gone()
				within(t, "the context's end", ctx.Done())
				wantCause(t, ctx, context.Canceled)
			case "the parent ends":
				cancel()
				within(t, "the context's end", ctx.Done())
				must(t, ws.Write(always, hijack.MessageText, []byte("still open")))
				c.expect(opText, "still open")
			}
			again := ws.CloseRead(always)
			want(t, "whether another context has ended", again.Err() != nil, it != "the parent ends")
		})
	}
	// What has come already is also too much.
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	c.send(opText, "one").send(opText, "two")
	wantMessage(t, ws, hijack.MessageText, "one")
	ctx := ws.CloseRead(always)
	c.expect(opClose, closing(1008, "no message is expected")).send(opClose, closing(1008, "")).gone()
	within(t, "the context's end", ctx.Done())
}

func TestWebSocketReader(t *testing.T) {
	addr, webSockets, server := upgrading(t, hijack.Options{"websocket_piece_bytes": "16k",
		"websocket_message_bytes": "64m"})
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	long := strings.Repeat("0123456789abcdef", 1<<19)
	go c.Conn.Write(append(frame(opText, true, long), frame(opBinary, true, "")...))
	kind, reader, err := ws.Reader(always)
	must(t, err)
	want(t, "type", kind, hijack.MessageText)
	one := make([]byte, 1)
	_, err = io.ReadFull(reader, one)
	must(t, err)
	until(t, "the window is full", func() bool { return server.Stats()["bytes_in"] >= 64<<10 })
	barrier(t, server)
	if in := server.Stats()["bytes_in"]; in > 512<<10 {
		t.Errorf("%d bytes were read for a program that took one", in)
	}
	wantError(t, readError(ws), hijack.ErrState, "read ")
	_, _, err = ws.Reader(always)
	wantError(t, err, hijack.ErrState, "read ")
	rest, err := io.ReadAll(reader)
	must(t, err)
	want(t, "whether all of it came", string(one)+string(rest) == long, true)
	_, err = reader.Read(one)
	want(t, "after the end", err, io.EOF)
	wantMessage(t, ws, hijack.MessageBinary, "")

	// A Read that is given up in the middle leaves the beginning to a Reader.
	c.sendPiece(opText, false, long[:40<<10])
	ctx, cancel := context.WithTimeout(always, 100*time.Millisecond)
	defer cancel()
	_, _, err = ws.Read(ctx)
	wantError(t, err, context.DeadlineExceeded, "read ")
	c.send(opContinuation, "the end")
	_, reader, err = ws.Reader(always)
	must(t, err)
	rest, err = io.ReadAll(reader)
	must(t, err)
	want(t, "whether all of it came", string(rest) == long[:40<<10]+"the end", true)

	// So does a Reader: another one goes on.
	c.sendPiece(opText, false, long[:40<<10])
	ctx, cancel = context.WithTimeout(always, 100*time.Millisecond)
	defer cancel()
	_, reader, err = ws.Reader(ctx)
	must(t, err)
	begin, err := io.ReadAll(reader)
	wantError(t, err, context.DeadlineExceeded, "read ")
	wantError(t, readError(ws), hijack.ErrState, "read ")
	c.send(opContinuation, "the end")
	kind, reader, err = ws.Reader(always)
	must(t, err)
	want(t, "type", kind, hijack.MessageText)
	rest, err = io.ReadAll(reader)
	must(t, err)
	want(t, "whether all of it came", string(begin)+string(rest) == long[:40<<10]+"the end", true)

	// The peer goes in the middle of a message.
	c.sendPiece(opText, false, long[:40<<10])
	_, reader, err = ws.Reader(always)
	must(t, err)
	c.Conn.Close()
	_, err = io.ReadAll(reader)
	want(t, "CloseStatus", hijack.CloseStatus(err), 1006)
}

func TestWebSocketWriter(t *testing.T) {
	addr, webSockets, server := upgrading(t, nil)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	writer, err := ws.Writer(always, hijack.MessageText)
	must(t, err)
	must2 := func(n int, err error) { t.Helper(); must(t, err) }
	must2(io.WriteString(writer, "ein W\xc3"))
	ended := make(chan error, 1)
	go func() { ended <- ws.Write(always, hijack.MessageText, []byte("another")) }()
	parked(t, 1)
	must(t, ws.Ping(always))
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	wantError(t, room.Add(ws), hijack.ErrState, "add ")
	must2(io.WriteString(writer, "\xb6rt"))
	must2(writer.Write(nil))
	must(t, writer.Close())
	must(t, writer.Close())
	_, err = writer.Write([]byte("x"))
	wantError(t, err, hijack.ErrState, "write ")
	must(t, within(t, "the other message", ended))
	for _, wanted := range []string{`1 false "ein W\xc3"`, `9 true ""`, `0 false "\xb6rt"`, `0 true ""`,
		`1 true "another"`} {
		opcode, fin, data := c.receive()
		want(t, "a frame", fmt.Sprintf("%d %t %q", opcode, fin, data), wanted)
	}

	// A member gets whole messages only.
	must(t, room.Add(ws))
	writer, err = ws.Writer(always, hijack.MessageBinary)
	must(t, err)
	_, err = writer.Write([]byte("x"))
	wantError(t, err, hijack.ErrState, "write ")
	wantError(t, writer.Close(), hijack.ErrState, "write ")
	must(t, ws.Write(always, hijack.MessageText, []byte("whole")))
	c.expect(opText, "whole")
	must(t, room.Remove(ws))

	// A message that cannot become whole is not left as it is.
	writer, err = ws.Writer(always, hijack.MessageText)
	must(t, err)
	must2(io.WriteString(writer, "half"))
	_, err = writer.Write([]byte("\xff"))
	wantError(t, err, hijack.ErrInvalid, "write ")
	wantError(t, writer.Close(), hijack.ErrInvalid, "write ")
	within(t, "Done", ws.Done())
	_, err = ws.Writer(always, hijack.MessageText)
	wantError(t, err, hijack.ErrClosed, "write ")
	_, err = ws.Writer(always, 0)
	wantError(t, err, hijack.ErrInvalid, "write ")
}

// What members without an object send.
// What OnMessage was given may end the goroutine that takes events, as t.Fatal does; events come all the same, those
// that were taken with it too, and the server can be stopped.
// A broadcaster to which nobody refers is kept while it has OnMessage.
// OnMessage may end the server, which does not wait there for itself.
// deeper makes a call where the stack is so many calls higher.
func deeper(calls int, call func() error) error {
	if calls == 0 {
		return call()
	}
	return deeper(calls-1, call)
}

// Rooms: each member gets a message in its own form.
func TestWebSocketRooms(t *testing.T) {
	server := newServer(t, nil)
	room, err := server.NewBroadcaster(hijack.Options{"member_messages": "deliver"}) // events that nobody here wants
	must(t, err)
	must(t, server.Hold("/held", room, hijack.HoldWebSocket, hijack.Header{"X-A": {"route"}}))
	must(t, server.Hold("/sse", room, hijack.HoldSSE, nil))
	webSockets := make(chan *hijack.WebSocket, 1)
	results := make(chan error, 1)
	addr := serve(t, server, func(r *hijack.Request) {
		if r.Path == "/own" {
			ws, err := r.WebSocket("", nil)
			must(t, err)
			must(t, room.Add(ws))
			webSockets <- ws
			return
		}
		results <- r.Hold(room, hijack.HoldWebSocket, hijack.Header{"X-A": {"request"}})
	})
	sse := dial(t, addr).get("/sse")
	sse.head()
	route, request, own := connect(t, addr, "/held"), connect(t, addr, "/hold"), connect(t, addr, "/own")
	must(t, within(t, "the hold", results))
	want(t, "the line of a route", route.header.Get("X-A"), "route")
	want(t, "the line of a request", request.header.Get("X-A"), "request")
	ws := within(t, "the WebSocket", webSockets)
	until(t, "four members", func() bool { return room.Len() == 4 })
	n, err := room.PublishString("text")
	want(t, "PublishString", fmt.Sprint(n, err), "4 <nil>")
	n, err = room.Publish([]byte("binary"))
	want(t, "Publish", fmt.Sprint(n, err), "4 <nil>")
	n, err = room.PublishEvent(hijack.Event{Name: "n", Data: "event"})
	want(t, "PublishEvent", fmt.Sprint(n, err), "4 <nil>")
	_, err = room.PublishString("\xff")
	wantError(t, err, hijack.ErrInvalid, "publish broadcaster: a text must be UTF-8")
	for _, c := range []*peer{route, request, own} {
		c.expect(opText, "text").expect(opBinary, "binary").expect(opText, "event")
		c.send(opPing, "ping").send(opText, "said")
	}
	sse.upTo("data: text\n\n")
	sse.upTo("data: binary\n\n")
	sse.upTo("event: n\ndata: event\n\n")
	wantMessage(t, ws, hijack.MessageText, "said")
	for _, c := range []*peer{route, request, own} {
		c.expect(opPong, "ping")
	}

	// A client that is refused.
	first, _ := refused(t, addr, "GET /hold HTTP/1.1\nHost: me\n")
	want(t, "status", first, "HTTP/1.1 426 Upgrade Required")
	wantError(t, within(t, "the hold", results), hijack.ErrProtocol, "hold GET /hold of ")
	first, _ = refused(t, addr, "GET /held HTTP/1.1\nHost: me\n")
	want(t, "status", first, "HTTP/1.1 426 Upgrade Required")

	// Let go, it lives on as a member; a peer closes; and the room ends.
	ws.Release()
	within(t, "Done", ws.Done())
	room.PublishString("more")
	for _, c := range []*peer{route, request, own} {
		c.expect(opText, "more")
	}
	route.send(opClose, closing(1000, "")).expect(opClose, closing(1000, "")).gone()
	until(t, "three members", func() bool { return room.Len() == 3 })
	must(t, room.Close())
	for _, c := range []*peer{request, own} {
		c.expect(opClose, closing(1000, "")).gone()
	}
}

// A room that closes its members is no Close of the program's, for which a Read could wait.
func TestWebSocketOfARoomThatCloses(t *testing.T) {
	addr, webSockets, server := upgrading(t, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	must(t, room.Add(ws))
	ended := make(chan error, 1)
	go func() { ended <- readError(ws) }()
	parked(t, 1)
	must(t, room.Close())
	c.expect(opClose, closing(1000, "")).send(opClose, closing(1000, "")).gone()
	wantClose(t, within(t, "the end of the read", ended), hijack.StatusNormalClosure, "", hijack.ErrClosed)
}

// A broadcaster's messages come between those of a member, never into them.
func TestWebSocketMessagesDoNotMix(t *testing.T) {
	addr, webSockets, server := upgrading(t, nil)
	room, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": "64m"})
	must(t, err)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	must(t, room.Add(ws))
	long := strings.Repeat("E", 200<<10)
	written, published := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; i < 50; i++ {
			if err := ws.Write(always, hijack.MessageText, []byte(long)); err != nil {
				t.Error(err)
			}
		}
	}()
	go func() {
		defer close(published)
		for {
			select {
			case <-written:
				ws.Close(hijack.StatusNormalClosure, "")
				return
			default:
				room.PublishString("b")
				time.Sleep(20 * time.Microsecond) // no faster than a peer can take it
			}
		}
	}()
	whole := 0
	for {
		opcode, fin, data := c.receive()
		if opcode == opClose {
			break
		} else if opcode != opText || !fin || (data != "b" && data != long) {
			t.Fatalf("got opcode %d, fin %t, %d bytes", opcode, fin, len(data))
		} else if data == long {
			whole++
		}
	}
	want(t, "messages", whole, 50)
	within(t, "the publisher's end", published)
}

func TestWebSocketOverTLS(t *testing.T) {
	a := newAuthority(t)
	webSockets := make(chan *hijack.WebSocket, 1)
	addr := serveTLS(t, newServer(t, nil), a, func(r *hijack.Request) {
		want(t, "Scheme", r.Scheme, "https")
		ws, err := r.WebSocket("", nil)
		must(t, err)
		webSockets <- ws
	})
	c := shake(t, dialTLS(t, addr, a.config("localhost")), "/", "Origin: https://me")
	ws := within(t, "the WebSocket", webSockets)
	long := strings.Repeat("0123456789abcdef", 1<<16)
	for _, text := range []string{"", "hello", long} {
		c.send(opText, text)
		wantMessage(t, ws, hijack.MessageText, text)
		must(t, ws.Write(always, hijack.MessageText, []byte(text)))
		c.expect(opText, text)
	}
	must(t, ws.Close(hijack.StatusNormalClosure, "bye"))
	c.expect(opClose, closing(1000, "bye")).send(opClose, closing(1000, "bye"))
	within(t, "Done", ws.Done())
	must(t, ws.Err())
}

// Over HTTP/2 the request stays open, so that the program can say what is wrong.
func TestWebSocketOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	addr := serveTLS(t, newServer(t, nil), a, func(r *hijack.Request) {
		_, err := r.WebSocket("", nil)
		wantError(t, err, hijack.ErrNotSupported, "websocket GET / of ")
		must(t, r.Respond(505, nil, []byte(r.Version)))
	})
	client := httpClient(t, a.config("localhost"))
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	want(t, "body", fetch(t, client, "GET", "https://"+addr, nil), "HTTP/2")
}

// Nobody reads or writes, and the client vanishes.
func TestWebSocketWhosePeerVanishes(t *testing.T) {
	addr, webSockets, _ := upgrading(t, nil)
	c := connect(t, addr, "/")
	ws := within(t, "the WebSocket", webSockets)
	must(t, c.Conn.Close())
	within(t, "Done", ws.Done())
	wantCause(t, ws.Context(), hijack.ErrClosed)
	wantClose(t, readError(ws), hijack.StatusAbnormalClosure, "", hijack.ErrClosed)
}

// A panic of the handler does not leave a WebSocket behind.
func TestWebSocketOfAHandlerThatPanics(t *testing.T) {
	server := newServer(t, nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	addr := serve(t, server, func(r *hijack.Request) {
		_, err := r.WebSocket("", nil)
		must(t, err)
		panic("no")
	})
	c := connect(t, addr, "/")
	c.gone()
	until(t, "it is logged", func() bool { return strings.Contains(logged.String(), "panic serving GET /") })
}

// Every method at once, many times: the race detector looks on.
func TestWebSocketMethodsAtOnce(t *testing.T) {
	addr, webSockets, server := upgrading(t, hijack.Options{"websocket_piece_bytes": 100})
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	for round := 0; round < times(20, 3); round++ {
		c := connect(t, addr, "/")
		ws := within(t, "the WebSocket", webSockets)
		go func() {
			for i := 0; i < 1000; i++ {
				if _, err := c.Conn.Write(frame(opText, true, strings.Repeat("x", i))); err != nil {
					return
				}
			}
		}()
		go io.Copy(io.Discard, c.in)
		var all sync.WaitGroup
		for _, use := range []func(ctx context.Context){
			func(ctx context.Context) { ws.Read(ctx) },
			func(ctx context.Context) {
				if _, r, err := ws.Reader(ctx); err == nil {
					io.Copy(io.Discard, r)
				}
			},
			func(ctx context.Context) { ws.Write(ctx, hijack.MessageText, make([]byte, 1000)) },
			func(ctx context.Context) {
				if w, err := ws.Writer(ctx, hijack.MessageBinary); err == nil {
					w.Write([]byte("x"))
					w.Close()
				}
			},
			func(ctx context.Context) { ws.Ping(ctx) },
			func(ctx context.Context) { room.Add(ws); room.PublishString("hello"); room.Remove(ws) },
			func(ctx context.Context) { ws.Err(); ws.Closed(); ws.Subprotocol(); ws.SetReadLimit(1 << 20) },
		} {
			use := use
			for i := 0; i < 2; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					for j := 0; j < 200; j++ {
						ctx, cancel := context.WithTimeout(always, time.Duration(j)*10*time.Microsecond)
						use(ctx)
						cancel()
					}
				}()
			}
		}
		if round%3 == 1 {
			ws.CloseRead(always)
		} else if round%3 == 2 {
			ws.Close(hijack.StatusNormalClosure, "")
		}
		all.Wait()
		ws.CloseNow()
	}
}
