// Package chat is the room of the chat, which the demos chat and sse have: /chat, /events and /say. The protocol is at
// the top of demos/chat.c.
package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	hijack "github.com/libhijack/libhijack/go"
)

// TextBytes is what the server's option websocket_message_bytes has to be.
const TextBytes = "1000"

const (
	maxMembers  = 1000
	maxName     = 32 // characters
	maxMessages = 20 // of one member within
	window      = 5 * time.Second
	backlog     = "1m" // a burst of messages behind the longest list of names
)

var text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}

// Room is who is there. All members belong to two broadcasters, which alone send to them: one for who comes and goes,
// and that of the log for the messages, which are kept. A member that does not read is closed by them, and nobody waits
// for it. A member has the goroutine of its request.
type Room struct {
	everyone *hijack.Broadcaster
	log      *chatLog
	mu       sync.Mutex // what happens in the room happens as a whole
	members  []*member  // in the order of joining
}

// NewRoom makes the room of a server that is not started yet, and has the option websocket_message_bytes.
func NewRoom(server *hijack.Server) (*Room, error) {
	if err := server.SetRoute("/say", hijack.Options{"max_body_bytes": TextBytes}); err != nil {
		return nil, err
	}
	everyone, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": backlog})
	if err != nil {
		return nil, err
	}
	log, err := newLog(server)
	return &Room{everyone: everyone, log: log}, err
}

// Answer answers a request for one of the room's paths, and returns when the member that it made has left. False: it is
// for another path.
func (room *Room) Answer(r *hijack.Request) bool {
	switch r.Path {
	case "/chat":
		room.joinByWebSocket(r)
	case "/events":
		room.joinByEvents(r)
	case "/say":
		room.say(r)
	default:
		return false
	}
	return true
}

func (room *Room) joinByWebSocket(r *hijack.Request) {
	it := room.join(r, func() (connection, error) { return r.WebSocket("", nil) })
	if it == nil {
		return
	}
	defer room.leave(it)
	ws := it.connection.(*hijack.WebSocket)
	for {
		kind, message, err := ws.Read(context.Background()) // the end of the connection ends it
		if err != nil {
			break
		}
		room.take(it, ws, kind, string(message))
	}
	<-ws.Done() // where we have closed, the client's answer
}

func (room *Room) joinByEvents(r *hijack.Request) {
	if r.Method != "GET" {
		refuse(r, "Read /events with GET.\n", "GET")
		return
	}
	it := room.join(r, func() (connection, error) { return r.SSE(nil) })
	if it == nil {
		return
	}
	defer room.leave(it)
	<-it.connection.Done()
	it.connection.Abort()
}

// join makes a member of a client, which connect answers; nil where it was answered otherwise. The others hear of the
// newcomer, who gets the names and then what it has missed and all that is published.
func (room *Room) join(r *hijack.Request, connect func() (connection, error)) *member {
	room.mu.Lock()
	defer room.mu.Unlock()
	wanted, _ := asked(r, "name")
	if !isGoodName(wanted) {
		r.Respond(400, text, []byte("Expected ?name=NAME with 1 to 32 characters of UTF-8, no control character among "+
			"them and no space at either end.\n"))
		return nil
	}
	if len(room.members) >= maxMembers {
		r.Respond(503, text, []byte("The room is full; try again later.\n"))
		return nil
	}
	conn, err := connect()
	if errors.Is(err, hijack.ErrNotSupported) { // many requests share a connection of HTTP/2
		r.Respond(505, text, []byte("A WebSocket needs HTTP/1.1 here; /events does not.\n"))
	}
	if err != nil {
		return nil // a client whose handshake is wrong has its answer
	}
	it := &member{name: room.freeName(wanted), connection: conn}
	room.publish(`{"type":"joined","name":` + quoted(it.name) + `}`)
	room.members = append(room.members, it)
	from := startOf(r)
	position := ""
	if from == nil || *from == "" {
		position = room.log.position()
	}
	it.greet(room.names(), position) // where it has left already, Done will tell
	room.everyone.Add(conn)
	room.log.add(conn, from)
	return it
}

