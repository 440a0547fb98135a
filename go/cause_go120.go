//go:build go1.20

package hijack

import "context"

// withCancel makes a context that keeps the reason of its end for context.Cause.
func withCancel(parent context.Context) (context.Context, func(cause error)) {
	return context.WithCancelCause(parent)
}
