package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// logWriter passes lines on from one goroutine, so that a standard error that nothing
// reads neither stops requests nor outlasts the server. Lines beyond those that wait
// are dropped, and their number is written once there is room.
type logWriter struct {
	w       io.Writer
	lines   chan []byte
	dropped atomic.Uint64
	stop    chan struct{}
	done    chan struct{}
}

// Bounds of a logWriter.
const (
	maxLogLines  = 1024
	maxLogLinger = time.Second // of close
)

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{w: w, lines: make(chan []byte, maxLogLines), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes a line, or drops it.
func (l *logWriter) Write(p []byte) (int, error) {
	select {
	case l.lines <- bytes.Clone(p):
	default:
		l.dropped.Add(1)
	}
	return len(p), nil
}

// close waits until the lines that were taken are written, but not for long.
func (l *logWriter) close() {
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(maxLogLinger):
	}
}

func (l *logWriter) run() {
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
func (l *logWriter) pass(line []byte) {
	if n := l.dropped.Swap(0); n > 0 {
		fmt.Fprintf(l.w, "cambio: warning: %s of the log dropped: nothing read standard error\n", count(int(n), "line"))
	}
	_, _ = l.w.Write(line)
}
