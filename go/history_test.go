package hijack_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// roomWithHistory makes a broadcaster that counts from e-0.
func roomWithHistory(t testing.TB, server *hijack.Server, messages int) *hijack.Broadcaster {
	t.Helper()
	room, err := server.NewBroadcaster(hijack.Options{"history_position": "e-0", "history_messages": messages})
	must(t, err)
	return room
}

// say publishes texts.
func say(t testing.TB, room *hijack.Broadcaster, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := room.PublishString(text)
		must(t, err)
	}
}

// listen is a client of HTTP/1.0, whose body has no chunks, that has read the head.
func listen(t testing.TB, addr, target string, lines ...string) *client {
	t.Helper()
	c := dial(t, addr).say("GET " + target + " HTTP/1.0\r\n" + strings.Join(append(lines, "", ""), "\r\n"))
	c.head()
	return c
}

func TestReturningMembers(t *testing.T) {
	server := newServer(t, hijack.Options{"heartbeat_ms": 0})
	room := roomWithHistory(t, server, 2)
	must(t, server.Hold("/sse", room, hijack.HoldSSE, nil))
	addr := serve(t, server, nil)
	listen(t, addr, "/sse").expect("id: e-0\n\n")
	say(t, room, "1", "2", "3")
	listen(t, addr, "/sse", "Last-Event-ID: e-1").expect("id: e-2\ndata: 2\n\nid: e-3\ndata: 3\n\n")
	gap := listen(t, addr, "/sse", "Last-Event-ID: other-1")
	gap.expect("event: hijack-gap\nid: e-1\ndata: e-2\n\nid: e-2\ndata: 2\n\nid: e-3\ndata: 3\n\n")
	until(t, "all are members", func() bool { return room.Len() == 3 })
	say(t, room, "4")
	gap.expect("id: e-4\ndata: 4\n\n")
	position, err := room.Position()
	must(t, err)
	want(t, "the position", position, "e-4")
}

func TestPositionErrors(t *testing.T) {
	server := newServer(t, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	_, err = room.Position()
	wantError(t, err, hijack.ErrState, "position: the broadcaster keeps no history; set its option history_messages")
	must(t, room.Set(hijack.Options{"history_messages": 1}))
	position, err := room.Position()
	must(t, err)
	if epoch, offset, _ := strings.Cut(position, "-"); len(epoch) != 16 || offset != "0" {
		t.Errorf("got the position %q", position)
	}
	wantError(t, room.Set(hijack.Options{"history_position": "x"}), hijack.ErrOutOfRange, "option history_position=x: ")
	room.Free()
	_, err = room.Position()
	wantError(t, err, hijack.ErrFreed, "position: ")
}

// A snapshot, and then what was published since its position, by each kind.
func TestFirstThenLive(t *testing.T) {
	server := newServer(t, hijack.Options{"heartbeat_ms": 0})
	room := roomWithHistory(t, server, 10)
	snapshot, err := hijack.Event{Name: "snapshot", Data: "a\nb"}.Bytes()
	must(t, err)
	addr := serve(t, server, func(r *hijack.Request) {
		position, err := room.Position()
		must(t, err)
		say(t, room, "between")
		newcomer := hijack.Newcomer{First: []byte("state;"), Position: position}
		kind := hijack.HoldStream
		switch r.Path {
		case "/sse":
			kind, newcomer.First = hijack.HoldSSE, snapshot
		case "/raw":
			kind = hijack.HoldRaw
		case "/ws":
			kind, newcomer.First = hijack.HoldWebSocket, []byte("stäte")
		}
		must(t, r.Hold(room, kind, nil, newcomer))
	})
	sse := listen(t, addr, "/sse")
	sse.expect("event: snapshot\ndata: a\ndata: b\n\nid: e-1\ndata: between\n\n")
	stream := listen(t, addr, "/stream").expect("state;between")
	chunked := dial(t, addr).get("/stream")
	chunked.head()
	chunked.expect("6\r\nstate;\r\n7\r\nbetween\r\n")
	raw := dial(t, addr).get("/raw").expect("state;between")
	ws := connect(t, addr, "/ws").expect(opText, "stäte")
	ws.expect(opText, "\x1ehijack-position e-4").expect(opText, "between")
	until(t, "all are members", func() bool { return room.Len() == 5 })
	say(t, room, "live")
	ws.expect(opText, "live")
	raw.upTo("live")
	sse.upTo("data: live\n\n")
	stream.upTo("live")
	chunked.upTo("4\r\nlive\r\n")
}

// A newcomer by the other doors: a connection, net/http's, and a stream that has an object.
func TestNewcomersElsewhere(t *testing.T) {
	addr, streams, server := streaming(t, hijack.Options{"heartbeat_ms": 0}, nil)
	room := roomWithHistory(t, server, 10)
	say(t, room, "1", "2")
	near, far := tcpPair(t)
	must(t, room.Adopt(near, hijack.HoldRaw, nil, hijack.Newcomer{User: 5, First: []byte("0"), Position: "*"}))
	adopted := clientOf(t, far).expect("012")

	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := room.Hijack(w, r, hijack.HoldWebSocket, nil, hijack.Newcomer{First: []byte("\xff")}); err == nil ||
			!errors.Is(err, hijack.ErrNotHijacked) {
			t.Errorf("got %v", err)
		}
		newcomer := hijack.Newcomer{User: 5, First: []byte(": 0\n"), Position: "e-1"}
		must(t, room.Hijack(w, r, hijack.HoldSSE, nil, newcomer))
	}))
	t.Cleanup(web.Close)
	hijacked := listen(t, web.Listener.Addr().String(), "/").expect(": 0\nid: e-2\ndata: 2\n\n")

	added := dial(t, addr).get("/sse")
	added.head()
	must(t, room.Add(within(t, "the stream", streams), hijack.Newcomer{User: 6, Position: "e-1"}))
	added.upTo("id: e-2\ndata: 2\n\n")
	until(t, "all are members", func() bool { return room.Len() == 3 })
	must(t, room.PublishStringTo(5, "to five"))
	must(t, room.PublishTo(6, []byte("to six")))
	must(t, room.PublishTo(7, []byte("nobody")))
	say(t, room, "3")
	adopted.expect("to five3")
	hijacked.expect("data: to five\n\nid: e-3\ndata: 3\n\n")
	added.upTo("data: to six\n\n")
	added.upTo("id: e-3\ndata: 3\n\n")
}

