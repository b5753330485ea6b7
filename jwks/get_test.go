package jwks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
)

// TestBadIssuers: whatever an issuer sends, a caller soon knows what it was.
func TestBadIssuers(t *testing.T) {
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
		{"no answer", sleeps, "deadline exceeded"},
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
				var reported []error
				set := discovered(t, i, &clock{}, func(o *Options) {
					o.Timeout = time.Minute
					if row.want == "deadline exceeded" {
						o.Timeout = 100 * time.Millisecond
					}
					o.OnFetch = func(err error) { reported = append(reported, err) }
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
				if len(reported) != 1 || reported[0] == nil {
					t.Errorf("reported %v, want one error", reported)
				}
			})
		}
	}
	wantFetches(t, elsewhere, 0)
}

// floods sends 100 MiB, unless nobody reads that much.
func floods(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"keys":[`)
	for range 100 << 10 {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil {
			return
		}
	}
}

func sleeps(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drips sends a byte now and then, for as long as somebody listens.
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
		{"a public address over http", i.URL, "http://192.0.32.8/keys", "", "must be asked by https"},
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

// TestPrivateAddress: an issuer on loopback is out of reach unless its
// operator said otherwise, whatever its URL says.
func TestPrivateAddress(t *testing.T) {
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

func TestMayDial(t *testing.T) {
	for _, row := range []struct {
		address                         string
		public, private, privatePlainly bool // reachable by https, by https and by http if private ones are allowed
	}{
		{"8.8.8.8:443", true, true, false},
		{"[2606:4700::1111]:443", true, true, false},
		{"[::ffff:8.8.8.8]:443", true, true, false},
		{"127.0.0.1:80", false, true, true},
		{"127.255.0.1:80", false, true, true},
		{"10.1.2.3:80", false, true, true},
		{"172.16.0.1:80", false, true, true},
		{"172.32.0.1:443", true, true, false},
		{"192.168.1.1:80", false, true, true},
		{"100.64.0.1:80", false, true, true},
		{"[::1]:80", false, true, true},
		{"[fd12::1]:80", false, true, true},
		{"[::ffff:10.0.0.1]:80", false, true, true},
		{"[::ffff:127.0.0.1]:80", false, true, true},
		{"0.0.0.0:80", false, false, false},
		{"[::]:80", false, false, false},
		{"169.254.169.254:80", false, false, false},
		{"[::ffff:169.254.169.254]:80", false, false, false},
		{"[fe80::1]:80", false, false, false},
		{"[fe80::1%eth0]:80", false, false, false},
		{"[fd00:ec2::254]:80", false, false, false},
		{"100.100.100.200:80", false, false, false},
		{"168.63.129.16:80", false, false, false},
		{"192.0.0.192:80", false, false, false},
		{"198.18.0.1:80", false, false, false},
		{"224.0.0.1:80", false, false, false},
		{"255.255.255.255:80", false, false, false},
		{"[ff02::1]:80", false, false, false},
		{"[64:ff9b::7f00:1]:80", false, false, false},
		{"[64:ff9b:1::1]:80", false, false, false},
		{"[2002:7f00:1::]:80", false, false, false},
		{"[2001:0:1::1]:80", false, false, false},
		{"[2001:db8::1]:80", false, false, false},
		{"[::127.0.0.1]:80", false, false, false},
		{"[fec0::1]:80", false, false, false},
		{"localhost:80", false, false, false},
	} {
		for _, way := range []struct {
			name           string
			private, plain bool
			want           bool
		}{
			{"https", false, false, row.public},
			{"https, private allowed", true, false, row.private},
			{"http, private allowed", true, true, row.privatePlainly},
		} {
			if err := (getter{allowPrivate: way.private}).mayDial(row.address, way.plain); (err == nil) != way.want {
				t.Errorf("%s by %s: %v", row.address, way.name, err)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := (getter{allowPrivate: true}).get(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, want the certificate refused", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	body, err := getter{allowPrivate: true, tls: &tls.Config{RootCAs: roots}}.get(t.Context(), server.URL)
	if err != nil || string(body) != "{}" {
		t.Errorf("get = %q, %v", body, err)
	}
}

// TestNoProxy: a proxy from the environment would dial for us, unchecked.
func TestNoProxy(t *testing.T) {
	if (getter{}).client(false).Transport.(*http.Transport).Proxy != nil {
		t.Error("the client asks for a proxy")
	}
}

// TestTransport: others reach what keys are fetched from, and nothing else.
func TestTransport(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	for private, want := range map[bool]string{true: "", false: "not public"} {
		r, err := http.NewRequest(http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := Transport(private).RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != private || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("private %t: %v", private, err)
		}
	}
}
