// Server-Sent Events under net/http, by this package or with a goroutine for each client: what bindings/bench/live.py
// compares.
//
//	live hijack | nethttp
//
// On stdin come "publish BYTES", one message to all clients, "collect", the garbage, and "burn", three seconds in
// which every processor computes; each is answered with a line. HEARTBEAT_MS: how often a silent client gets a comment,
// 0 for never.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

const (
	burning = 3 * time.Second
	waiting = 16 // messages that may wait for a client with a goroutine; more are dropped for it
)

// side is one way of holding clients.
type side interface {
	http.Handler
	publish(text string)
}

// handed hands connections over.
type handed struct{ clients *hijack.Broadcaster }

func newHanded(heartbeat int) (side, error) {
	server, err := hijack.NewServer(hijack.Options{"heartbeat_ms": heartbeat})
	if err == nil {
		err = server.Start(nil)
	}
	if err != nil {
		return nil, err
	}
	clients, err := server.NewBroadcaster(nil)
	return &handed{clients}, err
}

func (h *handed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.clients.Hijack(w, r, hijack.HoldSSE, nil)
}

func (h *handed) publish(text string) {
	h.clients.PublishString(text)
}

// goroutines keeps one for each client.
type goroutines struct {
	mu        sync.Mutex
	clients   map[chan string]struct{}
	heartbeat time.Duration
}

func (g *goroutines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	messages := make(chan string, waiting)
	g.mu.Lock()
	g.clients[messages] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.clients, messages)
		g.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	var beat <-chan time.Time
	if g.heartbeat > 0 {
		ticker := time.NewTicker(g.heartbeat)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		var err error
		select {
		case text := <-messages:
			_, err = fmt.Fprintf(w, "data: %s\n\n", text)
		case <-beat:
			_, err = fmt.Fprint(w, ":\n\n")
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

func (g *goroutines) publish(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for messages := range g.clients {
		select {
		case messages <- text:
		default: // it is too slow
		}
	}
}

func burn() time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for range make([]struct{}, runtime.GOMAXPROCS(0)) {
		all.Add(1)
		go func() {
			defer all.Done()
			for number := uint64(1); time.Since(start) < burning; {
				for turn := 0; turn < 1e6; turn++ {
					number = number*6364136223846793005 + 1
				}
			}
		}()
	}
	all.Wait()
	return time.Since(start)
}

func newSide(name string) (side, error) {
	heartbeat, _ := strconv.Atoi(os.Getenv("HEARTBEAT_MS"))
	switch name {
	case "hijack":
		return newHanded(heartbeat)
	case "nethttp":
		every := time.Duration(heartbeat) * time.Millisecond
		return &goroutines{clients: map[chan string]struct{}{}, heartbeat: every}, nil
	}
	return nil, fmt.Errorf("usage: live hijack | nethttp (got %q)", name)
}

func main() {
	it, err := newSide(strings.Join(os.Args[1:], " "))
	var listener net.Listener
	if err == nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go http.Serve(listener, it)
	fmt.Printf("http://%v/\n", listener.Addr())
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		switch words[0] {
		case "burn":
			fmt.Printf("burned %.3f\n", burn().Seconds())
		case "collect":
			debug.FreeOSMemory()
			fmt.Println("collected")
		default:
			size, _ := strconv.Atoi(words[1])
			it.publish(strings.Repeat("x", size))
			fmt.Println("published")
		}
	}
}
