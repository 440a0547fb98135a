package hijack_test

import (
	"net/http"
	"strings"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// pollRoom is a room at /poll of a server that holds requests elsewhere by its handler, and the server's address.
func pollRoom(t *testing.T, options hijack.Options) (*hijack.Broadcaster, string) {
	t.Helper()
	server := newServer(t, nil)
	room, err := server.NewBroadcaster(options)
	must(t, err)
	must(t, server.Hold("/poll", room, hijack.HoldLongPoll, http.Header{"X": {"y"}}))
	return room, serve(t, server, func(r *hijack.Request) {
		must(t, r.Hold(room, hijack.HoldLongPoll, http.Header{"X-Own": {r.Path}}))
	})
}

// poll asks for target, and is the last request of its connection.
func poll(t *testing.T, addr, target string, lines ...string) *client {
	t.Helper()
	lines = append(lines, "Host: me", "Connection: close", "", "")
	return dial(t, addr).say("GET " + target + " HTTP/1.1\r\n" + strings.Join(lines, "\r\n"))
}

func pollsWait(t *testing.T, room *hijack.Broadcaster, count int) {
	t.Helper()
	until(t, "they wait", func() bool { return room.Len() == count })
}

func TestLongPollMessage(t *testing.T) {
	room, addr := pollRoom(t, hijack.Options{"history_messages": 5, "history_position": "e-0"})
	clients := map[string]*client{"X: y": poll(t, addr, "/poll"), "X-Own: /own": poll(t, addr, "/own")}
	pollsWait(t, room, 2)
	n, err := room.PublishString("hello")
	must(t, err)
	want(t, "members", n, 2)
	for line, client := range clients {
		first, rest := client.head()
		want(t, "the status", first, "HTTP/1.1 200 OK")
		if !strings.Contains(rest, line+"\r\n") || !strings.Contains(rest, "Hijack-Position: e-1\r\n") {
			t.Errorf("expected %s and the position, got %q", line, rest)
		}
		want(t, "the body", client.ended(), "hello")
	}
	missed := poll(t, addr, "/poll", "Last-Event-ID: e-0")
	missed.head()
	want(t, "what was missed", missed.ended(), "hello")
}

func TestLongPollRespond(t *testing.T) {
	room, addr := pollRoom(t, nil)
	client := poll(t, addr, "/poll")
	pollsWait(t, room, 1)
	n, err := room.Respond(200, http.Header{"Etag": {`"1"`}}, []byte("body"))
	must(t, err)
	want(t, "members", n, 1)
	_, rest := client.head()
	if !strings.Contains(rest, "Etag: \"1\"\r\n") || strings.Contains(rest, "X: y") {
		t.Errorf("expected the header that was given and no other, got %q", rest)
	}
	want(t, "the body", client.ended(), "body")
	pollsWait(t, room, 0)
	_, err = room.Respond(99, nil, nil)
	wantError(t, err, hijack.ErrInvalid, "respond: expected a status from 200 to 999, and no body with 204")
	_, err = room.Respond(204, nil, []byte("x"))
	wantError(t, err, hijack.ErrInvalid, "")
	_, err = room.Respond(200, http.Header{"a b": {"c"}}, nil)
	wantError(t, err, hijack.ErrHeader, "respond: ")
}

func TestLongPollDeadline(t *testing.T) {
	_, addr := pollRoom(t, hijack.Options{"long_poll_ms": 20})
	client := poll(t, addr, "/poll")
	first, rest := client.head()
	want(t, "the status", first, "HTTP/1.1 204 No Content")
	if !strings.Contains(rest, "X: y\r\n") {
		t.Errorf("expected the header of the route, got %q", rest)
	}
	want(t, "the body", client.ended(), "")
}
