//go:build !hijack_static

// Events: what one costs on its way into Go, polled in batches of 64 as this package does it, against one at a time.
//
//	events [sockets [turns [rounds]]]
//
// Each turn, every one of some adopted socket pairs gets 32 bytes from its far end, so that each becomes a DATA event
// of its own. "From a full queue" times the polls alone, with a copy of each payload and a look into a table, once all
// events wait there. "Through Socket.Read" is the whole package from end to end: write, loop, poll, and a goroutine
// that wakes up for each.
package main

// #cgo pkg-config: libhijack
// #include <stdlib.h>
// #include "../../generated.h"
import "C"

import (
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	hijack "github.com/libhijack/libhijack/go"
)

const (
	bytes     = 32
	batch     = 64
	patience  = 20 * time.Second
	unlimited = ^C.uint64_t(0)
)

// plant is a server without the package around it, so that the batch can be chosen.
type plant struct {
	queue, server C.uint64_t
	events        *[batch]C.hj_go_event
	objects       map[uint64]*int
	far           []int
}

func main() {
	sockets, turns, rounds := argument(1, 500, 5000), argument(2, 100, 100000), argument(3, 5, 99)
	fmt.Println("Events in Go: nanoseconds for a DATA event of 32 bytes")
	fmt.Printf("%d sockets, %d turns a round, median of %d rounds that took turns.\n\n", sockets, turns, rounds)
	plant := newPlant(sockets)
	var one, many []float64
	plant.round(batch, 1)
	for i := 0; i < rounds; i++ {
		one = append(one, plant.round(1, turns))
		many = append(many, plant.round(batch, turns))
	}
	plant.free()
	fmt.Printf("%-22s %12s %12s %12s\n", "", "1 a poll", "64 a poll", "ratio")
	a, b := median(one), median(many)
	fmt.Printf("%-22s %12.0f %12.0f %12.2f\n", "from a full queue", a, b, a/b)
	fmt.Printf("%-22s %12s %12.0f\n", "through Socket.Read", "", throughPackage(sockets, turns))
	fmt.Println("\nA plain callback design pays about 1400 for each event in cgo: a foreign thread calls into Go.")
}

func check(result C.int) C.int {
	if result < 0 {
		fail(hijack.Error(result))
	}
	return result
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "events:", err)
	os.Exit(1)
}

func argument(index, fallback, max int) int {
	if len(os.Args) <= index {
		return fallback
	}
	n, err := strconv.Atoi(os.Args[index])
	if err != nil || n < 1 || n > max {
		fail(fmt.Errorf("%q is not a whole number from 1 to %d", os.Args[index], max))
	}
	return n
}

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

func socketPair() [2]int {
	return must(syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))
}

func newPlant(sockets int) *plant {
	p := &plant{objects: make(map[uint64]*int), events: (*[batch]C.hj_go_event)(C.malloc(batch * C.sizeof_hj_go_event))}
	check(C.hj_go_queue_new(&p.queue))
	check(C.hj_go_server_new(&p.server, p.queue))
	check(C.hj_go_server_set(p.server, "threads", "1"))
	check(C.hj_go_server_start(p.server))
	for i := 1; i <= sockets; i++ {
		pair := socketPair()
		var socket C.uint64_t
		check(C.hj_go_server_adopt(&socket, p.server, C.int(pair[0]), ""))
		check(C.hj_go_handle_set_user_data(socket, C.uint64_t(i)))
		check(C.hj_go_socket_read(socket, unlimited))
		p.objects[uint64(i)] = new(int)
		p.far = append(p.far, pair[1])
	}
	return p
}

func (p *plant) free() {
	check(C.hj_go_server_stop(p.server))
	C.hj_go_server_free(p.server)
	C.hj_go_queue_free(p.queue)
	C.free(unsafe.Pointer(p.events))
	for _, fd := range p.far {
		syscall.Close(fd)
	}
}

// round gives nanoseconds an event over so many turns.
func (p *plant) round(most, turns int) float64 {
	var spent time.Duration
	for i := 0; i < turns; i++ {
		for _, fd := range p.far {
			must(syscall.Write(fd, make([]byte, bytes)))
		}
		p.waitQueued()
		start := time.Now()
		for got := 0; got < len(p.far); {
			got += p.poll(most)
		}
		spent += time.Since(start)
	}
	return float64(spent) / float64(turns*len(p.far))
}

func (p *plant) waitQueued() {
	const eventsQueued = C.HIJACK_STAT_EVENTS_QUEUED
	var values [C.HIJACK_STAT_COUNT]C.uint64_t
	for deadline := time.Now().Add(patience); int(values[eventsQueued]) < len(p.far); {
		time.Sleep(100 * time.Microsecond)
		check(C.hj_go_server_stats(&values[0], C.HIJACK_STAT_COUNT, p.server))
		if time.Now().After(deadline) {
			fail(fmt.Errorf("%d events are queued, %d were expected", values[eventsQueued], len(p.far)))
		}
	}
}

// poll does what the package's own does with a batch.
func (p *plant) poll(most int) int {
	n := int(check(C.hj_go_queue_poll(&p.events[0], p.queue, C.uint32_t(most), 0)))
	for i := range p.events[:n] {
		e := &p.events[i]
		payload := append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(e.data)), int(e.len))...)
		*p.objects[uint64(e.user_data)] += len(payload)
	}
	return n
}

// throughPackage gives nanoseconds a message from the write at the far end to the reader's hand.
func throughPackage(sockets, turns int) float64 {
	server := must(hijack.NewServer(hijack.Options{"threads": 1}))
	if err := server.Start(nil); err != nil {
		fail(err)
	}
	defer server.Stop()
	read := make(chan error, sockets)
	var far []net.Conn
	for i := 0; i < sockets; i++ {
		pair := socketPair()
		near := os.NewFile(uintptr(pair[0]), "near")
		conn := must(net.FileConn(near))
		near.Close()
		socket := must(server.Adopt(conn, nil))
		go func() {
			buffer := make([]byte, bytes)
			for {
				_, err := io.ReadFull(socket, buffer)
				read <- err
				if err != nil {
					return
				}
			}
		}()
		file := os.NewFile(uintptr(pair[1]), "far")
		far = append(far, must(net.FileConn(file)))
		file.Close()
	}
	start := time.Now()
	for i := 0; i < turns; i++ {
		for _, conn := range far {
			must(conn.Write(make([]byte, bytes)))
		}
		for range far {
			if err := <-read; err != nil {
				fail(err)
			}
		}
	}
	return float64(time.Since(start)) / float64(turns*sockets)
}
