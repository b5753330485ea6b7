package storage

import (
	"context"
	"errors"
	"fmt"
)

// Retry calls attempt, which reads, decides and commits, again as long as it
// returns [ErrConflict], attempts times at most. It returns attempt's error;
// after the last conflict that is ErrConflict with a method Overloaded, since
// other writers were faster each time. It stops early when ctx ends.
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
	return contended{attempts, err}
}

// contended is the error after the last attempt of [Retry].
type contended struct {
	attempts int
	err      error
}

func (c contended) Error() string {
	return fmt.Sprintf("gave up after %d concurrent changes: %v", c.attempts, c.err)
}

func (c contended) Unwrap() error  { return c.err }
func (contended) Overloaded() bool { return true }
