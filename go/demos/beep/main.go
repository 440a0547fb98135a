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
	"os"
	"strings"
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
			addressed, took := beep(server, clients)
			fmt.Printf("BEEP to %d clients in %.1f ms, %.1f MiB resident\n", addressed,
				float64(took.Microseconds())/1000, residentMiB())
		case <-ctx.Done():
			server.Stop()
			return
		}
	}
}

// beep publishes, which takes microseconds and waits for nobody; what is measured is how long the library writes.
func beep(server *hijack.Server, clients *hijack.Broadcaster) (addressed int, took time.Duration) {
	before, start := settled(server), time.Now()
	addressed, err := clients.Publish([]byte("BEEP\n"))
	demo.Check(err)
	for settled(server)-before < uint64(addressed) && time.Since(start) < longestRun {
		time.Sleep(time.Millisecond)
	}
	return addressed, time.Since(start)
}

// settled is how many copies need no more waiting for: written, dropped, or of a member that has gone.
func settled(server *hijack.Server) uint64 {
	stats := server.Stats()
	return stats["delivered"] + stats["dropped"] + stats["closed_peer"] + stats["closed_timeout"] + stats["closed_slow"]
}

func residentMiB() float64 {
	var kib float64
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		fmt.Sscanf(line, "VmRSS: %f kB", &kib)
	}
	return kib / 1024
}
