package serving

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections bounds the connections of a listener, so that they never use up the
// open files that the store and outgoing connections need.
type connections struct {
	most     int
	makeRoom func() bool
	listener net.Listener

	mu       sync.Mutex
	open     int
	dropped  int       // in all
	accepted time.Time // the last one
	idle     list.List // of *connection, the one that is idle for the longest first
	stopping bool
}

// connection is a connection from its acceptance to its end. It is idle while no
// whole header of a request has arrived, also before the first and during the TLS
// handshake: a sender that stalls there is idle for as long.
type connection struct {
	net.Conn
	all    *connections
	idle   *list.Element // nil while a request is under way
	since  time.Time     // of the idle state
	closed bool
}

func newConnections(most int, makeRoom func() bool) *connections {
	if makeRoom == nil {
		makeRoom = func() bool { return false }
	}
	return &connections{most: most, makeRoom: makeRoom}
}

func (cs *connections) listen(l net.Listener) net.Listener {
	cs.listener = l
	return listener{l, cs}
}

// listener is a listener whose connections are bounded.
type listener struct {
	net.Listener
	conns *connections
}

// Close implements [net.Listener]. Closing it again is no error.
func (l listener) Close() error {
	if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Accept implements [net.Listener]. It returns a connection once there is room.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.conns.add(conn), nil
}

// add counts a connection. If there is no room and none is idle, it waits: the next
// ones queue in the kernel.
func (cs *connections) add(conn net.Conn) *connection {
	const again = time.Millisecond
	c := &connection{Conn: conn, all: cs}
	for !cs.admit(c) {
		cs.makeRoom()
		time.Sleep(again)
	}
	return c
}

// admit counts a connection if there is room, or the one that is idle for the
// longest makes room. One that has just come or was just used is not dropped, so that
// callers that come together wait for each other.
func (cs *connections) admit(c *connection) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if oldest := cs.idle.Front(); cs.open >= cs.most && oldest != nil {
		if victim := oldest.Value.(*connection); time.Since(victim.since) > fresh {
			cs.end(victim)
			cs.dropped++
			_ = victim.Conn.Close() // its reader learns of it
		}
	}
	if cs.open >= cs.most && !cs.stopping {
		return false
	}
	cs.open++
	cs.accepted = time.Now()
	cs.rest(c)
	return true
}

// state follows the state of a connection ([http.Server.ConnState]).
func (cs *connections) state(conn net.Conn, s http.ConnState) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = over.NetConn()
	}
	c, ok := conn.(*connection)
	if !ok || s == http.StateNew {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.work(c)
	if s == http.StateIdle && !c.closed {
		cs.rest(c)
	}
}

// rest makes a connection idle, and work ends that. The caller holds the lock, as
// that of end does.
func (cs *connections) rest(c *connection) {
	c.since = time.Now()
	c.idle = cs.idle.PushBack(c)
}

func (cs *connections) work(c *connection) {
	if c.idle != nil {
		cs.idle.Remove(c.idle)
		c.idle = nil
	}
}

// end counts a connection as closed.
func (cs *connections) end(c *connection) {
	cs.work(c)
	if !c.closed {
		c.closed = true
		cs.open--
	}
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.all.mu.Lock()
	c.all.end(c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite closes the sending side, as that of [net.TCPConn] does: net/http uses it
// so that a response is read although the request was not.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (cs *connections) count() (open, dropped int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.open, cs.dropped
}

// refuse closes the listener. The kernel has accepted connections that it would
// reset then, and so their requests are served first: no further one is begun, and
// the listener is closed once none has come for a moment.
func (cs *connections) refuse(ctx context.Context) {
	const moment, most = 50 * time.Millisecond, 2 * time.Second
	if cs.listener == nil {
		return
	}
	cs.mu.Lock()
	cs.stopping = true
	cs.accepted = time.Now()
	cs.mu.Unlock()
	beginNone(cs.listener)
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cs.await(ctx, func(now time.Time) bool { return now.Sub(cs.accepted) > moment && !pending(cs.listener) })
	_ = cs.listener.Close() // which ends Serve
}

// settle waits until every connection is in use, closed, or idle for some time.
func (cs *connections) settle(ctx context.Context) {
	cs.await(ctx, func(now time.Time) bool {
		last := cs.idle.Back()
		return last == nil || now.Sub(last.Value.(*connection).since) > settled
	})
}

// await polls until the condition holds or ctx ends. The condition is called with
// the lock.
func (cs *connections) await(ctx context.Context, condition func(now time.Time) bool) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		cs.mu.Lock()
		done := condition(time.Now())
		cs.mu.Unlock()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