// take takes a message, of which the library has checked UTF-8 and length.
func (room *Room) take(it *member, ws *hijack.WebSocket, kind hijack.MessageType, message string) {
	hasID, id := strings.HasPrefix(message, "\x1e"), ""
	if hasID {
		id, message, _ = strings.Cut(message[1:], " ")
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	if !it.maySay() {
		ws.Close(hijack.StatusPolicyViolation, "too many messages")
	} else if kind != hijack.MessageText {
		ws.Close(hijack.StatusUnsupportedData, "only text")
	} else if hasID && !goodID.MatchString(id) {
		ws.Close(hijack.StatusPolicyViolation, "bad id")
	} else {
		room.publishText(it, message, id)
	}
}

func (room *Room) say(r *hijack.Request) {
	if r.Method != "POST" {
		refuse(r, "Write to /say with POST.\n", "POST")
		return
	}
	message, _ := io.ReadAll(r.Body) // it has come whole
	room.mu.Lock()
	defer room.mu.Unlock()
	name, _ := asked(r, "name") // nobody is called ""
	id, hasID := asked(r, "id")
	it := room.find(name)
	switch {
	case it == nil || !it.readsEvents():
		r.Respond(403, text, []byte("Nobody of this name reads /events; open /events?name=NAME first.\n"))
	case !it.maySay():
		r.Respond(429, text, []byte("Too many messages: at most 20 within 5 seconds.\n"))
	case !utf8.Valid(message):
		r.Respond(400, text, []byte("The text must be UTF-8.\n"))
	case hasID && !goodID.MatchString(id):
		r.Respond(400, text, []byte("Expected &id=ID with 1 to 64 letters, digits and '-'.\n"))
	default:
		room.publishText(it, string(message), id)
		r.Respond(204, nil, nil)
	}
}

// leave tells the others, but not when everyone leaves because the demo ends.
func (room *Room) leave(it *member) {
	room.mu.Lock()
	defer room.mu.Unlock()
	for i, other := range room.members {
		if other == it {
			room.members = append(room.members[:i], room.members[i+1:]...)
			break
		}
	}
	if !errors.Is(it.connection.Err(), hijack.ErrShutdown) {
		room.publish(`{"type":"left","name":` + quoted(it.name) + `}`)
	}
}

// publishText publishes a text that has this id, "" for none.
func (room *Room) publishText(it *member, message, id string) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	json := fmt.Sprintf(`{"type":"message","name":%s,"text":%s,"time":"%s"`, quoted(it.name), quoted(message), now)
	if id != "" {
		json += `,"id":"` + id + `"`
	}
	room.log.publish(json+"}", id)
}

func (room *Room) publish(json string) {
	room.everyone.PublishString(json) // fails when the demo ends
}

func (room *Room) names() string {
	names := make([]string, len(room.members))
	for i, it := range room.members {
		names[i] = quoted(it.name)
	}
	return `{"type":"here","names":[` + strings.Join(names, ",") + `]}`
}

func (room *Room) find(name string) *member {
	for _, it := range room.members {
		if it.name == name {
			return it
		}
	}
	return nil
}

func (room *Room) freeName(wanted string) string {
	name := wanted
	for n := 2; room.find(name) != nil; n++ {
		name = fmt.Sprintf("%s %d", wanted, n)
	}
	return name
}

// refuse answers a request of another method than the one that is allowed.
func refuse(r *hijack.Request, body, allowed string) {
	r.Respond(405, hijack.Header{"allow": {allowed}, "content-type": text["content-type"]}, []byte(body))
}

// startOf is the position that a client gives, nil where it gives none.
func startOf(r *hijack.Request) *string {
	if ids, ok := r.Header["Last-Event-Id"]; ok {
		return &ids[0]
	}
	if from, ok := asked(r, "from"); ok {
		return &from
	}
	return nil
}

// asked is the NAME of "?name=NAME", for example. False: there is none, or it has a '%' without its digits.
func asked(r *hijack.Request, key string) (string, bool) {
	_, query, _ := strings.Cut(r.Target, "?")
	for _, field := range strings.Split(query, "&") {
		if name, value, isPair := strings.Cut(field, "="); isPair && name == key {
			value, err := url.QueryUnescape(value)
			return value, err == nil
		}
	}
	return "", false
}

func isGoodName(name string) bool {
	chars := utf8.RuneCountInString(name)
	return utf8.ValidString(name) && chars >= 1 && chars <= maxName && strings.Trim(name, " ") == name &&
		strings.IndexFunc(name, unicode.IsControl) < 0
}
