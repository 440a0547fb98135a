package modules

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/nettest"

	hijack "github.com/libhijack/libhijack/go"
)

// TestConn is what golang.org/x/net demands of a net.Conn, in each way in which this package makes one.
func TestConn(t *testing.T) {
	server, _ := running(t)
	for name, pipe := range map[string]func() (net.Conn, net.Conn, error){
		"socket and net": func() (net.Conn, net.Conn, error) { return adopted(server, "tcp", "127.0.0.1:0", false) },
		"net and socket": func() (net.Conn, net.Conn, error) {
			a, b, err := adopted(server, "tcp", "127.0.0.1:0", false)
			return b, a, err
		},
		"socket and socket": func() (net.Conn, net.Conn, error) { return adopted(server, "tcp", "127.0.0.1:0", true) },
		"unix": func() (net.Conn, net.Conn, error) {
			return adopted(server, "unix", t.TempDir()+"/s", true)
		},
		"over TLS":  overTLS(t),
		"WebSocket": overWebSocket(t),
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				if c1, c2, err = pipe(); err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close() }, nil
			})
		})
	}
}

// adopted gives two ends of a connection, of which the first or both are sockets.
func adopted(server *hijack.Server, network, address string, both bool) (net.Conn, net.Conn, error) {
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	near, err := net.Dial(network, listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, nil, err
	}
	a, err := server.Adopt(near, nil)
	if err != nil || !both {
		return a, far, err
	}
	b, err := server.Adopt(far, nil)
	return a, b, err
}

// hijacked serves connections of one kind, the first of each pair.
func hijacked[T any](t *testing.T, listen func(*hijack.Server) (net.Addr, error),
	take func(*hijack.Request) (T, error)) (net.Addr, <-chan T) {
	server, err := hijack.NewServer(hijack.Options{"threads": 1})
	must(t, err)
	t.Cleanup(func() { server.Stop() })
	addr, err := listen(server)
	must(t, err)
	taken := make(chan T, 1)
	must(t, server.Start(func(r *hijack.Request) {
		it, err := take(r)
		if err != nil {
			t.Error(err)
		}
		taken <- it
	}))
	return addr, taken
}

func overTLS(t *testing.T) func() (net.Conn, net.Conn, error) {
	chain, key := certificate(t)
	addr, taken := hijacked(t, func(server *hijack.Server) (net.Addr, error) {
		must(t, server.Certificate(chain, key, nil))
		return server.ListenTLS("127.0.0.1:0", "", "")
	}, (*hijack.Request).Hijack)
	return func() (net.Conn, net.Conn, error) {
		client, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return nil, nil, err
		}
		_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: me\r\n\r\n")
		return <-taken, client, err
	}
}

func overWebSocket(t *testing.T) func() (net.Conn, net.Conn, error) {
	addr, taken := hijacked(t, func(server *hijack.Server) (net.Addr, error) { return server.Listen("127.0.0.1:0") },
		func(r *hijack.Request) (*hijack.WebSocket, error) { return r.WebSocket("", nil) })
	return func() (net.Conn, net.Conn, error) {
		client, _, err := websocket.Dial(context.Background(), "ws://"+addr.String()+"/", nil)
		if err != nil {
			return nil, nil, err
		}
		client.SetReadLimit(-1)
		return hijack.NetConn(context.Background(), <-taken, hijack.MessageBinary),
			lenient{websocket.NetConn(context.Background(), client, websocket.MessageBinary)}, nil
	}
}

// lenient is coder's client, whose Close fails if the other side has closed before.
type lenient struct{ net.Conn }

func (l lenient) Close() error {
	l.Conn.Close()
	return nil
}

// A protocol with its own idea of connections runs over a Socket: ssh, with a megabyte each way.
func TestSSH(t *testing.T) {
	server, _ := running(t)
	a, b, err := adopted(server, "tcp", "127.0.0.1:0", true)
	must(t, err)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	must(t, err)
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	go func() {
		_, channels, requests, err := ssh.NewServerConn(a, config)
		if err != nil {
			t.Error(err)
			return
		}
		go ssh.DiscardRequests(requests)
		for it := range channels {
			channel, requests, err := it.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			go ssh.DiscardRequests(requests)
			go func() {
				io.Copy(channel, channel)
				channel.Close()
			}()
		}
	}()
	conn, channels, requests, err := ssh.NewClientConn(b, "me",
		&ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	must(t, err)
	client := ssh.NewClient(conn, channels, requests)
	defer client.Close()
	channel, more, err := client.OpenChannel("echo", nil)
	must(t, err)
	go ssh.DiscardRequests(more)
	sent := make([]byte, 1<<20)
	_, err = rand.Read(sent)
	must(t, err)
	go func() {
		channel.Write(sent)
		channel.CloseWrite()
	}()
	back, err := io.ReadAll(channel)
	must(t, err)
	if string(back) != string(sent) {
		t.Errorf("%d bytes came back, of %d", len(back), len(sent))
	}
}

// certificate makes one of its own, as PEM.
func certificate(t *testing.T) (chain, key []byte) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "me"},
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"me"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
