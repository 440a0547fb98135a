//go:build go1.20

package hijack_test

import (
	"context"
	"errors"
	"testing"
)

// wantCause fails unless the context has ended for this reason.
func wantCause(t testing.TB, ctx context.Context, cause error) {
	t.Helper()
	if got := context.Cause(ctx); !errors.Is(got, cause) {
		t.Errorf("the cause is %v, want %v", got, cause)
	}
}
