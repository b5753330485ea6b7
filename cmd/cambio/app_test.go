package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cambio/cmd/cambio/settings"
)

// inFolder returns settings that keep everything in dir.
func inFolder(t *testing.T, dir string) settings.Config {
	t.Helper()
	c, err := settings.Load("", []string{
		"CAMBIO_LISTEN=127.0.0.1:0", "CAMBIO_ADMIN_LISTEN=127.0.0.1:0", "CAMBIO_ISSUER=http://127.0.0.1",
		"CAMBIO_DATABASE=" + filepath.Join(dir, "cambio.db"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A missing or different key-encryption key is an error, and is never replaced.
func TestKeyEncryptionKeyIsNeverReplaced(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(file string) error
		left  error // of looking at the file afterwards
	}{
		{"lost", os.Remove, fs.ErrNotExist},
		{"different", func(file string) error {
			return os.WriteFile(file, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), 0o600)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := inFolder(t, t.TempDir())
			a, err := open(t.Context(), cfg, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			before := a.Keys.List()
			if err := a.close(); err != nil {
				t.Fatal(err)
			}
			good, err := os.ReadFile(cfg.KeyEncryptionKeyFile)
			if err == nil {
				err = c.spoil(cfg.KeyEncryptionKeyFile)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = open(t.Context(), cfg, io.Discard, io.Discard)
			if hint, ok := errors.AsType[*hintError](err); !ok || !strings.Contains(hint.hint, "bring back the key-encryption key") {
				t.Fatalf("got %v", err)
			}
			if _, err := os.Stat(cfg.KeyEncryptionKeyFile); !errors.Is(err, c.left) {
				t.Errorf("its file: %v", err)
			}
			if err := os.WriteFile(cfg.KeyEncryptionKeyFile, good, 0o600); err != nil {
				t.Fatal(err)
			}
			a, err = open(t.Context(), cfg, io.Discard, io.Discard)
			if err != nil {
				t.Fatalf("with the right one: %v", err)
			}
			defer a.close()
			if after := a.Keys.List(); after[0].ID != before[0].ID {
				t.Error("the signing keys changed")
			}
		})
	}
}

// Each error of opening the store has a hint that fits it.
func TestStoreErrorsHaveHints(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.db")
	if err := os.WriteFile(damaged, bytes.Repeat([]byte{1}, 1<<15), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, database, hint string }{
		{"no folder", filepath.Join(dir, "none", "cambio.db"), "the folder must exist"},
		{"a folder", dir, "the folder must exist"},
		{"a damaged file", damaged, "restore a backup"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := app{cfg: settings.Config{Database: row.database}}
			hint, ok := errors.AsType[*hintError](a.openStore())
			if !ok || !strings.Contains(hint.hint, row.hint) {
				t.Errorf("the hint is %+v", hint)
			}
		})
	}
}

// A start audits the registrations that it adds and removes, as commands do; a
// start that changes nothing audits nothing.
func TestTrustAtStartIsAudited(t *testing.T) {
	dir := t.TempDir()
	cfg := inFolder(t, dir)
	cfg.Trust, cfg.AllowRemovals = filepath.Join(dir, "trust.yaml"), true
	for _, row := range []struct{ trust, want string }{
		{"clients: [{id: one, audiences: [a]}]", `"event":"admin.client.add","outcome":"granted","client":"one"`},
		{"clients: [{id: one, audiences: [a]}]", ""},
		{"clients: []", `"event":"admin.client.remove","outcome":"granted","client":"one"`},
	} {
		if err := os.WriteFile(cfg.Trust, []byte(row.trust), 0o600); err != nil {
			t.Fatal(err)
		}
		var audited bytes.Buffer
		a, err := open(t.Context(), cfg, &audited, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.close(); err != nil {
			t.Fatal(err)
		}
		if got := audited.String(); !strings.Contains(got, row.want) || (row.want == "") != (got == "") {
			t.Errorf("%s: audited %q, want %s", row.trust, got, row.want)
		}
	}
}

// A start logs which clients cannot yet do what they are registered for.
func TestUnreadyClientsAreLogged(t *testing.T) {
	const backend = "clients: [{id: backend, auth: client_secret_basic, proofs: [user-assertion], audiences: [a]}]"
	const mailer = "clients: [{id: mailer, proofs: [otp], audiences: [a], authKeys: {signingKeys: \"-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw12VZAU69zAGRLMAFu/O\\nLKi483UN1V9xy/jyyMo9fKuk+4dfRcsNOC2VYE6paZ6KW218iJ9wvE7D6do/8koJ\\n77ceBvWlsrqhIDTQUpod+HEI+ps9eTfFCWmf8pTJIOTQ7YwjLCqVITNx/9Og9VY4\\nQgQ/9DzE2JiOj3kA9uNyWoonzXV80MSNtTOBLuGqRgfyiRbyi68/bIihXQ+iyi/6\\ncFtmYIF7XB1AKK5NEBXiqBD5yPIlgHCjDyUC0+x8N98a2/EHlxXfDdyi8wt0UieN\\n2XD16j3s9G0zlKHXA5sypGjX7eMg0SnhXqolqlJu+nVWwlOyR2BBgkzaOd7cS08E\\nqwIDAQAB\\n-----END PUBLIC KEY-----\"}}]"
	const public = "clients: [{id: page, audiences: [a]}]"
	for _, row := range []struct {
		name, trust, mail, hint string
	}{
		{"without a secret", backend, "", "cambio client rotate backend"},
		{"without mail", mailer, "", "set mail.host"},
		{"with mail", mailer, "127.0.0.1", ""},
		{"nothing to do", public, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := inFolder(t, dir)
			cfg.Trust = filepath.Join(dir, "trust.yaml")
			if row.mail != "" {
				cfg.Mail.Host, cfg.Mail.From = row.mail, "login@example.com"
			}
			if err := os.WriteFile(cfg.Trust, []byte(row.trust), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			a, err := open(t.Context(), cfg, io.Discard, &log)
			if err != nil {
				t.Fatal(err)
			}
			defer a.close()
			if hinted := strings.Contains(log.String(), "hint="); hinted != (row.hint != "") || !strings.Contains(log.String(), row.hint) {
				t.Errorf("want %q in %s", row.hint, log.String())
			}
		})
	}
}
