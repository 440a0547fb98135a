// SPDX-License-Identifier: MIT

// Go's crypto/tls as a client of the server of server.c: goclient address authority.pem 1.2|1.3 [h2]. Prints what it saw.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial(address string, config *tls.Config) *tls.Conn {
	conn, err := tls.Dial("tcp", address, config)
	check(err)
	check(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	return conn
}

func get(conn *tls.Conn, path string) string {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(err)
	body, err := io.ReadAll(response.Body)
	check(err)
	return string(body)
}

func beeps(conn *tls.Conn) int {
	fmt.Fprint(conn, "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
	lines, count := bufio.NewReader(conn), 0
	for count < 3 {
		line, err := lines.ReadString('\n')
		check(err)
		if line == "data: beep\n" {
			count++
		}
	}
	return count
}

// echo sends 100 lines and reads them back, then ends its half; what comes after that is the second result.
func echo(conn *tls.Conn) (int, string) {
	fmt.Fprint(conn, "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n")
	lines, count := bufio.NewReader(conn), 0
	for ; count < 100; count++ {
		sent := strings.Repeat("x", count*97) + "\n"
		_, err := io.WriteString(conn, sent)
		check(err)
		line, err := lines.ReadString('\n')
		check(err)
		if line != sent {
			check(fmt.Errorf("line %d comes back as %q", count, line))
		}
	}
	check(conn.CloseWrite())
	rest, err := io.ReadAll(lines) // io.ErrUnexpectedEOF without close_notify
	check(err)
	return count, string(rest)
}

func main() {
	authority, err := os.ReadFile(os.Args[2])
	check(err)
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	config.RootCAs.AppendCertsFromPEM(authority)
	if os.Args[3] == "1.3" {
		config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	}
	if len(os.Args) > 4 {
		check(json.NewEncoder(os.Stdout).Encode(overHTTP2("https://"+os.Args[1], config)))
		return
	}
	first := dial(os.Args[1], config)
	seen := map[string]any{"get": get(first, "/"), "big": len(get(first, "/big"))}
	check(first.Close())
	second := dial(os.Args[1], config)
	seen["resumed"] = second.ConnectionState().DidResume
	seen["beeps"] = beeps(second)
	seen["echo"], seen["eof"] = echo(dial(os.Args[1], config))
	check(json.NewEncoder(os.Stdout).Encode(seen))
}
