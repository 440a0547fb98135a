package hijack

// #include "generated.h"
import "C"

// window is how much the other side may send before the program has read it.
const window = 64 << 10

// input is what has come from the other side and was not read yet, of a socket or of a body in pieces. Its owner's lock
// guards it.
type input struct {
	chunks [][]byte
	taken  int  // bytes read for which the other side has no credit yet
	asked  bool // somebody has read: until then, nothing comes
	eof    bool
}

// add takes an event.
func (in *input) add(e *event) {
	if (e.kind == eventData || e.kind == eventDetached) && len(e.data) > 0 {
		in.chunks = append(in.chunks, e.data)
	}
	in.eof = in.eof || e.kind == eventEOF
}

// consume moves bytes to p.
func (in *input) consume(p []byte) (n int) {
	for n < len(p) && len(in.chunks) > 0 {
		m := copy(p[n:], in.chunks[0])
		n += m
		if in.chunks[0] = in.chunks[0][m:]; len(in.chunks[0]) == 0 {
			in.chunks[0] = nil
			in.chunks = in.chunks[1:]
		}
	}
	in.taken += n
	return n
}

// ask gives credit for what was read: a window at first, then half of one or more, while there is as much left. Credit
// that give does not take is asked for again next time.
func (in *input) ask(give func(credit C.uint64_t) C.int) C.int {
	if !in.asked {
		in.asked = true
		in.taken = window
	}
	if in.taken < window/2 {
		return 0
	}
	result := give(C.uint64_t(in.taken))
	if result >= 0 {
		in.taken = 0
	}
	return result
}
