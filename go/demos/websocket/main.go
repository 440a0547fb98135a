// WebSocket: messages both ways.
//
//	/      for a browser a page that talks to this program; as a WebSocket: says "Hello world!", then echoes
//	/echo  a WebSocket that only echoes
//
// Each WebSocket has the goroutine of its handler. A client that does not read is not read either: the next message is
// read when the echo of the last one was taken.
package main

import (
	"context"
	"errors"
	"fmt"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

var (
	html = hijack.Header{"content-type": {"text/html; charset=utf-8"}}
	text = hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
)

func main() {
	ctx := demo.Context()
	page := demo.Page("websocket.html")

	server, err := hijack.NewServer(hijack.Options{"websocket_message_bytes": "64m"})
	demo.Check(err)
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch {
		case r.Path == "/echo":
			echo(r, "")
		case r.Path != "/":
			r.Respond(404, text, []byte("Only / and /echo are here.\n"))
		case r.IsWebSocket():
			echo(r, "Hello world!")
		default:
			r.Respond(200, html, page)
		}
	}))
	fmt.Println(url)
	<-ctx.Done()
	server.Stop()
}

func echo(r *hijack.Request, greeting string) {
	ws, err := r.WebSocket("", nil)
	if errors.Is(err, hijack.ErrNotSupported) {
		r.Respond(505, text, []byte("A WebSocket needs HTTP/1.1 here.\n"))
	}
	if err != nil {
		return // a client whose handshake is wrong has its answer
	}
	defer ws.Close(hijack.StatusNormalClosure, "")
	ctx := context.Background() // the end of the connection ends the calls, also when the server stops
	if greeting != "" {
		err = ws.Write(ctx, hijack.MessageText, []byte(greeting))
	}
	for err == nil {
		var kind hijack.MessageType
		var message []byte
		if kind, message, err = ws.Read(ctx); err == nil {
			err = ws.Write(ctx, kind, message)
		}
	}
}
