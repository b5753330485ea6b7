package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

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
		{"100.64.0.1:443", false, true, false},
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
		{"[64:ff9b::808:808]:443", true, true, false},     // NAT64 of 8.8.8.8
		{"[64:ff9b::7f00:1]:80", false, true, true},       // of 127.0.0.1
		{"[64:ff9b::a01:203]:443", false, true, true},     // of 10.1.2.3
		{"[64:ff9b::a9fe:a9fe]:443", false, false, false}, // of 169.254.169.254
		{"[64:ff9b::6464:64c8]:443", false, false, false}, // of 100.100.100.200
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
			{"http", false, true, false},
			{"https, private allowed", true, false, row.private},
			{"http, private allowed", true, true, row.privatePlainly},
		} {
			if err := (Options{Private: way.private}).mayDial(row.address, way.plain); (err == nil) != way.want {
				t.Errorf("%s by %s: %v", row.address, way.name, err)
			}
		}
	}
}

var small = Options{Private: true, Timeout: 5 * time.Second, MaxBody: 10}

// get requests a URL with the options.
func get(t *testing.T, o Options, url string) (*Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c.Do(req)
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestLoopbackOnlyWherePrivate(t *testing.T) {
	asked := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked++; io.WriteString(w, "ok") })
	resp, err := get(t, small, url)
	if err != nil || resp.Status != http.StatusOK || string(resp.Body) != "ok" {
		t.Errorf("%+v, %v", resp, err)
	}
	public := small
	public.Private = false
	port := url[strings.LastIndex(url, ":"):]
	for _, at := range []string{url, "http://localhost" + port, "https://127.0.0.1" + port, "https://[::ffff:127.0.0.1]" + port} {
		if resp, err := get(t, public, at+"/key"); resp != nil || err == nil || !strings.Contains(err.Error(), "is not public") || strings.Contains(err.Error(), "key") {
			t.Errorf("%s: %+v, %v", at, resp, err)
		}
	}
	if asked != 1 {
		t.Errorf("the server was asked %d times, want once", asked)
	}
}

func TestResponsesAreBounded(t *testing.T) {
	redirected := false
	for _, row := range []struct {
		name   string
		handle http.HandlerFunc
		status int    // 0: an error
		want   string // the body, or part of the error
	}{
		{"the longest body", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789") }, 200, "0123456789"},
		{"a longer body", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789-") }, 0, "more than 10 bytes"},
		{"a long header", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, 0, "headers exceeded"},
		{"a body that ends early", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "x")
		}, 0, "EOF"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			redirected = redirected || r.URL.Path == "/other"
			http.Redirect(w, r, "/other", http.StatusFound)
		}, 302, ""},
		{"an error with a body", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", 500) }, 500, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp, err := get(t, small, serve(t, row.handle))
			switch {
			case row.status == 0 && (resp != nil || err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("%+v, %v; want an error with %q", resp, err, row.want)
			case row.status != 0 && (err != nil || resp.Status != row.status || string(resp.Body) != row.want):
				t.Errorf("%+v, %v; want %d %q", resp, err, row.status, row.want)
			}
		})
	}
	if redirected {
		t.Error("a redirect was followed")
	}
}

func TestTimeIsBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	short := small
	short.Timeout = 20 * time.Millisecond
	if resp, err := get(t, short, url); resp != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v; want the deadline", resp, err)
	}
	cause := errors.New("closing")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(small).Do(req); !errors.Is(err, cause) {
		t.Errorf("%v, want the cause", err)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := get(t, small, server.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, want the certificate refused", err)
	}
	rooted := small
	rooted.RootCAs = x509.NewCertPool()
	rooted.RootCAs.AddCert(server.Certificate())
	if resp, err := get(t, rooted, server.URL); err != nil || string(resp.Body) != "{}" {
		t.Errorf("%+v, %v", resp, err)
	}
}

// Listed networks are reached beside public ones, but never those of clouds'
// metadata.
func TestListedAddresses(t *testing.T) {
	o := Options{Allow: prefixes("10.1.0.0/16", "198.18.0.0/15", "169.254.0.0/16", "fd00::/8")}
	everything := Options{Allow: prefixes("0.0.0.0/0", "::/0")}
	for _, row := range []struct {
		address             string
		secure, plain, wide bool // by https, by http, and with everything listed
	}{
		{"10.1.2.3:443", true, true, true},
		{"[64:ff9b::a01:203]:443", true, true, true},
		{"10.2.0.1:443", false, false, true},
		{"127.0.0.1:443", false, false, true},
		{"198.18.0.1:443", true, false, true},
		{"8.8.8.8:443", true, false, true},
		{"[fd12::1]:443", true, true, true},
		{"169.254.169.254:80", false, false, false},
		{"[64:ff9b::a9fe:a9fe]:80", false, false, false},
		{"[fd00:ec2::254]:80", false, false, false},
		{"[fe80::1]:80", false, false, false},
		{"100.100.100.200:80", false, false, false},
		{"0.0.0.0:80", false, false, false},
		{"224.0.0.1:80", false, false, false},
	} {
		for _, way := range []struct {
			o     Options
			plain bool
			want  bool
		}{{o, false, row.secure}, {o, true, row.plain}, {everything, false, row.wide}} {
			if err := way.o.mayDial(row.address, way.plain); (err == nil) != way.want {
				t.Errorf("%s, plain %t: %v", row.address, way.plain, err)
			}
		}
	}
	if err := New(o).CheckURL("http://10.1.2.3/"); err != nil {
		t.Errorf("http to a listed network: %v", err)
	}
}

