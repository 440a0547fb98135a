package hijack_test

import (
	"context"
	"fmt"
	"log"
	"runtime"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

func TestOnMessage(t *testing.T) {
	server := newServer(t, nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/held", room, hijack.HoldWebSocket, nil))
	addr := serve(t, server, nil)
	first, second := connect(t, addr, "/held"), connect(t, addr, "/held")
	until(t, "two members", func() bool { return room.Len() == 2 })
	first.send(opText, "thrown away").send(opPing, "in order").expect(opPong, "in order")
	must(t, room.OnMessage(func(kind hijack.MessageType, data []byte) {
		if string(data) == "panic" {
			panic("of the test")
		} else if kind == hijack.MessageText {
			room.PublishString(string(data))
		} else {
			room.Publish(data)
		}
	}))
	first.send(opText, "panic").send(opText, "text").send(opText, "").send(opBinary, "\xff")
	for _, c := range []*peer{first, second} {
		c.expect(opText, "text").expect(opText, "").expect(opBinary, "\xff")
	}
	want(t, "the panic is logged", strings.Contains(logged.String(), "panic in OnMessage: of the test"), true)
	must(t, room.OnMessage(nil))
	first.send(opText, "thrown away").send(opPing, "in order").expect(opPong, "in order")
	room.Free()
	first.send(opText, "nobody is there").send(opPing, "it lives").expect(opPong, "it lives")
	wantError(t, room.OnMessage(nil), hijack.ErrFreed, "on message: ")
}

func TestOnUserMessage(t *testing.T) {
	server, room := usersOf(t, "query:user", nil)
	got := make(chan string, 10)
	must(t, room.OnUserMessage(func(user uint64, kind hijack.MessageType, data []byte) {
		got <- fmt.Sprint(user, " ", kind, " ", string(data))
	}))
	addr := serve(t, server, nil)
	connect(t, addr, "/ws?user=18446744073709551615").send(opText, "hello")
	want(t, "a message", within(t, "a message", got), "18446744073709551615 1 hello")
	c := connect(t, addr, "/ws").send(opBinary, "")
	want(t, "an empty one of nobody", within(t, "a message", got), "0 2 ")
	must(t, room.OnMessage(func(_ hijack.MessageType, data []byte) { got <- string(data) }))
	c.send(opText, "replaced")
	want(t, "to the other function", within(t, "a message", got), "replaced")
	must(t, room.OnUserMessage(nil))
	c.send(opText, "thrown away").send(opPing, "in order").expect(opPong, "in order")
	want(t, "messages", len(got), 0)
}

func TestOnMessageThatEndsItsGoroutine(t *testing.T) {
	server := newServer(t, nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/", room, hijack.HoldWebSocket, nil))
	got := make(chan string, 10)
	must(t, room.OnMessage(func(_ hijack.MessageType, data []byte) {
		got <- string(data)
		if string(data) == "exit" {
			runtime.Goexit()
		}
	}))
	c := connect(t, serve(t, server, nil), "/")
	c.send(opText, "exit").send(opText, "one").send(opText, "exit").send(opText, "two")
	for _, message := range []string{"exit", "one", "exit", "two"} {
		want(t, "a message", within(t, "the next message", got), message)
	}
	want(t, "lines in the log", strings.Count(logged.String(), "OnMessage was given ended its goroutine"), 2)
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop() }()
	must(t, within(t, "Stop", stopped))
}

func TestOnMessageOfAForgottenBroadcaster(t *testing.T) {
	server := newServer(t, nil)
	got := make(chan string, 1)
	hold := func() {
		room, err := server.NewBroadcaster(nil)
		must(t, err)
		must(t, server.Hold("/", room, hijack.HoldWebSocket, nil))
		must(t, room.OnMessage(func(_ hijack.MessageType, data []byte) { got <- string(data) }))
	}
	hold()
	other, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, other.Set(nil))
	c := connect(t, serve(t, server, nil), "/")
	until(t, "the other one is freed", func() bool { runtime.GC(); return server.BroadcasterCount() == 1 })
	c.send(opText, "still there")
	want(t, "the message", within(t, "the message", got), "still there")
}

func TestStopInOnMessage(t *testing.T) {
	cancelled, cancel := context.WithCancel(always)
	cancel()
	for name, end := range map[string]func(*hijack.Server) error{
		"stop":  func(server *hijack.Server) error { return server.Stop() },
		"drain": func(server *hijack.Server) error { return server.Drain(always, 0) },
		"limit": func(server *hijack.Server) error { return server.Drain(cancelled, time.Hour) },
		"deep":  func(server *hijack.Server) error { return deeper(200, server.Stop) },
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, nil)
			room, err := server.NewBroadcaster(nil)
			must(t, err)
			must(t, server.Hold("/", room, hijack.HoldWebSocket, nil))
			ended := make(chan error, 1)
			must(t, room.OnMessage(func(hijack.MessageType, []byte) { ended <- end(server) }))
			connect(t, serve(t, server, nil), "/").send(opText, "the last message")
			must(t, within(t, "the call", ended))
			within(t, "the server's end", server.Done())
		})
	}
}
