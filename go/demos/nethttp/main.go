// A server of net/http, as it always was, whose connections are handed to libhijack in one line.
//
//	/      the page
//	/sse   the time once a second: net/http reads the request, and then it has nothing more to do with the connection
//	/echo  a WebSocket that echoes
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

func main() {
	ctx := demo.Context()
	page := demo.Page("sse.html")

	server, err := hijack.NewServer(nil) // it listens nowhere: it holds what it is given
	demo.Check(err)
	clients, err := server.NewBroadcaster(nil)
	demo.Check(err)
	demo.Check(server.Start(nil))

	http.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		if err := clients.Hijack(w, r, hijack.HoldSSE, nil); errors.Is(err, hijack.ErrNotHijacked) {
			http.Error(w, err.Error(), http.StatusNotImplemented)
		}
	})
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		ws, err := server.AdoptWebSocket(w, r, "", nil)
		if errors.Is(err, hijack.ErrNotHijacked) {
			http.Error(w, err.Error(), http.StatusNotImplemented)
		} else if err == nil {
			go echo(ws)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Write(page)
	})
	listener, err := net.Listen("tcp", demo.Address())
	demo.Check(err)
	go http.Serve(listener, nil)
	fmt.Printf("http://%v/\n", listener.Addr())

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

// echo is a goroutine of its own, so that net/http has nothing more to do with the connection.
func echo(ws *hijack.WebSocket) {
	defer ws.Close(hijack.StatusNormalClosure, "")
	ctx := context.Background()
	for {
		kind, message, err := ws.Read(ctx)
		if err == nil {
			err = ws.Write(ctx, kind, message)
		}
		if err != nil {
			return
		}
	}
}
