// A tunnel: any TCP connection through one of HTTP, to targets that the program allows. What it answers is at the top
// of demos/tunnel.c.
//
// A request that waits for its target has the goroutine of its handler; the pair of client and target, which the
// library relays, has neither a goroutine nor an object.
package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	hijack "github.com/libhijack/libhijack/go"
	"github.com/libhijack/libhijack/go/demos/internal/demo"
)

const usage = `A tunnel with libhijack. This page is the target that it allows without TUNNEL_ALLOW.

Make a local port of it, with the Go or the Python client:
    hijack-tunnel -L 8080:%[1]s %[2]s://%[1]s/tunnel
    python3 -m hijack_ffi.tunnel -L 8080:%[1]s %[2]s://%[1]s/tunnel
and open %[2]s://127.0.0.1:8080/ beside it.
`

type carrier int

const (
	none carrier = iota
	connect
	websocket
	purr
)

// near is the client's side.
type near interface {
	hijack.Relayable
	Relay(ctx context.Context, other hijack.Relayable) error
	Abort() error
}

var (
	ctx     = demo.Context()
	server  *hijack.Server
	allowed []string
	token   = []byte(os.Getenv("TUNNEL_TOKEN"))
)

func main() {
	var err error
	server, err = hijack.NewServer(hijack.Options{"connect_method": "on"})
	demo.Check(err)
	address, err := demo.Listen(server)
	demo.Check(err)
	scheme, own, _ := strings.Cut(strings.TrimSuffix(address, "/"), "://")
	if allowed = items(os.Getenv("TUNNEL_ALLOW")); len(allowed) == 0 {
		allowed = []string{own}
	}
	demo.Check(server.Start(func(r *hijack.Request) {
		switch {
		case r.Method == "CONNECT" || r.Path == "/tunnel":
			open(r)
		case r.Path == "/":
			answer(r, 200, fmt.Sprintf(usage, own, scheme))
		default:
			answer(r, 404, "Only / and /tunnel are here.\n")
		}
	}))
	fmt.Println(address)
	<-ctx.Done()
	server.Stop()
}

func open(r *hijack.Request) {
	by := carrierOf(r)
	target := targetOf(r, by)
	if refuse(r, by, target) {
		return
	}
	far, err := server.Connect(ctx, target)
	if err != nil {
		status := 502
		if errors.Is(err, hijack.ErrTimedOut) {
			status = 504
		}
		answer(r, status, fmt.Sprintf("Cannot connect to %s: %v.\n", target, err))
		return
	}
	// Nobody is left to be told of an error: a client whose handshake is wrong has its answer.
	near, err := accept(r, by)
	if err == nil {
		if err = near.Relay(ctx, far); err != nil {
			near.Abort()
		}
	}
	if err != nil {
		far.Abort()
	}
}

func carrierOf(r *hijack.Request) carrier {
	switch {
	case r.Method == "CONNECT":
		return connect
	case r.IsWebSocket():
		return websocket
	case has(items(strings.Join(r.Header.Values("Upgrade"), ",")), "purr") &&
		has(items(strings.Join(r.Header.Values("Connection"), ",")), "upgrade"):
		return purr
	}
	return none
}

// targetOf is "" for one that is missing or cannot be decoded.
func targetOf(r *hijack.Request, by carrier) string {
	if by == connect {
		return r.Target
	}
	_, query, _ := strings.Cut(r.Target, "?")
	values, _ := url.ParseQuery(query)
	if target := values.Get("target"); !strings.Contains(target, "\x00") {
		return target
	}
	return ""
}

// refuse answers what is wrong with the request.
func refuse(r *hijack.Request, by carrier, target string) bool {
	switch {
	case by == connect && !hasToken(r.Header.Get("Proxy-Authorization")):
		answer(r, 407, "The token is missing or wrong.\n", "proxy-authenticate", "Bearer")
	case by != connect && !hasToken(r.Header.Get("Authorization")):
		answer(r, 401, "The token is missing or wrong.\n", "www-authenticate", "Bearer")
	case target == "":
		answer(r, 400, "Expected /tunnel?target=HOST:PORT.\n")
	case by != connect && r.Method != "GET":
		answer(r, 405, "Open a tunnel with GET.\n", "allow", "GET")
	case by == none:
		answer(r, 426, "A tunnel needs HTTP/1.1 with Upgrade: purr or websocket.\n", "upgrade", "purr, websocket")
	case !has(allowed, strings.ToLower(target)):
		answer(r, 403, "This target is not allowed.\n")
	default:
		return false
	}
	return true
}

func hasToken(header string) bool {
	scheme, given, _ := strings.Cut(header, " ")
	isRight := strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare([]byte(given), token) == 1
	return isRight || len(token) == 0
}

// accept makes the client's side, once the target is connected.
func accept(r *hijack.Request, by carrier) (near, error) {
	switch {
	case by == websocket && has(r.WebSocketProtocols(), "purr"):
		return r.WebSocket("purr", nil)
	case by == websocket:
		return r.WebSocket("", nil)
	case by == purr:
		return r.HijackPartial(101, hijack.Header{"connection": {"Upgrade"}, "upgrade": {"purr"}})
	}
	return r.HijackPartial(200, nil)
}

func items(text string) []string {
	var found []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.ToLower(strings.TrimSpace(item)); item != "" {
			found = append(found, item)
		}
	}
	return found
}

func has(list []string, wanted string) bool {
	for _, item := range list {
		if item == wanted {
			return true
		}
	}
	return false
}

func answer(r *hijack.Request, status int, body string, header ...string) {
	headers := hijack.Header{"content-type": {"text/plain; charset=utf-8"}}
	if len(header) == 2 {
		headers[header[0]] = header[1:]
	}
	r.Respond(status, headers, []byte(body))
}
