package hijack_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

const relayedText = "it is relayed: its bytes go to the other connection, and come from there"

// ends are an adopted connection and an outgoing one, with both other ends.
type ends struct {
	client, origin *client
	near, far      *hijack.Socket
}

func relayServer(t testing.TB) (*hijack.Server, net.Listener) {
	t.Helper()
	server := newServer(t, hijack.Options{"threads": 2})
	must(t, server.Start(nil))
	return server, listening(t, "tcp", "127.0.0.1:0")
}

// openEnds are not relayed yet.
func openEnds(t testing.TB, server *hijack.Server, listener net.Listener) (it ends) {
	t.Helper()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	ours, err := listener.Accept()
	must(t, err)
	it.client = clientOf(t, dialed)
	it.near, err = server.Adopt(ours, nil)
	must(t, err)
	it.far, err = server.Connect(always, listener.Addr().String())
	must(t, err)
	conn, err := listener.Accept()
	must(t, err)
	it.origin = clientOf(t, conn)
	return it
}

func relayedEnds(t testing.TB, server *hijack.Server, listener net.Listener) ends {
	t.Helper()
	it := openEnds(t, server, listener)
	must(t, it.near.Relay(limited(t), it.far))
	return it
}

func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(always, patience)
	t.Cleanup(cancel)
	return ctx
}

func (c *client) wantReset() {
	c.t.Helper()
	if _, err := c.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %v, want a reset", err)
	}
}

func TestRelay(t *testing.T) {
	server, listener := relayServer(t)
	it := relayedEnds(t, server, listener)
	it.client.say("ping")
	it.origin.expect("ping").say("pong")
	it.client.expect("pong")
	want(t, "relayed", server.Stats()["relayed"], 2)
	want(t, "relayed_bytes", server.Stats()["relayed_bytes"], 8)
	must(t, it.client.CloseWrite())
	want(t, "the rest", it.origin.ended(), "")
	it.origin.say("still")
	it.client.expect("still")
	want(t, "Closed", it.near.Closed(), false)
	must(t, it.origin.Close())
	want(t, "the rest", it.client.ended(), "")
	for _, side := range []*hijack.Socket{it.near, it.far} {
		within(t, "Done", side.Done())
		must(t, side.Err())
	}
	nothingIsLeft(t, server)
	want(t, "relayed", server.Stats()["relayed"], 0)
}

func TestRelayPassesOnWhatCameBefore(t *testing.T) {
	server, listener := relayServer(t)
	it := openEnds(t, server, listener)
	_, err := it.near.WriteString("welcome\n")
	must(t, err)
	it.client.say("CONNECT there\nfirst ")
	line := make([]byte, len("CONNECT there\n"))
	_, err = io.ReadFull(it.near, line)
	must(t, err)
	want(t, "read", string(line), "CONNECT there\n")
	it.origin.say("banner ")
	_, err = it.far.Read(line[:1])
	must(t, err)
	must(t, it.near.Relay(limited(t), it.far))
	it.client.say("second").expect("welcome\nanner ")
	it.origin.expect("first second").say("end")
	it.client.expect("end")
}

// The client goes on sending all the time: nothing that is on its way is lost.
func TestRelayKeepsTheOrder(t *testing.T) {
	server, listener := relayServer(t)
	for i := 0; i < times(50, 10); i++ {
		it := openEnds(t, server, listener)
		const lines = 4000
		sent := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < lines && err == nil; n++ {
				_, err = fmt.Fprintln(it.client.TCPConn, n)
			}
			it.client.CloseWrite()
			sent <- err
		}()
		first := make([]byte, 2)
		_, err := io.ReadFull(it.near, first)
		must(t, err)
		must(t, it.near.Relay(limited(t), it.far))
		scanner := bufio.NewScanner(it.origin)
		n := 1
		for ; scanner.Scan(); n++ {
			if scanner.Text() != fmt.Sprint(n) {
				t.Fatalf("got line %q, want %d", scanner.Text(), n)
			}
		}
		must(t, scanner.Err())
		want(t, "lines", n, lines)
		must(t, within(t, "sent", sent))
		must(t, it.near.Abort())
	}
	nothingIsLeft(t, server)
}

func TestRelayPassesResetsOn(t *testing.T) {
	server, listener := relayServer(t)
	for i := 0; i < 2; i++ {
		it := relayedEnds(t, server, listener)
		it.client.say("paired")
		it.origin.expect("paired")
		if i == 0 {
			it.client.reset()
			it.origin.wantReset()
		} else {
			it.origin.reset()
			it.client.wantReset()
		}
		for _, side := range []*hijack.Socket{it.near, it.far} {
			within(t, "Done", side.Done())
			if !errors.Is(side.Err(), hijack.ErrReset) {
				t.Fatalf("got %v, want ErrReset", side.Err())
			}
		}
	}
	nothingIsLeft(t, server)
}

func TestRelayEndsTogether(t *testing.T) {
	server, listener := relayServer(t)
	it := relayedEnds(t, server, listener)
	must(t, it.near.Close())
	want(t, "the rest", it.client.ended()+it.origin.ended(), "")
	within(t, "Done", it.far.Done())
	it = relayedEnds(t, server, listener)
	must(t, it.far.Abort())
	it.client.wantReset()
	it.origin.wantReset()
	nothingIsLeft(t, server)
}

