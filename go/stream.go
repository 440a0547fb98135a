package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"errors"
	"strings"
	"time"
	"unsafe"
)

// Stream is a response body in pieces: an io.Writer with back-pressure, and Server-Sent Events. Its methods may be
// called from any goroutine. End it with Close.
type Stream struct {
	byteConnection
}

// Event is one Server-Sent Event. Empty fields are left out, except Data, without which a browser would not dispatch
// the event: it is left out if the event has a Retry and no Name.
type Event struct {
	Name    string        // the type; "" is "message"
	ID      string        // comes back as the header Last-Event-ID
	ResetID bool          // with ID "": sends an empty id, which makes the client forget its Last-Event-ID
	Data    string        // any number of lines
	Retry   time.Duration // how long the client shall wait before it connects again
	Key     string        // for the overflow policy "latest"; only with PublishEvent
}

var streamCalls = calls{
	send:  func(h handle, data string) C.int { return C.hj_go_stream_send(h.c(), data) },
	close: func(h handle) C.int { return C.hj_go_stream_finish(h.c(), "") },
	abort: func(h handle) C.int { return C.hj_go_stream_abort(h.c()) },
	free:  func(h handle) { C.hj_go_stream_free(h.c()) },
}

func newStream(r *Request) *Stream {
	return &Stream{byteConnection{connection: newConnection(&streamCalls, r.Peer, &r.ending)}}
}

// CloseWithTrailer is Close with header lines after the body (RFC 9110 section 6.5). They are left out if the body is
// not chunked, so an HTTP/1.0 client or a Content-Length gets none. Errors: ErrHeader, after which the stream is still
// open.
func (s *Stream) CloseWithTrailer(trailer map[string][]string) error {
	lines, err := block(trailer)
	if err != nil {
		return err
	}
	return s.finish("close", func(h handle) C.int { return C.hj_go_stream_finish(h.c(), lines) })
}

// SendEvent sends one event, and waits as Write does. Errors: ErrInvalid (a line end in Name or ID, a negative Retry,
// or a Key), and as Write.
func (s *Stream) SendEvent(e Event) error {
	return s.SendEventContext(context.Background(), e)
}

// SendEventContext is SendEvent, given up when ctx ends. Nothing of the event was sent then.
func (s *Stream) SendEventContext(ctx context.Context, e Event) error {
	if err := e.checkAlone("write", s.name); err != nil {
		return err
	}
	return e.explain("write", s.send(ctx, func() C.int {
		return C.hj_go_stream_send_sse(s.handle.c(), given(e.Name), e.id(), e.data(), e.retry())
	}))
}

// Comment sends a comment, which clients ignore, and waits as Write does.
func (s *Stream) Comment(comment string) error {
	return s.CommentContext(context.Background(), comment)
}

// CommentContext is Comment, given up when ctx ends.
func (s *Stream) CommentContext(ctx context.Context, comment string) error {
	return s.send(ctx, func() C.int { return C.hj_go_stream_send_comment(s.handle.c(), comment) })
}

func (s *Stream) send(ctx context.Context, call func() C.int) error {
	return s.exclusive(ctx, func() error { return s.push(ctx, "write", call) })
}

// Bytes are those of the event in the body of a response, for the First of a Newcomer. Errors: ErrInvalid (a line end
// in Name or ID, a negative Retry, or a Key), ErrTooBig (Data over 256 MiB).
func (e Event) Bytes() ([]byte, error) {
	if err := e.checkAlone("encode", "event"); err != nil {
		return nil, err
	}
	size := C.hj_go_sse_encode(nil, 0, given(e.Name), e.id(), e.data(), e.retry())
	if size < 0 {
		return nil, e.explain("encode", check("encode", "event", size))
	}
	out := make([]byte, size) // never none: an event ends with an empty line
	C.hj_go_sse_encode((*C.char)(unsafe.Pointer(&out[0])), C.size_t(size), given(e.Name), e.id(), e.data(), e.retry())
	return out, nil
}

// EventWriter collects what is written to it, by a template or io.Copy for example, as the Data of one event.
type EventWriter struct {
	strings.Builder
	event Event
	send  func(Event) error
}

// EventWriter makes a writer for the Data of e, which SendEvent sends at Close.
func (s *Stream) EventWriter(e Event) *EventWriter {
	return &EventWriter{event: e, send: s.SendEvent}
}

// EventWriter makes a writer for the Data of e, which PublishEvent sends at Close.
func (b *Broadcaster) EventWriter(e Event) *EventWriter {
	return &EventWriter{event: e, send: func(e Event) error {
		_, err := b.PublishEvent(e)
		return err
	}}
}

// Close sends the event. Closing again does nothing.
func (w *EventWriter) Close() error {
	send := w.send
	if w.send = nil; send == nil {
		return nil
	}
	w.event.Data += w.String()
	return send(w.event)
}

// explain says what is wrong with an event.
func (e *Event) explain(op string, err error) error {
	if !errors.Is(err, ErrInvalid) {
		return err
	}
	for _, field := range [][2]string{{"Name", e.Name}, {"ID", e.ID}} {
		if strings.ContainsAny(field[1], "\r\n\x00") {
			return &OpError{op, "event", because(ErrInvalid, "%s must be one line without NUL (got %q)",
				field[0], field[1])}
		}
	}
	return &OpError{op, "event", because(ErrInvalid, "Data must be UTF-8")}
}

// checkAlone is check for an event that is not published.
func (e *Event) checkAlone(op, name string) error {
	if e.Key != "" {
		return &OpError{op, name, because(ErrInvalid, "Key is only for Broadcaster.PublishEvent (got %q)", e.Key)}
	}
	return e.check(op, name)
}

// check is for what the library would not refuse.
func (e *Event) check(op, name string) error {
	if e.Retry < 0 {
		return &OpError{op, name, because(ErrInvalid, "Retry must not be negative (got %v)", e.Retry)}
	}
	return nil
}

// retry is Retry for C, where a negative one means no retry line.
func (e *Event) retry() C.int64_t {
	if e.Retry == 0 {
		return -1
	}
	return C.int64_t(milliseconds(e.Retry))
}

// noText is a text without bytes, which is not none.
var noText = "-"[:0]

// id is ID for C, where none means no id line at all.
func (e *Event) id() string {
	if e.ID == "" && e.ResetID {
		return noText
	}
	return given(e.ID)
}

// data is Data for C, where none means no data line at all.
func (e *Event) data() string {
	if e.Data == "" && (e.Name != "" || e.Retry == 0) {
		return noText
	}
	return given(e.Data)
}
