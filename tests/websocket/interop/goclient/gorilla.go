// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// gorillaEcho reads a message and compares it with what was sent.
func gorillaEcho(connection *websocket.Conn, what string, kind int, sent []byte) {
	gotKind, got, err := connection.ReadMessage()
	check(err, what)
	same("kind of the "+what, gotKind, kind)
	if !bytes.Equal(got, sent) {
		fail("%s differs: %d bytes", what, len(got))
	}
}

// talkGorilla is a client by gorilla/websocket, which offers compression only without context takeover.
func talkGorilla(url, mode string, trust *tls.Config) {
	deadline := time.Now().Add(10 * time.Second)
	dialer := websocket.Dialer{EnableCompression: mode != "plain", TLSClientConfig: trust, WriteBufferSize: 4096}
	connection, response, err := dialer.Dial(url, nil)
	check(err, "the handshake")
	checkExtensions(response, mode)
	check(connection.SetReadDeadline(deadline), "the deadline")
	check(connection.SetWriteDeadline(deadline), "the deadline")
	for _, text := range texts {
		check(connection.WriteMessage(websocket.TextMessage, []byte(text)), "sending")
		gorillaEcho(connection, fmt.Sprintf("echo of %d bytes of text", len(text)), websocket.TextMessage, []byte(text))
	}
	for _, size := range sizes {
		check(connection.WriteMessage(websocket.BinaryMessage, payload(size)), "sending")
		gorillaEcho(connection, fmt.Sprintf("echo of %d bytes", size), websocket.BinaryMessage, payload(size))
	}
	// A frame for each 4096 bytes, the size of the buffer.
	writer, err := connection.NextWriter(websocket.TextMessage)
	check(err, "beginning a message in fragments")
	for _, part := range fragments {
		_, err = writer.Write(part)
		check(err, "sending a fragment")
	}
	check(writer.Close(), "ending a message in fragments")
	gorillaEcho(connection, "echo of fragments", websocket.TextMessage, bytes.Join(fragments, nil))
	gorillaPing(connection, deadline)
	closing := websocket.FormatCloseMessage(4001, "bye")
	check(connection.WriteControl(websocket.CloseMessage, closing, deadline), "closing")
	_, _, err = connection.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		fail("instead of a Close came: %v", err)
	}
	same("the Close that came", fmt.Sprint(closed.Code, " ", closed.Text), "4001 bye")
}

// gorillaPing sends pings; a pong shows while a message is read, so one is sent behind each.
func gorillaPing(connection *websocket.Conn, deadline time.Time) {
	var pongs []string
	connection.SetPongHandler(func(data string) error {
		pongs = append(pongs, data)
		return nil
	})
	for i, data := range []string{"", "ping", string(payload(125))} {
		check(connection.WriteControl(websocket.PingMessage, []byte(data), deadline), "sending a ping")
		check(connection.WriteMessage(websocket.TextMessage, []byte("next")), "sending")
		gorillaEcho(connection, "echo behind a ping", websocket.TextMessage, []byte("next"))
		same("the number of pongs", len(pongs), i+1)
		same("a pong", pongs[i], data)
	}
}
