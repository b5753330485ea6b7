package storage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"cambio/storage"
)

// crowd commits one write for each key while the group is busy, and returns
// what each commit returned.
func crowd(ctx context.Context, g *storage.Group, keys ...string) map[string]error {
	type result struct {
		key string
		err error
	}
	results := make(chan result)
	_ = g.Exclude(func() error {
		for _, key := range keys {
			go func() { results <- result{key, g.Commit(ctx, storage.Write{Table: "t", Key: key})} }()
			synctest.Wait()
		}
		return nil
	})
	errs := map[string]error{}
	for range keys {
		r := <-results
		errs[r.key] = r.err
	}
	return errs
}

func TestWaitingCommitsShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		g := storage.NewGroup(func(group []*storage.Pending) error {
			sizes = append(sizes, len(group))
			group[1].Err = storage.ErrConflict
			if group[0].Writes[0].Key != "a" {
				t.Errorf("the first is %v", group[0].Writes)
			}
			return nil
		})
		errs := crowd(t.Context(), g, "a", "b", "c")
		if len(sizes) != 1 || sizes[0] != 3 || errs["a"] != nil || !errors.Is(errs["b"], storage.ErrConflict) || errs["c"] != nil {
			t.Errorf("transactions of %v, %v", sizes, errs)
		}
	})
}

func TestFullDiskTriesEachCommitByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := storage.NewGroup(func(group []*storage.Pending) error {
			for _, p := range group {
				if p.Writes[0].Key == "large" {
					return storage.ErrFull
				}
			}
			return nil
		})
		errs := crowd(t.Context(), g, "a", "large", "c")
		if errs["a"] != nil || !errors.Is(errs["large"], storage.ErrFull) || errs["c"] != nil {
			t.Errorf("%v", errs)
		}
	})
}

func TestFailedTransactionFailsItsWholeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := storage.NewGroup(func(group []*storage.Pending) error {
			group[0].Err = storage.ErrConflict
			return storage.ErrFailed
		})
		for key, err := range crowd(t.Context(), g, "a", "b") {
			if !errors.Is(err, storage.ErrFailed) || errors.Is(err, storage.ErrConflict) {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}

func TestCommitOfACallerThatLeftIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []string
		g := storage.NewGroup(func(group []*storage.Pending) error {
			for _, p := range group {
				written = append(written, p.Writes[0].Key)
			}
			return nil
		})
		_ = g.Exclude(func() error {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			if err := g.Commit(ctx, storage.Write{Table: "t", Key: "left"}); !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
			return nil
		})
		errs := crowd(t.Context(), g, "stayed")
		if errs["stayed"] != nil || len(written) != 1 {
			t.Errorf("wrote %q, %v", written, errs)
		}
	})
}
