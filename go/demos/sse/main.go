// Server-Sent Events: a page that shows the time, pushed to everyone once a second.
//
//	/         the page
//	/sse      the events: held by a broadcaster, without a goroutine or any memory of Go per client
//	/healthz  "ok"
package main

import (
	"fmt"
	"strconv"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

var (
	html = hijack.Header{"content-type": {"text/html; charset=utf-8"}}
	text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
)

func main() {
	ctx := demo.Context()
	page := demo.Page("sse.html")

	server, err := hijack.NewServer(nil)
	demo.Check(err)
	clients, err := server.NewBroadcaster(nil)
	demo.Check(err)
	demo.Check(server.Hold("/sse", clients, hijack.HoldSSE, nil))
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch r.Path {
		case "/":
			r.Respond(200, html, page)
		case "/healthz":
			r.Respond(200, text, []byte("ok\n"))
		default:
			r.Respond(404, text, []byte("Only /, /sse and /healthz are here.\n"))
		}
	}))
	fmt.Println(url)

	second := time.NewTicker(time.Second)
	for count := 1; ; count++ {
		select {
		case now := <-second.C:
			_, err := clients.PublishEvent(hijack.Event{
				ID:   strconv.Itoa(count),
				Data: now.UTC().Format("2006-01-02T15:04:05Z"),
			})
			demo.Check(err)
		case <-ctx.Done():
			server.Stop()
			return
		}
	}
}
