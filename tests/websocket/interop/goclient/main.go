// SPDX-License-Identifier: MIT

// Clients by coder/websocket and gorilla/websocket; see ../../interop.py.
// Usage: goclient coder|gorilla URL plain|deflate|takeover|declined [ca.pem]
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
)

var texts = []string{"", "Grüße, 世界 🌍", strings.Repeat("€", 50000)}
var sizes = []int{0, 1, 125, 126, 65535, 65536, 1 << 20}
var fragments = [][]byte{[]byte("Frag"), []byte("ments: "), bytes.Repeat([]byte("世界"), 20000)}

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func same(what string, got, expected any) {
	if got != expected {
		fail("%s: %.200q, expected %.200q", what, fmt.Sprint(got), fmt.Sprint(expected))
	}
}

func checkExtensions(response *http.Response, mode string) {
	agreed := strings.HasPrefix(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	same("compression is agreed", agreed, mode == "deflate" || mode == "takeover")
}

// payload is size bytes that compress a little.
func payload(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i % 251)
	}
	return data
}

func config(files []string) *tls.Config {
	if len(files) == 0 {
		return nil
	}
	pem, err := os.ReadFile(files[0])
	check(err, "the authority")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

func main() {
	if len(os.Args) < 4 {
		fail("usage: goclient coder|gorilla URL plain|deflate|takeover|declined [ca.pem]")
	}
	url, mode, trust := os.Args[2], os.Args[3], config(os.Args[4:])
	if os.Args[1] == "coder" {
		talkCoder(url, mode, trust)
	} else {
		talkGorilla(url, mode, trust)
	}
}
