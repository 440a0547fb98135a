package demo

import (
	"fmt"
	"os"
	"strings"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// Run publishes, which takes microseconds and waits for nobody, and measures how long the library writes to all
// members, in milliseconds. A run that is not over after longest is reported as it stands.
func Run(server *hijack.Server, longest time.Duration, publish func() (int, error)) (addressed int, ms float64) {
	before, start := settled(server), time.Now()
	addressed, err := publish()
	Check(err)
	for settled(server)-before < uint64(addressed) && time.Since(start) < longest {
		time.Sleep(time.Millisecond)
	}
	return addressed, float64(time.Since(start).Microseconds()) / 1000
}

// settled is how many copies need no more waiting for: written, dropped, or of a member that has left.
func settled(server *hijack.Server) uint64 {
	stats := server.Stats()
	return stats["delivered"] + stats["dropped"] + stats["closed_peer"] + stats["closed_timeout"] + stats["closed_slow"]
}

// ResidentMiB is how much memory this process has resident.
func ResidentMiB() float64 {
	var kib float64
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		fmt.Sscanf(line, "VmRSS: %f kB", &kib)
	}
	return kib / 1024
}
