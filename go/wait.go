package hijack

import (
	"sync"
	"time"
)

// signal wakes all who wait for the next change of something. Its owner's lock guards it.
type signal struct{ waiters chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.waiters == nil {
		s.waiters = make(chan struct{})
	}
	return s.waiters
}

func (s *signal) fire() {
	if s.waiters != nil {
		close(s.waiters)
		s.waiters = nil
	}
}

// deadline is a point in time that may be moved while somebody waits for it. The zero value is never.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{} // closed once it has passed; nil: nobody has asked, and no time is set
}

// set moves the deadline; the zero time is never. Those who wait for the old one wait for the new one.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer's function closes it at this moment
	}
	d.timer = nil
	if d.passed == nil || isClosed(d.passed) {
		d.passed = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(passed) })
	} else {
		close(passed)
	}
}

// wait is closed once the deadline has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
