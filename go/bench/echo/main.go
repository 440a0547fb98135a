// Echoes WebSocket messages on /echo: what bindings/bench/echo.py compares with the programs of ../peers.
package main

import (
	"context"
	"fmt"
	"os"

	hijack "github.com/libhijack/libhijack/go"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func serve() error {
	server, err := hijack.NewServer(hijack.Options{"threads": 1, "websocket_ping_ms": 0}) // nobody sends pings here
	if err != nil {
		return err
	}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	if err = server.Start(echo); err != nil {
		return err
	}
	fmt.Printf("http://%v/\n", addr)
	select {}
}

func echo(r *hijack.Request) {
	ws, err := r.WebSocket("", nil)
	if err != nil {
		return
	}
	defer ws.Close(hijack.StatusNormalClosure, "")
	ctx := context.Background()
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if err = ws.Write(ctx, kind, message); err != nil {
			return
		}
	}
}
