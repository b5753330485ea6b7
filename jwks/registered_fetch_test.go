package jwks

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cambio/jwks/document"
	"cambio/jwks/jwkstest"
)

// What servers of keys do that no RFC forbids.
func TestResponsesOfRealServers(t *testing.T) {
	for name, serve := range map[string]func(i *jwkstest.Issuer, w http.ResponseWriter, r *http.Request){
		"406 unless asked for a key set": func(i *jwkstest.Issuer, w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept"), "application/jwk-set+json") {
				w.WriteHeader(http.StatusNotAcceptable)
				return
			}
			w.Write(i.JWKS())
		},
		"a byte order mark": func(i *jwkstest.Issuer, w http.ResponseWriter, _ *http.Request) {
			w.Write(append([]byte("\xef\xbb\xbf"), i.JWKS()...))
		},
		"gzip": func(i *jwkstest.Issuer, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(i.JWKS())
			z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := jwkstest.New(t)
			i.Serve(func(w http.ResponseWriter, r *http.Request) { serve(i, w, r) })
			wantKind(t, verify(t, discovered(t, i, &clock{}), i.Sign(i.Claims("alice", "app"))), "")
		})
	}
}

func TestListedAddressesAreFetched(t *testing.T) {
	i := jwkstest.New(t)
	token := i.Sign(i.Claims("alice", "app"))
	for network, want := range map[string]Kind{"127.0.0.0/8": "", "10.0.0.0/8": Unavailable} {
		set := mustSet(t, Source{Issuer: i.URL}, Options{AllowAddresses: []netip.Prefix{netip.MustParsePrefix(network)}})
		if err := verify(t, set, token); kindOf(err) != want {
			t.Errorf("%s: %v, want %q", network, err, want)
		}
	}
}

func TestKeysAreFetchedThroughTheProxy(t *testing.T) {
	i := jwkstest.New(t)
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		w.Write(i.JWKS())
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	set := mustSet(t, Source{JWKSURL: "http://keys.invalid/jwks"}, Options{AllowPrivateAddresses: true, Proxy: through})
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	if len(asked) != 1 || asked[0] != "GET http://keys.invalid/jwks" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

// writeFile writes a file of the test and returns its name.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A file that appears or is renewed counts from the next fetch.
func TestCertificatesOfTheIssuersServerAreRegistered(t *testing.T) {
	i := jwkstest.New(t)
	token := i.Sign(i.Claims("alice", "app"))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(i.JWKS()) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	name, c := writeFile(t, i.Certificates()[i.KID()]), &clock{}
	src := Source{JWKSURL: server.URL}
	set := mustSet(t, src, Options{AllowPrivateAddresses: true, CAFile: name, Now: c.now})
	for _, row := range []struct {
		file []byte
		want string
	}{
		{nil, "certificate"},
		{[]byte("text"), "no PEM certificate"},
		{own, ""},
	} {
		if row.file != nil {
			if err := os.WriteFile(name, row.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := verify(t, set, token)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v, want %q", err, row.want)
		}
		c.advance(30 * time.Second)
	}
	missing := mustSet(t, src, Options{AllowPrivateAddresses: true, CAFile: name + ".missing"})
	wantKind(t, verify(t, missing, token), Unavailable)
}

// The token goes to the host that is registered, not to where the issuer's
// documents point.
func TestBearerTokenGoesToTheRegisteredHost(t *testing.T) {
	i, elsewhere := jwkstest.New(t), jwkstest.New(t)
	var seen, leaked []string
	i.Serve(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		w.Write(i.JWKS())
	})
	elsewhere.Serve(func(w http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("Authorization"))
		w.Write(i.JWKS())
	})
	token, c := i.Sign(i.Claims("alice", "app")), &clock{}
	name := writeFile(t, "first\n")
	with := func(o *Options) { o.BearerTokenFile = name }
	set := discovered(t, i, c, with)
	wantKind(t, verify(t, set, token), "")
	if err := os.WriteFile(name, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(maxAge)
	wantKind(t, verify(t, set, token), "")
	if fmt.Sprint(seen) != "[Bearer first Bearer second]" {
		t.Errorf("the issuer saw %q", seen)
	}
	i.ServeDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, elsewhere.URL+jwkstest.JWKSPath)
	})
	wantKind(t, verify(t, discovered(t, i, c, with), token), "")
	if fmt.Sprint(leaked) != "[]" {
		t.Errorf("another host saw %q", leaked)
	}
}

func TestFilesThatAreNotBearerTokens(t *testing.T) {
	i := jwkstest.New(t)
	own := writeFile(t, "kek")
	for name, want := range map[string]string{
		writeFile(t, ""):           "holds no bearer token",
		writeFile(t, "two\nlines"): "holds no bearer token",
		writeFile(t, string(bytes.Repeat([]byte("a"), document.MaxBody+1))): "at most",
		filepath.Dir(own): "not a file",
		own:               "of the server itself",
		own + "/x":        "not a directory",
	} {
		set := discovered(t, i, &clock{}, func(o *Options) { o.BearerTokenFile, o.OwnFiles = name, []string{own} })
		err := verify(t, set, i.Sign(i.Claims("alice", "app")))
		if kindOf(err) != Unavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if i.Discoveries() != 0 {
		t.Error("the issuer was asked without its token")
	}
}
