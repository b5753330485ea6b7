package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestGracefulStop checks that SIGTERM turns /readyz to 503, that requests under
// way finish, and that the server exits with 0.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	requested, release := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	keys := issuer.JWKS()
	issuer.Serve(func(w http.ResponseWriter, r *http.Request) { // a slow issuer: exchanges wait for its keys
		close(requested)
		<-release
		w.Write(keys)
	})
	token := issuer.Sign(issuer.Claims("alice", app))
	const requests = 5
	var granted atomic.Int64
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		each(t.Context(), requests, func(ctx context.Context, _ int) {
			a, err := s.post(ctx, "/oauth/token", exchangeForm(token))
			if err != nil || a.status != http.StatusOK {
				t.Errorf("a request under way got %s, %v", a, err)
				return
			}
			granted.Add(1)
		})
	}()
	<-requested
	await(t, "all requests to be under way", func() bool { return s.inFlight() == requests })
	for range 2 { // as when the process and its group are signalled
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "/readyz to return 503", func() bool { return s.ready() == http.StatusServiceUnavailable })
	if s.ended() {
		t.Error("the server ended with requests under way")
	}
	letGo()
	<-answered
	if granted.Load() != requests {
		t.Errorf("%d of %d requests under way were granted", granted.Load(), requests)
	}
	if err := s.wait(t); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
	if n := s.granted(); n != requests {
		t.Errorf("%d events are in the audit log, want %d", n, requests)
	}
}

// inFlight returns the server's gauge of requests in flight.
func (s *server) inFlight() int {
	s.t.Helper()
	for line := range strings.Lines(s.metrics()) {
		if n, ok := strings.CutPrefix(line, "cambio_requests_in_flight "); ok {
			return int(n[0] - '0')
		}
	}
	s.t.Fatal("no gauge of the requests in flight")
	return 0
}

func (s *server) metrics() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.admin+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(s.read("cambio.admin-token")))
	a, err := s.do(req)
	if err != nil || a.status != http.StatusOK {
		s.t.Fatalf("metrics: %s, %v", a, err)
	}
	return a.body
}

// granted counts the granted token requests in the audit log.
func (s *server) granted() (n int) {
	s.t.Helper()
	for line := range strings.Lines(s.read("audit.log")) {
		if strings.Contains(line, `"event":"token"`) && strings.Contains(line, `"outcome":"granted"`) {
			n++
		}
	}
	return n
}
