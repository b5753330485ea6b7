// Package audit writes one line of JSON for each decision: the caller, the outcome,
// and the rule and key that led there. Operators reconstruct from it why a caller was
// granted access, so no event is dropped silently: when the writer cannot keep up,
// requests wait for it for a bounded time and are then refused, or what is lost is
// counted and logged.
package audit

import (
	"bytes"
	"errors"
	"fmt"
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
	// Buffer is how many bytes may wait for the writer, beside those that are being
	// written. Default 1 MiB.
	Buffer int
	// Wait is how long an event waits for room in the buffer, one write may take
	// before the log counts as stalled, and Close waits. Default 2s.
	Wait time.Duration
	// Lossy lets requests go on while the log cannot be written: [Log.Ready] and
	// [Log.Write] return no error, and events that find no room are lost.
	Lossy  bool
	Logger *slog.Logger // reports when writing begins to fail; default slog.Default
}

// retryAfter is how long after a failed write the next is tried.
const retryAfter = time.Second

var (
	errStalled = errors.New("a write does not end; nothing reads the pipe, or the disk hangs")
	errFull    = errors.New("the buffer is full")
	errClosed  = errors.New("the audit log is closed")
)

// Log collects events and writes them from one goroutine, in the order of Write. It
// is safe for concurrent use: requests share a lock only while a line is copied into
// the buffer. What a write left over is kept and written again until Close, so that a
// full disk loses no event that was taken.
type Log struct {
	w    io.Writer
	cfg  Config
	lost atomic.Uint64
	// failure is why the log cannot be written now, nil if it can.
	failure atomic.Pointer[error]

	refusals sampler

	mu      sync.Mutex
	waiting []byte
	room    chan struct{} // closed and replaced when waiting was taken
	pending []byte        // what is being written
	began   int           // writes; tells a stalled one from later ones
	closed  bool

	wake    chan struct{} // waiting is not empty, is full, or the log is closed
	closing chan struct{}
	done    chan struct{}
}

// New starts a Log, which the caller must Close.
func New(w io.Writer, cfg Config) *Log {
	if cfg.Linger <= 0 {
		cfg.Linger = 10 * time.Millisecond
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = 1 << 20
	}
	if cfg.Wait <= 0 {
		cfg.Wait = 2 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	l := &Log{
		w: w, cfg: cfg, room: make(chan struct{}),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l
}

// Ready returns why nothing that must be audited may be done now: the last write
// failed, or one does not end.
func (l *Log) Ready() error {
	if l.cfg.Lossy {
		return nil
	}
	return l.Failure()
}

// Failure returns why the log cannot be written now, nil if it can.
func (l *Log) Failure() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Write adds e to the buffer, and waits for room there up to Config.Wait. Its error
// says that the event is lost or may not be written soon, so that the caller must not
// learn of the decision; a Lossy log only counts that. Of floods of refusals some are
// counted instead, see [Log.Sweep].
func (l *Log) Write(e *Event) error {
	var space [1024]byte
	if !isSampled(e) {
		return l.put(e.append(space[:0]))
	}
	line, ok := l.refusals.append(e, space[:0])
	if !ok {
		return l.Ready()
	}
	return l.put(line)
}

// Sweep writes how many refusals were counted instead of written. It is called about
// once a minute; Close does so too.
func (l *Log) Sweep(now time.Time) {
	for _, e := range l.refusals.summaries(now) {
		line := e.append(nil)
		l.refusals.charge(len(line))
		_ = l.put(line) // a lost one is counted
	}
}

func (l *Log) put(line []byte) error {
	room, err := l.add(line)
	if room != nil {
		err = l.await(line, room)
	}
	if err != nil {
		l.lost.Add(1)
	}
	if l.cfg.Lossy {
		return nil
	}
	if err == nil {
		err = l.Failure()
	}
	return err
}

// add copies a line into the buffer. Without room it returns the channel that is
// closed once there may be some.
func (l *Log) add(line []byte) (room <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, errClosed
	case len(l.waiting) > 0 && len(l.waiting)+len(line) > l.cfg.Buffer:
		l.signal()
		return l.room, nil
	case len(l.waiting) == 0:
		l.signal()
	}
	l.waiting = append(l.waiting, line...)
	return nil, nil
}

// await adds a line once there is room. A log that fails is not waited for.
func (l *Log) await(line []byte, room <-chan struct{}) (err error) {
	timer := time.NewTimer(l.cfg.Wait)
	defer timer.Stop()
	for room != nil && err == nil {
		if l.Failure() != nil {
			return errFull
		}
		select {
		case <-room:
			room, err = l.add(line)
		case <-timer.C:
			return errFull
		}
	}
	return err
}

// Failed returns the number of events that are lost.
func (l *Log) Failed() uint64 { return l.lost.Load() }

// Close writes the waiting events and stops the Log, and returns an error if some
// are lost. It waits at most Config.Wait, and does not close the writer.
func (l *Log) Close() error {
	l.Sweep(time.Now())
	l.mu.Lock()
	first := !l.closed
	if l.closed = true; first {
		close(l.closing)
		l.free()
	}
	l.mu.Unlock()
	l.signal()
	timer := time.NewTimer(l.cfg.Wait)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
		l.fail(0, errStalled)
	}
	if !first {
		return nil
	}
	return l.abandon()
}

