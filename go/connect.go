package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"net"
	"strings"
	"time"
)

// Connect opens a connection to elsewhere: "127.0.0.1:80", "[::1]:80", "example.org:80" or "unix:/run/app.sock". It
// waits until the connection is open; the library looks the name up, and tries its addresses one after the other, for
// at most the time of the option connect_timeout_ms. When ctx ends first, nothing is left of the connection. The Socket
// is the program's: end it with Close. Its LocalAddr is not known, and has neither host nor port.
//
// "tls:example.org:443" is encrypted, and the other side has shown a certificate for that host, or that IP address,
// which one of the system's authorities has signed, or one of the option connect_ca.
//
// Errors: ErrRefused (nobody listens there), ErrAddressNotAvailable (no such host, or no way to it), ErrNotFound and
// ErrAccessDenied (unix path), ErrTLS (the handshake failed, or the certificate is not trusted or for another host; its
// text is the reason), ErrTimedOut (after connect_timeout_ms), ErrAddress (cannot be understood), ErrOutOfRange (port),
// ErrTooBig (unix path over 107 bytes), ErrNotSupported ("tls:" with a library that was built without TLS), ErrState
// (not started), ErrShutdown, ErrLimit, or that of ctx.
func (s *Server) Connect(ctx context.Context, address string) (*Socket, error) {
	var local net.Addr = &net.TCPAddr{}
	if strings.HasPrefix(address, "unix:") {
		local = &net.UnixAddr{Net: "unix"}
	}
	socket := newSocket(address, nil, endpoints{local: local})
	result := s.make(socket, func(out *C.uint64_t) C.int {
		return C.hj_go_server_connect(out, s.handle.c(), address, 0)
	})
	if err := s.fail("connect", address, result); err != nil {
		return nil, err
	}
	if err := socket.awaitOpen(ctx); err != nil {
		return nil, err
	}
	return socket, nil
}

// DialContext is Connect as http.Transport and others take it, whose field of this name it can be. network is "tcp" or
// "unix". It does not speak TLS: http.Transport does that by itself. Errors: net.UnknownNetworkError, and as Connect.
func (s *Server) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp":
	case "unix":
		address = "unix:" + address
	default:
		return nil, &OpError{"connect", address, net.UnknownNetworkError(network)}
	}
	socket, err := s.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return socket, nil
}

// awaitOpen waits for the end of Connect.
func (s *Socket) awaitOpen(ctx context.Context) error {
	s.mu.Lock()
	for s.remote == nil && !s.over && ctx.Err() == nil {
		s.changed.await(&s.mu, ctx, time.Time{})
	}
	opened, over, why := s.remote != nil, s.over, s.err
	s.mu.Unlock()
	if opened {
		return nil
	} else if !over {
		s.Release()
		return &OpError{"connect", s.name, ctx.Err()}
	} else if code, ok := why.(Error); ok {
		return check("connect", s.name, C.int(code))
	} else if why != nil {
		return &OpError{"connect", s.name, why}
	}
	return &OpError{"connect", s.name, ErrClosed}
}
