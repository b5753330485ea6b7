package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
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
		{"[64:ff9b::7f00:1]:80", false, false, false},     // of 127.0.0.1
		{"[64:ff9b::a01:203]:443", false, false, false},   // of 10.1.2.3
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
