package bolt_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"cambio/storage"
	"cambio/storage/bolt"
)

// created returns the content of a file that was just created.
func created(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new")
	e, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A creation that a power cut ended, whatever sectors it left, is begun anew.
func TestUnfinishedCreationIsBegunAnew(t *testing.T) {
	whole := created(t)
	random := rand.New(rand.NewPCG(1, 1))
	cuts := map[string][]byte{
		"nothing": {}, "zeros": make([]byte, len(whole)), "a page of zeros": make([]byte, os.Getpagesize()), "one byte": whole[:1],
		"the first page": whole[:os.Getpagesize()], "two pages": whole[:2*os.Getpagesize()], "no multiple of a sector": whole[:700],
	}
	for range 30 {
		left := bytes.Clone(whole)
		for i := 0; i < len(left); i += 512 {
			if random.IntN(2) == 0 {
				clear(left[i : i+512])
			}
		}
		cuts["some sectors "+string(rune('a'+random.IntN(26)))] = left[:len(left)-random.IntN(2)*512]
	}
	for name, content := range cuts {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				e, err := bolt.Open(path, bolt.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Commit(t.Context(), storage.Write{Table: "t", Key: "k", Value: []byte("v")}); err != nil {
					t.Error(err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A file that anything was committed to, or that is not of this creation, is never
// begun anew.
func TestDamagedFileIsLeft(t *testing.T) {
	whole := created(t)
	path := filepath.Join(t.TempDir(), "used")
	e := openAt(t, path, bolt.Options{})
	if err := errors.Join(e.Commit(t.Context(), storage.Write{Table: "t", Key: "k", Value: []byte("v")}), e.Close()); err != nil {
		t.Fatal(err)
	}
	used, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[20] ^= 1 // in both meta pages
	flipped[os.Getpagesize()+20] ^= 1
	for name, content := range map[string][]byte{
		"the start of one that was used": used[:len(whole)/2], "flipped bits": flipped, "text": bytes.Repeat([]byte("no database\n"), 1000),
		"more zeros than a creation writes": make([]byte, 2*len(whole)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if e, err := bolt.Open(path, bolt.Options{}); err == nil {
				t.Errorf("it was opened, begun anew: %v", e.BegunAnew())
				e.Close()
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, content) {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
}
