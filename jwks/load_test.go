package jwks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
)

func TestBadResponsesAreReported(t *testing.T) {
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret text", code) }
	}
	elsewhere := jwkstest.New(t)
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+jwkstest.JWKSPath, http.StatusFound)
	}
	for _, row := range []struct {
		name   string
		handle http.HandlerFunc
		want   string
	}{
		{"status 500", status(500), "status 500"},
		{"status 404", status(404), "status 404"},
		{"status 204", status(204), "status 204"},
		{"a redirect", redirect, "redirects to"},
		{"HTML", body("\n <!doctype html><title>login</title>"), "an HTML page, want JSON"},
		{"nothing", body(""), "not valid JSON"},
		{"text", body("keys"), "not valid JSON"},
		{"an array", body("[]"), "wrong type"},
		{"half of it", body(`{"keys":[{"kty":`), "not valid JSON"},
		{"600 KiB", body(`{"keys":[]` + strings.Repeat(" ", 600<<10) + `}`), "more than 524288 bytes"},
		{"100 MiB", floods, "more than 524288 bytes"},
		{"a header of 1 MiB", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "server response headers exceeded"},
		{"no response", sleeps, "deadline exceeded"},
		{"a drop at a time", drips, "deadline exceeded"},
		{"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"fewer bytes than promised", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
		}, "EOF"},
	} {
		for _, where := range []string{"keys", "discovery"} {
			t.Run(row.name+" for "+where, func(t *testing.T) {
				i := jwkstest.New(t)
				if where == "keys" {
					i.Serve(row.handle)
				} else {
					i.ServeDiscovery(row.handle)
				}
				set := discovered(t, i, &clock{}, func(o *Options) {
					o.Timeout = time.Minute
					if row.want == "deadline exceeded" {
						o.Timeout = 100 * time.Millisecond
					}
				})
				err := verify(t, set, i.Sign(i.Claims("alice", "app")))
				wantKind(t, err, Unavailable)
				if !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret text") {
					t.Errorf("%v, want %q", err, row.want)
				}
				if e, _ := errors.AsType[*Error](err); e.RetryAfter != 30*time.Second {
					t.Errorf("retry after %s, want the cool-down", e.RetryAfter)
				}
				set.Close()
				if err := set.fetcher.last.Load().err; err == nil {
					t.Error("the fetch did not fail")
				}
			})
		}
	}
	wantFetches(t, elsewhere, 0)
}

// floods sends 100 MiB, or as much as is read.
func floods(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"keys":[`)
	for range 100 << 10 {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil {
			return
		}
	}
}

func sleeps(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drips sends a byte now and then, until the connection is closed.
func drips(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestDiscoveryDocument(t *testing.T) {
	i := jwkstest.New(t)
	jwksURI := i.URL + jwkstest.JWKSPath
	for _, row := range []struct{ name, issuer, jwksURI, extra, want string }{
		{"the same", i.URL, jwksURI, "", ""},
		{"unknown members", i.URL, jwksURI, `,"x":{"y":[]}`, ""},
		{"another issuer", "https://evil.example", jwksURI, "", "its issuer is"},
		{"a slash more", i.URL + "/", jwksURI, "", "its issuer is"},
		{"in other case", strings.Replace(i.URL, "http", "HTTP", 1), jwksURI, "", "its issuer is"},
		{"a path more", i.URL + "/tenant", jwksURI, "", "its issuer is"},
		{"no issuer", "", jwksURI, "", "its issuer is"},
		{"no jwks_uri", i.URL, "", "", "no jwks_uri"},
		{"issuer twice", i.URL, jwksURI, `,"issuer":"https://evil.example"`, "repeated member name"},
		{"jwks_uri twice", i.URL, jwksURI, `,"jwks_uri":"https://evil.example"`, "repeated member name"},
		{"Issuer", i.URL, jwksURI, `,"Issuer":"https://evil.example"`, "only by case"},
		{"a long jwks_uri", i.URL, jwksURI + strings.Repeat("/x", 1024), "", "want at most 2048"},
		{"a file", i.URL, "file:///etc/passwd", "", "not an https URL"},
		{"a public address over http", i.URL, "http://192.0.32.8/keys", "", "must be reached by https"},
		{"link-local addresses", i.URL, "http://169.254.169.254/latest", "", "is not public"},
	} {
		t.Run(row.name, func(t *testing.T) {
			i.ServeDiscovery(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q%s}`, row.issuer, row.jwksURI, row.extra)
			})
			err := verify(t, discovered(t, i, &clock{}), i.Sign(i.Claims("alice", "app")))
			if row.want == "" {
				wantKind(t, err, "")
				return
			}
			wantKind(t, err, Unavailable)
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

// Whatever its URL says.
func TestIssuerOnLoopbackNeedsPermission(t *testing.T) {
	i := jwkstest.New(t)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"} {
		port := i.URL[strings.LastIndex(i.URL, ":"):]
		set := mustSet(t, Source{JWKSURL: "https://" + host + port + jwkstest.JWKSPath}, Options{})
		err := verify(t, set, i.Sign(i.Claims("alice", "app")))
		wantKind(t, err, Unavailable)
		if !strings.Contains(err.Error(), "is not public") {
			t.Errorf("%s: %v, want it to name the address", host, err)
		}
	}
	wantFetches(t, i, 0)
}
