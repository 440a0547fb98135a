// A proxy for TCP: every connection is relayed to the address in the variable RELAY_TARGET, "host:port" or
// "unix:/path". The library moves the bytes, its threads alone; this program accepts, pairs, and forgets.
//
// Without RELAY_TARGET the other side is here too: Server-Sent Events, a BEEP every second. "curl -N" shows them
// through the proxy. If the target cannot be reached, the client is reset, and a line on stderr says why.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

func main() {
	ctx := demo.Context()
	server, err := hijack.NewServer(nil)
	demo.Check(err)
	listener, err := net.Listen("tcp", demo.Address()) // a plain one, since the library's own speak HTTP
	demo.Check(err)
	target := os.Getenv("RELAY_TARGET")
	own := target == ""
	if own {
		target = beeper(ctx, server)
	}
	demo.Check(server.Start(nil))
	fmt.Printf("relays %v to %s\n", listener.Addr(), target)
	if own {
		fmt.Printf("try: curl -N http://%v/\n", listener.Addr())
	}

	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			server.Stop()
			return
		}
		demo.Check(err)
		go relay(ctx, server, conn, target) // until the target is open
	}
}

func relay(ctx context.Context, server *hijack.Server, conn net.Conn, target string) {
	client, err := server.Adopt(conn, nil)
	if err != nil {
		return
	}
	origin, err := server.Connect(ctx, target)
	if err != nil {
		client.Abort()
		if ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	client.Relay(ctx, origin) // if it fails, one of the two has left
	client.Release()          // a pair needs neither; else it ends
	origin.Release()
}

// beeper is a target of our own, on a free port.
func beeper(ctx context.Context, server *hijack.Server) string {
	clients, err := server.NewBroadcaster(nil)
	demo.Check(err)
	demo.Check(server.Hold("/", clients, hijack.HoldSSE, nil))
	addr, err := server.Listen("127.0.0.1:0")
	demo.Check(err)
	go func() {
		for tick := time.NewTicker(time.Second); ctx.Err() == nil; <-tick.C {
			clients.PublishString("BEEP")
		}
	}()
	return addr.String()
}
