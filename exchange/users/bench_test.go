package users_test

import (
	"context"
	"fmt"
	"testing"

	"cambio/storage"
)

func BenchmarkResolveKnown(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		w := newWorld(b)
		w.fill(b, n)
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for k := 0; pb.Next(); k++ {
					s := subject(fmt.Sprint(k * 7919 % n))
					if _, isNew, _, err := w.Resolve(context.Background(), s, true, noon); isNew || err != nil {
						b.Error(isNew, err)
					}
				}
			})
		})
	}
}

// fill creates n users, many in each commit.
func (w *world) fill(tb testing.TB, n int) {
	tb.Helper()
	const batch = 5000
	var writes []storage.Write
	for k := range n {
		_, _, more, err := w.Resolve(tb.Context(), subject(fmt.Sprint(k)), true, noon)
		if err != nil {
			tb.Fatal(err)
		}
		if writes = append(writes, more...); k%batch == batch-1 || k == n-1 {
			if err := w.engine.Commit(tb.Context(), writes...); err != nil {
				tb.Fatal(err)
			}
			writes = writes[:0]
		}
	}
}
