//go:build cgo

package hijack

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// CloseError is how a WebSocket has ended that this program has not closed: by the peer's close frame; by ours because
// the peer broke the rules, or the server stops; or without one, which is StatusAbnormalClosure. errors.Is finds why:
// as ErrClosed, ErrProtocol, ErrReset, ErrTimedOut or ErrShutdown.
type CloseError struct {
	Code   StatusCode // StatusNormalClosure, for example
	Reason string     // for people; may be empty

	why Error
}

// Error is one sentence: "closed with code 1001: the page was left".
func (e CloseError) Error() string {
	switch {
	case e.Code == StatusAbnormalClosure && e.why != 0:
		return "ended without a close frame: " + e.why.Error()
	case e.Reason != "":
		reason := strconv.Quote(e.Reason) // the peer's, which must not break a log's line
		return fmt.Sprintf("closed with code %d: %s", e.Code, reason[1:len(reason)-1])
	}
	return fmt.Sprintf("closed with code %d", e.Code)
}

// Unwrap gives why it ended to errors.Is.
func (e CloseError) Unwrap() error {
	if e.why == 0 {
		return nil
	}
	return e.why
}

// CloseStatus is the Code of the CloseError in err; -1 if there is none.
func CloseStatus(err error) StatusCode {
	var closed CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return -1
}

// reason is why it ended, of the last event, which says "1001 peer going away"; nil: as the program asked. The lock is
// held.
func (w *WebSocket) reason(e *event) error {
	code, words, _ := strings.Cut(string(e.data), " ")
	who, reason, _ := strings.Cut(words, " ")
	number, err := strconv.Atoi(code)
	if err != nil { // there was no connection
		number = int(StatusAbnormalClosure)
	}
	why := Error(e.status)
	switch {
	case w.err != nil:
		return w.err
	case w.closed && who != "peer" && why == 0:
		return nil
	case w.closed && who != "peer" && why != ErrProtocol:
		return why
	case why == 0:
		why = ErrClosed
	}
	return CloseError{StatusCode(number), reason, why}
}
