package hijack

// #include "generated.h"
import "C"

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
)

// PeerCertificate parses Certificate; nil without one.
func (t *TLS) PeerCertificate() (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(t.Certificate))
	if block == nil {
		return nil, nil
	}
	return x509.ParseCertificate(block.Bytes)
}

// ListenTLS is Listen for a listener that speaks TLS, with LoadCertificate. Both files may be "" if the server has its
// certificates from other calls, before or after this one; Listen("tls:" + address) is the same. Errors: as Listen and
// Certificate.
func (s *Server) ListenTLS(address, certFile, keyFile string) (net.Addr, error) {
	if certFile != "" || keyFile != "" {
		if err := s.LoadCertificate(certFile, keyFile); err != nil {
			return nil, err
		}
	}
	return s.Listen("tls:" + strings.TrimPrefix(address, "tls:"))
}

// LoadCertificate is Certificate with the paths of two PEM files.
func (s *Server) LoadCertificate(certFile, keyFile string) error {
	return s.Certificate([]byte(certFile), []byte(keyFile), nil)
}

// Certificate adds a certificate for the listeners that speak TLS, or replaces the one for the same names: later
// handshakes get the new one, connections keep what they have. So a reload is the same call again, at any time. With
// several certificates a client gets the one for the name it asks for (SNI), or else the first that was added.
//
// chain and key are PEM text, or the path of a PEM file; the server's own certificate comes first, and the key has no
// passphrase. staple is an OCSP response in DER, the path of a file with one, or nil. Errors: ErrTLS (cannot be used;
// key and certificate do not belong together), ErrNotFound and ErrAccessDenied (a file), ErrTooBig (a file over 1 MiB),
// ErrInvalid (one of them is empty), ErrShutdown, ErrNotSupported (the library was built without TLS).
func (s *Server) Certificate(chain, key, staple []byte) error {
	what := certificateName(chain) + " with key " + certificateName(key)
	if len(staple) > 0 {
		what += ", and its OCSP response"
	}
	if len(chain) == 0 || len(key) == 0 {
		return &OpError{"certificate", what, because(ErrInvalid, "a certificate needs a chain and a key")}
	}
	return s.fail("certificate", what, C.hj_go_server_certificate(s.handle.c(), text(chain), text(key), text(staple)))
}

// certificateName is how an error names it: a key must not get into a log.
func certificateName(text []byte) string {
	if len(text) == 0 {
		return "(none)"
	} else if bytes.Contains(text, []byte("-----BEGIN")) {
		return "PEM text"
	}
	return string(text)
}

// tlsOf is what a new request with this payload says of TLS, nil without. It is asked before anybody can free the
// request: the texts are the library's.
func tlsOf(h handle, payload []byte) *TLS {
	if line, _, _ := bytes.Cut(payload, []byte("\r\n")); !bytes.HasSuffix(line, []byte(" https")) {
		return nil
	}
	var t TLS
	for i, field := range t.fields() {
		var out *C.char
		var size C.size_t
		if C.hj_go_request_info(&out, &size, h.c(), tlsFacts[i]) > 0 {
			*field = C.GoStringN(out, C.int(size))
		}
	}
	return &t
}
