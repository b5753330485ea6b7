package bolt

import (
	"path/filepath"
	"testing"
)

// A commit survives a power cut only if bbolt syncs. No test can cut the power;
// this one checks that no sync is switched off.
func TestCommitsAreSynced(t *testing.T) {
	e, err := Open(filepath.Join(t.TempDir(), "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.db.NoSync || e.db.NoGrowSync || e.db.NoFreelistSync {
		t.Errorf("NoSync %v, NoGrowSync %v, NoFreelistSync %v", e.db.NoSync, e.db.NoGrowSync, e.db.NoFreelistSync)
	}
}
