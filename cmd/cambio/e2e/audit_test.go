package e2e

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"cambio/exchange"
)

// auditToPipe restarts a server with its audit log on standard output, which is a
// pipe that only the test reads.
func (s *server) auditToPipe() (reader *os.File) {
	s.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	defer writer.Close()
	s.t.Cleanup(func() { reader.Close() })
	s.stop(s.t)
	config := strings.Replace(s.read("cambio.yaml"), "audit: {file: "+s.file("audit.log")+"}\n", "", 1)
	s.write("cambio.yaml", config)
	s.stdout = writer
	s.restart()
	s.stdout = nil
	return reader
}

// ownToken requests a token of the client backend.
func (s *server) ownToken(secret string) answer {
	s.t.Helper()
	return s.call("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}, basic(backend, secret))
}

// unavailable requests tokens until the server refuses to decide, and returns how
// many were granted.
func (s *server) unavailable(secret string) (granted int) {
	s.t.Helper()
	await(s.t, "the server to refuse what it cannot audit", func() bool {
		a := s.ownToken(secret)
		if a.status == http.StatusOK {
			granted++
			return false
		}
		a.refused(s.t, 503, exchange.TemporarilyUnavailable, exchange.ReasonAuditUnavailable)
		return true
	})
	return granted
}

// endsSoon sends SIGTERM, and requires an end within some seconds.
func (s *server) endsSoon() error {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	begin := time.Now()
	err := s.wait(s.t)
	if took := time.Since(begin); took > 10*time.Second {
		s.t.Errorf("it took %v to stop", took)
	}
	return err
}

// Standard output that nothing reads stops no request for ever, and loses nothing
// once it is read.
func TestUnreadStandardOutput(t *testing.T) {
	t.Parallel()
	s, _ := world(t)
	secret := s.secret(backend)
	reader := s.auditToPipe()
	granted := s.unavailable(secret)
	if s.ready() != http.StatusServiceUnavailable || !strings.Contains(s.metrics(), "cambio_audit_writable 0") {
		t.Error("neither /readyz nor the metrics say that the audit log is stalled")
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader)
		text <- string(all)
	}()
	await(t, "the server to recover", func() bool { return s.ownToken(secret).status == http.StatusOK })
	if err := s.endsSoon(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(<-text, `"event":"token"`); n < granted+1 {
		t.Errorf("%d events of %d granted tokens", n, granted+1)
	}
	if !strings.Contains(s.out.String(), "audit log is written again") {
		t.Error("the log does not say that the audit log recovered")
	}
}

// A stop is bounded even if nothing ever reads standard output and standard error,
// and says what is lost.
func TestStopWithUnreadStandardOutput(t *testing.T) {
	t.Parallel()
	s, _ := world(t)
	secret := s.secret(backend)
	s.auditToPipe()
	s.unavailable(secret)
	if err := s.endsSoon(); err == nil {
		t.Error("events are lost, and the exit code is 0")
	}
	if !strings.Contains(s.out.String(), "events are not in the audit log") {
		t.Error("standard error does not say that events are lost")
	}
}

// A reader of standard output that leaves does not end the server.
func TestClosedStandardOutput(t *testing.T) {
	t.Parallel()
	s, _ := world(t)
	secret := s.secret(backend)
	s.auditToPipe().Close()
	s.unavailable(secret)
	if s.ended() {
		t.Fatal("the server ended")
	}
	s.endsSoon()
}

// On a full disk nothing is decided; what was decided is recorded once there is room.
func TestFullDiskOfTheAuditLog(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		missing(t, err)
	}
	t.Parallel()
	s, _ := world(t)
	secret := s.secret(backend)
	before := s.audited("audit.log")
	if err := errors.Join(os.Rename(s.file("audit.log"), s.file("audit.log.1")), os.Symlink("/dev/full", s.file("audit.log"))); err != nil {
		t.Fatal(err)
	}
	granted := s.unavailable(secret)
	if n := s.audited("audit.log.1"); n != before {
		t.Errorf("%d events were written to the rotated file", n-before)
	}
	if err := os.Remove(s.file("audit.log")); err != nil {
		t.Fatal(err)
	}
	await(t, "the server to recover", func() bool { return s.ownToken(secret).status == http.StatusOK })
	s.stop(t)
	if n := s.audited("audit.log"); n < granted+1 {
		t.Errorf("%d events of %d granted tokens", n, granted+1)
	}
}

// With onFailure: continue tokens are granted, and the metrics count what is lost.
func TestAuditLogThatMayLoseEvents(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		missing(t, err)
	}
	t.Parallel()
	s, _ := world(t)
	secret := s.secret(backend)
	s.stop(t)
	s.env = append(s.env, "CAMBIO_AUDIT_FILE=/dev/full", "CAMBIO_AUDIT_ON_FAILURE=continue")
	s.restart()
	for range 3 {
		s.ownToken(secret).granted(t)
	}
	await(t, "the metrics to say so", func() bool { return strings.Contains(s.metrics(), "cambio_audit_writable 0") })
	s.ownToken(secret).granted(t)
	if s.ready() != http.StatusOK {
		t.Error("not ready")
	}
	if err := s.endsSoon(); err == nil || !strings.Contains(s.out.String(), "4 events are not in the audit log") {
		t.Errorf("lost events are not reported: %v", err)
	}
}

// audited counts the events of token requests in a file.
func (s *server) audited(file string) int {
	s.t.Helper()
	return strings.Count(s.read(file), `"event":"token"`)
}
