package replay

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
)

func TestSpendHasOneWinner(t *testing.T) {
	r := New(open(t, filepath.Join(t.TempDir(), "db")), key)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			err := r.Spend(ctx, "client assertion", "web jti", now.Add(time.Minute), now)
			if err == nil {
				won.Add(1)
			} else if reason := exchange.AsError(err).Reason; reason != exchange.ReasonSubjectTokenReplayed {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d spent it", won.Load())
	}
}
