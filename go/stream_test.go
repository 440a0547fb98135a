package hijack_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// streaming serves streams and gives them to the test.
func streaming(t *testing.T, options hijack.Options, header hijack.Header) (
	string, <-chan *hijack.Stream, *hijack.Server) {
	streams := make(chan *hijack.Stream, 1)
	server := newServer(t, options)
	return serve(t, server, func(r *hijack.Request) {
		make := r.SSE
		if r.Path != "/sse" {
			make = func(header map[string][]string) (*hijack.Stream, error) { return r.Stream(200, header) }
		}
		stream, err := make(header)
		if err != nil {
			t.Error(err)
			return
		}
		streams <- stream
	}), streams, server
}

func TestStream(t *testing.T) {
	addr, streams, _ := streaming(t, nil, hijack.Header{"X-A": {"b"}})
	c := dial(t, addr).get("/")
	stream := within(t, "the stream", streams)
	first, lines := c.head()
	want(t, "status", first, "HTTP/1.1 200 OK")
	if !strings.Contains(lines, "X-A: b\r\n") || !strings.Contains(lines, "Transfer-Encoding: chunked\r\n") {
		t.Errorf("got the header %q", lines)
	}
	n, err := stream.Write([]byte("hello"))
	must(t, err)
	want(t, "n", n, 5)
	c.expect("5\r\nhello\r\n")
	n, err = stream.Write(nil)
	want(t, "nothing", fmt.Sprint(n, err), "0 <nil>")
	_, err = io.WriteString(stream, "ünï")
	must(t, err)
	must(t, stream.TryWrite([]byte("x")))
	c.expect("5\r\nünï\r\n1\r\nx\r\n")
	want(t, "String", stream, c.LocalAddr())
	must(t, stream.Close())
	c.expect("0\r\n\r\n")
	within(t, "Done", stream.Done())
	must(t, stream.Err())
	c.get("/").head() // the connection serves the next request
	within(t, "the second stream", streams).Abort()
	want(t, "after Abort", c.ended(), "")
}

func TestStreamWithTrailer(t *testing.T) {
	addr, streams, _ := streaming(t, nil, nil)
	c := dial(t, addr).get("/")
	c.head()
	stream := within(t, "the stream", streams)
	wantError(t, stream.CloseWithTrailer(hijack.Header{"X-A": {"1\r\nX-B: 2"}}), hijack.ErrHeader, "header X-A: ")
	wantError(t, stream.CloseWithTrailer(hijack.Header{"X A": {"1"}}), hijack.ErrHeader, "header X A: ")
	_, err := stream.WriteString("still open")
	must(t, err)
	must(t, stream.CloseWithTrailer(hijack.Header{"X-Sum": {"7"}, "X-Two": {"a", "b"}}))
	c.expect("a\r\nstill open\r\n0\r\nX-Sum: 7\r\nX-Two: a\r\nX-Two: b\r\n\r\n")
	within(t, "Done", stream.Done())
	must(t, stream.Err())
	c = dial(t, addr).say("GET / HTTP/1.0\r\n\r\n")
	c.head()
	must(t, within(t, "the stream", streams).CloseWithTrailer(hijack.Header{"X-Sum": {"7"}}))
	want(t, "a body that has no place for it", c.ended(), "")
}

func TestStreamWithLength(t *testing.T) {
	addr, streams, _ := streaming(t, nil, hijack.Header{"Content-Length": {"5"}})
	c := dial(t, addr).get("/")
	c.head()
	stream := within(t, "the stream", streams)
	_, err := stream.WriteString("123456")
	wantError(t, err, hijack.ErrTooBig, "write 127.0.0.1:")
	_, err = stream.WriteString("12345")
	must(t, err)
	must(t, stream.Close())
	c.expect("12345")

	dial(t, addr).get("/").head()
	short := within(t, "the stream", streams)
	short.WriteString("123")
	must(t, short.Close())
	within(t, "Done", short.Done())
	wantError(t, short.Err(), hijack.ErrAborted, "")
}

