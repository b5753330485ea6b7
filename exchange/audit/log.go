// Package audit writes one line of JSON for each decision: the caller, the outcome,
// and the rule and key that led there. Operators reconstruct from it why a caller was
// granted access, so no event is dropped to save time: when the writer cannot keep
// up, requests wait for it.
package audit

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a [Log]. Its zero value is valid.
type Config struct {
	// Linger is how long events are collected before they are written together. A
	// crash of the machine or kill -9 loses at most the events of that time. Default
	// 10ms.
	Linger time.Duration
	// Buffer is how many bytes may wait for the writer. Default 1 MiB.
	Buffer int
	Logger *slog.Logger // reports when writing begins to fail; default slog.Default
}

// Log collects events and writes them from one goroutine, in the order of Write. It
// is safe for concurrent use: requests share a lock only while a line is copied into
// the buffer.
type Log struct {
	w      io.Writer
	linger time.Duration
	limit  int // of waiting, in bytes
	logger *slog.Logger
	failed atomic.Uint64

	mu      sync.Mutex
	room    sync.Cond // waiting was taken, or the log is closed
	waiting []byte
	closed  bool

	wake chan struct{} // waiting is not empty, is full, or the log is closed
	done chan struct{}
}

// New starts a Log, which the caller must Close.
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
		w: w, linger: cfg.Linger, limit: cfg.Buffer, logger: cfg.Logger,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.room.L = &l.mu
	go l.run()
	return l
}

// Write adds e to the buffer, and waits while that is full. After Close, events are
// counted as failed.
func (l *Log) Write(e *Event) {
	var space [1024]byte
	line := e.append(space[:0])
	l.mu.Lock()
	for len(l.waiting) > 0 && len(l.waiting)+len(line) > l.limit && !l.closed {
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

// Failed returns the number of events that could not be written.
func (l *Log) Failed() uint64 { return l.failed.Load() }

// Close writes the waiting events and stops the Log. It does not close the writer.
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

// gather waits for more events, unless a full buffer or Close signals meanwhile.
func (l *Log) gather() {
	t := time.NewTimer(l.linger)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.wake:
	}
}

// take replaces the buffer by an empty one and returns it.
func (l *Log) take(spare []byte) (batch []byte, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch, l.waiting = l.waiting, spare
	l.room.Broadcast()
	return batch, l.closed
}

// flush writes a batch and reports whether writing fails. It logs only the first
// failure and the first success after that; Failed counts the events.
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
