package hijack

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// A request and its end, taken within one batch: the end is found although it came before there was a user_data.
func TestRequestAndItsEndInOneBatch(t *testing.T) {
	server, err := NewServer(Options{"threads": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	server.Start(func(r *Request) {
		<-r.Context().Done()
		close(ended)
	})

	server.mu.Lock() // the poller waits
	conn, err := net.Dial("tcp", addr.String())
	if err == nil {
		conn.Write([]byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n"))
		awaitQueued(t, server, 1)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		awaitQueued(t, server, 2)
	}
	server.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the handler of a client that had gone at once still waits")
	}
}

func awaitQueued(t *testing.T, server *Server, events uint64) {
	for deadline := time.Now().Add(patience); server.Stats()["events_queued"] < events; {
		if time.Now().After(deadline) {
			t.Errorf("%d events are queued, not %d", server.Stats()["events_queued"], events)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// A failure of the queue is what Serve returns, also when the queue works again.
func TestPollErrorIsKept(t *testing.T) {
	server, err := NewServer(Options{"threads": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	var turn turn
	working := server.queue.handle
	server.queue.handle = 0
	server.take(&turn)
	server.queue.handle = working
	server.take(&turn)
	if !errors.Is(server.err, ErrClosed) || !server.stopping {
		t.Errorf("after a failure the error is %v", server.err)
	}
}

// probe looks at a server when everything of it was freed, and nobody was told yet.
type probe struct {
	object
	look func()
}

func (p *probe) receive(*event) { p.look() }

func TestCallsJustBeforeTheEnd(t *testing.T) {
	server, err := NewServer(Options{"threads": 1})
	if err != nil {
		t.Fatal(err)
	}
	if err = server.Start(nil); err != nil {
		t.Fatal(err)
	}
	looked := false
	server.mu.Lock()
	server.register(&probe{look: func() {
		looked = true
		if err := server.Drain(context.Background(), 0); !errors.Is(err, ErrShutdown) {
			t.Errorf("Drain: %v", err)
		}
	}}, 0)
	server.mu.Unlock()
	server.Stop()
	if !looked {
		t.Error("the end was not seen")
	}
}
