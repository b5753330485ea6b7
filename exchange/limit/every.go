package limit

import (
	"sync"
	"time"
)

// Every allows each name once in a minute. Its zero value is ready to use. It
// remembers a bounded number of names, and allows no others while these are fresh.
type Every struct {
	mu   sync.Mutex
	last map[Key]time.Time
}

const maxNames = 1024

// Allow reports whether a name has not been allowed in the minute before now.
func (e *Every) Allow(name string, now time.Time) bool {
	fresh := func(t time.Time) bool { return now.Sub(t).Abs() < time.Minute }
	key := Credential(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if t, found := e.last[key]; found && fresh(t) {
		return false
	}
	if len(e.last) >= maxNames {
		for k, t := range e.last {
			if !fresh(t) {
				delete(e.last, k)
			}
		}
	}
	if len(e.last) >= maxNames {
		return false
	}
	if e.last == nil {
		e.last = map[Key]time.Time{}
	}
	e.last[key] = now
	return true
}
