package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"time"
)

// longestPiece is how much of a long write is given to the library at once, so that what waits for a slow peer stays
// within twice the option high_water_bytes; all of it where a broadcaster's message could come in between.
const longestPiece = 64 << 10

// byteConnection is a connection to which bytes are written: a stream, or a socket that is no WebSocket.
type byteConnection struct {
	connection

	// Guarded by the connection's lock.
	shared bool // broadcasters write to it too
	torn   bool // a part of a write is on its way, and the rest is not
}

// Write sends p, and waits while the peer takes less than is sent: until the write deadline, or the end of the
// connection. It returns when the last of p is on its way, not when it has arrived. Several goroutines may write, and
// broadcasters whose member it is; each Write stays in one piece.
func (c *byteConnection) Write(p []byte) (int, error) {
	return c.WriteContext(context.Background(), p)
}

// WriteString is Write for a string, without copying it.
func (c *byteConnection) WriteString(s string) (int, error) {
	return c.write(context.Background(), s)
}

// WriteContext is Write, given up when ctx ends. It returns how much of p was sent by then.
func (c *byteConnection) WriteContext(ctx context.Context, p []byte) (int, error) {
	return c.write(ctx, text(p))
}

func (c *byteConnection) write(ctx context.Context, p string) (n int, err error) {
	err = c.exclusive(ctx, func() error {
		defer c.completed()
		for n < len(p) {
			err := c.push(ctx, "write", func() C.int {
				sent, result := c.sendSome(p[n:])
				n += sent
				return result
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// sendSome sends the rest of a write, or a piece of it while no broadcaster may write in between.
func (c *byteConnection) sendSome(rest string) (int, C.int) {
	c.mu.Lock()
	if len(rest) > longestPiece && !c.shared {
		defer c.mu.Unlock() // held, so that a broadcaster comes before the first piece or after the last
		result := c.calls.send(c.handle, rest[:longestPiece])
		if result < 0 {
			return 0, result
		}
		c.torn = true
		return longestPiece, result
	}
	c.mu.Unlock()
	result := c.calls.send(c.handle, rest)
	if result < 0 {
		return 0, result
	}
	return len(rest), result
}

// completed follows a write.
func (c *byteConnection) completed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torn {
		c.torn = false
		c.changed.fire()
	}
}

// member is the handle for a broadcaster, which writes to the connection too from now on; a long write of which a part
// is on its way comes first.
func (c *byteConnection) member() handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shared = true
	for c.torn {
		c.changed.await(&c.mu, context.Background(), time.Time{})
	}
	return c.handle
}

// TryWrite sends p without waiting: all of it, or nothing and ErrWouldBlock where the peer is slow, or where another
// goroutine writes.
func (c *byteConnection) TryWrite(p []byte) error {
	select {
	case c.writer <- struct{}{}:
		defer c.relinquish()
	default:
		return &OpError{"write", c.name, ErrWouldBlock}
	}
	return c.problem("write", c.calls.send(c.handle, text(p)))
}

// SetWriteDeadline sets when waiting writes fail with os.ErrDeadlineExceeded; the zero time is never.
func (c *byteConnection) SetWriteDeadline(t time.Time) error {
	return c.setLimits(t, &c.limit)
}
