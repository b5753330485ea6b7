package storage

import "fmt"

// What every engine can hold, in bytes.
const (
	MaxKey   = 1 << 10 // of a key, and of a table's name
	MaxValue = 1 << 20
)

// Check says what no engine accepts in a commit: names and values out of
// bounds, an unknown condition, and a key that is written twice. Which of two
// writes of a key should win is a question that only the caller can answer.
// Engines call it before they change anything.
func Check(writes []Write) error {
	seen := make(map[[2]string]bool, len(writes))
	for _, w := range writes {
		if err := w.check(); err != nil {
			return fmt.Errorf("write of %.128q in table %.128q: %w", w.Key, w.Table, err)
		}
		at := [2]string{w.Table, w.Key}
		if seen[at] {
			return fmt.Errorf("write of %.128q in table %.128q: written twice in one commit", w.Key, w.Table)
		}
		seen[at] = true
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
