package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cambio/storage"
)

func TestRetryDecidesAgainOnConflictOnly(t *testing.T) {
	conflict, other := fmt.Errorf("committing: %w", storage.ErrConflict), errors.New("other")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		results []error // of one attempt after the other
		want    error
	}{
		{"at once", t.Context(), []error{nil}, nil},
		{"after a conflict", t.Context(), []error{conflict, nil}, nil},
		{"another error", t.Context(), []error{conflict, other}, other},
		{"conflicts only", t.Context(), []error{conflict, conflict, conflict}, storage.ErrConflict},
		{"cancelled", cancelled, []error{conflict}, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := 0
			err := storage.Retry(tc.ctx, 3, func() error {
				n++
				return tc.results[n-1]
			})
			if !errors.Is(err, tc.want) || n != len(tc.results) {
				t.Errorf("%v after %d attempts, want %v after %d", err, n, tc.want, len(tc.results))
			}
			o, ok := errors.AsType[interface {
				error
				Overloaded() bool
			}](err)
			if exhausted := ok && o.Overloaded(); exhausted != (tc.want == storage.ErrConflict) {
				t.Errorf("%v: overloaded %v", err, exhausted)
			}
		})
	}
}
