package hijack_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// issued is a certificate with its key, as PEM and as crypto/tls takes it.
type issued struct {
	chain, key []byte
	pair       tls.Certificate
}

// authority is who signs the certificates of a test, and what its clients trust.
type authority struct {
	t      testing.TB
	issued issued
	leaf   *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	a.issued = a.issue("authority", 1)
	leaf, err := x509.ParseCertificate(a.issued.pair.Certificate[0])
	must(t, err)
	a.leaf = leaf
	return a
}

// issue makes a certificate for 127.0.0.1 and these names; the first one signs itself.
func (a *authority) issue(name string, serial int64, names ...string) (made issued) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial),
		Subject:   pkix.Name{CommonName: name, Organization: []string{"us"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: a.leaf == nil, DNSNames: names, IPAddresses: []net.IP{{127, 0, 0, 1}}}
	signer, signerKey := template, any(key)
	if a.leaf != nil {
		signer, signerKey = a.leaf, a.issued.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	must(a.t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(a.t, err)
	made.chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	made.key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	made.pair, err = tls.X509KeyPair(made.chain, made.key)
	must(a.t, err)
	return made
}

// config is that of a client.
func (a *authority) config(name string, with ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.leaf)
	return &tls.Config{RootCAs: pool, ServerName: name, Certificates: with}
}

// file writes into a folder of the test.
func file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

// serveTLS starts a server with a certificate for localhost.
func serveTLS(t testing.TB, server *hijack.Server, a *authority, handler hijack.Handler) string {
	t.Helper()
	leaf := a.issue("server", 2, "localhost")
	addr, err := server.ListenTLS("127.0.0.1:0", file(t, "chain.pem", leaf.chain), file(t, "key.pem", leaf.key))
	must(t, err)
	must(t, server.Start(handler))
	return addr.String()
}

// dialTLS is a client after its handshake.
func dialTLS(t testing.TB, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	plain, err := net.DialTimeout("tcp", addr, patience)
	must(t, err)
	t.Cleanup(func() { plain.Close() })
	must(t, plain.SetDeadline(time.Now().Add(patience)))
	conn := tls.Client(plain, config)
	must(t, conn.Handshake())
	return conn
}

// httpClient is one of net/http.
func httpClient(t testing.TB, config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func fetch(t testing.TB, client *http.Client, method, url string, body []byte) string {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	must(t, err)
	response, err := client.Do(request)
	must(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	must(t, err)
	return string(got)
}

// readTo reads including end.
func readTo(t testing.TB, conn *tls.Conn, end string) string {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte(end)); {
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Fatalf("after %q: %v, want %q", got, err, end)
		}
		got = append(got, b[0])
	}
	return string(got)
}

const askRoot = "GET / HTTP/1.1\r\nHost: me\r\n\r\n"

func TestTLSGetAndFacts(t *testing.T) {
	a, seen := newAuthority(t), make(chan *hijack.Request, 1)
	addr := serveTLS(t, newServer(t, nil), a, func(r *hijack.Request) {
		r.Respond(200, nil, []byte("hello"))
		seen <- r
	})
	want(t, "body", fetch(t, httpClient(t, a.config("localhost")), "GET", "https://"+addr, nil), "hello")
	r := within(t, "the request", seen)
	want(t, "Scheme", r.Scheme, "https")
	want(t, "Version", r.TLS.Version, "TLSv1.3")
	want(t, "ServerName", r.TLS.ServerName, "localhost")
	want(t, "Subject and Certificate", r.TLS.Subject+r.TLS.Certificate, "")
	if !strings.HasPrefix(r.TLS.CipherSuite, "TLS_") {
		t.Errorf("the cipher suite is %q", r.TLS.CipherSuite)
	}
	certificate, err := r.TLS.PeerCertificate()
	must(t, err)
	want(t, "PeerCertificate", certificate == nil, true)
}

func TestTLSAndPlainInOneServer(t *testing.T) {
	a, server := newAuthority(t), newServer(t, nil)
	leaf := a.issue("server", 2, "localhost")
	must(t, server.Certificate(leaf.chain, leaf.key, nil))
	secure, err := server.ListenTLS("127.0.0.1:0", "", "")
	must(t, err)
	plain := serve(t, server, func(r *hijack.Request) {
		r.Respond(200, nil, []byte(fmt.Sprint(r.Scheme, " ", r.TLS != nil)))
	})
	client := httpClient(t, a.config("localhost"))
	want(t, "over TLS", fetch(t, client, "GET", "https://"+secure.String(), nil), "https true")
	want(t, "in clear", fetch(t, client, "GET", "http://"+plain, nil), "http false")
}

func TestTLSEvents(t *testing.T) {
	a, server := newAuthority(t), newServer(t, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	must(t, server.Hold("/held", clients, hijack.HoldSSE, nil))
	addr := serveTLS(t, server, a, func(r *hijack.Request) {
		stream, err := r.SSE(nil)
		must(t, err)
		must(t, stream.SendEvent(hijack.Event{ID: "7", Data: "one"}))
		stream.Close()
	})
	stream, held := dialTLS(t, addr, a.config("localhost")), dialTLS(t, addr, a.config("localhost"))
	io.WriteString(stream, askRoot)
	io.WriteString(held, strings.Replace(askRoot, "/", "/held", 1))
	if got := readTo(t, stream, "data: one\n\n"); !strings.Contains(got, "id: 7") {
		t.Errorf("the event is %q", got)
	}
	readTo(t, held, "\r\n\r\n")
	until(t, "there is a member", func() bool { return clients.Len() == 1 })
	_, err = clients.PublishString("to all")
	must(t, err)
	readTo(t, held, "data: to all\n\n")
}

func TestTLSUpload(t *testing.T) {
	a := newAuthority(t)
	server := newServer(t, hijack.Options{"request_body": "pieces", "max_body_bytes": "8m"})
	addr := serveTLS(t, server, a, func(r *hijack.Request) {
		body, err := io.ReadAll(r.Body)
		must(t, err)
		r.Respond(200, nil, body)
	})
	body := make([]byte, 3<<20)
	rand.Read(body)
	got := fetch(t, httpClient(t, a.config("localhost")), "POST", "https://"+addr, body)
	want(t, "the body came back", got == string(body), true)
}

func TestTLSEchoAndHalfClose(t *testing.T) {
	a, heard := newAuthority(t), make(chan string, 1)
	addr := serveTLS(t, newServer(t, nil), a, func(r *hijack.Request) {
		socket, err := r.Hijack()
		must(t, err)
		defer socket.Close()
		if r.Path == "/echo" {
			io.Copy(socket, socket)
			socket.WriteString("the last word")
			return
		}
		socket.WriteString("bye")
		must(t, socket.CloseWrite())
		rest, _ := io.ReadAll(socket)
		heard <- string(rest)
	})
	client := dialTLS(t, addr, a.config("localhost"))
	io.WriteString(client, strings.Replace(askRoot, "/", "/echo", 1)+"left over")
	readTo(t, client, "left over")
	must(t, client.CloseWrite())
	rest, err := io.ReadAll(client)
	must(t, err)
	want(t, "after the client's half-close", string(rest), "the last word")

	client = dialTLS(t, addr, a.config("localhost"))
	io.WriteString(client, askRoot)
	rest, err = io.ReadAll(client)
	must(t, err)
	want(t, "up to the server's half-close", string(rest), "bye")
	io.WriteString(client, "still here")
	must(t, client.CloseWrite())
	want(t, "after the server's half-close", within(t, "the rest", heard), "still here")
}

func TestTLSDetach(t *testing.T) {
	a := newAuthority(t)
	addr := serveTLS(t, newServer(t, nil), a, func(r *hijack.Request) {
		socket, err := r.Hijack()
		must(t, err)
		conn, _, err := socket.Detach(context.Background())
		must(t, err)
		fmt.Fprint(conn, "by hand, ", conn.LocalAddr().Network())
		conn.Close()
	})
	client := dialTLS(t, addr, a.config("localhost"))
	io.WriteString(client, askRoot)
	all, err := io.ReadAll(client)
	must(t, err)
	want(t, "what came", string(all), "by hand, unix")
}

func TestTLSReload(t *testing.T) {
	a, server := newAuthority(t), newServer(t, nil)
	addr := serveTLS(t, server, a, func(r *hijack.Request) { r.Respond(200, nil, []byte("same connection")) })
	serial := func(name string) string {
		return dialTLS(t, addr, a.config(name)).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old := dialTLS(t, addr, a.config("localhost"))
	want(t, "the serial number before", serial("localhost"), "2")
	leaf := a.issue("server", 3, "localhost")
	must(t, server.LoadCertificate(file(t, "chain.pem", leaf.chain), file(t, "key.pem", leaf.key)))
	want(t, "the serial number after a reload", serial("localhost"), "3")
	io.WriteString(old, askRoot)
	readTo(t, old, "same connection")

	other := a.issue("other", 9, "other.example", "*.wild.example")
	must(t, server.Certificate(other.chain, other.key, nil))
	for name, wanted := range map[string]string{"localhost": "3", "other.example": "9", "a.wild.example": "9"} {
		want(t, "the serial number for "+name, serial(name), wanted)
	}
}

func TestTLSClientCertificate(t *testing.T) {
	a := newAuthority(t)
	server := newServer(t, hijack.Options{"tls_client_verify": "require",
		"tls_client_ca": file(t, "ca.pem", a.issued.chain)})
	addr := serveTLS(t, server, a, func(r *hijack.Request) {
		certificate, err := r.TLS.PeerCertificate()
		must(t, err)
		r.Respond(200, nil, []byte(fmt.Sprint(r.TLS.Subject, " ", certificate.SerialNumber)))
	})
	client := httpClient(t, a.config("localhost", a.issue("ann", 5).pair))
	want(t, "the subject", fetch(t, client, "GET", "https://"+addr, nil), "CN=ann,O=us 5")
	if response, err := httpClient(t, a.config("localhost")).Get("https://" + addr); err == nil {
		response.Body.Close()
		t.Error("a client without a certificate was served")
	}
}

func TestTLSErrors(t *testing.T) {
	a, server := newAuthority(t), newServer(t, nil)
	leaf, other := a.issue("server", 2, "localhost"), a.issue("other", 3)
	chain := file(t, "chain.pem", leaf.chain)
	err := server.Certificate([]byte(chain), other.key, nil)
	wantError(t, err, hijack.ErrTLS, "certificate "+chain+" with key PEM text: TLS")
	_, err = server.ListenTLS("127.0.0.1:0", "/nowhere/chain.pem", chain)
	wantError(t, err, hijack.ErrNotFound, "certificate /nowhere/chain.pem with key "+chain+": ")
	wantError(t, err, fs.ErrNotExist, "")
	_, err = server.ListenTLS("127.0.0.1:0", chain, "")
	wantError(t, err, hijack.ErrInvalid, "certificate "+chain+" with key (none): ")
	err = server.Certificate(leaf.chain, leaf.key, []byte{0x30, 0x82, 0})
	wantError(t, err, hijack.ErrTLS, "certificate PEM text with key PEM text, and its OCSP response: ")
	want(t, "addresses", len(server.Addrs()), 0)
	_, err = server.ListenTLS("127.0.0.1:0", "", "")
	must(t, err)
	wantError(t, server.Start(nil), hijack.ErrTLS, "start: ")
	server.Stop()
	wantError(t, server.Certificate(leaf.chain, leaf.key, nil), hijack.ErrShutdown, "certificate PEM text ")
}

// echoTLS is the address of a server of crypto/tls, which sends back what its one client sends, until that ends. With
// asks it wants a certificate that one of them has signed.
func echoTLS(t *testing.T, pair tls.Certificate, version uint16, asks *x509.CertPool) string {
	t.Helper()
	listener := listening(t, "tcp", "127.0.0.1:0")
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: version, MaxVersion: version}
	if asks != nil {
		config.ClientCAs, config.ClientAuth = asks, tls.RequireAndVerifyClientCert
	}
	go func() {
		plain, err := listener.Accept()
		if err != nil {
			return
		}
		conn := tls.Server(plain, config)
		io.Copy(conn, conn) // an error is that of one who is not trusted
		conn.Close()
	}()
	return "tls:localhost:" + strings.TrimPrefix(listener.Addr().String(), "127.0.0.1:")
}

func TestConnectTLSWithACertificate(t *testing.T) {
	a := newAuthority(t)
	us := a.issue("us", 2)
	server := newServer(t, hijack.Options{"connect_ca": file(t, "ca.pem", a.issued.chain),
		"connect_certificate": file(t, "us.pem", us.chain), "connect_key": file(t, "us.key", us.key)})
	must(t, server.Start(nil))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		pair := a.issue("server", 3, "localhost").pair
		socket, err := server.Connect(always, echoTLS(t, pair, version, a.config("").RootCAs))
		must(t, err)
		_, err = socket.WriteString("we are known")
		must(t, err)
		must(t, socket.CloseWrite())
		got, err := io.ReadAll(socket)
		must(t, err)
		if string(got) != "we are known" {
			t.Fatalf("%q came back", got)
		}
		must(t, socket.Close())
	}
	nothingIsLeft(t, server)
}

func TestConnectTLS(t *testing.T) {
	a := newAuthority(t)
	server := newServer(t, hijack.Options{"connect_ca": file(t, "ca.pem", a.issued.chain)})
	must(t, server.Start(nil))
	sent := strings.Repeat("all of it", 1<<18)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		socket, err := server.Connect(always, echoTLS(t, a.issue("server", 2, "localhost").pair, version, nil))
		must(t, err)
		written := make(chan error, 1)
		go func() {
			_, err := socket.WriteString(sent)
			if err == nil {
				err = socket.CloseWrite()
			}
			written <- err
		}()
		got, err := io.ReadAll(socket)
		must(t, err)
		must(t, within(t, "the write", written))
		if string(got) != sent {
			t.Fatalf("%d bytes came back of %d", len(got), len(sent))
		}
		must(t, socket.Close())
	}
	for _, it := range []struct {
		pair tls.Certificate
		said string
	}{
		{a.issue("server", 3, "other.example").pair, "hostname mismatch"},
		{newAuthority(t).issued.pair, "self-signed certificate"},
	} {
		address := echoTLS(t, it.pair, tls.VersionTLS13, nil)
		socket, err := server.Connect(always, address)
		if socket != nil {
			t.Error("an error and a socket")
		}
		wantError(t, err, hijack.ErrTLS, "connect "+address+": certificate verify failed: "+it.said)
	}
	nothingIsLeft(t, server)
}
