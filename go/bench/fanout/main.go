// libhijack in Go as a contender of bindings/bench/peers/run.py.
//
//	fanout PORT
//
// /sse and /ws are held; GET /publish?n=COUNT&bytes=BYTES publishes so many messages. TLS_CERT and TLS_KEY name a
// certificate and its key.
package main

import (
	"fmt"
	"os"
	"strings"

	hijack "github.com/libhijack/libhijack/go"
)

func main() {
	if err := serve("127.0.0.1:" + os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
	select {}
}

func serve(address string) error {
	server, err := hijack.NewServer(nil)
	if err != nil {
		return err
	}
	clients, err := server.NewBroadcaster(nil)
	if err != nil {
		return err
	}
	for path, kind := range map[string]hijack.Kind{"/sse": hijack.HoldSSE, "/ws": hijack.HoldWebSocket} {
		if err = server.Hold(path, clients, kind, nil); err != nil {
			return err
		}
	}
	if cert := os.Getenv("TLS_CERT"); cert != "" {
		_, err = server.ListenTLS(address, cert, os.Getenv("TLS_KEY"))
	} else {
		_, err = server.Listen(address)
	}
	if err != nil {
		return err
	}
	return server.Start(func(r *hijack.Request) {
		var count, bytes int
		fmt.Sscanf(r.Target, "/publish?n=%d&bytes=%d", &count, &bytes)
		for ; count > 0; count-- {
			clients.PublishString(strings.Repeat("x", bytes-1) + "!")
		}
		r.Respond(200, nil, nil)
	})
}
