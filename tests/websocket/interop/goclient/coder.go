// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// coderEcho reads a message and compares it with what was sent.
func coderEcho(ctx context.Context, connection *websocket.Conn, what string, kind websocket.MessageType, sent []byte) {
	gotKind, got, err := connection.Read(ctx)
	check(err, what)
	same("kind of the "+what, gotKind, kind)
	if !bytes.Equal(got, sent) {
		fail("%s differs: %d bytes", what, len(got))
	}
}

// talkCoder is a client by coder/websocket. Its Close waits for the server's and compares the code; it keeps the reason
// to itself.
func talkCoder(url, mode string, trust *tls.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	modes := map[string]websocket.CompressionMode{"plain": websocket.CompressionDisabled,
		"declined": websocket.CompressionContextTakeover,
		"deflate":  websocket.CompressionNoContextTakeover, "takeover": websocket.CompressionContextTakeover}
	connection, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: modes[mode],
		CompressionThreshold: 1,
		HTTPClient:           &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}})
	check(err, "the handshake")
	checkExtensions(response, mode)
	connection.SetReadLimit(1 << 25)
	for _, text := range texts {
		check(connection.Write(ctx, websocket.MessageText, []byte(text)), "sending")
		coderEcho(ctx, connection, fmt.Sprintf("echo of %d bytes of text", len(text)), websocket.MessageText, []byte(text))
	}
	for _, size := range sizes {
		check(connection.Write(ctx, websocket.MessageBinary, payload(size)), "sending")
		coderEcho(ctx, connection, fmt.Sprintf("echo of %d bytes", size), websocket.MessageBinary, payload(size))
	}
	// A frame for each Write.
	writer, err := connection.Writer(ctx, websocket.MessageText)
	check(err, "beginning a message in fragments")
	for _, part := range fragments {
		_, err = writer.Write(part)
		check(err, "sending a fragment")
	}
	check(writer.Close(), "ending a message in fragments")
	coderEcho(ctx, connection, "echo of fragments", websocket.MessageText, bytes.Join(fragments, nil))
	// A ping returns when its pong was read, which another goroutine does.
	reading := make(chan error)
	go func() {
		_, _, err := connection.Read(ctx)
		reading <- err
	}()
	for i := 0; i < 3; i++ {
		check(connection.Ping(ctx), "a ping")
	}
	check(connection.Close(4001, "bye"), "closing")
	<-reading
}