// The pair needs no objects: those of half of the pairs are released, the others forgotten.
func TestRelayNeedsNoObjects(t *testing.T) {
	server, listener := relayServer(t)
	var clients, origins []*client
	for i := 0; i < 10; i++ {
		it := relayedEnds(t, server, listener)
		if i%2 == 0 {
			it.near.Release()
			it.far.Release()
		}
		clients, origins = append(clients, it.client), append(origins, it.origin)
	}
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond) // for those who free what was collected
	}
	for i := range clients {
		clients[i].say("alive")
		origins[i].expect("alive").say("here")
		clients[i].expect("here")
		must(t, clients[i].Close())
		want(t, "the rest", origins[i].ended(), "")
		must(t, origins[i].Close())
	}
	nothingIsLeft(t, server)
}

func TestRelayWakesWhoReads(t *testing.T) {
	server, listener := relayServer(t)
	it := openEnds(t, server, listener)
	errs := make(chan error, 2)
	for _, side := range []*hijack.Socket{it.near, it.far} {
		go func(side *hijack.Socket) {
			_, err := side.Read(make([]byte, 1))
			errs <- err
		}(side)
	}
	parked(t, 2)
	must(t, it.near.Relay(limited(t), it.far))
	for i := 0; i < 2; i++ {
		wantError(t, within(t, "the end of reading", errs), hijack.ErrState, "read ")
	}
	it.client.say("ping")
	it.origin.expect("ping")
}

func TestRelayStates(t *testing.T) {
	server, listener := relayServer(t)
	it, other := relayedEnds(t, server, listener), openEnds(t, server, listener)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	for op, call := range map[string]func() error{
		"read":        func() error { _, err := it.near.Read(make([]byte, 1)); return err },
		"write":       func() error { _, err := it.near.WriteString("x"); return err },
		"close write": func() error { return it.far.CloseWrite() },
		"detach":      func() error { _, _, err := it.near.Detach(limited(t)); return err },
		"relay":       func() error { return it.near.Relay(limited(t), other.far) },
	} {
		err := call()
		wantError(t, err, hijack.ErrState, op+" ")
		if !strings.HasSuffix(err.Error(), relayedText) {
			t.Fatalf("%s: got %v", op, err)
		}
	}
	wantError(t, other.near.Relay(limited(t), it.far), hijack.ErrState, "relay ")
	wantError(t, other.near.Relay(limited(t), other.near), hijack.ErrInvalid, "relay ")
	wantError(t, other.near.Relay(limited(t), nil), hijack.ErrInvalid, "relay ")
	foreign, _ := relayServer(t)
	wantError(t, other.near.Relay(limited(t), openEnds(t, foreign, listener).far), hijack.ErrInvalid, "relay ")
	must(t, room.Add(other.far))
	wantError(t, other.near.Relay(limited(t), other.far), hijack.ErrState, "relay ")
	other.client.say("as before")
	p := make([]byte, len("as before"))
	_, err = io.ReadFull(other.near, p)
	must(t, err)
	must(t, room.Remove(other.far))
	must(t, other.near.Relay(limited(t), other.far))
	other.client.say("now")
	other.origin.expect("now")
	third := openEnds(t, server, listener)
	must(t, third.far.Close())
	wantError(t, third.near.Relay(limited(t), third.far), hijack.ErrClosed, "relay ")
	it.client.say("still")
	it.origin.expect("still")
}

func TestRelayOfAWebSocketAndBytes(t *testing.T) {
	listener := listening(t, "tcp", "127.0.0.1:0")
	addr, webSockets, server := upgrading(t, hijack.Options{"threads": 2})
	c := connect(t, addr, "/")
	ws := within(t, "a WebSocket", webSockets)
	far, err := server.Connect(always, listener.Addr().String())
	must(t, err)
	conn, err := listener.Accept()
	must(t, err)
	origin := clientOf(t, conn)
	c.send(opText, "read")
	c.send(opText, "ahead")
	wantMessage(t, ws, hijack.MessageText, "read")
	must(t, ws.Write(always, hijack.MessageText, []byte("greeting")))
	must(t, ws.Relay(limited(t), far))
	c.expect(opText, "greeting")
	origin.expect("ahead")
	c.send(opBinary, "more")
	origin.expect("more").say("bytes")
	c.expect(opBinary, "bytes")
	_, _, err = ws.Read(limited(t))
	wantError(t, err, hijack.ErrState, "read ")
	wantError(t, ws.Write(always, hijack.MessageText, []byte("x")), hijack.ErrState, "write ")
	want(t, "Closed", ws.Closed(), false)
	c.send(opClose, closing(1000, ""))
	want(t, "the rest", origin.ended(), "")
	within(t, "Done", ws.Done())
}

func TestRelayOfTwoWebSockets(t *testing.T) {
	addr, webSockets, _ := upgrading(t, hijack.Options{"threads": 2})
	one := connect(t, addr, "/")
	left := within(t, "a WebSocket", webSockets)
	other := connect(t, addr, "/")
	right := within(t, "a WebSocket", webSockets)
	one.send(opText, "ahead") // is asked for from the beginning
	must(t, left.Relay(limited(t), right))
	one.send(opBinary, "bytes")
	other.expect(opText, "ahead")
	other.expect(opBinary, "bytes")
	other.send(opText, "back")
	one.expect(opText, "back")
}
