package hijack

// #include "generated.h"
import "C"

// resources are what a server has in the library. They do not refer to the server, so that they can be freed when it is
// no more; the server's lock guards them.
type resources struct {
	handle       handle
	queue        queue
	broadcasters map[handle]bool // nil: all is freed
}

func (r *resources) free() {
	if r.broadcasters == nil {
		return
	}
	for b := range r.broadcasters {
		C.hj_go_broadcaster_free(b.c())
	}
	r.broadcasters = nil
	C.hj_go_server_free(r.handle.c())
	r.queue.free()
}

// freeBroadcaster lets a broadcaster go, if the program has done so, or has forgotten it and wants to hear nothing
// of it either.
func (s *Server) freeBroadcaster(b handle, forgotten bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broadcasters[b] && !(forgotten && s.isListenedTo(b)) {
		delete(s.broadcasters, b)
		s.unlisten(b)
		C.hj_go_broadcaster_free(b.c())
	}
}
