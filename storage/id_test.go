package storage_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/storage"
)

func TestNewID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "ms"))
		a, b := storage.NewID(at), storage.NewID(at.Add(time.Millisecond))
		if len(a) != storage.IDSize || a[14] != '7' || !strings.ContainsRune("89ab", rune(a[19])) {
			t.Errorf("%s is not a UUIDv7", a)
		}
		if !storage.CreatedAt(a).Equal(at) || a >= b {
			t.Errorf("%s of %s was created at %s and is before %s", a, at, storage.CreatedAt(a), b)
		}
	})
	if at := storage.CreatedAt("no ID"); !at.IsZero() {
		t.Errorf("a text that is not an ID was created at %s", at)
	}
}
