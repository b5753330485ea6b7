// Package storagetest tests the promises of [storage.Engine], one test for each.
// An engine's own test is a constructor:
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

// opener opens the store of a test again.
type opener = func() storage.Engine

// Run runs all tests. open opens the store of the test t: an empty one at the
// first call for a t, and the same one at the next.
func Run(t *testing.T, open func(t *testing.T) storage.Engine) {
	promises := []struct {
		name string
		test func(*testing.T, storage.Engine, opener)
	}{
		{"GetReturnsWhatWasCommitted", getReturnsWhatWasCommitted},
		{"CallersMayChangeBytes", callersMayChangeBytes},
		{"TablesAreSeparate", tablesAreSeparate},
		{"ConditionsDecide", conditionsDecide},
		{"FailedCommitLeavesNothing", failedCommitLeavesNothing},
		{"InvalidCommitLeavesNothing", invalidCommitLeavesNothing},
		{"ConflictFailsOnlyItself", conflictFailsOnlyItself},
		{"EndedContextChangesNothing", endedContextChangesNothing},
		{"SpendOnce", spendOnce},
		{"NoUpdateIsLost", noUpdateIsLost},
		{"KeysComeInByteOrder", keysComeInByteOrder},
		{"ScanKeepsItsBounds", scanKeepsItsBounds},
		{"ScanYieldsEveryLastingRecord", scanYieldsEveryLastingRecord},
		{"ScanBlocksNoWriter", scanBlocksNoWriter},
		{"ReadersSeeWholeRecords", readersSeeWholeRecords},
		{"SweepEndsAtTheTime", sweepEndsAtTheTime},
		{"ReopeningKeepsAll", reopeningKeepsAll},
		{"CloseWaitsForCommits", closeWaitsForCommits},
		{"ClosedEngineReturnsErrClosed", closedEngineReturnsErrClosed},
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			again := func() storage.Engine {
				e := open(t)
				t.Cleanup(func() { _ = e.Close() })
				return e
			}
			p.test(t, again(), again)
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

// commit makes a commit that must succeed.
func commit(t *testing.T, e storage.Engine, writes ...storage.Write) {
	t.Helper()
	if err := e.Commit(context.Background(), writes...); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// want checks a value; "" means that there is none.
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

// keys returns the keys that a scan yields.
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
