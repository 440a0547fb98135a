package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const patience = 30 * time.Second // for the server's answer; it tries its target for 10 seconds

type options struct {
	carrier, token, proxy, cacert string
}

// dialer opens tunnels through one server.
type dialer struct {
	options
	server *url.URL
	proxy  *url.URL // nil: none
	roots  *x509.CertPool
}

func newDialer(text string, options options) (*dialer, error) {
	server, err := url.Parse(text)
	if err != nil || (server.Scheme != "http" && server.Scheme != "https") || server.Hostname() == "" {
		return nil, fmt.Errorf("%q: expected http://HOST or https://HOST", text)
	}
	if server.Path == "" || server.Path == "/" {
		server.Path = "/tunnel"
	}
	d := &dialer{options: options, server: server}
	switch options.carrier {
	case "ws", "purr", "connect":
	default:
		return nil, fmt.Errorf("-carrier %s: expected ws, purr or connect", options.carrier)
	}
	if strings.ContainsAny(options.token, "\r\n") {
		return nil, fmt.Errorf("the token has a line end in it")
	}
	if options.proxy != "" {
		d.proxy, err = url.Parse(options.proxy)
	} else {
		d.proxy, err = http.ProxyFromEnvironment(&http.Request{URL: server})
	}
	if err != nil {
		return nil, err
	}
	if d.proxy != nil && d.proxy.Scheme != "http" && d.proxy.Scheme != "https" {
		return nil, fmt.Errorf("proxy %s: expected http://HOST or https://HOST", d.proxy.Redacted())
	}
	if options.cacert != "" {
		pem, err := os.ReadFile(options.cacert)
		if err != nil {
			return nil, err
		}
		d.roots = x509.NewCertPool()
		if !d.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", options.cacert)
		}
	}
	return d, nil
}

// wire is a connection to the server: TCP, with one or two layers of TLS.
type wire struct {
	net.Conn
	tcp    *net.TCPConn
	reader *bufio.Reader
}

func (w *wire) Read(p []byte) (int, error) { return w.reader.Read(p) }

func (w *wire) CloseWrite() error {
	return w.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (w *wire) Wait() error { return nil }

func (w *wire) Abort() {
	w.tcp.SetLinger(0)
	w.tcp.Close()
}

// dial gives the far end of a tunnel to host:port.
func (d *dialer) dial(target string) (end, error) {
	w, err := d.connect()
	if err != nil {
		return nil, err
	}
	far, err := d.open(w, target)
	if err != nil {
		w.tcp.Close()
		return nil, err
	}
	return far, w.tcp.SetDeadline(time.Time{})
}

// connect gives a connection to the server, through the proxy if there is one.
func (d *dialer) connect() (*wire, error) {
	first := d.server
	if d.proxy != nil {
		first = d.proxy
	}
	conn, err := net.DialTimeout("tcp", address(first), patience)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, tcp: conn.(*net.TCPConn)}
	w.tcp.SetDeadline(time.Now().Add(patience))
	if err = d.encrypt(w, first); err == nil && d.proxy != nil {
		if err = d.passProxy(w); err == nil {
			err = d.encrypt(w, d.server)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

// encrypt adds TLS, if that is how this host is spoken to.
func (d *dialer) encrypt(w *wire, to *url.URL) error {
	if to.Scheme == "https" {
		config := &tls.Config{ServerName: to.Hostname(), RootCAs: d.roots, NextProtos: []string{"http/1.1"}}
		conn := tls.Client(w.Conn, config)
		if err := conn.Handshake(); err != nil {
			return fmt.Errorf("TLS with %s: %w", to.Host, err)
		}
		w.Conn = conn
	}
	w.reader = bufio.NewReaderSize(w.Conn, 65536)
	return nil
}

func address(to *url.URL) string {
	port := to.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.Scheme]
	}
	return net.JoinHostPort(to.Hostname(), port)
}

func (d *dialer) passProxy(w *wire) error {
	headers := ""
	if d.proxy.User != nil {
		password, _ := d.proxy.User.Password()
		both := d.proxy.User.Username() + ":" + password
		headers = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(both)) + "\r\n"
	}
	response, err := ask(w, "CONNECT", address(d.server), address(d.server), headers)
	if err == nil && response.StatusCode/100 != 2 {
		err = refusal("the proxy "+d.proxy.Host, response)
	}
	return err
}

// open asks the server for the tunnel.
func (d *dialer) open(w *wire, target string) (end, error) {
	method, path, headers, wanted, key := "GET", d.path(target), "", 101, websocketKey()
	switch d.carrier {
	case "connect":
		method, path, wanted = "CONNECT", target, 200
	case "purr":
		headers = "Connection: Upgrade\r\nUpgrade: purr\r\n"
	case "ws":
		headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Protocol: purr\r\nSec-WebSocket-Key: " + key + "\r\n"
	}
	if d.token != "" && method == "CONNECT" {
		headers += "Proxy-Authorization: Bearer " + d.token + "\r\n"
	} else if d.token != "" {
		headers += "Authorization: Bearer " + d.token + "\r\n"
	}
	response, err := ask(w, method, path, d.server.Host, headers)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != wanted {
		return nil, refusal(d.server.Host, response)
	}
	if d.carrier != "ws" {
		return w, nil
	}
	if response.Header.Get("Sec-WebSocket-Accept") != acceptOf(key) {
		return nil, fmt.Errorf("%s: the answer to the handshake is not a WebSocket's", d.server.Host)
	}
	if response.Header.Get("Sec-WebSocket-Protocol") != "purr" {
		return nil, fmt.Errorf("%s: a WebSocket, and not a tunnel: it lacks the subprotocol purr", d.server.Host)
	}
	return newWebsocket(w), nil
}

func (d *dialer) path(target string) string {
	it := *d.server
	query := it.Query()
	query.Set("target", target)
	it.RawQuery = query.Encode()
	return it.RequestURI()
}

// ask sends a request without a body and reads the head of its answer.
func ask(w *wire, method, target, host, headers string) (*http.Response, error) {
	if strings.ContainsAny(target, " \r\n") {
		return nil, fmt.Errorf("%q: not a target", target)
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, target, host, headers)
	if _, err := io.WriteString(w, head); err != nil {
		return nil, err
	}
	return http.ReadResponse(w.reader, &http.Request{Method: method})
}

// refusal is what an answer that opens no tunnel says.
func refusal(who string, response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	reason := strings.TrimSpace(string(body))
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		reason = ""
	}
	return fmt.Errorf("%s answers %s. %s", who, response.Status, reason)
}

func websocketKey() string {
	var key [16]byte
	rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}

// acceptOf is what RFC 6455 section 4.2.2 makes of a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
