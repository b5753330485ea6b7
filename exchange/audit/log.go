// Package audit writes one line of JSON for each decision: who asked, what was
// decided, by which rule and on the word of which key. It is the operator's
// answer to "who let them in", so an event is never dropped to save time: when
// the writer cannot keep up, requests wait for it.
package audit

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how events are gathered. Its zero value is sound.
type Config struct {
	// Linger is how long events are gathered before they are written together.
	// A crash of the machine or kill -9 loses at most that much. Default 10ms.
	Linger time.Duration
	// Buffer is how many bytes may wait for the writer. Default 1 MiB.
	Buffer int
	Logger *slog.Logger // told when writing begins to fail; default slog.Default
}

// Log gathers events and writes them from one goroutine, in the order they
// came. It is safe for concurrent use.
//
// Requests meet for the time it takes to copy a line into a shared buffer; the
// writer takes the buffer whole.
type Log struct {
	w      io.Writer
	linger time.Duration
	most   int
	logger *slog.Logger
	failed atomic.Uint64

	mu      sync.Mutex
	room    sync.Cond // waiting is empty again, or the log is closed
	waiting []byte
	closed  bool

	wake chan struct{} // waiting is no longer empty, is full, or the log is closed
	done chan struct{}
}

// New starts a Log. Close ends it.
func New(w io.Writer, cfg Config) *Log {
	if cfg.Linger <= 0 {
		cfg.Linger = 10 * time.Millisecond
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = 1 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	l := &Log{
		w: w, linger: cfg.Linger, most: cfg.Buffer, logger: cfg.Logger,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.room.L = &l.mu
	go l.run()
	return l
}

// Write takes e. It returns once the event is in the buffer, for which it waits
// while the buffer is full. After Close, events are counted as failed.
func (l *Log) Write(e *Event) {
	var space [1024]byte
	line := e.append(space[:0])
	l.mu.Lock()
	for len(l.waiting) > 0 && len(l.waiting)+len(line) > l.most && !l.closed {
		l.signal()
		l.room.Wait()
	}
	if l.closed {
		l.mu.Unlock()
		l.failed.Add(1)
		return
	}
	first := len(l.waiting) == 0
	l.waiting = append(l.waiting, line...)
	l.mu.Unlock()
	if first {
		l.signal()
	}
}

// Failed is how many events could not be written.
func (l *Log) Failed() uint64 { return l.failed.Load() }

// Close writes what is waiting and ends the log. It does not close the writer.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	l.signal()
	<-l.done
	return nil
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) run() {
	defer close(l.done)
	var spare []byte
	failing := false
	for {
		<-l.wake
		l.gather()
		batch, closed := l.take(spare)
		if len(batch) > 0 {
			failing = l.flush(batch, failing)
		}
		spare = batch[:0]
		if closed {
			return
		}
	}
}

// gather waits for company, unless there is a reason not to: a full buffer or
// Close signal a second time.
func (l *Log) gather() {
	t := time.NewTimer(l.linger)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.wake:
	}
}

// take swaps the buffer for an empty one.
func (l *Log) take(spare []byte) (batch []byte, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch, l.waiting = l.waiting, spare
	l.room.Broadcast()
	return batch, l.closed
}

// flush writes a batch. One message says that writing began to fail and one
// that it works again; the count has the rest.
func (l *Log) flush(batch []byte, failing bool) bool {
	n, err := l.w.Write(batch)
	if err == nil {
		if failing {
			l.logger.Info("audit log is written again", "events_lost", l.failed.Load())
		}
		return false
	}
	for _, c := range batch[n:] {
		if c == '\n' {
			l.failed.Add(1)
		}
	}
	if !failing {
		l.logger.Error("audit log cannot be written; events are being lost", "error", err)
	}
	return true
}
