// What Go's programs use today to send one message to many clients: the peers in Go of bindings/bench/peers/run.py.
//
//	fanout nethttp|gws|coder PORT
//
// nethttp holds Server-Sent Events at /sse, the others WebSockets at /ws. GET /publish?n=COUNT&bytes=BYTES publishes so
// many messages. TLS_CERT and TLS_KEY name a certificate and its key.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/lxzan/gws"
)

const (
	waiting  = 32 // messages that may wait for a client with a channel; more are dropped for it
	patience = 10 * time.Second
)

// A peer holds clients and publishes.
type peer interface {
	http.Handler
	publish(text string)
}

// channels are those of clients that have a goroutine each.
type channels struct {
	mu      sync.Mutex
	clients map[chan string]struct{}
}

func newChannels() *channels {
	return &channels{clients: map[chan string]struct{}{}}
}

func (c *channels) join() chan string {
	messages := make(chan string, waiting)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients[messages] = struct{}{}
	return messages
}

func (c *channels) leave(messages chan string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clients, messages)
}

func (c *channels) publish(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for messages := range c.clients {
		select {
		case messages <- text:
		default: // it is too slow
		}
	}
}

// netHTTP is net/http alone, with Server-Sent Events.
type netHTTP struct{ *channels }

func (n netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	messages := n.join()
	defer n.leave(messages)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	for {
		select {
		case text := <-messages:
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// coder is github.com/coder/websocket, as its example of a chat uses it.
type coder struct{ *channels }

func (c coder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	messages := c.join()
	defer c.leave(messages)
	for ctx := conn.CloseRead(r.Context()); ; {
		select {
		case text := <-messages:
			if write(ctx, conn, text) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func write(ctx context.Context, conn *websocket.Conn, text string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, []byte(text))
}

// events is github.com/lxzan/gws with its broadcaster.
type events struct {
	gws.BuiltinEventHandler
	upgrader *gws.Upgrader
	clients  sync.Map
}

func newEvents() *events {
	e := &events{}
	e.upgrader = gws.NewUpgrader(e, nil)
	return e
}

func (e *events) OnOpen(conn *gws.Conn)           { e.clients.Store(conn, nil) }
func (e *events) OnClose(conn *gws.Conn, _ error) { e.clients.Delete(conn) }

func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if conn, err := e.upgrader.Upgrade(w, r); err == nil {
		go conn.ReadLoop()
	}
}

func (e *events) publish(text string) {
	message := gws.NewBroadcaster(gws.OpcodeText, []byte(text))
	defer message.Close()
	e.clients.Range(func(conn, _ any) bool {
		message.Broadcast(conn.(*gws.Conn))
		return true
	})
}

func main() {
	peers := map[string]peer{"nethttp": netHTTP{newChannels()}, "gws": newEvents(), "coder": coder{newChannels()}}
	if len(os.Args) != 3 || peers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: fanout nethttp|gws|coder PORT")
		os.Exit(2)
	}
	chosen, address := peers[os.Args[1]], "127.0.0.1:"+os.Args[2]
	http.HandleFunc("/publish", func(_ http.ResponseWriter, r *http.Request) {
		var count, bytes int
		fmt.Sscanf(r.URL.RawQuery, "n=%d&bytes=%d", &count, &bytes)
		for ; count > 0; count-- {
			chosen.publish(strings.Repeat("x", bytes-1) + "!")
		}
	})
	http.Handle("/", chosen)
	var err error
	if cert := os.Getenv("TLS_CERT"); cert != "" {
		server := http.Server{Addr: address}
		err = server.ListenAndServeTLS(cert, os.Getenv("TLS_KEY"))
	} else {
		err = http.ListenAndServe(address, nil)
	}
	fmt.Fprintln(os.Stderr, "fanout:", err)
	os.Exit(1)
}
