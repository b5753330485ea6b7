package storage

import (
	"context"
	"errors"
	"fmt"
)

// Retry calls attempt, which reads, decides and commits, until it returns
// anything but [ErrConflict], attempts times at most. After the last conflict
// the error is ErrConflict with a method Overloaded() bool that returns true. It
// stops early when ctx ends.
func Retry(ctx context.Context, attempts int, attempt func() error) error {
	var err error
	for range attempts {
		if err = attempt(); !errors.Is(err, ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return overloaded{fmt.Errorf("gave up after %d concurrent changes: %w", attempts, err)}
}

// overloaded is the error after the last attempt of [Retry].
type overloaded struct{ error }

func (o overloaded) Unwrap() error  { return o.error }
func (overloaded) Overloaded() bool { return true }
