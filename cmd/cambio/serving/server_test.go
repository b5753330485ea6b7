package serving

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// started runs a server with at most most connections.
func started(t *testing.T, most int, h http.Handler) (*Server, string) {
	t.Helper()
	s := New(&http.Server{Handler: h}, most, nil)
	l, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.http.Close()
		<-ended
	})
	return s, l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// get sends a request and reads its response.
func get(conn net.Conn) (*http.Response, error) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	return res, err
}

// The connection that is idle for the longest makes room, and the others are served
// as before.
func TestOldestIdleConnectionMakesRoom(t *testing.T) {
	s, address := started(t, 4, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var all []net.Conn
	for range 4 {
		conn := dial(t, address)
		if _, err := get(conn); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	if _, err := get(all[0]); err != nil { // no longer the oldest
		t.Fatal(err)
	}
	if _, err := get(dial(t, address)); err != nil {
		t.Fatalf("the fifth connection: %v", err)
	}
	for i, conn := range all {
		if _, err := get(conn); (err == nil) != (i != 1) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	if open, dropped := s.Connections(); open != 4 || dropped != 1 {
		t.Errorf("%d connections, %d dropped", open, dropped)
	}
}

// A connection with a request under way is not dropped: the next one waits.
func TestConnectionInUseIsKept(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{})
	_, address := started(t, 1, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		w.Header().Set("Connection", "close")
	}))
	first, second := make(chan error, 1), make(chan error, 1)
	busy := dial(t, address)
	fmt.Fprint(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	go func() {
		_, err := http.ReadResponse(bufio.NewReader(busy), nil)
		first <- err
	}()
	go func() {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			defer conn.Close()
			_, err = get(conn)
		}
		second <- err
	}()
	select {
	case err := <-first:
		t.Errorf("the first connection: %v", err)
	case err := <-second:
		t.Errorf("the second connection: %v", err)
	case <-time.After(2 * fresh):
	}
	close(release)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
}

// Callers that come together wait for each other, and none is dropped.
func TestFreshConnectionsAreKept(t *testing.T) {
	s, address := started(t, 2, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	errs := make(chan error)
	for range 50 {
		go func() {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				defer conn.Close()
				_, err = get(conn)
			}
			errs <- err
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, dropped := s.Connections(); dropped != 0 {
		t.Errorf("%d connections were dropped", dropped)
	}
}

// Requests on connections that the kernel has accepted when the server stops are
// served, and later connections are refused.
func TestStopServesWhatWasAccepted(t *testing.T) {
	s, address := started(t, 100, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	kept := dial(t, address)
	if _, err := get(kept); err != nil {
		t.Fatal(err)
	}
	s.Drain(t.Context())
	stopped := make(chan error, 1)
	accepted := dial(t, address)
	go func() { stopped <- s.Stop(t.Context()) }()
	for _, conn := range []net.Conn{accepted, kept} {
		if res, err := get(conn); err != nil || !res.Close {
			t.Errorf("got %+v, %v", res, err)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", address); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a connection afterwards: %v", err)
	}
}

// A request that does not end delays the end no longer than the context allows.
func TestStopIsBounded(t *testing.T) {
	s, address := started(t, 100, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	fmt.Fprint(dial(t, address), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s.Drain(ctx)
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestMaxConnections(t *testing.T) {
	const gib = 1 << 30
	for _, row := range []struct {
		files  uint64
		memory int64
		want   int
	}{
		{0, gib, 16384},
		{300, gib, 225},
		{1024, gib, 768},
		{1 << 20, 64 * gib, 1<<20 - 512},
		{1 << 20, 64 << 20, 1024},
		{50, gib, 16}, // no room for a reserve
	} {
		if got := maxConnections(row.files, row.memory); got != row.want {
			t.Errorf("%d files, %d bytes: %d connections, want %d", row.files, row.memory, got, row.want)
		}
	}
}