// abandon counts what is still not written after Close.
func (l *Log) abandon() error {
	l.mu.Lock()
	n := lines(l.pending) + lines(l.waiting)
	l.mu.Unlock()
	if n == 0 {
		return nil
	}
	l.lost.Add(uint64(n))
	return fmt.Errorf("%d events are not in the audit log: %w", n, l.Failure())
}

// lines counts events. What begins with a line break follows a torn line.
func lines(b []byte) int { return bytes.Count(bytes.TrimPrefix(b, []byte("\n")), []byte("\n")) }

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// free makes Writes that wait for room look again. The caller holds mu.
func (l *Log) free() {
	close(l.room)
	l.room = make(chan struct{})
}

func (l *Log) run() {
	defer close(l.done)
	var spare []byte
	for {
		<-l.wake
		l.gather()
		batch, closed := l.take(spare)
		if !l.writeAll(batch) || closed {
			return
		}
		spare = batch[:0]
	}
}

// gather waits for more events, unless a full buffer or Close signals meanwhile.
func (l *Log) gather() {
	t := time.NewTimer(l.cfg.Linger)
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
	l.pending = batch
	l.free()
	return batch, l.closed
}

// writeAll writes a batch, again and again what a failed write left over. It reports
// false if some is left when the log is closed.
func (l *Log) writeAll(batch []byte) bool {
	for last := false; len(batch) > 0; {
		if batch = l.write(batch); len(batch) == 0 {
			break
		}
		if last {
			return false
		}
		select {
		case <-l.closing:
			last = true
		case <-time.After(retryAfter):
		}
	}
	return true
}

// write writes a batch once and returns what is left of it, in whole lines: a line
// that was torn is left whole, after a line break that ends what was written of it.
func (l *Log) write(batch []byte) (rest []byte) {
	l.mu.Lock()
	l.began++
	number := l.began
	l.mu.Unlock()
	stalled := time.AfterFunc(l.cfg.Wait, func() { l.fail(number, errStalled) })
	n, err := l.w.Write(batch)
	stalled.Stop()
	if err == nil && n < len(batch) {
		err = io.ErrShortWrite
	}
	if err != nil {
		rest = left(batch, n)
	}
	l.mu.Lock()
	l.pending = rest
	l.began++
	number = l.began
	l.mu.Unlock()
	l.fail(number, err)
	return rest
}

// left returns the lines of a batch that its first n bytes do not hold.
func left(batch []byte, n int) []byte {
	whole := bytes.LastIndexByte(batch[:n], '\n') + 1
	if whole == n || n < len(batch) && batch[n] == '\n' {
		return batch[n:]
	}
	return append([]byte("\n"), batch[whole:]...)
}

// fail records the outcome of the write of a number, unless a later one has begun; 0
// is any write. It logs only the first failure and the first success after that.
func (l *Log) fail(number int, err error) {
	l.mu.Lock()
	if number != 0 && number != l.began {
		l.mu.Unlock()
		return
	}
	failed := l.failure.Load() != nil
	l.failure.Store(nil)
	if err != nil {
		l.failure.Store(&err)
	}
	l.mu.Unlock()
	switch {
	case err != nil && !failed:
		l.cfg.Logger.Error("audit log cannot be written", "error", err, "lossy", l.cfg.Lossy, "events_lost", l.lost.Load())
	case err == nil && failed:
		l.cfg.Logger.Info("audit log is written again", "events_lost", l.lost.Load())
	}
}
