package hijack_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// uploading serves handler with bodies in pieces of any length.
func uploading(t *testing.T, handler hijack.Handler) (string, *hijack.Server) {
	server := newServer(t, hijack.Options{"request_body": "pieces", "max_body_bytes": "1024m"})
	return serve(t, server, handler), server
}

// put begins an upload of this length; -1: chunked.
func (c *client) put(length int) *client {
	if length < 0 {
		return c.say("PUT / HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: chunked\r\n\r\n")
	}
	return c.say(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: me\r\nContent-Length: %d\r\n\r\n", length))
}

// The body is read while it comes, and then has a trailer; the connection serves the next request.
func TestBodyInPieces(t *testing.T) {
	pieces, trailers := make(chan string), make(chan hijack.Header, 1)
	addr, _ := uploading(t, func(r *hijack.Request) {
		buffer := make([]byte, 100)
		for {
			n, err := r.Body.Read(buffer)
			if n > 0 {
				pieces <- string(buffer[:n])
			}
			if err != nil {
				want(t, "the end", err, io.EOF)
				break
			}
			want(t, "the trailer before the end", len(r.Trailer), 0)
		}
		_, err := r.Body.Read(buffer)
		want(t, "after the end", err, io.EOF)
		trailers <- r.Trailer
		r.Respond(200, nil, []byte("got it"))
	})
	c := dial(t, addr).put(-1)
	for _, piece := range []string{"one", "two"} {
		c.say(fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece))
		want(t, "a piece", within(t, "the piece", pieces), piece)
	}
	c.say("0\r\nX-Sum: 7\r\nx-two: a\r\n\r\n")
	trailer := within(t, "the trailer", trailers)
	want(t, "the trailer", trailer.Get("x-sum")+trailer.Get("X-Two"), "7a")
	c.head()
	c.expect("got it")

	c.put(4).say("body")
	want(t, "with a length", within(t, "the piece", pieces), "body")
	want(t, "its trailer", len(within(t, "the trailer", trailers)), 0)
	c.head()
	c.expect("got it")
	c.get("/")
	want(t, "without a body", len(within(t, "the trailer", trailers)), 0)
}

