package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
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
	await(t, "all requests to be under way", func() bool { return s.outside() == requests })
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

// During shutdownDelay requests are served as before, on new connections and old
// ones, and only /readyz says that the server stops.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	s, issuer := world(t, "CAMBIO_SHUTDOWN_DELAY="+delay.String())
	old := s.dialer()
	begin := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "/readyz to return 503", func() bool { return s.ready() == http.StatusServiceUnavailable })
	for _, client := range []*dialer{old, s.dialer()} {
		res, err := client.do(rawExchange(issuer.Sign(issuer.Claims("alice", app))))
		if err != nil || res.StatusCode != http.StatusOK || res.Close {
			t.Errorf("during the delay: %+v, %v", res, err)
		}
	}
	if err := s.wait(t); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("it ended after %v", took)
	}
}

// Callers that keep their connections and callers that make one for each request
// are refused in the end, and none of their requests is cut before.
func TestStopUnderLoadCutsNoRequest(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	request := rawExchange(issuer.Sign(issuer.Claims("alice", app)))
	const callers = 24
	var granted atomic.Int64
	var done sync.WaitGroup
	for i := range callers {
		done.Go(func() {
			d := s.dialer()
			d.once = i%3 == 0
			for {
				res, err := d.do(request)
				switch {
				case errors.Is(err, errRefused):
					return
				case err != nil:
					t.Errorf("a request was cut: %v", err)
					return
				case res.StatusCode != http.StatusOK:
					t.Errorf("got %s", res.Status)
					return
				}
				granted.Add(1)
			}
		})
	}
	s.stopUnderLoad(&granted, &done)
	if n := s.granted(); int64(n) != granted.Load() {
		t.Errorf("%d events are in the audit log, %d requests were granted", n, granted.Load())
	}
}

// stopUnderLoad stops the server when enough requests were granted, and waits for the
// callers and for its end.
func (s *server) stopUnderLoad(granted *atomic.Int64, callers *sync.WaitGroup) {
	s.t.Helper()
	await(s.t, "load", func() bool { return granted.Load() > 500 })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	callers.Wait()
	if err := s.wait(s.t); err != nil {
		s.t.Errorf("the server ended with: %v", err)
	}
}

// The same over HTTP/2, whose connections carry several requests at once.
func TestStopUnderLoadCutsNoStream(t *testing.T) {
	t.Parallel()
	certFile, keyFile, roots := selfSigned(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	trust := &tls.Config{RootCAs: roots}
	issuer := jwkstest.New(t)
	s := startAt(t, "https", trust, "CAMBIO_TLS_CERT_FILE="+certFile, "CAMBIO_TLS_KEY_FILE="+keyFile, "SSL_CERT_FILE="+certFile)
	s.trust("%s", manifest(issuer.URL, audience))
	form := exchangeForm(issuer.Sign(issuer.Claims("alice", app))).Encode()
	var granted atomic.Int64
	var done sync.WaitGroup
	for range 4 {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: trust.Clone()}}
		for range 6 {
			done.Go(func() {
				for {
					res, err := client.Post(s.url+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader(form))
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
					}
					if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
						t.Errorf("a request was cut: %+v, %v", res, err)
						return
					}
					granted.Add(1)
				}
			})
		}
	}
	s.stopUnderLoad(&granted, &done)
}

// Idle connections, which are more than there are open files, make room for others,
// and so do requests whose body does not arrive. Callers that wait for an issuer leave
// room.
func TestConnectionsAreBoundedByOpenFiles(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	silent := jwkstest.New(t)
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	silent.ServeDiscovery(func(http.ResponseWriter, *http.Request) { <-end })
	for _, row := range []struct{ name, sent string }{
		{"nothing was sent", ""},
		{"a part of a header", "POST /oauth/token HTTP/1.1\r\nHost: x\r\n"},
		{"a response was read", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a header without its body", "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"},
		{"a token of an issuer that does not respond", rawExchange(silent.Sign(silent.Claims("bob", app)))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, issuer := world(t)
			both := strings.Replace(manifest(issuer.URL, audience), "issuers:\n", "issuers:\n"+
				"  - {id: silent, url: "+silent.URL+", audiences: ["+app+"], scopes: [\""+scope+"\"], keys: {allowPrivateAddresses: true}}\n", 1)
			s.trust("%s", strings.ReplaceAll(both, "issuers: [login]", "issuers: [login, silent]"))
			s.stop(t)
			s.openFiles = 300
			s.restart()
			for range 640 {
				conn, err := net.Dial("tcp", s.address())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprint(conn, row.sent)
			}
			for range 3 {
				begin := time.Now()
				res, err := s.dialer().do(rawExchange(issuer.Sign(issuer.Claims("alice", app))))
				if err != nil || res.StatusCode != http.StatusOK {
					t.Fatalf("another caller: %+v, %v", res, err)
				}
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("another caller waited for %v", took)
				}
			}
		})
	}
}

// errRefused is the error of a connection that was not begun.
var errRefused = errors.New("the connection is refused")

// dialer sends requests over connections of its own, and tries none again as
// [http.Transport] does.
type dialer struct {
	address string
	once    bool // a connection for each request
	conn    net.Conn
	reader  *bufio.Reader
}

func (s *server) address() string { return strings.TrimPrefix(s.url, "http://") }

// dialer returns one that is connected.
func (s *server) dialer() *dialer {
	d := &dialer{address: s.address()}
	if err := d.dial(); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (d *dialer) dial() (err error) {
	d.conn, err = net.DialTimeout("tcp", d.address, 20*time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errRefused
	}
	if err == nil {
		d.reader = bufio.NewReader(d.conn)
	}
	return err
}

func (d *dialer) do(request string) (*http.Response, error) {
	if d.conn == nil {
		if err := d.dial(); err != nil {
			return nil, err
		}
	}
	if err := d.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(d.conn, request); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	res, err := http.ReadResponse(d.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if res.Close || d.once {
		d.conn.Close()
		d.conn = nil
	}
	return res, nil
}

// rawExchange returns a token exchange as it is sent.
func rawExchange(token string) string {
	body := exchangeForm(token).Encode()
	return fmt.Sprintf("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// outside returns the server's gauge of requests that wait for an issuer.
func (s *server) outside() int {
	s.t.Helper()
	for line := range strings.Lines(s.metrics()) {
		if n, ok := strings.CutPrefix(line, "cambio_requests_outside "); ok {
			return int(n[0] - '0')
		}
	}
	s.t.Fatal("no gauge of the requests that wait")
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
