// Raw hijack: taking the connection itself out of a request.
//
//	/         a page that says what to try
//	/hijack   full: the library writes nothing, this program writes a whole response by hand, then echoes
//	/partial  partial: the library writes status and headers, this program writes lines over time and closes
//	/detach   the descriptor itself is handed over: an ordinary net.Conn that libhijack has forgotten
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

const (
	tick  = 200 * time.Millisecond // between two lines of /partial
	ticks = 10                     // of them
	head  = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
)

func main() {
	ctx := demo.Context()
	server, err := hijack.NewServer(nil)
	demo.Check(err)
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(func(r *hijack.Request) {
		switch r.Path {
		case "/":
			answer(r, 200, usage)
		case "/hijack":
			full(r)
		case "/partial":
			partial(r)
		case "/detach":
			detach(ctx, r)
		default:
			answer(r, 404, "Only /, /hijack, /partial and /detach are here.\n")
		}
	}))
	fmt.Println(url)
	<-ctx.Done()
	server.Stop()
}

// full echoes until the client ends. A client may go at any moment; every call says so, and then it is over.
func full(r *hijack.Request) {
	socket, err := r.Hijack()
	if err != nil {
		refuse(r, err)
		return
	}
	defer socket.Close()
	socket.WriteString(head + "This program wrote every byte of this response. Send something, it comes back.\n")
	io.Copy(socket, socket)
}

func partial(r *hijack.Request) {
	socket, err := r.HijackPartial(200, hijack.Header{"content-type": {"text/plain"}})
	if err != nil {
		refuse(r, err)
		return
	}
	defer socket.Close()
	for i := 1; i <= ticks; i++ {
		time.Sleep(tick)
		if _, err := fmt.Fprintf(socket, "line %d of %d\n", i, ticks); err != nil {
			return
		}
	}
}

// detach gives up when the demo ends, and not with r.Context(), which also ends when a client only has no more to send.
func detach(ctx context.Context, r *hijack.Request) {
	socket, err := r.Hijack()
	if err != nil {
		refuse(r, err)
		return
	}
	conn, _, err := socket.Detach(ctx) // what the client sent after its request would be the second result
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, head+"Written with write(2).\n")
}

// refuse answers where many requests share a connection, as over HTTP/2; other clients have gone.
func refuse(r *hijack.Request, err error) {
	if errors.Is(err, hijack.ErrNotSupported) {
		answer(r, 505, "Taking a connection needs HTTP/1.1.\n")
	}
}

func answer(r *hijack.Request, status int, body string) {
	r.Respond(status, hijack.Header{"content-type": {"text/plain; charset=utf-8"}}, []byte(body))
}

const usage = `Raw hijack with libhijack. PORT is the port of this page.

Full: a response by hand, then an echo of what you send, until you end (Ctrl-D):
    { printf 'GET /hijack HTTP/1.1\r\nHost: me\r\n\r\n'; cat; } | nc -N 127.0.0.1 PORT

Partial: the head is the library's, the lines come one by one:
    curl -iN http://127.0.0.1:PORT/partial

Detached: the response is written with write(2) on the descriptor itself:
    curl -i http://127.0.0.1:PORT/detach
`
