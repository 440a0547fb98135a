package hijack

import (
	"context"
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

// await is pause for the next change, with the owner's lock, which is free meanwhile.
func (s *signal) await(lock *sync.Mutex, ctx context.Context, limit time.Time) {
	changed := s.wait()
	lock.Unlock()
	pause(ctx, changed, limit, nil)
	lock.Lock()
}

func (s *signal) fire() {
	if s.waiters != nil {
		close(s.waiters)
		s.waiters = nil
	}
}

// pause waits for a change, the point in time limit (zero: never) or the end of ctx; or until turn takes a token (nil:
// never), which is when it returns true. Why it returned else, the caller looks up.
func pause(ctx context.Context, changed <-chan struct{}, limit time.Time, turn chan<- struct{}) bool {
	var passed <-chan time.Time
	if !limit.IsZero() {
		timer := time.NewTimer(time.Until(limit))
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case turn <- struct{}{}:
		return true
	case <-changed:
	case <-passed:
	case <-ctx.Done():
	}
	return false
}

// hasPassed is whether it is later than limit; the zero time is never.
func hasPassed(limit time.Time) bool {
	return !limit.IsZero() && !time.Now().Before(limit)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
