package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests over a fixed number of connections, each of which sends its
// next request as soon as the last got its response. It can run repeatedly.
type load struct {
	requests [][]byte // whole HTTP requests, sent in turn
	next     atomic.Int64
	workers  []worker
	elapsed  time.Duration // of all runs
}

// connect opens the connections.
func connect(addr string, requests [][]byte, connections int) (*load, error) {
	l := &load{requests: requests, workers: make([]worker, connections)}
	for i := range l.workers {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			l.close()
			return nil, err
		}
		l.workers[i] = worker{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}
	}
	return l, nil
}

func (l *load) close() {
	for i := range l.workers {
		if conn := l.workers[i].conn; conn != nil {
			conn.Close()
		}
	}
}

// run sends requests for d and returns once every connection has stopped.
func (l *load) run(d time.Duration) error {
	start := time.Now()
	var wg sync.WaitGroup
	for i := range l.workers {
		wg.Go(func() { l.workers[i].work(l, start.Add(d)) })
	}
	wg.Wait()
	l.elapsed += time.Since(start)
	var errs error
	for i := range l.workers {
		errs = errors.Join(errs, l.workers[i].err)
	}
	return errs
}

// figures merges the measurements of the workers, except the CPU time, and returns the
// number of responses.
func (l *load) figures() (f figures, responses int, err error) {
	var all []time.Duration
	for i := range l.workers {
		all = append(all, l.workers[i].took...)
		f.errors += l.workers[i].errors
	}
	if len(all) == 0 {
		return f, 0, errors.New("there were no responses")
	}
	slices.Sort(all)
	f.perSecond, f.p50, f.p99 = float64(len(all))/l.elapsed.Seconds(), all[len(all)/2], all[len(all)*99/100]
	return f, len(all), nil
}

// worker is one persistent connection. It speaks just enough HTTP/1.1, so that it
// costs little beside the server on the same machine.
type worker struct {
	conn   net.Conn
	in     *bufio.Reader
	took   []time.Duration
	errors int
	err    error
}

func (w *worker) work(l *load, until time.Time) {
	for now := time.Now(); now.Before(until); {
		request := l.requests[int(l.next.Add(1)-1)%len(l.requests)]
		if _, w.err = w.conn.Write(request); w.err != nil {
			return
		}
		var status int
		if status, w.err = readResponse(w.in); w.err != nil {
			return
		}
		if status != 200 {
			w.errors++
		}
		done := time.Now()
		w.took = append(w.took, done.Sub(now))
		now = done
	}
}

// readResponse reads one response with a Content-Length and returns its status.
func readResponse(in *bufio.Reader) (status int, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if status, err = statusOf(line); err != nil {
				return 0, err
			}
		case len(line) == 0:
			if length < 0 {
				return 0, errors.New("the response has no content-length")
			}
			_, err = io.CopyN(io.Discard, in, int64(length))
			return status, err
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("content-length:")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
			if err != nil {
				return 0, err
			}
		}
	}
}

func statusOf(line []byte) (int, error) {
	if len(line) < 12 {
		return 0, fmt.Errorf("status line %q", line)
	}
	return strconv.Atoi(string(line[9:12]))
}
