package dev

import (
	"net/http"
	"net/http/httptest"
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

// A page of another port may use the demo app and call the API; others may not.
func TestDemoWithPageOfAnotherPort(t *testing.T) {
	const page = "http://localhost:5173"
	urls := NewURLs(8080, t.TempDir())
	urls.Origins = []string{page}
	text, err := Trust(urls, Demo{VendorSecret: strings.Repeat("s", 52), PartnerKey: "x"})
	if err != nil || !strings.Contains(text, `origins: [http://127.0.0.1:8083, "`+page+`"]`) {
		t.Errorf("%v in\n%s", err, text)
	}
	api := AllowPages(NewAPI(urls.Cambio, urls.Cambio, urls.API), urls.Origins)
	for origin, want := range map[string]string{page: page, "http://localhost:5174": "", "": ""} {
		for method, status := range map[string]int{http.MethodGet: 401, http.MethodOptions: map[bool]int{true: 204, false: 401}[want != ""]} {
			r, w := httptest.NewRequest(method, "/orders", nil), httptest.NewRecorder()
			r.Header.Set("Origin", origin)
			api.ServeHTTP(w, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != want || w.Code != status {
				t.Errorf("%s from %q: %d %q", method, origin, w.Code, got)
			}
		}
	}
}
