package serving

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// LogWriter passes lines on from one goroutine, so that a standard error that nothing
// reads neither stops requests nor outlasts the server. Lines beyond those that wait
// are dropped, and their number is written once there is room.
type LogWriter struct {
	w       io.Writer
	lines   chan []byte
	dropped atomic.Uint64
	stop    chan struct{}
	done    chan struct{}
}

// Bounds of a LogWriter.
const (
	maxLogLines = 1024
	logLinger   = time.Second // of Close
)

// NewLogWriter starts a LogWriter, which the caller must Close.
func NewLogWriter(w io.Writer) *LogWriter {
	l := &LogWriter{w: w, lines: make(chan []byte, maxLogLines), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes a line, or drops it.
func (l *LogWriter) Write(p []byte) (int, error) {
	select {
	case l.lines <- bytes.Clone(p):
	default:
		l.dropped.Add(1)
	}
	return len(p), nil
}

// Close waits until the lines that were taken are written, but not for long.
func (l *LogWriter) Close() {
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(logLinger):
	}
}

func (l *LogWriter) run() {
	defer close(l.done)
	for {
		select {
		case line := <-l.lines:
			l.pass(line)
		case <-l.stop:
			for {
				select {
				case line := <-l.lines:
					l.pass(line)
				default:
					l.pass(nil)
					return
				}
			}
		}
	}
}

// pass writes a line. There is nowhere to report that standard error is closed.
func (l *LogWriter) pass(line []byte) {
	if n := l.dropped.Swap(0); n > 0 {
		fmt.Fprintf(l.w, "cambio: warning: %d lines of the log dropped: nothing read standard error\n", n)
	}
	_, _ = l.w.Write(line)
}
