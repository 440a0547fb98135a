package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// calls are what differs in C between a stream and a socket.
type calls struct {
	send         func(h handle, data string) C.int
	close, abort func(h handle) C.int
	free         func(h handle)
}

// connection is what streams, sockets and WebSockets have in common: sending with back-pressure, and their end.
type connection struct {
	object
	calls   *calls
	name    string        // for errors: the peer
	writer  chan struct{} // full while somebody writes
	ending  ending
	request *ending // of the request that it was; nil: of none

	mu      sync.Mutex
	over    bool      // the last event has come
	closed  bool      // the program asked for the end
	aborted bool      // and for a broken one
	shut    bool      // the program writes no more
	relayed bool      // its bytes are another one's, or are about to be
	paused  bool      // nothing comes any more that the program has asked for
	err     error     // why it ended, where that is not what the program asked for
	limit   time.Time // for writing
	changed signal    // any of these, or what readers and writers wait for
}

// endpoints are the addresses of a connection.
type endpoints struct{ local, remote net.Addr }

// LocalAddr is the server's first address; of an adopted connection its own; of one that Connect has opened one without
// host and port.
func (e endpoints) LocalAddr() net.Addr { return e.local }

// RemoteAddr is the peer's address.
func (e endpoints) RemoteAddr() net.Addr { return e.remote }

func newConnection(calls *calls, name string, request *ending) connection {
	return connection{calls: calls, name: name, request: request, writer: make(chan struct{}, 1)}
}

func (c *connection) setLimits(t time.Time, limits ...*time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.over {
		return &OpError{"set deadline", c.name, ErrClosed}
	}
	for _, limit := range limits {
		*limit = t
	}
	c.changed.fire()
	return nil
}

// Close ends the connection in order: what was written still goes out, and nothing more is read. It does not wait for
// that; see Done. Closing again does nothing.
func (c *connection) Close() error {
	return c.finish("close", c.calls.close)
}

// Abort ends the connection at once; what was not sent yet is lost. The peer sees a broken connection.
func (c *connection) Abort() error {
	return c.finish("abort", c.calls.abort)
}

// Release lets the object go, while the connection lives on as a member of its broadcasters, or relayed, without any
// memory of Go. Any other is aborted.
func (c *connection) Release() {
	c.server.forget(&c.object)
	c.calls.free(c.handle)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(nil)
}

// Done is closed when the connection has ended, or already when the peer has ended its side while nobody read. Such a
// peer may still read what is written: a Write succeeds until the connection has ended.
func (c *connection) Done() <-chan struct{} {
	return c.Context().Done()
}

// Context ends together with Done, and has the values of Serve's context. With Go 1.20 or later context.Cause is the
// reason: ErrClosed if the peer left, Err if there is one, context.Canceled if the program ended the connection.
func (c *connection) Context() context.Context {
	c.server.keep(&c.object)
	return c.ending.under(valuesOf{context.Background(), c.server.context})
}

// Closed is whether Done is closed.
func (c *connection) Closed() bool {
	return c.ending.isOver()
}

// Err is why the connection ended: ErrReset or ErrTimedOut for example, ErrClosed if the peer left before everything
// was written. It is nil while the connection has not ended, if the peer has ended its side, and if the connection
// ended as the program asked.
func (c *connection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// String says whose connection it is, "127.0.0.1:50312".
func (c *connection) String() string {
	return c.name
}

// member is the handle for a broadcaster.
func (c *connection) member() handle {
	return c.handle
}

// finish asks for the end, once; whoever waits for the connection hears of it now.
func (c *connection) finish(op string, call func(handle) C.int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || (c.closed && op == "close") {
		return nil
	}
	if err := check(op, c.name, call(c.handle)); err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	c.closed = true
	c.aborted = c.aborted || op == "abort"
	c.changed.fire()
	return nil
}

// receive takes an event, on the poller's goroutine.
func (c *connection) receive(e *event) {
	switch e.kind {
	case eventClosed, eventDetached:
		var why error
		if e.kind == eventClosed && e.status != 0 {
			why = Error(e.status)
		}
		if Error(e.status) == ErrTLS && len(e.data) != 0 { // of a Socket that Connect has asked for
			why = because(ErrTLS, "%s", e.data)
		}
		c.end(why)
		c.calls.free(c.handle)
	case eventHangup:
		c.leave(ErrClosed)
	case eventData, eventEOF, eventDrained, eventMessage, eventConnected, eventPaused:
		c.mu.Lock()
		c.paused = c.paused || e.kind == eventPaused
		c.changed.fire()
		c.mu.Unlock()
	}
}

// end follows the last event. why is nil if it ended as asked for.
func (c *connection) end(why error) {
	c.mu.Lock()
	if !c.over && why != nil && !(c.aborted && errors.Is(why, ErrAborted)) {
		c.err = why
	}
	c.over = true
	c.changed.fire()
	cause := c.err
	c.mu.Unlock()
	c.leave(cause)
}

// leave tells whoever waits for the end, also that of the request which this connection was.
func (c *connection) leave(cause error) {
	c.ending.tell(cause)
	if c.request != nil {
		c.request.tell(cause)
	}
}

// exclusive runs write when no other goroutine is writing.
func (c *connection) exclusive(ctx context.Context, write func() error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.relinquish()
	return write()
}

// acquire waits until no other goroutine is writing; relinquish lets the next one write.
func (c *connection) acquire(ctx context.Context) error {
	for mine := false; !mine; {
		changed, limit, err := c.writable(ctx, "write")
		if err != nil {
			return err
		}
		mine = pause(ctx, changed, limit, c.writer)
	}
	return nil
}

func (c *connection) relinquish() { <-c.writer }

// push runs call until the library takes what it sends. Where it does not, because the peer is slow or has gone, push
// waits for the event that tells; deadlines count only then.
func (c *connection) push(ctx context.Context, op string, call func() C.int) error {
	for {
		changed, limit, err := c.writable(ctx, op) // before the call, since the event may come before it has returned
		result := call()
		if Error(result) != ErrWouldBlock && Error(result) != ErrClosed {
			return c.problem(op, result)
		} else if err != nil {
			return err
		}
		pause(ctx, changed, limit, nil)
	}
}

// writable is what a write has to wait with, or why it must not wait.
func (c *connection) writable(ctx context.Context, op string) (changed <-chan struct{}, limit time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.shut || c.over:
		err = c.gone(op)
	case ctx.Err() != nil:
		err = &OpError{op, c.name, ctx.Err()}
	case hasPassed(c.limit):
		err = &OpError{op, c.name, os.ErrDeadlineExceeded}
	}
	return c.changed.wait(), c.limit, err
}

// problem makes an error of a result below 0.
func (c *connection) problem(op string, result C.int) error {
	if Error(result) == ErrClosed || Error(result) == ErrHandle {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.gone(op)
	} else if Error(result) == ErrState && c.isRelayed() {
		return c.taken(op)
	}
	return check(op, c.name, result)
}

// gone says why there is no connection any more, unless the program asked for that. The lock is held.
func (c *connection) gone(op string) error {
	if c.err != nil && !c.closed {
		return &OpError{op, c.name, c.err}
	}
	return &OpError{op, c.name, ErrClosed}
}
