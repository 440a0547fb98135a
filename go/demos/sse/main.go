// Server-Sent Events: a page that shows the time, pushed to everyone once a second.
//
//	/         the page
//	/sse      the events: held by a broadcaster, without a goroutine or any memory of Go per client
//	/room     the page of the chat, whose room is here too: /chat, /events and /say, as in the demo chat
//	/stats    how many clients /sse has, how long the last event took to all of them, and the memory, as JSON
//	/healthz  "ok"
package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/chat"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

var (
	html = hijack.Header{"content-type": {"text/html; charset=utf-8"}}
	text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
	json = hijack.Header{"content-type": {"application/json"}}
)

const longestRun = 500 * time.Millisecond // a run that is not over by then is shown as it stands

func main() {
	ctx := demo.Context()
	page, chatPage := demo.Page("sse.html"), demo.Page("chat.html")

	server, err := hijack.NewServer(hijack.Options{"websocket_message_bytes": chat.TextBytes})
	demo.Check(err)
	clients, err := server.NewBroadcaster(hijack.Options{"history_messages": 100}) // for those that come back
	demo.Check(err)
	demo.Check(server.Hold("/sse", clients, hijack.HoldSSE, nil))
	room, err := chat.NewRoom(server)
	demo.Check(err)
	url, err := demo.Listen(server)
	demo.Check(err)
	var took atomic.Value // milliseconds that the last event took to all clients
	took.Store(0.0)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch {
		case r.Path == "/":
			r.Respond(200, html, page)
		case r.Path == "/room":
			r.Respond(200, html, chatPage)
		case r.Path == "/stats":
			r.Respond(200, json, []byte(fmt.Sprintf("{\"clients\":%d,\"run_ms\":%.1f,\"resident_mib\":%.1f}\n",
				clients.Len(), took.Load(), demo.ResidentMiB())))
		case r.Path == "/healthz":
			r.Respond(200, text, []byte("ok\n"))
		case !room.Answer(r):
			r.Respond(404, text, []byte("Only /, /sse, /room, /chat, /events, /say, /stats and /healthz are here.\n"))
		}
	}))
	fmt.Println(url)

	second := time.NewTicker(time.Second)
	for count := 1; ; count++ {
		select {
		case now := <-second.C:
			event := hijack.Event{ID: strconv.Itoa(count), Data: now.UTC().Format("2006-01-02T15:04:05Z")}
			_, ms := demo.Run(server, longestRun, func() (int, error) { return clients.PublishEvent(event) })
			took.Store(ms)
		case <-ctx.Done():
			server.Stop()
			return
		}
	}
}
