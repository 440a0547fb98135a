// The double hijack: every connection is held for good, and all of them get BEEP every three seconds.
//
//	/     answers with a head, so that "curl -N" shows what comes
//	/raw  answers with nothing but BEEP: not even a head is written
//
// There is no handler, since there is nothing to decide: both routes lead straight to the broadcaster. The variable
// BEEP_INTERVAL_MS changes the three seconds. After each run a line says how many clients are connected, how long
// writing to all of them took, and how much memory the process has resident.
package main

import (
	"fmt"
	"time"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

const longestRun = 2 * time.Second // a run that is not over by then is reported as it stands

func main() {
	ctx := demo.Context()
	interval := time.Duration(demo.Env("BEEP_INTERVAL_MS", 3000, 1, 3600000)) * time.Millisecond

	server, err := hijack.NewServer(nil)
	demo.Check(err)
	clients, err := server.NewBroadcaster(nil)
	demo.Check(err)
	text := hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
	demo.Check(server.Hold("/", clients, hijack.HoldStream, text))
	demo.Check(server.Hold("/raw", clients, hijack.HoldRaw, nil))
	url, err := demo.Listen(server)
	demo.Check(err)
	demo.Check(server.Start(nil))
	fmt.Println(url)

	next := time.NewTicker(interval)
	for {
		select {
		case <-next.C:
			publish := func() (int, error) { return clients.Publish([]byte("BEEP\n")) }
			addressed, took := demo.Run(server, longestRun, publish)
			fmt.Printf("BEEP to %d clients in %.1f ms, %.1f MiB resident\n", addressed, took, demo.ResidentMiB())
		case <-ctx.Done():
			server.Stop()
			return
		}
	}
}
