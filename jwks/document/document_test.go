package document

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cambio/jwks/egress"
	"cambio/jwks/jwkstest"
)

var loopback = Options{Egress: egress.Options{Private: true, Timeout: 5 * time.Second}}

func TestFetchAndDiscover(t *testing.T) {
	i := jwkstest.New(t)
	keys, err := New(i.URL+jwkstest.JWKSPath, loopback)
	if err != nil {
		t.Fatal(err)
	}
	body, address, err := keys.Fetch(t.Context())
	if err != nil || string(body) != string(i.JWKS()) || address != i.URL+jwkstest.JWKSPath {
		t.Errorf("Fetch = %s, %s, %v", body, address, err)
	}
	discovery, err := New(DiscoveryURL(i.URL+"/"), loopback)
	if err != nil {
		t.Fatal(err)
	}
	body, address, err = discovery.Discover(t.Context(), i.URL)
	if err != nil || string(body) != string(i.JWKS()) || address != i.URL+jwkstest.JWKSPath {
		t.Errorf("Discover = %s, %s, %v", body, address, err)
	}
	if body, address, err = discovery.Discover(t.Context(), i.URL+"/"); err == nil || body != nil || address != "" {
		t.Errorf("Discover of another issuer = %s, %s, %v", body, address, err)
	}
	if _, err := New("http://issuer.example/keys", Options{}); err == nil {
		t.Error("New accepted a URL that is not https")
	}
}

// Neither the token nor any other content of a file is in an error, which operators'
// logs repeat.
func TestErrorsRepeatNoFile(t *testing.T) {
	i := jwkstest.New(t)
	i.Fail(http.StatusForbidden)
	for _, content := range []string{"hunter2", "hunter2 and more"} {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, change := range []func(*Options){
			func(o *Options) { o.BearerTokenFile = name },
			func(o *Options) { o.CAFile = name },
		} {
			o := loopback
			change(&o)
			s, err := New(i.URL+jwkstest.JWKSPath, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Fetch(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Fetch with a file of %q: %v", content, err)
			}
		}
	}
}
