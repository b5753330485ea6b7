package storage

import "fmt"

// What every engine can hold, in bytes.
const (
	MaxKey   = 1 << 10 // of a key, and of a table's name
	MaxValue = 1 << 20
)

// Check returns an error for writes that no engine commits: names and values out
// of bounds, an unknown condition, and a key that is written twice, where only
// the caller knows which write should win. Engines call it before they change
// anything.
func Check(writes []Write) error {
	seen := make(map[[2]string]bool, len(writes))
	for _, w := range writes {
		err := w.check()
		if at := [2]string{w.Table, w.Key}; err == nil && seen[at] {
			err = fmt.Errorf("written twice in one commit")
		} else {
			seen[at] = true
		}
		if err != nil {
			return fmt.Errorf("write of %.128q in table %.128q: %w", w.Key, w.Table, err)
		}
	}
	return nil
}

func (w Write) check() error {
	switch {
	case w.Table == "" || w.Key == "":
		return fmt.Errorf("table and key must not be empty")
	case len(w.Table) > MaxKey || len(w.Key) > MaxKey:
		return fmt.Errorf("table or key is longer than %d bytes", MaxKey)
	case len(w.Value) > MaxValue:
		return fmt.Errorf("value of %d bytes is longer than %d", len(w.Value), MaxValue)
	case w.If < Always || w.If > IfEqual:
		return fmt.Errorf("unknown condition %d", w.If)
	}
	return nil
}
