package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestWrongKEK checks that a server does not start with another key-encryption key,
// or without one, and changes nothing; with the right one sessions continue.
func TestWrongKEK(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	created := s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	s.stop(t)
	const file = "cambio.kek"
	right, before := s.read(file), s.read("cambio.db")
	var other [32]byte
	rand.Read(other[:])

	s.write(file, base64.StdEncoding.EncodeToString(other[:])+"\n")
	s.doesNotStart()
	if err := os.Remove(s.file(file)); err != nil {
		t.Fatal(err)
	}
	s.doesNotStart()
	if _, err := os.Stat(s.file(file)); !os.IsNotExist(err) {
		t.Errorf("another key was created: %v", err)
	}
	if s.read("cambio.db") != before {
		t.Error("the database was changed")
	}
	s.write(file, right)
	s.restart()
	s.refresh(created.RefreshToken).granted(t)
}

// doesNotStart requires the server to exit with an error and a hint.
func (s *server) doesNotStart() {
	s.t.Helper()
	cmd := s.command("", "serve", "-c", "cambio.yaml")
	_, err := cmd.Output()
	exit, ok := err.(*exec.ExitError)
	if said := cmd.Stderr.(*output).String(); !ok || exit.ExitCode() != 1 || !strings.Contains(said, "cambio: hint: bring back the key-encryption key") {
		s.t.Errorf("the server ended with %v and said %q", err, said)
	}
}

// TestOneServer checks that a second server on the same database exits with a hint.
func TestOneServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	cmd := s.command("", "serve", "-c", "cambio.yaml")
	_, err := cmd.Output()
	if said := cmd.Stderr.(*output).String(); err == nil || !strings.Contains(said, "cambio: hint: another server holds this file") {
		t.Errorf("the second server ended with %v and said %q", err, said)
	}
	if s.ready() != 200 {
		t.Error("the first server is not ready")
	}
}
