package hijack_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// prints is what connections could cost in Go.
type prints struct{ objects, goroutines int }

func footprint() prints {
	var memory runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one only let go
	runtime.ReadMemStats(&memory)
	return prints{int(memory.HeapObjects), runtime.NumGoroutine()}
}

// wantWithin fails when there is as much as one object for four connections, or a goroutine for a hundred.
func (p prints) wantWithin(t *testing.T, before prints, connections int) {
	t.Helper()
	if more := p.objects - before.objects; more > connections/4 {
		t.Errorf("%d connections made %d objects", connections, more)
	}
	if more := p.goroutines - before.goroutines; more > connections/40 {
		t.Errorf("%d connections made %d goroutines", connections, more)
	}
}

// 10,000 held connections cost Go no object, no goroutine and, while nothing happens, no time.
func TestTenThousandHeld(t *testing.T) {
	const connections = 10000
	server := newServer(t, hijack.Options{"threads": 2, "heartbeat_ms": 0})
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/sse", clients, hijack.HoldSSE, nil))
	addr := serve(t, server, nil)
	before := footprint()
	people := newCrowd(t, addr, fmt.Sprint(connections), "--path", "/sse")
	people.ask("")
	until(t, "all are members", func() bool { return clients.Len() == connections })
	footprint().wantWithin(t, before, connections)

	const idle = time.Second
	start := processorTime(t)
	time.Sleep(idle)
	if took := processorTime(t) - start; took > idle/50 {
		t.Errorf("an idle server used %v of the processor in %v", took, idle)
	}

	for i := 1; i <= 5; i++ {
		n, err := clients.Publish([]byte(fmt.Sprintf("n%d", i)))
		must(t, err)
		want(t, "addressed", n, connections)
	}
	people.ask("sequence n 1 5 20")
	footprint().wantWithin(t, before, connections)
	must(t, server.Stop())
	people.ask("gone 20")
}

func processorTime(t *testing.T) time.Duration {
	var usage syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
