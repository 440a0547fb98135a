//go:build !go1.20

package hijack

import "context"

// withCancel makes a context that ends without a reason: Go 1.19 has no context.Cause.
func withCancel(parent context.Context) (context.Context, func(cause error)) {
	ctx, cancel := context.WithCancel(parent)
	return ctx, func(error) { cancel() }
}