func TestNewcomerErrors(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	near, _ := tcpPair(t)
	defer near.Close()
	name := near.RemoteAddr().String()
	somewhere, notText := hijack.Newcomer{Position: "e-1"}, hijack.Newcomer{First: []byte("\xff")}
	wantError(t, room.Adopt(near, hijack.HoldRaw, nil, somewhere), hijack.ErrState,
		"adopt "+name+`: a Position needs a history; set the broadcaster's option history_messages (got "e-1")`)
	wantError(t, room.Adopt(near, hijack.HoldWebSocketOpen, nil, notText), hijack.ErrInvalid,
		"adopt "+name+`: First must be UTF-8 for a WebSocket (got "\xff")`)
	wantError(t, room.Adopt(near, hijack.HoldRaw, nil, somewhere, notText), hijack.ErrInvalid,
		"adopt "+name+": expected at most one Newcomer (got 2)")
	dial(t, addr).get("/sse").head()
	stream := within(t, "the stream", streams)
	wantError(t, room.Add(stream, notText), hijack.ErrInvalid, "add "+stream.String()+": First is for a connection "+
		"without an object; write it before Add (got 1 bytes)")
	wantError(t, room.Add(stream, somewhere), hijack.ErrState, "add "+stream.String()+": a Position needs a history")
	must(t, room.Add(stream))

	// The request is still to be answered.
	refusing := newServer(t, nil)
	other, err := refusing.NewBroadcaster(nil)
	must(t, err)
	addr = serve(t, refusing, func(r *hijack.Request) {
		wantError(t, r.Hold(other, hijack.HoldSSE, nil, somewhere), hijack.ErrState, "hold "+r.String()+": a Position ")
		wantError(t, r.Hold(other, hijack.HoldWebSocket, nil, notText), hijack.ErrInvalid,
			"hold "+r.String()+": First must be UTF-8 ")
		must(t, r.Respond(204, nil, nil))
	})
	first, _ := dial(t, addr).get("/").head()
	want(t, "status", first, "HTTP/1.1 204 No Content")
}

func TestEventBytes(t *testing.T) {
	for text, event := range map[string]hijack.Event{
		"data:\n\n":                                  {},
		"event: n\nid: 5\ndata: 1\ndata: 2\n\n":      {Name: "n", ID: "5", Data: "1\n2"},
		"id:\ndata: x\n\n":                           {ResetID: true, Data: "x"},
		"retry: 1000\n\n":                            {Retry: time.Second},
		"data: " + strings.Repeat("x", 1e5) + "\n\n": {Data: strings.Repeat("x", 1e5)},
	} {
		got, err := event.Bytes()
		must(t, err)
		want(t, "an event", string(got), text)
	}
	_, err := hijack.Event{ID: "1\n2"}.Bytes()
	wantError(t, err, hijack.ErrInvalid, `encode event: ID must be one line without NUL (got "1\n2")`)
	_, err = hijack.Event{Retry: -1}.Bytes()
	wantError(t, err, hijack.ErrInvalid, "encode event: Retry must not be negative (got -1ns)")
	_, err = hijack.Event{Key: "k"}.Bytes()
	wantError(t, err, hijack.ErrInvalid, `encode event: Key is only for Broadcaster.PublishEvent (got "k")`)
}

// tcpPair makes a connection of package net, both ends.
func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	far, err = net.Dial("tcp", listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { far.Close() })
	near, err = listener.Accept()
	must(t, err)
	return near, far
}
