package hijack

import (
	"context"
	"sync"
)

// ending tells that a request, stream or socket is over for its client: at the client's leaving or at the last event,
// whichever comes first. Its context is made only when somebody asks for it, so that nobody else pays for it.
type ending struct {
	mu     sync.Mutex
	over   bool
	cause  error
	ctx    context.Context
	cancel func(error)
}

// under is the context, a child of parent.
func (e *ending) under(parent context.Context) context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		e.ctx, e.cancel = withCancel(parent)
		if e.over {
			e.cancel(e.cause)
		}
	}
	return e.ctx
}

// beside is a context of its own, a child of parent, that ends with the first one, which must be there.
func (e *ending) beside(parent context.Context) context.Context {
	ctx, cancel := withCancel(parent)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		cancel(e.cause)
		return ctx
	}
	first := e.cancel
	e.cancel = func(cause error) {
		first(cause)
		cancel(cause)
	}
	return ctx
}

// tell ends it. cause is what context.Cause gives; nil: context.Canceled. Only the first call counts.
func (e *ending) tell(cause error) {
	e.mu.Lock()
	cancel := e.cancel
	if e.over {
		cancel = nil
	} else {
		e.over, e.cause = true, cause
	}
	e.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

func (e *ending) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over
}

// valuesOf is a context with the values of another one, which does not end it.
type valuesOf struct {
	context.Context
	values context.Context
}

// Value is that of the other context.
func (v valuesOf) Value(key any) any { return v.values.Value(key) }
