// Hijack-tunnel carries TCP connections through a tunnel server of libhijack, over http, https, or an HTTP proxy.
//
//	hijack-tunnel [flags] URL
//
//	hijack-tunnel -L 5432:db.internal:5432 https://example.org/tunnel
//	ssh -o ProxyCommand='hijack-tunnel -W %h:%p https://example.org/tunnel' example.org
//
// -L [bind:]port:host:port listens on a local port, of 127.0.0.1 unless bind is another address, and carries each
// connection to host:port, which the server connects to. It may be given several times; port 0 is a free one, and what
// it listens on is written to standard output. -W host:port carries standard input and output, as ssh -W does.
//
// The path of the URL is /tunnel if it has none. A token comes from -token or, which other users of the machine cannot
// see, from the variable TUNNEL_TOKEN. A proxy comes from -proxy or the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
// A certificate is always verified, with the authorities of the system or those of -cacert.
//
// -carrier ws (default) is a WebSocket, which passes through most proxies; purr is a plain upgrade; connect asks the
// server as an HTTP proxy. With ws the end of each direction and a reset pass on through any proxy.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

type forwards []string

func (list *forwards) String() string { return strings.Join(*list, " ") }

func (list *forwards) Set(text string) error {
	_, _, err := parseForward(text)
	*list = append(*list, text)
	return err
}

func main() {
	var local forwards
	var options options
	flag.Var(&local, "L", "`[bind:]port:host:port` listen here and connect there; may be given several times")
	stdio := flag.String("W", "", "`host:port` carries standard input and output")
	flag.StringVar(&options.carrier, "carrier", "ws", "`ws`, purr or connect")
	flag.StringVar(&options.token, "token", os.Getenv("TUNNEL_TOKEN"), "`token` of the server; better in TUNNEL_TOKEN")
	flag.StringVar(&options.proxy, "proxy", "", "`URL` of an HTTP proxy; default: HTTP_PROXY, HTTPS_PROXY")
	flag.StringVar(&options.cacert, "cacert", "", "`file` with the authorities that sign the server's certificate")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: hijack-tunnel [flags] -L [bind:]port:host:port | -W host:port URL")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || (len(local) == 0) == (*stdio == "") {
		flag.Usage()
		os.Exit(2)
	}
	dialer, err := newDialer(flag.Arg(0), options)
	check(err)
	if *stdio != "" {
		check(carryStdio(dialer, *stdio))
		return
	}
	failed := make(chan error)
	for _, text := range local {
		listener, target, err := listen(text)
		check(err)
		fmt.Printf("%v -> %s\n", listener.Addr(), target)
		go func() { failed <- serve(dialer, listener, target) }()
	}
	check(<-failed)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hijack-tunnel:", err)
		os.Exit(1)
	}
}

// parseForward takes [bind:]port:host:port apart; addresses of IPv6 are in brackets.
func parseForward(text string) (bind, target string, err error) {
	fields, depth, start := []string{}, 0, 0
	for i, c := range text {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ':' && depth == 0:
			fields, start = append(fields, text[start:i]), i+1
		}
	}
	fields = append(fields, text[start:])
	if len(fields) == 3 {
		fields = append([]string{"127.0.0.1"}, fields...)
	}
	if len(fields) != 4 || fields[1] == "" || fields[2] == "" || fields[3] == "" {
		return "", "", fmt.Errorf("%q: expected [bind:]port:host:port", text)
	}
	return fields[0] + ":" + fields[1], fields[2] + ":" + fields[3], nil
}

func listen(text string) (net.Listener, string, error) {
	bind, target, err := parseForward(text)
	if err != nil {
		return nil, "", err
	}
	listener, err := net.Listen("tcp", bind)
	return listener, target, err
}

func serve(dialer *dialer, listener net.Listener, target string) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			// no descriptor is left, or the client has gone already
			if temporary, ok := err.(net.Error); ok && temporary.Temporary() {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			return err
		}
		go func() {
			near := local{conn.(*net.TCPConn)}
			far, err := dialer.dial(target)
			if err != nil {
				fmt.Fprintf(os.Stderr, "hijack-tunnel: %s: %v\n", target, err)
				near.Abort()
				return
			}
			join(near, far)
		}()
	}
}

func carryStdio(dialer *dialer, target string) error {
	far, err := dialer.dial(target)
	if err != nil {
		return err
	}
	if err := join(stdio{}, far); err != nil {
		return errors.New("the connection was cut off: " + err.Error())
	}
	return nil
}

// end is one end of a tunnel. Read gives io.EOF for the end of its direction, and other errors for the death of both.
type end interface {
	io.ReadWriter
	CloseWrite() error
	Wait() error // after io.EOF: until the connection is over
	Close() error
	Abort() // passes on a death
}

// join carries bytes both ways until both have ended (nil), or one side has died.
func join(near, far end) error {
	results := make(chan error, 2)
	carry := func(to, from end) {
		_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 65536))
		if err == nil {
			err = to.CloseWrite()
		}
		if err == nil { // closing earlier could cost bytes that are still on their way there
			err = from.Wait()
		}
		results <- err
	}
	go carry(near, far)
	go carry(far, near)
	var err error
	for i := 0; i < 2 && err == nil; i++ {
		err = <-results
	}
	if err != nil {
		near.Abort()
		far.Abort()
		return err
	}
	near.Close()
	far.Close()
	return nil
}

type local struct{ *net.TCPConn }

func (l local) Wait() error { return nil }

func (l local) Abort() {
	l.SetLinger(0)
	l.Close()
}

type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdio) CloseWrite() error           { return os.Stdout.Close() }
func (stdio) Wait() error                 { return nil }
func (stdio) Close() error                { return nil }
func (stdio) Abort()                      {}