// The bound is of what is read and of what that becomes.
func TestCompressedResponsesAreBounded(t *testing.T) {
	pack := func(texts ...string) string {
		var out bytes.Buffer
		for _, text := range texts {
			w := gzip.NewWriter(&out)
			io.WriteString(w, text)
			w.Close()
		}
		return out.String()
	}
	roomy := small
	roomy.MaxBody = 1000
	for _, row := range []struct{ name, encoding, body, want, err string }{
		{"gzip", "gzip", pack("keys"), "keys", ""},
		{"gzip that is not declared", "", pack("keys"), "keys", ""},
		{"gzip declared of text that is not", "gzip", "keys", "keys", ""},
		{"the longest", "gzip", pack(strings.Repeat("k", 1000)), strings.Repeat("k", 1000), ""},
		{"a byte more", "gzip", pack(strings.Repeat("k", 1001)), "", "more than 1000 bytes"},
		{"a bomb", "gzip", pack(strings.Repeat("k", 10<<20)), "", "more than 1000 bytes"},
		{"parts without end that hold nothing", "gzip", pack(slices.Repeat([]string{""}, 100)...), "", "more than 1000 bytes"},
		{"half of it", "gzip", pack("keys")[:20], "", "EOF"},
		{"another coding", "br", "keys", "", `coded by "br"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp, err := get(t, roomy, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if row.encoding != "" {
					w.Header().Set("Content-Encoding", row.encoding)
				}
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, row.body)
			}))
			switch {
			case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
				t.Errorf("%+v, %v; want %q", resp, err, row.err)
			case row.err == "" && (err != nil || string(resp.Body) != row.want):
				t.Errorf("%+v, %v; want %q", resp, err, row.want)
			}
		})
	}
}

// The proxy resolves names; an address in the URL is still checked here.
func TestProxy(t *testing.T) {
	var asked []string
	proxy, err := url.Parse(serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI)
		io.WriteString(w, "proxied")
	}))
	if err != nil {
		t.Fatal(err)
	}
	o := small
	o.Proxy = proxy
	if resp, err := get(t, o, "http://issuer.invalid/keys"); err != nil || string(resp.Body) != "proxied" {
		t.Errorf("%+v, %v", resp, err)
	}
	o.Private = false // the proxy itself may be at a private address
	get(t, o, "https://issuer.invalid/keys")
	if _, err := get(t, o, "https://10.1.2.3/keys"); err == nil || !strings.Contains(err.Error(), "is not public") {
		t.Errorf("a private address behind the proxy: %v", err)
	}
	want := []string{"GET http://issuer.invalid/keys", "CONNECT issuer.invalid:443"}
	if !slices.Equal(asked, want) {
		t.Errorf("the proxy was asked for %q, want %q", asked, want)
	}
	for _, never := range []string{"http://169.254.169.254:1", "http://[fe80::1]:1"} {
		o.Proxy, _ = url.Parse(never)
		if _, err := get(t, o, "https://issuer.invalid/"); err == nil || !strings.Contains(err.Error(), "is never reached") {
			t.Errorf("a proxy at %s: %v", never, err)
		}
	}
}

// A proxy from the environment would dial for us, unchecked.
func TestNoProxy(t *testing.T) {
	c := New(small)
	if c.plain.Proxy != nil || c.secure.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
}

func TestCheckURL(t *testing.T) {
	for _, row := range []struct {
		url             string
		public, private bool
	}{
		{"https://a.example/keys?x=y", true, true},
		{"http://a.example", false, true},
		{"ftp://a.example", false, false},
		{"https:///keys", false, false},
		{"https://user@a.example", false, false},
		{"https://a.example/#x", false, false},
		{"https://a.example/" + strings.Repeat("x", maxURL), false, false},
		{"https://%zz", false, false},
		{"", false, false},
	} {
		for private, want := range map[bool]bool{false: row.public, true: row.private} {
			if err := New(Options{Private: private}).CheckURL(row.url); (err == nil) != want {
				t.Errorf("%.30s, private %t: %v", row.url, private, err)
			}
		}
	}
}
