// Answers every request with "hello", by this package or by net/http: what bindings/bench/requests.py compares.
//
//	hello hijack | nethttp
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	hijack "github.com/libhijack/libhijack/go"
)

const (
	address = "127.0.0.1:0"
	body    = "hello"
)

func main() {
	servers := map[string]func() error{"hijack": serveHijack, "nethttp": serveNetHTTP}
	var serve func() error
	if len(os.Args) == 2 {
		serve = servers[os.Args[1]]
	}
	if serve == nil {
		fmt.Fprintln(os.Stderr, "usage: hello hijack | nethttp")
		os.Exit(2)
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func serveHijack() error {
	server, err := hijack.NewServer(hijack.Options{"threads": 1})
	if err != nil {
		return err
	}
	addr, err := server.Listen(address)
	if err != nil {
		return err
	}
	answer := []byte(body)
	if err = server.Start(func(r *hijack.Request) { r.Respond(200, nil, answer) }); err != nil {
		return err
	}
	fmt.Printf("http://%v/\n", addr)
	select {}
}

func serveNetHTTP() error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("http://%v/\n", listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, body)
	}))
}
