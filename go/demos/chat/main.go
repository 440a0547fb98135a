// A chat: everyone sees what anyone writes, and who is there. The protocol is at the top of demos/chat.c.
//
//	/                   the page
//	/chat?name=NAME     a WebSocket, to read and to write
//	/events?name=NAME   the same to read, as Server-Sent Events, for those without WebSocket
//	/say?name=NAME      POST: they write with it; the body is the text, the answer 204
//	/healthz            "ok"
//
// With CHAT_LOG=FILE nothing is lost when it is killed and started again. The room is in internal/chat, which the sse
// demo has as well.
package main

import (
	"fmt"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/chat"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

var (
	html = hijack.Header{"content-type": {"text/html; charset=utf-8"}}
	text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
)

func main() {
	ctx := demo.Context()
	page := demo.Page("chat.html")

	server, err := hijack.NewServer(hijack.Options{"websocket_message_bytes": chat.TextBytes})
	demo.Check(err)
	room, err := chat.NewRoom(server)
	demo.Check(err)
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch {
		case r.Path == "/":
			r.Respond(200, html, page)
		case r.Path == "/healthz":
			r.Respond(200, text, []byte("ok\n"))
		case !room.Answer(r):
			r.Respond(404, text, []byte("Only /, /chat, /events, /say and /healthz are here.\n"))
		}
	}))
	fmt.Println(url)
	<-ctx.Done()
	server.Stop()
}