// The option may be that of some paths only; a handler does not see the difference.
func TestBodyInPiecesForSomePaths(t *testing.T) {
	server := newServer(t, nil)
	must(t, server.SetRoute("/upload/*", hijack.Options{"request_body": "pieces"}))
	addr := serve(t, server, func(r *hijack.Request) {
		if r.Path != "/whole" {
			must(t, r.Respond(200, nil, nil)) // before the body has come
		}
		if r.Path == "/" {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "12345" {
			t.Errorf("%v: got the body %q, %v", r, body, err)
		}
		if r.Path == "/whole" {
			must(t, r.Respond(200, nil, nil))
		}
	})
	for _, path := range []string{"/upload/a", "/whole"} {
		c := dial(t, addr).say("PUT " + path + " HTTP/1.1\r\nHost: me\r\nContent-Length: 5\r\n\r\n12")
		if path == "/upload/a" {
			c.head()
		}
		c.say("345")
		if path == "/whole" {
			c.head()
		}
		c.get("/").head()
	}
}

// A client that waits for 100 gets it when the handler wants the body, not before.
func TestBodyWithContinue(t *testing.T) {
	begin := make(chan struct{})
	addr, server := uploading(t, func(r *hijack.Request) {
		if r.Header.Get("X-Refused") != "" {
			r.Respond(403, nil, nil)
			return
		}
		<-begin
		body, err := io.ReadAll(r.Body)
		must(t, err)
		r.Respond(200, nil, body)
	})
	head := "PUT / HTTP/1.1\r\nHost: me\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
	c := dial(t, addr).say(head + "\r\n")
	until(t, "the request is there", func() bool { return server.Stats()["requests"] == 1 })
	barrier(t, server)
	must(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	if _, err := c.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("before the handler reads: %v", err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
	close(begin)
	first, _ := c.head()
	want(t, "the first answer", first, "HTTP/1.1 100 Continue")
	c.say("body").head()
	c.expect("body")

	first, _ = dial(t, addr).say(head + "X-Refused: 1\r\n\r\n").head()
	want(t, "a refusal", first, "HTTP/1.1 403 Forbidden")
}

// A program that reads nothing makes the client wait: no more than a window is read ahead.
func TestBodyIsReadByCredit(t *testing.T) {
	next := make(chan struct{})
	addr, server := uploading(t, func(r *hijack.Request) {
		one := make([]byte, 1)
		<-next
		_, err := io.ReadFull(r.Body, one)
		must(t, err)
		<-next
		n, err := io.Copy(io.Discard, r.Body)
		must(t, err)
		r.Respond(200, nil, []byte(strconv.FormatInt(n, 10)))
	})
	for _, length := range []int{8 << 20, -1} {
		in := server.Stats()["bytes_in"]
		c := dial(t, addr).put(length)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			if length < 0 {
				chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, make([]byte, 1<<20))
				io.WriteString(c.TCPConn, strings.Repeat(chunk, 8)+"0\r\n\r\n")
			} else {
				c.TCPConn.Write(make([]byte, length))
			}
		}()
		next <- struct{}{}
		until(t, "the window is full", func() bool { return server.Stats()["bytes_in"] >= in+64<<10 })
		barrier(t, server)
		if read := server.Stats()["bytes_in"] - in; read > 64<<10+8192 {
			t.Errorf("%d bytes were read for a program that took one", read)
		}
		next <- struct{}{}
		within(t, "the end of the sending", sent)
		c.head()
		want(t, "bytes read", c.upTo("7"), fmt.Sprint(8<<20-1))
	}
}

// An upload larger than what may be kept in memory comes whole, and leaves no trace there.
func TestUploadLargerThanMemory(t *testing.T) {
	size, most := 256/slowdown<<20, 64<<20 // most of that is garbage that Go has not collected yet
	type result struct {
		sum  uint32
		most int
	}
	results := make(chan result, 1)
	addr, _ := uploading(t, func(r *hijack.Request) {
		before, it, piece := resident(), result{}, make([]byte, 64<<10)
		for n, err := 0, error(nil); err != io.EOF; {
			if n, err = r.Body.Read(piece); err != nil && err != io.EOF {
				t.Error(err)
				return
			}
			it.sum = crc32.Update(it.sum, crc32.IEEETable, piece[:n])
			if now := resident() - before; now > it.most {
				it.most = now
			}
		}
		results <- it
		r.Respond(200, nil, nil)
	})
	piece, sum := make([]byte, 1<<20), uint32(0)
	c := dial(t, addr).put(size)
	for sent := 0; sent < size; sent += len(piece) {
		for i := range piece {
			piece[i] = byte(i*sent + i>>8)
		}
		sum = crc32.Update(sum, crc32.IEEETable, piece)
		_, err := c.TCPConn.Write(piece)
		must(t, err)
	}
	it := within(t, "the end of the upload", results)
	want(t, "the checksum", it.sum, sum)
	if slowdown == 1 && it.most > most {
		t.Errorf("the process grew by %d KiB for an upload of %d KiB", it.most>>10, size>>10)
	}
	c.head()
}

// resident is how many bytes of memory the process has.
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

// The answer may begin before the body has ended: what comes is sent back while more comes.
func TestAnswerWhileTheBodyComes(t *testing.T) {
	addr, _ := uploading(t, func(r *hijack.Request) {
		stream, err := r.Stream(200, nil)
		must(t, err)
		_, err = io.Copy(stream, r.Body)
		must(t, err)
		must(t, stream.CloseWithTrailer(r.Trailer))
	})
	c := dial(t, addr).put(-1)
	c.head()
	for i := 0; i < 3; i++ {
		c.say("5\r\nhello\r\n").expect("5\r\nhello\r\n")
	}
	c.say("0\r\nX-Sum: 7\r\n\r\n").expect("0\r\nX-Sum: 7\r\n\r\n")
	c.put(-1).head()
	c.say("0\r\n\r\n").expect("0\r\n\r\n")
}

// A body that its handler does not read costs the client nothing if it is short, else the connection.
func TestBodyThatNobodyReads(t *testing.T) {
	addr, server := uploading(t, func(r *hijack.Request) { r.Respond(200, nil, nil) })
	c := dial(t, addr)
	for i := 0; i < 3; i++ {
		c.put(100).say(strings.Repeat("x", 100)).head()
	}
	c.put(100 << 20).head()
	c.ended()
	until(t, "the connection is gone", func() bool { return server.Stats()["connections"] == 0 })
}

// What a handler hears of a client that breaks off, of a server that stops, and of its own end, is no end of a body.
func TestBodyThatIsBrokenOff(t *testing.T) {
	failed, bodies := make(chan error, 1), make(chan io.Reader, 1)
	handler := func(r *hijack.Request) {
		if r.Header.Get("X-Answer") != "" {
			must(t, r.Respond(200, nil, nil))
		}
		if r.Header.Get("X-Return") != "" {
			bodies <- r.Body
			return
		}
		_, err := io.ReadAll(r.Body)
		failed <- err
		within(t, "the context's end", r.Context().Done())
	}
	addr, server := uploading(t, handler)
	for _, line := range []string{"", "X-Answer: 1\r\n"} {
		for _, how := range []func(c *client) error{(*client).Close, (*client).CloseWrite, (*client).reset} {
			c := dial(t, addr).say("PUT / HTTP/1.1\r\nHost: me\r\n" + line + "Content-Length: 100\r\n\r\nsome")
			parked(t, 1)
			must(t, how(c))
			err := within(t, "the end of the reading", failed)
			if !errors.Is(err, hijack.ErrClosed) && !errors.Is(err, hijack.ErrReset) {
				t.Errorf("the body of a client that has left: %v", err)
			}
		}
	}
	c := dial(t, addr).say("PUT / HTTP/1.1\r\nHost: me\r\nX-Answer: 1\r\nX-Return: 1\r\nContent-Length: 100\r\n\r\n")
	_, err := within(t, "the body", bodies).Read(make([]byte, 1))
	wantError(t, err, hijack.ErrClosed, "read body PUT / of 127.0.0.1:")
	c.head()

	dial(t, addr).put(100)
	parked(t, 1)
	must(t, server.Stop())
	wantError(t, within(t, "the end of the reading", failed), hijack.ErrShutdown, "read body PUT / of ")
}

func (c *client) reset() error {
	c.SetLinger(0)
	return c.Close()
}

// The connection itself can be taken once the body has ended.
func TestHijackAfterTheBody(t *testing.T) {
	clients := make(chan *hijack.Broadcaster, 1)
	addr, server := uploading(t, func(r *hijack.Request) {
		_, err := r.Hijack()
		wantError(t, err, hijack.ErrState, "hijack ")
		wantError(t, r.Hold(<-clients, hijack.HoldRaw, nil), hijack.ErrState, "hold ")
		_, err = io.Copy(io.Discard, r.Body)
		must(t, err)
		socket, err := r.Hijack()
		must(t, err)
		defer socket.Close()
		socket.SetReadDeadline(time.Now().Add(patience))
		io.CopyN(socket, socket, 4)
	})
	group, err := server.NewBroadcaster(nil)
	must(t, err)
	clients <- group
	c := dial(t, addr).put(4).say("body").say("echo")
	c.expect("echo")
	want(t, "the rest", c.ended(), "")
}

// Clients of net/http upload through both forms.
func TestUploadFromNetHTTP(t *testing.T) {
	addr, _ := uploading(t, func(r *hijack.Request) {
		body, err := io.ReadAll(r.Body)
		must(t, err)
		must(t, r.Respond(200, nil, body[len(body)/2:]))
	})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	for _, body := range []io.Reader{bytes.NewReader(sent), io.MultiReader(bytes.NewReader(sent))} {
		transport := &http.Transport{DialContext: (&net.Dialer{Timeout: patience}).DialContext}
		client := http.Client{Transport: transport, Timeout: patience}
		response, err := client.Post("http://"+addr, "text/plain", body)
		must(t, err)
		got, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		transport.CloseIdleConnections()
		if !bytes.Equal(got, sent[len(sent)/2:]) {
			t.Errorf("%d bytes came back", len(got))
		}
	}
}
