package hijack

// BroadcasterCount is how many broadcasters wait to be freed with the server.
func (s *Server) BroadcasterCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.broadcasters)
}
