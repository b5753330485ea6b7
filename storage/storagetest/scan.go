package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cambio/storage"
)

func keysComeInByteOrder(t *testing.T, e storage.Engine, _ opener) {
	order := []string{"\x00", "\x00\x00", " ", "A", "B", "a", "a\x00", "aa", "b", "z", "\x7f", "é", "\xff", "\xff\x00", "\xff\xff"}
	for i := range order { // neither ascending nor descending
		commit(t, e, put(order[i*7%len(order)], "v"))
	}
	wantKeys(t, keys(t, e.Scan(context.Background(), table, "", "", 0)), order)
}

func scanKeepsItsBounds(t *testing.T, e storage.Engine, _ opener) {
	const n = 1500 // more than one reading transaction takes
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%04d", i))
	}
	commitAll(t, e, all)
	for _, test := range []struct {
		from, to string
		limit    int
		want     []string
	}{
		{"", "", 0, all},
		{"0010", "", 0, all[10:]},
		{"0010", "0013", 0, all[10:13]},
		{"00105", "0013", 0, all[11:13]}, // between two keys
		{"", "0000", 0, nil},
		{"0500", "0500", 0, nil},
		{"0500", "0400", 0, nil},
		{"2", "", 0, nil},
		{"", "", 1, all[:1]},
		{"", "", 1000, all[:1000]},
		{"", "", n + 1, all},
		{"0010", "0013", 2, all[10:12]},
		{"0010", "0013", 3, all[10:13]},
		{"0010", "0013", 4, all[10:13]},
	} {
		got := keys(t, e.Scan(context.Background(), table, test.from, test.to, test.limit))
		if !slices.Equal(got, test.want) {
			t.Errorf("from %q to %q limit %d: %d keys, want %d", test.from, test.to, test.limit, len(got), len(test.want))
		}
	}
	scan := e.Scan(context.Background(), table, "", "", 700)
	wantKeys(t, keys(t, scan), all[:700])
	wantKeys(t, keys(t, scan), all[:700]) // a sequence may be ranged over again
	for range scan {
		break
	}
	commit(t, e, remove("0000")) // a scan that was left blocks nothing
}

func commitAll(t *testing.T, e storage.Engine, keys []string) {
	t.Helper()
	var writes []storage.Write
	for _, k := range keys {
		writes = append(writes, put(k, "v"))
	}
	commit(t, e, writes...)
}

func scanYieldsEveryLastingRecord(t *testing.T, e storage.Engine, _ opener) {
	var stay []string
	for i := range 2000 {
		stay = append(stay, fmt.Sprintf("%04d stays", i))
	}
	commitAll(t, e, stay)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := fmt.Sprintf("%04d of %d", i*37%2000, w)
				commit(t, e, put(k, "v"))
				commit(t, e, remove(k))
			}
		})
	}
	for range 3 {
		got := keys(t, e.Scan(context.Background(), table, "", "", 0))
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Error("a scan is out of order or repeats itself")
		}
		got = slices.DeleteFunc(got, func(k string) bool { return k[5:] != "stays" })
		wantKeys(t, got, stay)
	}
	close(stop)
	writers.Wait()
}

func scanBlocksNoWriter(t *testing.T, e storage.Engine, _ opener) {
	commitAll(t, e, []string{"a", "b", "c"})
	for r, err := range e.Scan(context.Background(), table, "a", "d", 0) {
		if err != nil {
			t.Fatal(err)
		}
		commit(t, e, remove(r.Key), put("z"+r.Key, "v"))
	}
	wantKeys(t, keys(t, e.Scan(context.Background(), table, "", "", 0)), []string{"za", "zb", "zc"})
}

