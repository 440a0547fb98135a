package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"time"
)

// Stream is a response body in pieces: an io.Writer with back-pressure, and Server-Sent Events. Its methods may be
// called from any goroutine. It ends with Close, or when the client goes; forgetting it does not end it.
type Stream struct {
	byteConnection
}

// Event is one Server-Sent Event. Empty fields are left out, but for Data, without which a browser would not dispatch
// the event: it is left out where there is a Retry and no Name.
type Event struct {
	Name    string        // the type; "" is "message"
	ID      string        // comes back as the header Last-Event-ID
	ResetID bool          // with ID "": sends an empty id, which makes the client forget its Last-Event-ID
	Data    string        // any number of lines
	Retry   time.Duration // how long the client shall wait before it connects again; only with SendEvent
	Key     string        // for the overflow policy "latest"; only with PublishEvent
}

type streamCalls struct{}

func (streamCalls) send(h handle, data []byte) C.int {
	p, n := cBytes(data)
	return C.hj_go_stream_send(h.c(), p, n)
}

func (streamCalls) close(h handle) C.int { return C.hj_go_stream_finish(h.c(), nil, 0) }
func (streamCalls) abort(h handle) C.int { return C.hj_go_stream_abort(h.c()) }
func (streamCalls) free(h handle)        { C.hj_go_stream_free(h.c()) }

func newStream(r *Request) *Stream {
	return &Stream{newByteConnection(streamCalls{}, r.Peer, &r.ending)}
}

// CloseWithTrailer is Close with header lines after the body (RFC 9110 section 6.5). They are left out if the body is
// not chunked, so an HTTP/1.0 client or a Content-Length gets none. Errors: ErrHeader, after which the stream is still
// open.
func (s *Stream) CloseWithTrailer(trailer map[string][]string) error {
	lines, err := block(trailer)
	if err != nil {
		return err
	}
	return s.finish("close", func(h handle) C.int {
		p, n := cText(lines)
		return C.hj_go_stream_finish(h.c(), p, n)
	})
}

// SendEvent sends one event, and waits as Write does. Errors: ErrInvalid (a line end in Name or ID), and as Write.
func (s *Stream) SendEvent(e Event) error {
	if e.Key != "" {
		return &OpError{"send event", "with Key " + e.Key, ErrInvalid}
	}
	retry := C.int64_t(-1)
	if e.Retry > 0 {
		retry = C.int64_t(e.Retry.Milliseconds())
	}
	name, nameLen := cText(e.Name)
	id, idLen := e.id()
	data, dataLen := e.data()
	return s.send(func() C.int {
		return C.hj_go_stream_send_sse(s.handle.c(), name, nameLen, id, idLen, data, dataLen, retry)
	})
}

// Comment sends a comment, which clients ignore, and waits as Write does.
func (s *Stream) Comment(comment string) error {
	p, n := cText(comment)
	return s.send(func() C.int { return C.hj_go_stream_send_comment(s.handle.c(), p, n) })
}

func (s *Stream) send(call func() C.int) error {
	ctx := context.Background()
	return s.exclusive(ctx, func() error { return s.push(ctx, "write", call) })
}

var noText = []byte{0}

// id is ID for C, where NULL means no id line at all.
func (e *Event) id() (*C.char, C.size_t) {
	if e.ID == "" && e.ResetID {
		p, _ := cBytes(noText)
		return p, 0
	}
	return cText(e.ID)
}

// data is Data for C, where NULL means no data line at all.
func (e *Event) data() (*C.char, C.size_t) {
	if e.Data == "" && (e.Name != "" || e.Retry == 0) {
		p, _ := cBytes(noText)
		return p, 0
	}
	return cText(e.Data)
}
