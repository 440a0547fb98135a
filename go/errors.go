package hijack

// #include "generated.h"
import "C"

import (
	"errors"
	"fmt"
	"strconv"
)

// Error is an error code of the library, ErrClosed for example. Functions wrap it in an OpError, so compare with
// errors.Is, which also finds the standard library's equivalent: net.ErrClosed, syscall.ECONNRESET, fs.ErrPermission.
type Error int32

// ErrFreed is the error of a broadcaster on which Free was called.
var ErrFreed = errors.New("this broadcaster has been freed")

// Error describes what was wrong, and often what to do.
func (e Error) Error() string {
	if text, ok := texts[e]; ok {
		return text
	}
	return C.GoString(C.hj_go_strerror(C.int(e)))
}

// Name is the code's name in C, "HIJACK_EAGAIN".
func (e Error) Name() string {
	return C.GoString(C.hj_go_errname(C.int(e)))
}

// Is makes errors.Is find the standard library's equivalent.
func (e Error) Is(target error) bool {
	equivalent, ok := equivalents[e]
	return ok && errors.Is(equivalent, target)
}

// Timeout is whether the connection was ended by a timeout; see net.Error.
func (e Error) Timeout() bool {
	return e == ErrTimedOut
}

// Temporary is whether the same call may succeed later; see net.Error.
func (e Error) Temporary() bool {
	return e == ErrWouldBlock || e == ErrBusy || e == ErrLimit
}

// OpError is what functions of this package return: what was tried, with which value, and what was wrong. It is a
// net.Error.
type OpError struct {
	Op    string // the call, "listen"
	Value string // what it was about, "127.0.0.1:80"; may be empty
	Err   error  // an Error, or one of the standard library's: os.ErrDeadlineExceeded
}

// Error is one sentence: "listen 127.0.0.1:80: the operating system does not permit it".
func (e *OpError) Error() string {
	if e.Value == "" {
		return e.Op + ": " + e.Err.Error()
	}
	value := strconv.Quote(e.Value) // for its escapes: a value may be a client's, and must not break a log's line
	return e.Op + " " + value[1:len(value)-1] + ": " + e.Err.Error()
}

// Unwrap gives Err to errors.Is and errors.As.
func (e *OpError) Unwrap() error {
	return e.Err
}

// Timeout is whether a deadline or a timeout of the connection was the reason; see net.Error.
func (e *OpError) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary is whether the same call may succeed later; see net.Error.
func (e *OpError) Temporary() bool {
	var temporary interface{ Temporary() bool }
	return errors.As(e.Err, &temporary) && temporary.Temporary()
}

// explained is a code with a text for the case at hand.
type explained struct {
	code Error
	text string
}

// Error is the text.
func (e explained) Error() string { return e.text }

// Unwrap gives the code to errors.Is.
func (e explained) Unwrap() error { return e.code }

// because is a code with a text that replaces its own.
func because(code Error, format string, values ...any) error {
	return explained{code, fmt.Sprintf(format, values...)}
}

// check makes an error of a result below 0. A handle that the library does not know is of something that was freed.
func check(op, value string, result C.int) error {
	if result >= 0 {
		return nil
	} else if Error(result) == ErrHandle {
		result = C.int(ErrClosed)
	}
	if text, ok := meanings[op][Error(result)]; ok {
		return &OpError{op, value, because(Error(result), "%s", text)}
	}
	return &OpError{op, value, Error(result)}
}
