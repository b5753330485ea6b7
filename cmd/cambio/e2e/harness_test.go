package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server is a `cambio serve` of a test, with its own folder.
type server struct {
	*process
	t         *testing.T
	url       string // public; the issuer of its tokens
	admin     string
	dir       string
	env       []string
	http      *http.Client
	stdout    *os.File // of the next restart; nil collects it
	openFiles int      // the limit of the next start, if not 0
	seen      secrets
}

// start runs a server by a configuration file, with settings in its
// environment such as CAMBIO_KEYS_ALGORITHM=RS256, and waits until it is ready.
func start(t *testing.T, env ...string) *server {
	t.Helper()
	return startAt(t, "http", nil, env...)
}

func startAt(t *testing.T, scheme string, trust *tls.Config, env ...string) *server {
	t.Helper()
	port := freePorts(t, 2)
	s := &server{
		t: t, dir: t.TempDir(), env: env,
		url:   fmt.Sprintf("%s://127.0.0.1:%d", scheme, port),
		admin: fmt.Sprintf("%s://127.0.0.1:%d", scheme, port+1),
		http: &http.Client{
			Timeout: 30 * time.Second,
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true, TLSClientConfig: trust,
			},
		},
	}
	s.write("cambio.yaml", fmt.Sprintf(`issuer: %s
listen: 127.0.0.1:%d
adminListen: 127.0.0.1:%d
database: %s
audit: {file: %s}
log: {level: debug, format: json}
`, s.url, port, port+1, s.file("cambio.db"), s.file("audit.log")))
	t.Cleanup(s.inspect)
	s.restart()
	return s
}

func (s *server) file(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.file(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// restart starts a server on the files of the previous one, and waits until it is
// ready. Standard error of both is kept together.
func (s *server) restart() {
	s.t.Helper()
	before := ""
	if s.process != nil {
		before = s.out.String()
	}
	command := []string{binary, "serve", "-c", "cambio.yaml"}
	if s.openFiles > 0 {
		command = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, s.openFiles), "sh"}, command...)
	}
	s.process = runTo(s.t, s.stdout, s.dir, s.env, command[0], command[1:]...)
	s.out.Write([]byte(before))
	await(s.t, "the server to be ready", func() bool {
		if s.ended() {
			s.t.Fatalf("the server ended: %v", s.err)
		}
		return s.ready() == http.StatusOK
	})
}

// ready returns the status of /readyz on a new connection, 0 without a response.
func (s *server) ready() int {
	fresh := &http.Client{Timeout: 5 * time.Second, Transport: s.http.Transport.(*http.Transport).Clone()}
	defer fresh.CloseIdleConnections()
	resp, err := fresh.Get(s.url + "/readyz")
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// inspect ends every test: the server stops cleanly, no race was detected, and no
// secret was stored or logged.
func (s *server) inspect() {
	s.http.CloseIdleConnections()
	if !s.ended() {
		s.stop(s.t)
	}
	if strings.Contains(s.out.String(), "DATA RACE") {
		s.t.Error("the server raced")
	}
	s.findSecrets()
}

// cambio runs a command against the server's admin API and returns its output.
func (s *server) cambio(input string, args ...string) string {
	s.t.Helper()
	cmd := s.command(input, args...)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("cambio %s: %v\n%s%s", strings.Join(args, " "), err, out, cmd.Stderr)
	}
	return string(out)
}

// trust applies a manifest.
func (s *server) trust(format string, args ...any) {
	s.t.Helper()
	s.cambio(fmt.Sprintf(format, args...), "apply", "-f", "-")
}

// secret creates a secret for a client.
func (s *server) secret(client string) string {
	s.t.Helper()
	secret := strings.TrimSpace(s.cambio("", "client", "rotate", client))
	s.seen.add(secret)
	return secret
}
