//go:build cgo

package hijack

import (
	"context"
	"io"
	"net"
	"time"
)

// netConn is a WebSocket as a net.Conn.
type netConn struct {
	*WebSocket
	ctx  context.Context
	kind MessageType
}

// NetConn makes a net.Conn of a WebSocket, for code that works with bytes only: each Write sends one message of this
// type, Read gives the bytes of one message after the other. It ends with io.EOF when the peer has closed with
// StatusNormalClosure or StatusGoingAway; a message of another type closes the connection with StatusUnsupportedData.
// Close is the WebSocket's, with StatusNormalClosure. When ctx ends, so do all calls. The deadlines are those of the
// WebSocket, whose other methods should not be used meanwhile.
func NetConn(ctx context.Context, ws *WebSocket, kind MessageType) net.Conn {
	return &netConn{ws, ctx, kind}
}

// Read reads bytes of a message.
func (c *netConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if len(p) == 0 && !c.closed {
			return 0, nil
		}
		if err := c.await(c.ctx, nil); err != nil {
			if status := CloseStatus(err); status == StatusNormalClosure || status == StatusGoingAway {
				return 0, io.EOF
			}
			return 0, err
		}
		first := c.input.pieces[0]
		if first.kind != c.kind {
			c.refuse(StatusUnsupportedData, "a message of another type is expected", ErrProtocol)
			continue
		}
		if n := c.input.consume(p); n > 0 {
			return n, nil
		}
	}
}

// Write sends a message.
func (c *netConn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.exclusive(c.ctx, func() error { return nil })
	} else if err := c.WebSocket.Write(c.ctx, c.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close closes the WebSocket.
func (c *netConn) Close() error {
	return c.WebSocket.Close(StatusNormalClosure, "")
}

// SetDeadline sets the deadline of reading and of writing.
func (c *netConn) SetDeadline(t time.Time) error {
	return c.setLimits(t, &c.readLimit, &c.limit)
}

// SetReadDeadline sets when a waiting Read fails with os.ErrDeadlineExceeded; the zero time is never.
func (c *netConn) SetReadDeadline(t time.Time) error {
	return c.setLimits(t, &c.readLimit)
}

// SetWriteDeadline sets when a waiting Write fails with os.ErrDeadlineExceeded; the zero time is never.
func (c *netConn) SetWriteDeadline(t time.Time) error {
	return c.setLimits(t, &c.limit)
}
