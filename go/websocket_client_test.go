package hijack_test

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// peer is a client of a WebSocket, as simple as can be: each frame is written and read by hand.
type peer struct {
	net.Conn
	in     *bufio.Reader
	t      testing.TB
	header http.Header // of the answer
}

const handshakeLines = "Host: me\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: "

// connect makes a peer; lines are further lines of its handshake.
func connect(t testing.TB, addr, target string, lines ...string) *peer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return shake(t, conn, target, lines...)
}

// shake does the handshake on a connection.
func shake(t testing.TB, conn net.Conn, target string, lines ...string) *peer {
	t.Helper()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	random := make([]byte, 16)
	rand.Read(random)
	key := base64.StdEncoding.EncodeToString(random)
	request := "GET " + target + " HTTP/1.1\r\n" + handshakeLines + key + "\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	_, err := io.WriteString(conn, request+"\r\n")
	must(t, err)
	p := &peer{Conn: conn, in: bufio.NewReader(conn), t: t}
	response, err := http.ReadResponse(p.in, nil)
	must(t, err)
	want(t, "status", response.StatusCode, 101)
	want(t, "the key's answer", response.Header.Get("Sec-WebSocket-Accept"), acceptOf(key))
	p.header = response.Header
	return p
}

// acceptOf is a server's answer to a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame is a masked one, as clients send it.
func frame(opcode byte, fin bool, data string) []byte {
	head := []byte{opcode, 0x80}
	if fin {
		head[0] |= 0x80
	}
	switch n := len(data); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = append(head, byte(n>>8), byte(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	mask := []byte{0x12, 0x34, 0x56, 0x78}
	whole := append(append(head, mask...), data...)
	for i := 0; i < len(data); i++ {
		whole[len(head)+4+i] ^= mask[i%4]
	}
	return whole
}

// send writes a whole message or control frame.
func (p *peer) send(opcode byte, data string) *peer {
	p.t.Helper()
	return p.sendPiece(opcode, true, data)
}

func (p *peer) sendPiece(opcode byte, fin bool, data string) *peer {
	p.t.Helper()
	_, err := p.Conn.Write(frame(opcode, fin, data))
	must(p.t, err)
	return p
}

// receive reads a frame, which is not masked.
func (p *peer) receive() (opcode byte, fin bool, data string) {
	p.t.Helper()
	var head [2]byte
	_, err := io.ReadFull(p.in, head[:])
	must(p.t, err)
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		p.t.Fatalf("a frame begins with %x", head)
	}
	size := uint64(head[1])
	if long := map[uint64]int{126: 2, 127: 8}[size]; long > 0 {
		var bytes [8]byte
		_, err := io.ReadFull(p.in, bytes[8-long:])
		must(p.t, err)
		size = binary.BigEndian.Uint64(bytes[:])
	}
	payload := make([]byte, size)
	_, err = io.ReadFull(p.in, payload)
	must(p.t, err)
	return head[0] & 15, head[0]&0x80 != 0, string(payload)
}

// expect reads a whole message or control frame.
func (p *peer) expect(opcode byte, data string) *peer {
	p.t.Helper()
	got, fin, text := p.receive()
	if got != opcode || !fin || text != data {
		p.t.Fatalf("got opcode %d, fin %t, %d bytes %.80q, want opcode %d, %d bytes %.80q", got, fin, len(text), text,
			opcode, len(data), data)
	}
	return p
}

// closing is the payload of a close frame.
func closing(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

// gone reads to the end of the connection, at which nothing more comes.
func (p *peer) gone() {
	p.t.Helper()
	rest, err := io.ReadAll(p.in)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		p.t.Fatal("the connection did not end")
	}
	want(p.t, "after the last frame", fmt.Sprintf("%q", rest), `""`)
}

// refused sends a request and gives the answer's status and header.
func refused(t testing.TB, addr string, head string) (string, string) {
	t.Helper()
	return dial(t, addr).say(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n").head()
}

// peerConn is a client as a net.Conn, of binary messages.
type peerConn struct {
	*peer
	reading, writing sync.Mutex
	rest             int // of the message that is being read
	closed           atomic.Bool
}

func (c *peerConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *peerConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(p) == 0 || c.closed.Load() {
		return c.Conn.Read(p)
	}
	for c.rest == 0 {
		head, err := c.in.Peek(2)
		if err != nil {
			return 0, err
		}
		opcode, length := head[0]&15, int(head[1])
		if long := map[int]int{126: 4, 127: 10}[length]; long > 0 {
			if head, err = c.in.Peek(long); err != nil {
				return 0, err
			}
			if length = int(binary.BigEndian.Uint16(head[2:])); long == 10 {
				length = int(binary.BigEndian.Uint64(head[2:]))
			}
		}
		c.in.Discard(len(head))
		if opcode == opClose {
			return 0, io.EOF
		}
		c.rest = length
	}
	if len(p) > c.rest {
		p = p[:c.rest]
	}
	n, err := c.in.Read(p)
	c.rest -= n
	return n, err
}

func (c *peerConn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(p) == 0 {
		return c.Conn.Write(p)
	}
	for err == nil && n < len(p) {
		piece := p[n:]
		if len(piece) > 64<<10 {
			piece = piece[:64<<10]
		}
		if _, err = c.Conn.Write(frame(opBinary, true, string(piece))); err == nil {
			n += len(piece)
		}
	}
	return n, err
}
