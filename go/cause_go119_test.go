//go:build !go1.20

package hijack_test

import (
	"context"
	"testing"
)

// wantCause fails unless the context has ended; Go 1.19 keeps no reason.
func wantCause(t testing.TB, ctx context.Context, cause error) {
	t.Helper()
	if ctx.Err() != context.Canceled {
		t.Errorf("the context has the error %v", ctx.Err())
	}
}
