// Rooms: who is in which, and messages that survive a reload. The protocol is at the top of demos/rooms.c.
//
//	GET    /                   the page
//	GET    /rooms/ROOM/USER    USER enters ROOM: Server-Sent Events, beginning with the messages that it keeps
//	POST   /rooms/ROOM/USER    USER says the body there
//	DELETE /rooms/ROOM/USER    removes USER from ROOM
//	GET    /healthz            "ok"
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

const (
	maxRooms       = 100
	maxConnections = 100 // in one room
	keptMessages   = 100 // of a room
	textBytes      = "1000"
)

var (
	html = hijack.Header{"content-type": {"text/html; charset=utf-8"}}
	text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
	path = regexp.MustCompile(`^/rooms/([a-z0-9-]{1,32})/([A-Za-z0-9_-]{1,8})$`)
)

// rooms are broadcasters, each of which keeps its last messages and counts its members. Everyone is in the lobby as
// well, by the same connection, and learns there who is in which room. No connection has a goroutine.
type rooms struct {
	server *hijack.Server
	lobby  *hijack.Broadcaster
	mu     sync.Mutex
	byName map[string]*hijack.Broadcaster
}

func newRooms(server *hijack.Server) (*rooms, error) {
	if err := server.SetRoute("/rooms/*", hijack.Options{"max_body_bytes": textBytes}); err != nil {
		return nil, err
	}
	// A newcomer gets one event for each room.
	lobby, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": "1m"})
	return &rooms{server: server, lobby: lobby, byName: make(map[string]*hijack.Broadcaster)}, err
}

func (rs *rooms) answer(r *hijack.Request) {
	found := path.FindStringSubmatch(r.Path)
	if found == nil {
		refuse(r, 400, "Expected /rooms/ROOM/USER: ROOM is 1 to 32 of a-z, 0-9 and -, "+
			"USER is 1 to 8 of A-Z, a-z, 0-9, - and _.")
		return
	}
	name, user := found[1], found[2]
	rs.mu.Lock()
	defer rs.mu.Unlock()
	room := rs.byName[name]
	switch {
	case r.Method == "GET":
		rs.enter(r, name, number(user))
	case r.Method != "POST" && r.Method != "DELETE":
		header := hijack.Header{"allow": {"GET, POST, DELETE"}, "content-type": text["content-type"]}
		r.Respond(405, header, []byte("Enter with GET, speak with POST, remove with DELETE.\n"))
	case room == nil || room.Members()[number(user)] == 0:
		refuse(r, 404, fmt.Sprintf("%s is not in %s.", user, name))
	case r.Method == "POST":
		say(r, room, user)
	default: // its connection stays in the lobby; with CloseUser it would end, and the browser would come back
		room.RemoveUser(number(user))
		r.Respond(204, nil, nil)
	}
}

// enter: a browser that reconnects sends the id of the last event that it has; a page loaded anew has none.
func (rs *rooms) enter(r *hijack.Request, name string, user uint64) {
	room := rs.byName[name]
	if room == nil {
		room = rs.newRoom(name)
	}
	switch {
	case room == nil:
		refuse(r, 503, fmt.Sprintf("There are %d rooms, and none is empty.", maxRooms))
	case room.Len() >= maxConnections:
		refuse(r, 503, fmt.Sprintf("There are %d connections in %s.", maxConnections, name))
	case r.Header.Get("Last-Event-ID") != "":
		r.Hold(room, hijack.HoldSSE, nil, hijack.Newcomer{User: user})
	default:
		r.Hold(room, hijack.HoldSSE, nil, hijack.Newcomer{User: user, Position: "*"})
	}
}

// newRoom returns nil if there are too many, and somebody is in each of them.
func (rs *rooms) newRoom(name string) *hijack.Broadcaster {
	if len(rs.byName) >= maxRooms && !rs.freeOne() {
		return nil
	}
	room, err := rs.server.NewBroadcaster(hijack.Options{"history_messages": keptMessages})
	if err != nil {
		return nil
	}
	rs.byName[name] = room
	room.OnMembers(func(user uint64, joined bool, _ error) {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if joined { // a newcomer is told of all rooms, everyone else of the one that has changed
			rs.lobby.JoinUser(user, room)
			for it := range rs.byName {
				if it != name {
					rs.lobby.PublishStringTo(user, rs.here(it))
				}
			}
		}
		rs.lobby.PublishString(rs.here(name)) // fails when the demo ends, and everyone leaves
	})
	return room
}

func (rs *rooms) freeOne() bool {
	for name, room := range rs.byName {
		if room.Len() == 0 && len(room.Members()) == 0 {
			delete(rs.byName, name)
			room.Free()
			return true
		}
	}
	return false
}

func (rs *rooms) here(name string) string {
	names := []string{}
	if room := rs.byName[name]; room != nil { // else it was freed a moment ago
		for user := range room.Members() {
			names = append(names, nameOf(user))
		}
	}
	return asJSON(map[string]any{"type": "here", "room": name, "names": names})
}

func say(r *hijack.Request, room *hijack.Broadcaster, user string) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 || !utf8.Valid(body) {
		refuse(r, 400, "Expected a text in UTF-8 that is not empty.")
		return
	}
	room.PublishString(asJSON(map[string]any{"type": "message", "name": user, "text": string(body),
		"time": time.Now().Unix()}))
	r.Respond(204, nil, nil)
}

// number: a user is a number. A program has it from its database; here it is the name itself, in 8 bytes.
func number(name string) uint64 {
	return binary.BigEndian.Uint64([]byte(strings.Repeat("\x00", 8-len(name)) + name))
}

func nameOf(number uint64) string {
	var bytes [8]byte
	binary.BigEndian.PutUint64(bytes[:], number)
	return strings.Trim(string(bytes[:]), "\x00")
}

func asJSON(message any) string {
	text, _ := json.Marshal(message) // of texts and numbers it never fails
	return string(text)
}

func refuse(r *hijack.Request, status int, why string) {
	r.Respond(status, text, []byte(why+"\n"))
}

func main() {
	ctx := demo.Context()
	page := demo.Page("rooms.html")

	server, err := hijack.NewServer(nil)
	demo.Check(err)
	all, err := newRooms(server)
	demo.Check(err)
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch {
		case r.Path == "/":
			r.Respond(200, html, page)
		case r.Path == "/healthz":
			r.Respond(200, text, []byte("ok\n"))
		case strings.HasPrefix(r.Path, "/rooms/"):
			all.answer(r)
		default:
			r.Respond(404, text, []byte("Only /, /rooms/ROOM/USER and /healthz are here.\n"))
		}
	}))
	fmt.Println(url)
	<-ctx.Done()
	server.Stop()
}
