package hijack

// #include "generated.h"
import "C"

import (
	"context"
	"io"
	"time"
)

// pieces reads the body of a request while it comes: 64 KiB ahead at most, so that a slow program makes the client
// wait.
type pieces struct{ r *Request }

// Read waits for the client. It ends with io.EOF, or with the reason why the rest does not come: ErrReset, ErrTimedOut,
// or ErrClosed if the client left early or the handler has returned.
func (b pieces) Read(p []byte) (int, error) {
	r := b.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case len(p) == 0:
			return 0, nil
		case len(r.input.chunks) > 0:
			n := r.input.consume(p)
			if r.isReading() {
				r.input.ask(r.giveCredit)
			}
			return n, nil
		case r.input.eof:
			if r.Trailer == nil {
				r.Trailer = parseHeader(r.trailers)
			}
			return 0, io.EOF
		case r.gone != nil:
			return 0, &OpError{"read body", r.String(), r.gone}
		}
		if result := r.input.ask(r.giveCredit); result < 0 && Error(result) != ErrClosed {
			return 0, check("read body", r.String(), result)
		}
		r.changed.await(&r.mu, context.Background(), time.Time{})
	}
}

func (r *Request) giveCredit(credit C.uint64_t) C.int {
	return C.hj_go_request_read(r.handle.c(), credit)
}