func readersSeeWholeRecords(t *testing.T, e storage.Engine, _ opener) {
	value := func(i int) string { return string(bytes.Repeat([]byte{'a' + byte(i%26)}, 1000+i%26*100)) }
	commit(t, e, put("k", value(0)))
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 100 {
			commit(t, e, put("k", value(i)))
		}
	})
	for range 1000 {
		v, err := e.Get(context.Background(), table, "k")
		if err != nil || string(v) != value(int(v[0]-'a')) {
			t.Fatalf("a record that was never written: %.20q…, %v", v, err)
		}
	}
	writer.Wait()
}

// sweepEndsAtTheTime checks tables whose records expire: their keys begin with a
// time, so that the expired records are at the start of the table.
func sweepEndsAtTheTime(t *testing.T, e storage.Engine, _ opener) {
	mac := bytes.Repeat([]byte{1}, 32)
	expiring := storage.NewTable[string](e, table, mac)
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(i int) string { return created.Add(time.Duration(i) * time.Minute).Format(time.RFC3339) }
	for i := range 25 {
		w, err := expiring.Insert(at(i)+" id", "v")
		if err != nil {
			t.Fatal(err)
		}
		commit(t, e, w)
	}
	for _, test := range []struct{ before, batch, swept, left int }{
		{0, 10, 0, 25}, {7, 3, 7, 18}, {7, 3, 0, 18}, {9, 2, 2, 16}, {10, 0, 1, 15}, {100, 100, 15, 0},
	} {
		n, err := expiring.Sweep(context.Background(), at(test.before), test.batch)
		left := keys(t, e.Scan(context.Background(), table, "", "", 0))
		if err != nil || n != test.swept || len(left) != test.left {
			t.Errorf("before minute %d: swept %d, left %d, %v; want %d, %d", test.before, n, len(left), err, test.swept, test.left)
		}
		if len(left) > 0 && left[0] < at(test.before) {
			t.Errorf("before minute %d: %q is left", test.before, left[0])
		}
	}
	if _, err := expiring.Sweep(context.Background(), "", 10); err != nil {
		t.Error(err)
	}
}

func reopeningKeepsAll(t *testing.T, e storage.Engine, open opener) {
	var all []string
	for i := range 300 {
		all = append(all, fmt.Sprintf("%03d", i))
		commit(t, e, put(all[i], "v"))
	}
	commit(t, e, remove("000"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open()
	wantKeys(t, keys(t, e.Scan(context.Background(), table, "", "", 0)), all[1:])
	want(t, e, "000", "")
	want(t, e, "299", "v")
	commit(t, e, put("000", "again"))
	want(t, e, "000", "again")
}

func closeWaitsForCommits(t *testing.T, e storage.Engine, open opener) {
	acked := make(chan string, 64)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			k := fmt.Sprintf("%02d", i)
			if err := e.Commit(context.Background(), put(k, "v")); err == nil {
				acked <- k
			} else if !errors.Is(err, storage.ErrClosed) {
				t.Errorf("commit: %v, want nil or ErrClosed", err)
			}
		})
	}
	first := <-acked
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	close(acked)
	durable := []string{first}
	for k := range acked {
		durable = append(durable, k)
	}
	slices.Sort(durable)
	wantKeys(t, keys(t, open().Scan(context.Background(), table, "", "", 0)), durable)
}

func closedEngineReturnsErrClosed(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("a", "1"))
	want(t, e, "a", "1") // which an engine may cache
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := e.Get(context.Background(), table, "a"); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("get: %v, want ErrClosed", err)
	}
	n := 0
	for _, err := range e.Scan(context.Background(), table, "", "", 0) {
		if n++; !errors.Is(err, storage.ErrClosed) {
			t.Errorf("scan: %v, want ErrClosed", err)
		}
	}
	if n != 1 {
		t.Errorf("scan yielded %d times, want 1", n)
	}
	if err := e.Commit(context.Background(), put("a", "2")); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("commit: %v, want ErrClosed", err)
	}
	select {
	case <-e.Failed():
		t.Error("Close closed the channel of Failed")
	default:
	}
}
