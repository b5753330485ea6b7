package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"cambio/jwks/jwkstest"
)

// reload makes a server read its files again.
type reload struct {
	name string
	do   func(t *testing.T, s *server)
}

var reloads = []reload{
	{"SIGHUP", func(t *testing.T, s *server) {
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}},
	{"command", func(_ *testing.T, s *server) { s.cambio("", "reload") }},
}

// A reload opens the audit log again, applies the trust file, sets the level and uses
// a renewed certificate; connections and sessions go on.
func TestReload(t *testing.T) {
	for _, by := range reloads {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			local := x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
			certFile, keyFile, roots := selfSigned(t, local)
			newCert, newKey, newRoots := selfSigned(t, local)
			both := certFile + ".both"
			copyFiles(t, both, certFile, newCert)
			issuer := jwkstest.New(t)
			s := startAt(t, "https", &tls.Config{RootCAs: roots},
				"CAMBIO_TLS_CERT_FILE="+certFile, "CAMBIO_TLS_KEY_FILE="+keyFile, "SSL_CERT_FILE="+both)
			s.stop(t)
			s.write("trust.yaml", manifest(issuer.URL, audience))
			s.write("cambio.yaml", s.read("cambio.yaml")+"trust: trust.yaml\n")
			s.restart()
			session := s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)

			if err := os.Rename(s.file("audit.log"), s.file("audit.log.1")); err != nil {
				t.Fatal(err)
			}
			copyFiles(t, certFile, newCert)
			copyFiles(t, keyFile, newKey)
			s.write("trust.yaml", manifest(issuer.URL, audience)+"  - {id: another, issuers: [login], scopes: [email], audiences: [\"https://api.example.com\"]}\n")
			s.write("cambio.yaml", strings.Replace(s.read("cambio.yaml"), "level: debug", "level: warn", 1)+"limits: {failures: 11}\n")
			by.do(t, s)

			await(t, "the renewed certificate", func() bool {
				c, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{RootCAs: newRoots})
				if err != nil {
					return false
				}
				return c.Close() == nil
			})
			await(t, "the new client", func() bool { return strings.Contains(s.cambio("", "client", "list"), "another") })
			await(t, "a new audit log", func() bool { _, err := os.Stat(s.file("audit.log")); return err == nil })
			s.refresh(session.RefreshToken).granted(t)
			await(t, "the event in the new audit log", func() bool { return s.audited("audit.log") >= 1 })
			if out := s.out.String(); by.name == "SIGHUP" && !strings.Contains(out, "restart the server to change limits.failures") {
				t.Error("the settings that need a restart are not named")
			}
		})
	}
}

// What cannot be read stays as it was, and is said.
func TestReloadOfBadFilesKeepsTheFormer(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	s.stop(t)
	s.write("trust.yaml", manifest(issuer.URL, audience))
	s.write("cambio.yaml", s.read("cambio.yaml")+"trust: trust.yaml\n")
	s.restart()
	s.write("trust.yaml", "issuers: [{id: 1}]\n")
	cmd := s.command("", "reload")
	out, err := cmd.Output()
	if err == nil || !strings.Contains(cmd.Stderr.(*output).String(), "trust file: ") || !strings.Contains(string(out), "audit log: reopened") {
		t.Errorf("%v: %s%s", err, out, cmd.Stderr)
	}
	s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
}

// copyFiles writes the contents of files one after the other.
func copyFiles(t *testing.T, to string, from ...string) {
	t.Helper()
	var all []byte
	for _, name := range from {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A trust file that removes most of what is registered, as a truncated one would, is
// refused at a start and at a reload unless that is said; the secrets of clients that
// return are valid again.
func TestRemovalsMustBeMeant(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	secret := s.secret(backend)
	config := s.read("cambio.yaml")
	s.stop(t)
	s.write("trust.yaml", "issuers: []\n")
	s.write("cambio.yaml", config+"trust: trust.yaml\n")
	refused := run(t, s.dir, s.env, binary, "serve", "-c", "cambio.yaml")
	if err := refused.wait(t); err == nil || !strings.Contains(refused.out.String(), "would remove 1 of 1 registered issuers") ||
		!strings.Contains(refused.out.String(), "cambio serve --allow-removals") {
		t.Errorf("%v: %s", err, refused.out)
	}

	s.write("trust.yaml", manifest(issuer.URL, audience))
	s.restart()
	s.ownToken(secret).granted(t)
	applied := s.command("issuers: [{id: more, url: 'https://more.example.com', audiences: [a]}]", "apply", "-f", "-")
	if out, err := applied.Output(); err != nil || !strings.Contains(applied.Stderr.(*output).String(), "the server applies trust.yaml at every start") {
		t.Errorf("apply beside a trust file: %v: %s%s", err, out, applied.Stderr)
	}
	s.write("trust.yaml", "issuers: []\nclients: []\n")
	if out, err := s.command("", "reload").Output(); err == nil {
		t.Errorf("a reload removed most: %s", out)
	}
	s.ownToken(secret).granted(t)

	s.stop(t)
	s.env = append(s.env, "CAMBIO_ALLOW_REMOVALS=true")
	s.restart()
	if a := s.ownToken(secret); a.status != 401 {
		t.Errorf("a removed client got %s", a)
	}
	s.write("trust.yaml", manifest(issuer.URL, audience))
	s.cambio("", "reload")
	s.ownToken(secret).granted(t)
}
