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

// load is one run of the generator: fixed connections, each sending its next
// request as soon as the last was answered.
type load struct {
	addr        string
	requests    [][]byte // whole HTTP requests, sent in turn
	concurrency int
	duration    time.Duration
}

// result is what a run measured.
type result struct {
	requests int
	errors   int // answers other than 200
	elapsed  time.Duration
	p50, p99 time.Duration
}

func (r result) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

// run drives the load and returns once every connection has stopped.
func (l load) run() (result, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	workers := make([]worker, l.concurrency)
	start := time.Now()
	for i := range workers {
		workers[i] = worker{load: l, next: &next, until: start.Add(l.duration)}
		wg.Go(workers[i].work)
	}
	wg.Wait()
	return collect(workers, time.Since(start))
}

// collect merges what the workers saw.
func collect(workers []worker, elapsed time.Duration) (result, error) {
	r := result{elapsed: elapsed}
	var all []time.Duration
	var errs error
	for i := range workers {
		all = append(all, workers[i].took...)
		r.errors += workers[i].errors
		errs = errors.Join(errs, workers[i].err)
	}
	if len(all) == 0 {
		return r, errors.Join(errors.New("nothing was answered"), errs)
	}
	slices.Sort(all)
	r.requests, r.p50, r.p99 = len(all), all[len(all)/2], all[len(all)*99/100]
	return r, errs
}

// worker is one keep-alive connection. It speaks just enough HTTP/1.1 to cost
// little beside the server that shares the machine with it.
type worker struct {
	load
	next   *atomic.Int64
	until  time.Time
	took   []time.Duration
	errors int
	err    error
}

func (w *worker) work() {
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.err = err
		return
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	for now := time.Now(); now.Before(w.until); {
		request := w.requests[int(w.next.Add(1)-1)%len(w.requests)]
		if _, w.err = conn.Write(request); w.err != nil {
			return
		}
		status, err := readAnswer(in)
		if err != nil {
			w.err = err
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

// readAnswer reads one response with a Content-Length and returns its status.
func readAnswer(in *bufio.Reader) (status int, err error) {
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
				return 0, errors.New("answer has no content-length")
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

// formRequest is a token request as a client without a backend sends it.
func formRequest(addr, path, form string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		path, addr, len(form), form)
}
