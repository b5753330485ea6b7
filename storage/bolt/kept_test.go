package bolt

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"cambio/storage"
)

// TestKept: what a reader found is kept unless a transaction may have changed it
// since the reader asked.
func TestKept(t *testing.T) {
	at, elsewhere := place{"t", "a"}, place{"t", "b"}
	group := []*commit{{writes: []storage.Write{{Table: "t", Key: "a", Value: []byte("new")}}}}
	for _, tc := range []struct {
		name string
		from place
		// before, between and after asking and keeping
		before, between, after func(*kept)
		want                   bool
	}{
		{"nobody writes", at, nil, nil, nil, true},
		{"written before", at, func(k *kept) { k.begin(group); k.end() }, nil, nil, true},
		{"one begins meanwhile", at, nil, func(k *kept) { k.begin(group) }, nil, false},
		{"one begins and ends meanwhile", at, nil, func(k *kept) { k.begin(group); k.end() }, nil, false},
		{"one is under way", at, func(k *kept) { k.begin(group) }, nil, nil, false},
		{"one is under way elsewhere", elsewhere, func(k *kept) { k.begin(group) }, nil, nil, true},
		{"one ends meanwhile", at, func(k *kept) { k.begin(group) }, (*kept).end, nil, false},
		{"one begins afterwards", at, nil, nil, func(k *kept) { k.begin(group) }, false},
		{"one begins elsewhere afterwards", elsewhere, nil, nil, func(k *kept) { k.begin(group) }, true},
		{"closed meanwhile", at, nil, (*kept).close, nil, false},
		{"closed afterwards", at, nil, nil, (*kept).close, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKept()
			run := func(step func(*kept)) {
				if step != nil {
					step(k)
				}
			}
			run(tc.before)
			value, asked := k.get(tc.from)
			if value != nil {
				t.Fatalf("has %q from the start", value)
			}
			run(tc.between)
			k.keep(tc.from, []byte("old"), asked)
			run(tc.after)
			if value, _ := k.get(tc.from); (value != nil) != tc.want {
				t.Errorf("kept %q, want it kept: %v", value, tc.want)
			}
		})
	}
}

// TestKeptIsBounded, in the size of a record and in their number; one that is
// asked for all the time outlives those that are not.
func TestKeptIsBounded(t *testing.T) {
	const most = 2 * shelves * shelfCount
	k, hot := newKept(), place{"t", "hot"}
	k.keep(place{"t", "long"}, make([]byte, keptSize+1-len("long")), 0)
	k.keep(hot, make([]byte, keptSize-len(hot.key)), 0)
	for i := range 3 * most {
		k.keep(place{"t", strconv.Itoa(i)}, []byte("cold"), 0)
		if value, _ := k.get(hot); value == nil {
			t.Fatalf("the hot record is gone after %d", i)
		}
	}
	n := 0
	for i := range k.shelves {
		n += len(k.shelves[i].young) + len(k.shelves[i].old)
	}
	if n > most || n < most/4 {
		t.Errorf("%d records are kept, want at most %d and not much fewer", n, most)
	}
	for _, gone := range []string{"long", "0"} {
		if value, _ := k.get(place{"t", gone}); value != nil {
			t.Errorf("%s is kept", gone)
		}
	}
}

// TestWritesDropTheOld: what is written is dropped from both generations.
func TestWritesDropTheOld(t *testing.T) {
	s := &shelf{}
	young, old, unwritten := place{"t", strconv.Itoa(shelfCount)}, place{"t", "0"}, place{"t", "1"}
	for i := range shelfCount + 1 {
		s.keep(place{"t", strconv.Itoa(i)}, []byte("old"), 0)
	}
	if s.young[young] == nil || s.old[old] == nil || s.old[unwritten] == nil {
		t.Fatalf("%d young and %d old", len(s.young), len(s.old))
	}
	s.drop(young)
	s.drop(old)
	s.written()
	for _, at := range []place{young, old} {
		if value, _ := s.get(at); value != nil {
			t.Errorf("%v is still %q", at, value)
		}
	}
	if value, _ := s.get(unwritten); value == nil {
		t.Error("what was not written is gone")
	}
}

// TestReadersSeeWhatWasAnswered: while others read a record all the time, an
// answered commit is seen by the next reader, and nobody goes back in time.
func TestReadersSeeWhatWasAnswered(t *testing.T) {
	e, err := Open(filepath.Join(t.TempDir(), "db"), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, stop := context.WithCancel(context.Background())
	commit := func(n int) {
		if err := e.Commit(context.Background(), storage.Write{Table: "t", Key: "k", Value: []byte(strconv.Itoa(n))}); err != nil {
			t.Error(err)
		}
	}
	read := func() int {
		value, err := e.Get(context.Background(), "t", "k")
		n, _ := strconv.Atoi(string(value))
		if err != nil || n == 0 {
			t.Errorf("read %q, %v", value, err)
		}
		return n
	}
	commit(1)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := 1; ctx.Err() == nil; {
				n := read()
				if n < last {
					t.Errorf("read %d after %d", n, last)
				}
				last = n
			}
		})
	}
	for n := 2; n < 2000 && !t.Failed(); n++ {
		commit(n)
		if got := read(); got != n {
			t.Errorf("read %d after a commit of %d", got, n)
		}
	}
	stop()
	readers.Wait()
	read()
	if value, _ := e.kept.get(place{"t", "k"}); value == nil {
		t.Error("what was read after the last commit is not kept")
	}
}
