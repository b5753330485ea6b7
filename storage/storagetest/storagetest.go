// Package storagetest holds the promises of [storage.Engine] as tests, one
// named for each promise. An engine's own test is a constructor:
//
//	func TestEngine(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Engine { … })
//	}
package storagetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"cambio/storage"
)

// Run runs all promises. open opens the store that belongs to the test t:
// empty at the first call for a t, and what it was closed with at the next.
func Run(t *testing.T, open func(t *testing.T) storage.Engine) {
	promises := []struct {
		name string
		keep func(*testing.T, func(*testing.T) storage.Engine)
	}{
		{"GetReturnsWhatWasCommitted", getReturnsWhatWasCommitted},
		{"BytesAreTheCallersOwn", bytesAreTheCallersOwn},
		{"TablesAreApart", tablesAreApart},
		{"ConditionsDecide", conditionsDecide},
		{"FailedCommitLeavesNothing", failedCommitLeavesNothing},
		{"RefusedCommitLeavesNothing", refusedCommitLeavesNothing},
		{"ConflictFailsOnlyItself", conflictFailsOnlyItself},
		{"EndedContextChangesNothing", endedContextChangesNothing},
		{"SpendOnce", spendOnce},
		{"NoUpdateIsLost", noUpdateIsLost},
		{"KeysComeInByteOrder", keysComeInByteOrder},
		{"ScanKeepsItsBounds", scanKeepsItsBounds},
		{"ScanSeesAllThatStays", scanSeesAllThatStays},
		{"ScanHoldsUpNoWriter", scanHoldsUpNoWriter},
		{"ReadersSeeWholeRecords", readersSeeWholeRecords},
		{"SweepEndsAtTheTime", sweepEndsAtTheTime},
		{"ReopeningKeepsAll", reopeningKeepsAll},
		{"CloseWaitsForCommits", closeWaitsForCommits},
		{"ClosedEngineAnswersErrClosed", closedEngineAnswersErrClosed},
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			p.keep(t, func(t *testing.T) storage.Engine {
				e := open(t)
				t.Cleanup(func() { _ = e.Close() })
				return e
			})
		})
	}
}

const table = "table"

func put(key, value string) storage.Write {
	return storage.Write{Table: table, Key: key, Value: []byte(value)}
}

func ifAbsent(w storage.Write) storage.Write {
	w.If = storage.IfAbsent
	return w
}

func ifEqual(w storage.Write, old string) storage.Write {
	w.If, w.Old = storage.IfEqual, []byte(old)
	return w
}

func remove(key string) storage.Write { return storage.Write{Table: table, Key: key} }

// commit commits what must succeed.
func commit(t *testing.T, e storage.Engine, writes ...storage.Write) {
	t.Helper()
	if err := e.Commit(context.Background(), writes...); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// want checks a value, where "" means none.
func want(t *testing.T, e storage.Engine, key, value string) {
	t.Helper()
	got, err := e.Get(context.Background(), table, key)
	if value == "" && !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("get %q: %q, %v; want ErrNotFound", key, got, err)
	}
	if value != "" && (err != nil || string(got) != value) {
		t.Errorf("get %q: %q, %v; want %q", key, got, err, value)
	}
}

// keys are the keys that a scan yields.
func keys(t *testing.T, scan iter.Seq2[storage.Record, error]) []string {
	t.Helper()
	var out []string
	for r, err := range scan {
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		out = append(out, r.Key)
	}
	return out
}

func wantKeys(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("scan: %q\nwant  %q", got, want)
	}
}
