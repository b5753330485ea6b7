package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group is for engines that write one transaction at a time: commits that wait
// together share one, and so its fsync. One of the waiting calls writes for all
// of them; it never waits for more.
type Group struct {
	write   func([]*Pending) error
	writing chan struct{} // holds a value while a call writes

	mu      sync.Mutex
	waiting []*Pending // in order of arrival
}

// Pending is a commit that waits for its result.
type Pending struct {
	Writes []Write
	Err    error // why it has no part in the transaction; the engine sets it

	ctx  context.Context
	done chan error
}

// NewGroup returns the Group of an engine. write applies the members of a group
// in order, except those whose Err it sets, all in one transaction. An error
// that it returns concerns every member; after [ErrFull] each member is tried
// by itself. It is never called while another call of it, or of Exclude's
// function, runs.
func NewGroup(write func([]*Pending) error) *Group {
	return &Group{write: write, writing: make(chan struct{}, 1)}
}

// Commit implements [Engine].
func (g *Group) Commit(ctx context.Context, writes ...Write) error {
	if err := errors.Join(ctx.Err(), Check(writes)); err != nil || len(writes) == 0 {
		return err
	}
	p := &Pending{Writes: writes, ctx: ctx, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	g.mu.Unlock()
	select {
	case err := <-p.done:
		return err
	case g.writing <- struct{}{}:
		g.run(g.take())
		<-g.writing
		return <-p.done
	case <-ctx.Done():
		return fmt.Errorf("waiting for a commit that may yet happen: %w", ctx.Err())
	}
}

// Exclude calls do while nothing is written.
func (g *Group) Exclude(do func() error) error {
	g.writing <- struct{}{}
	defer func() { <-g.writing }()
	return do()
}

// take returns those that wait. One whose caller has left is not written.
func (g *Group) take() []*Pending {
	g.mu.Lock()
	defer g.mu.Unlock()
	group := g.waiting[:0]
	for _, p := range g.waiting {
		if err := p.ctx.Err(); err != nil {
			p.done <- err
		} else {
			group = append(group, p)
		}
	}
	g.waiting = nil
	return group
}

func (g *Group) run(group []*Pending) {
	if len(group) == 0 {
		return
	}
	err := g.write(group)
	if errors.Is(err, ErrFull) && len(group) > 1 {
		for i := range group { // a smaller one may still fit, or make room
			g.run(group[i : i+1])
		}
		return
	}
	for _, p := range group {
		if err != nil { // what p.Err rests on may never have been written
			p.Err = err
		}
		p.done <- p.Err
	}
}

// Retry calls attempt, which reads, decides and commits, until it returns
// anything but [ErrConflict], attempts times at most. After the last conflict
// the error is ErrConflict with a method Overloaded() bool that returns true. It
// stops early when ctx ends.
func Retry(ctx context.Context, attempts int, attempt func() error) error {
	var err error
	for range attempts {
		if err = attempt(); !errors.Is(err, ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return overloaded{fmt.Errorf("gave up after %d concurrent changes: %w", attempts, err)}
}

// overloaded is the error after the last attempt of [Retry].
type overloaded struct{ error }

func (o overloaded) Unwrap() error  { return o.error }
func (overloaded) Overloaded() bool { return true }