func TestServerSentEvents(t *testing.T) {
	addr, streams, _ := streaming(t, hijack.Options{"heartbeat_ms": 50}, nil)
	c := dial(t, addr).say("GET /sse HTTP/1.0\r\n\r\n")
	_, lines := c.head()
	if !strings.Contains(lines, "Content-Type: text/event-stream\r\n") {
		t.Errorf("got the header %q", lines)
	}
	stream := within(t, "the stream", streams)
	c.upTo(":\n\n") // a heartbeat
	must(t, stream.SendEvent(hijack.Event{Name: "tick", ID: "7", Data: "one\ntwo\r\nthree", Retry: 3 * time.Second}))
	c.upTo("event: tick\nid: 7\nretry: 3000\ndata: one\ndata: two\ndata: three\n\n")
	must(t, stream.SendEvent(hijack.Event{}))
	c.upTo("data:\n\n")
	must(t, stream.SendEvent(hijack.Event{Name: "n"}))
	c.upTo("event: n\ndata:\n\n")
	must(t, stream.SendEvent(hijack.Event{ResetID: true, Data: "x"}))
	c.upTo("id:\ndata: x\n\n")
	must(t, stream.SendEvent(hijack.Event{Retry: time.Second}))
	c.upTo("retry: 1000\n\n")
	must(t, stream.Comment("for nobody"))
	c.upTo(": for nobody\n\n")
	wantError(t, stream.SendEvent(hijack.Event{Name: "a\ndata: b"}), hijack.ErrInvalid,
		"write event: Name must be one line without NUL (got \"a\\ndata: b\")")
	wantError(t, stream.SendEvent(hijack.Event{ID: "a\rb"}), hijack.ErrInvalid, "write event: ID must be ")
	wantError(t, stream.SendEvent(hijack.Event{Key: "k"}), hijack.ErrInvalid, "write ")
	wantError(t, stream.SendEvent(hijack.Event{Retry: -1}), hijack.ErrInvalid, "write ")
	must(t, stream.SendEvent(hijack.Event{Retry: time.Microsecond}))
	c.upTo("retry: 1\n\n")
}

// One event of any number of writes.
func TestEventWriter(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	room, err := server.NewBroadcaster(nil)
	must(t, err)
	c := dial(t, addr).get("/sse")
	c.head()
	stream := within(t, "the stream", streams)
	page := template.Must(template.New("page").Parse("<ul>\n{{range .}}<li>{{.}}\n{{end}}</ul>"))
	w := stream.EventWriter(hijack.Event{Name: "page", ID: "7"})
	must(t, page.Execute(w, []string{"a", "b"}))
	must(t, w.Close())
	must(t, w.Close())
	c.upTo("event: page\nid: 7\ndata: <ul>\ndata: <li>a\ndata: <li>b\ndata: </ul>\n\n")
	must(t, room.Add(stream))
	w = room.EventWriter(hijack.Event{})
	_, err = io.Copy(w, strings.NewReader(strings.Repeat("x", 100000)))
	must(t, err)
	must(t, w.Close())
	c.upTo("data: " + strings.Repeat("x", 100000) + "\n\n")
	wantError(t, stream.EventWriter(hijack.Event{Name: "a\nb"}).Close(), hijack.ErrInvalid, "write event: ")
}

// SendEventContext and CommentContext give up with their context.
func TestEventsWithAContext(t *testing.T) {
	addr, streams, _ := streaming(t, nil, nil)
	dial(t, addr).get("/sse").head()
	stream := within(t, "the stream", streams)
	fill(t, stream)
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, 2)
	go func() { results <- stream.SendEventContext(ctx, hijack.Event{Data: "x"}) }()
	go func() { results <- stream.CommentContext(ctx, "x") }()
	parked(t, 2)
	cancel()
	for i := 0; i < 2; i++ {
		wantError(t, within(t, "an error", results), context.Canceled, "write 127.0.0.1:")
	}
}

