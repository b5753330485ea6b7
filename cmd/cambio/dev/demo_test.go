package dev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cambio/cmd/cambio/manifest"
)

// The demo's manifest is accepted, and its files have its secrets.
func TestDemo(t *testing.T) {
	urls := NewURLs(8080, t.TempDir())
	demo, err := NewDemo(urls.Folder)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := Trust(urls, demo)
	if err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Read("-", strings.NewReader(trust))
	if err != nil {
		t.Fatalf("%v in\n%s", err, trust)
	}
	if err := f.RefuseReferences(); err != nil || len(f.Issuers) != 2 || len(f.Clients) != 4 {
		t.Errorf("%d issuers and %d clients: %v", len(f.Issuers), len(f.Clients), err)
	}
	demo.BackendSecret = "ssk_backend"
	if err := demo.WriteEnvironment(urls); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(urls.Folder, environmentFile))
	if err != nil || !strings.Contains(string(text), "export BACKEND_SECRET=ssk_backend\n") || !strings.Contains(string(text), demo.VendorSecret) {
		t.Errorf("the environment is %s: %v", text, err)
	}
}
