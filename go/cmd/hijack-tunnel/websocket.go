package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Opcodes and codes of RFC 6455.
const (
	continuation, binaryMessage, closing, ping, pong = 0, 2, 8, 9, 10

	normal, goingAway, protocolError, internalError = 1000, 1001, 1002, 1011
)

// silence after which a ping goes out: proxies close what is silent for a minute.
const silence = 20 * time.Second

// websocket carries bytes in binary messages; an empty one ends its direction (subprotocol purr). One goroutine reads,
// one writes, and one answers pings: the reader must never wait for the writer, or a target that stops reading until
// its own bytes are taken would wait for ever.
type websocket struct {
	wire *wire

	// Of the reader.
	left    uint64 // bytes of the frame that are not read yet
	within  bool   // a message goes on in the next frame
	empty   bool   // it has had no byte yet
	control [125]byte
	ended   error // what every later Read gives

	writing sync.Mutex
	frame   []byte
	closed  bool // our close frame is written

	pongs chan []byte // to send; the newest is enough
	over  chan struct{}
}

func newWebsocket(w *wire) *websocket {
	ws := &websocket{wire: w, frame: make([]byte, 0, 65536+14), pongs: make(chan []byte, 1), over: make(chan struct{})}
	go ws.answerPings()
	return ws
}

func (ws *websocket) answerPings() {
	for err := error(nil); err == nil; {
		timer := time.NewTimer(silence)
		select {
		case data := <-ws.pongs:
			err = ws.write(pong, data)
		case <-timer.C:
			err = ws.write(ping, nil)
		case <-ws.over:
			return
		}
		timer.Stop()
	}
}

func (ws *websocket) Read(p []byte) (int, error) {
	for ws.left == 0 && ws.ended == nil {
		ws.ended = ws.nextFrame()
	}
	if ws.ended != nil {
		return 0, ws.ended
	}
	if uint64(len(p)) > ws.left {
		p = p[:ws.left]
	}
	n, err := ws.wire.Read(p)
	ws.left -= uint64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// nextFrame reads the head of a frame, and a control frame as a whole. io.EOF: the server's direction has ended.
func (ws *websocket) nextFrame() error {
	var head [8]byte
	if err := ws.readFull(head[:2]); err != nil {
		return err
	}
	final, opcode, size := head[0]&0x80 != 0, head[0]&0x0f, uint64(head[1])
	if head[0]&0x70 != 0 || size > 127 {
		return ws.fail("reserved bits, or a mask")
	}
	if extended := map[uint64]int{126: 2, 127: 8}[size]; extended != 0 && opcode < closing {
		if err := ws.readFull(head[8-extended:]); err != nil {
			return err
		}
		for i := 0; i < 8-extended; i++ {
			head[i] = 0
		}
		size = binary.BigEndian.Uint64(head[:])
	}
	switch {
	case opcode == closing || opcode == ping || opcode == pong:
		return ws.takeControl(opcode, final, size)
	case opcode > binaryMessage || (opcode == continuation) != ws.within || size>>63 != 0:
		return ws.fail("a frame that does not belong here")
	}
	ws.empty = (ws.empty || !ws.within) && size == 0
	ws.within, ws.left = !final, size
	if final && ws.empty {
		return io.EOF
	}
	return nil
}

func (ws *websocket) takeControl(opcode byte, final bool, size uint64) error {
	if !final || size > uint64(len(ws.control)) {
		return ws.fail("a control frame in pieces, or too long")
	}
	data := ws.control[:size]
	if err := ws.readFull(data); err != nil {
		return err
	}
	if opcode == ping {
		select {
		case <-ws.pongs:
		default:
		}
		ws.pongs <- append([]byte(nil), data...)
	}
	if opcode != closing {
		return nil
	}
	ws.write(closing, data[:min(len(data), 2)])
	code := uint16(normal)
	if len(data) >= 2 {
		code = binary.BigEndian.Uint16(data)
	}
	if code == normal || code == goingAway {
		return io.EOF
	}
	return fmt.Errorf("%d %s", code, data[2:])
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func (ws *websocket) readFull(p []byte) error {
	_, err := io.ReadFull(ws.wire, p)
	if err == io.EOF { // in order would be a close frame
		return io.ErrUnexpectedEOF
	}
	return err
}

func (ws *websocket) fail(what string) error {
	ws.write(closing, binary.BigEndian.AppendUint16(nil, protocolError))
	return errors.New("the server sends " + what)
}

func (ws *websocket) Write(p []byte) (int, error) {
	for at := 0; at < len(p); {
		n := min(len(p)-at, 65536)
		if err := ws.write(binaryMessage, p[at:at+n]); err != nil {
			return at, err
		}
		at += n
	}
	return len(p), nil
}

func (ws *websocket) CloseWrite() error { return ws.write(binaryMessage, nil) }

// write sends one frame with a mask of its own.
func (ws *websocket) write(opcode byte, data []byte) error {
	ws.writing.Lock()
	defer ws.writing.Unlock()
	if ws.closed {
		return errors.New("the WebSocket is closed")
	}
	ws.closed = opcode == closing
	f := append(ws.frame[:0], 0x80|opcode)
	switch {
	case len(data) < 126:
		f = append(f, 0x80|byte(len(data)))
	case len(data) < 65536:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(len(data)))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(len(data)))
	}
	var mask [8]byte
	rand.Read(mask[:4])
	copy(mask[4:], mask[:4])
	f = append(f, mask[:4]...)
	start := len(f)
	f = append(f, data...)
	applyMask(f[start:], mask)
	ws.frame = f
	_, err := ws.wire.Write(f)
	return err
}

// applyMask takes eight bytes in a step.
func applyMask(data []byte, mask [8]byte) {
	word := binary.LittleEndian.Uint64(mask[:])
	for len(data) >= 8 {
		binary.LittleEndian.PutUint64(data, binary.LittleEndian.Uint64(data)^word)
		data = data[8:]
	}
	for i := range data {
		data[i] ^= mask[i]
	}
}

// Wait answers pings while our direction goes on, and waits for the close frame.
func (ws *websocket) Wait() error {
	for !ws.isClosed() {
		if ws.left != 0 {
			return ws.fail("bytes after the end")
		} else if err := ws.nextFrame(); err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}

func (ws *websocket) isClosed() bool {
	ws.writing.Lock()
	defer ws.writing.Unlock()
	return ws.closed
}

// Close is for the time after Wait: the close frames are exchanged.
func (ws *websocket) Close() error {
	close(ws.over)
	return ws.wire.Conn.Close()
}

// Abort tells the server that this side has died, which a reset would not through a proxy.
func (ws *websocket) Abort() {
	close(ws.over)
	ws.wire.tcp.SetDeadline(time.Now().Add(time.Second))
	ws.write(closing, binary.BigEndian.AppendUint16(nil, internalError))
	ws.wire.Conn.Close()
}
