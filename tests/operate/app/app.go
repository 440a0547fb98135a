package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// What is so now, and may become less; everything else counts up.
const gauges = " connections reading http streams sockets held memberships events_queued backlog_bytes relayed "

func metrics(server *hijack.Server) []byte {
	var text strings.Builder
	for name, value := range server.Stats() {
		kind, suffix := "counter", "_total"
		if strings.Contains(gauges, " "+name+" ") {
			kind, suffix = "gauge", ""
		}
		fmt.Fprintf(&text, "# TYPE hijack_%s%s %s\nhijack_%s%s %d\n", name, suffix, kind, name, suffix, value)
	}
	return []byte(text.String())
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	within, err := time.ParseDuration(setting("DRAIN_SECONDS", "20") + "s")
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	clients, _ := server.NewBroadcaster(nil)
	server.Hold("/events", clients, hijack.HoldSSE, nil)
	if _, err = server.Listen(setting("LISTEN", "127.0.0.1:8080")); err != nil {
		log.Fatal(err)
	}
	err = server.Start(func(r *hijack.Request) {
		switch r.Path {
		case "/healthz":
			r.Respond(200, nil, []byte("ok\n"))
		case "/metrics":
			r.Respond(200, hijack.Header{"content-type": {"text/plain; version=0.0.4"}}, metrics(server))
		default:
			r.Respond(404, nil, nil)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	ticks := time.NewTicker(time.Second)
	for stopping := false; !stopping; {
		select {
		case now := <-ticks.C:
			fmt.Fprint(clients, now.Unix())
		case <-stop:
			stopping = true
		}
	}
	if err = server.Drain(context.Background(), within); err != nil { // returns when it has ended
		log.Fatal(err)
	}
}