// A peer that reads nothing: a write waits, gives up at its deadline or context, or fails at once where asked to.
func TestBackPressure(t *testing.T) {
	addr, streams, server := streaming(t, hijack.Options{"high_water_bytes": "16k", "low_water_bytes": "4k"}, nil)
	c := dial(t, addr).get("/")
	must(t, c.SetReadBuffer(4096))
	stream := within(t, "the stream", streams)
	big := make([]byte, 32<<20)
	must(t, stream.SetWriteDeadline(time.Now().Add(time.Second)))
	n, err := stream.Write(big)
	wantError(t, err, os.ErrDeadlineExceeded, "write 127.0.0.1:")
	if n <= 0 || n >= len(big) {
		t.Errorf("%d bytes were taken of a peer that reads nothing", n)
	}
	if waiting := server.Stats()["backlog_bytes"]; waiting > 16<<10+64<<10+1024 {
		t.Errorf("%d bytes wait", waiting)
	}
	_, err = stream.WriteString("x")
	wantError(t, err, os.ErrDeadlineExceeded, "write ")

	dial(t, addr).get("/")
	stream = within(t, "another stream", streams)
	fill(t, stream)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = stream.WriteContext(ctx, []byte("x"))
	wantError(t, err, context.DeadlineExceeded, "write ")
	wantError(t, stream.TryWrite([]byte("x")), hijack.ErrWouldBlock, "write ")

	ended := make(chan error)
	go func() { ended <- stream.SendEvent(hijack.Event{Data: "waits"}) }()
	go func() { _, err := stream.Write(big); ended <- err }()
	parked(t, 2) // one of them for the peer, the other for the first
	must(t, stream.Abort())
	wantError(t, within(t, "the first", ended), hijack.ErrClosed, "write ")
	wantError(t, within(t, "the second", ended), hijack.ErrClosed, "write ")
}

