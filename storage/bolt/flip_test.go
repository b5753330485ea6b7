package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"cambio/storage"
	"cambio/storage/bolt"
)

// Records of a table of several pages and of one that fits into its parent's.
var flipRecords = map[string]int{"users": 150, "marks": 5}

func flipKey(i int) string { return fmt.Sprintf("key-%04d", i) }

// TestFlippedBitYieldsNoWrongValue flips bits all over the file. No read returns
// a value that was not written. A flip in a key or a page's header can hide a
// record; reading the whole table then returns an error, unless the flip hit one
// of the few bytes outside of records: a table's name, a page's count.
func TestFlippedBitYieldsNoWrongValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	bits := 8 * makeFlipFile(t, path)
	const flips = 300
	verdicts := make(map[string]int)
	for bit := 0; bit < bits; {
		bit = runFlips(t, verdicts, path, bit, bits/flips|1, bits)
	}
	t.Logf("%d bits, flipped one at a time: %v", bits, verdicts)
	if verdicts["wrong"] > 0 || verdicts["noticed"] == 0 || verdicts["missing"] > flips/100 {
		t.Errorf("want none wrong, some noticed, at most %d missing unnoticed", flips/100)
	}
}

// makeFlipFile fills a store and returns the bytes that its pages take.
func makeFlipFile(t *testing.T, path string) int {
	e := openAt(t, path, bolt.Options{NoSync: true})
	for name, n := range flipRecords {
		table := storage.NewTable[string](e, name, testKey)
		var writes []storage.Write
		for i := range n {
			writes = append(writes, must(table.Insert(flipKey(i), name+flipKey(i))))
		}
		if err := e.Commit(context.Background(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	file := must(os.ReadFile(path))
	return len(bytes.TrimRight(file, "\x00"))
}

// runFlips has a child process flip bits and returns the bit to continue with: a
// page that names itself as its child exhausts the stack, which ends the
// process. That yields no wrong value either.
func runFlips(t *testing.T, verdicts map[string]int, path string, from, step, end int) int {
	good := must(os.ReadFile(path))
	out, err := child(t, "read", path, fmt.Sprint(from), fmt.Sprint(step), fmt.Sprint(end)).Output()
	at, verdict := from, ""
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		if n, _ := fmt.Sscan(s.Text(), &at, &verdict); n == 2 {
			verdicts[verdict]++
		}
	}
	if err == nil {
		return end
	}
	t.Logf("bit %d ended the process: %v", at, err)
	verdicts["noticed"]++
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	return at + step
}

// readFlipped flips bits of the store at args[0], one at a time: bit args[1] and
// then each args[2]-th up to args[3]. It prints each bit and its effect.
func readFlipped(args []string) error {
	path, from := args[0], must(strconv.Atoi(args[1]))
	step, end := must(strconv.Atoi(args[2])), must(strconv.Atoi(args[3]))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for bit := from; bit < end; bit += step {
		fmt.Print(bit)
		flip(f, bit)
		fmt.Println("", readAll(path))
		flip(f, bit)
	}
	return nil
}

func flip(f *os.File, bit int) {
	var b [1]byte
	must(f.ReadAt(b[:], int64(bit/8)))
	b[0] ^= 1 << (bit % 8)
	must(f.WriteAt(b[:], int64(bit/8)))
}

// readAll reads a store's records by scans, and some by their keys.
func readAll(path string) string {
	e, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		return "noticed"
	}
	defer e.Close()
	found := make(map[string]bool)
	for name, n := range flipRecords {
		table := storage.NewTable[string](e, name, testKey)
		for i := 0; i < n; i += 5 {
			r, err := table.Get(context.Background(), flipKey(i))
			found[verdict(name, r, err)] = true
		}
		for r, err := range table.Scan(context.Background(), "", "", 0) {
			n--
			found[verdict(name, r, err)] = true
		}
		found["missing"] = found["missing"] || n != 0
	}
	for _, verdict := range []string{"wrong", "noticed", "missing"} {
		if found[verdict] {
			return verdict
		}
	}
	return "harmless"
}

func verdict(table string, r storage.Row[string], err error) string {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return "missing"
	case err != nil:
		return "noticed"
	case r.Value != table+r.Key:
		return "wrong"
	}
	return "harmless"
}