// A broadcaster ends the stream of a slow peer: what is written then is refused, but why is known only once the peer
// has read everything, or gone. Until then a write waits no longer than it was told.
func TestWriteToAMemberThatIsBeingClosed(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	dial(t, addr).get("/sse").head()
	stream := within(t, "the stream", streams)
	must(t, clients.Add(stream))
	fill(t, stream)
	must(t, clients.Close())
	ended := make(chan error, 1)
	write := func(ctx context.Context) error {
		go func() { _, err := stream.WriteContext(ctx, []byte("x")); ended <- err }()
		return within(t, "the end of a write", ended)
	}
	must(t, stream.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	wantError(t, write(context.Background()), os.ErrDeadlineExceeded, "write ")
	must(t, stream.SetWriteDeadline(time.Time{}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	wantError(t, write(ctx), context.DeadlineExceeded, "write ")
	must(t, stream.Err())
}

// DRAINED may come before the call that asked for it has returned: no writer may sleep through it. Small marks make
// that happen all the time; a writer that slept would never wake, since nothing else comes.
func TestNoWriterSleepsThroughDrained(t *testing.T) {
	addr, streams, _ := streaming(t, hijack.Options{"high_water_bytes": 1, "low_water_bytes": 0}, nil)
	const writers = 4
	count := times(100000, 5000)
	c := dial(t, addr).say("GET / HTTP/1.0\r\n\r\n")
	c.head()
	stream := within(t, "the stream", streams)
	var all sync.WaitGroup
	for i := 0; i < writers; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < count; j++ {
				if _, err := stream.WriteString("12345678"); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, c)
		read <- n
	}()
	all.Wait()
	must(t, stream.Close())
	want(t, "bytes read", within(t, "the end", read), int64(writers*count*8))
}

// Each Write stays in one piece, however long.
func TestWritesDoNotMix(t *testing.T) {
	addr, streams, _ := streaming(t, nil, nil)
	c := dial(t, addr).say("GET / HTTP/1.0\r\n\r\n")
	c.head()
	stream := within(t, "the stream", streams)
	const size = 300 << 10
	var all sync.WaitGroup
	for _, letter := range []string{"a", "b", "c"} {
		letter := letter
		all.Add(1)
		go func() {
			defer all.Done()
			stream.WriteString(strings.Repeat(letter, size))
		}()
	}
	go func() { all.Wait(); stream.Close() }()
	got := c.ended()
	for _, letter := range []string{"a", "b", "c"} {
		if !strings.Contains(got, strings.Repeat(letter, size)) {
			t.Errorf("what was written as one piece of %q came in several", letter)
		}
	}
	want(t, "length", len(got), 3*size)
}

// Nor does a broadcaster's message come into the middle of what a member writes, a frame of some protocol for example.
func TestMessagesDoNotCutWrites(t *testing.T) {
	addr, sockets, server := hijacking(t, nil)
	room, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": "64m"})
	must(t, err)
	piece := "<" + strings.Repeat("E", 200<<10) + ">"
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	must(t, room.Add(socket))
	written, published := make(chan struct{}), make(chan int)
	go func() {
		defer close(written)
		for i := 0; i < 50; i++ {
			if _, err := socket.WriteString(piece); err != nil {
				t.Error(err)
			}
		}
	}()
	go func() {
		n := 0
		for ; n < 100000 && !isClosed(written); n++ { // so many: on a busy machine, the loop would do nothing else
			room.PublishString("b")
		}
		<-written
		published <- n
		socket.Close()
	}()
	got := make(chan string, 1)
	go func() {
		all, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		got <- string(all)
	}()
	n := within(t, "the end of the publishing", published)
	all := within(t, "the end", got)
	want(t, "whole pieces", strings.Count(all, piece), 50)
	between := strings.ReplaceAll(all, piece, "")
	want(t, "other bytes than the messages'", strings.Trim(between, "b"), "")
	if len(between) > n { // fewer is right: the broadcaster leaves messages out for a member that is far behind
		t.Errorf("%d messages arrived of %d", len(between), n)
	}
}

// Who becomes a member in the middle of a long write gets messages after it: Add waits for its end.
func TestMessagesDoNotCutAWriteUnderWay(t *testing.T) {
	addr, sockets, server := hijacking(t, hijack.Options{"high_water_bytes": "64k", "low_water_bytes": "16k"})
	room, err := server.NewBroadcaster(hijack.Options{"backlog_bytes": "64m"})
	must(t, err)
	c := dial(t, addr).get("/")
	socket := within(t, "the socket", sockets)
	sent := "<" + strings.Repeat("E", len(flood)) + ">"
	written, added := make(chan error, 1), make(chan error, 1)
	go func() { _, err := socket.WriteString(sent); written <- err }()
	var out uint64
	until(t, "the kernel takes no more", func() bool {
		before := out
		parked(t, 1)
		barrier(t, server)
		out = server.Stats()["bytes_out"]
		return out == before
	})
	go func() {
		err := room.Add(socket)
		room.PublishString("b")
		added <- err
	}()
	parked(t, 2)
	want(t, "members", room.Len(), 0)
	c.expect(sent)
	must(t, within(t, "the end of the write", written))
	must(t, within(t, "the membership", added))
	c.expect("b")

	// A write of which nothing was sent yet goes out as one, and Add does not wait for it.
	c = dial(t, addr).get("/")
	socket = within(t, "the socket", sockets)
	fill(t, socket)
	go func() { _, err := socket.WriteString(sent); written <- err }()
	parked(t, 1)
	must(t, room.Add(socket))
	room.PublishString("b")
	c.expect(string(flood)).expect("b" + sent)
	must(t, within(t, "the end of the write", written))
}

// Nobody refers to a stream, and it lives on.
func TestForgottenStreamLivesOn(t *testing.T) {
	addr, streams, server := streaming(t, nil, nil)
	clients, err := server.NewBroadcaster(nil)
	must(t, err)
	c := dial(t, addr).get("/sse")
	c.head()
	must(t, clients.Add(within(t, "the stream", streams)))
	for i := 0; i < 3; i++ {
		runtime.GC()
		n, err := clients.Publish([]byte("still here"))
		must(t, err)
		want(t, "members", n, 1)
		c.upTo("data: still here\n\n")
	}
}
