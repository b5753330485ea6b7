package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cambio/exchange"
)

// errCORS is the error of fetch(): a page learns no more.
var errCORS = errors.New("TypeError: Failed to fetch")

// fetch sends a request as a page at origin does (Fetch Standard, CORS-preflight
// fetch and CORS check, mode cors without credentials). sent reports whether the
// server received more than a preflight.
func (s *server) fetch(origin, path, mediaType, body string, headers ...header) (a answer, sent bool, err error) {
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, false, err
	}
	req.Header.Set("Content-Type", mediaType)
	for _, h := range headers {
		req.Header.Set(h.name, h.value)
	}
	var unsafe []string // CORS-unsafe request-header names: lower case, sorted
	for name := range req.Header {
		if name != "Content-Type" || mediaType != formType {
			unsafe = append(unsafe, strings.ToLower(name))
		}
	}
	slices.Sort(unsafe)
	if len(unsafe) > 0 {
		if err := s.preflight(origin, path, unsafe); err != nil {
			return answer{}, false, err
		}
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if a, err = s.do(req); err != nil {
		return a, true, err
	}
	s.seen.addToken(a.AccessToken, a.RefreshToken)
	if !shared(a.header, origin) {
		return a, true, errCORS
	}
	return a, true, nil
}

const formType = "application/x-www-form-urlencoded"

// preflight is the CORS-preflight fetch (Fetch Standard §4.8).
func (s *server) preflight(origin, path string, headers []string) error {
	req, err := http.NewRequest(http.MethodOptions, s.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", http.MethodPost)
	req.Header.Set("Access-Control-Request-Headers", strings.Join(headers, ","))
	a, err := s.do(req)
	if err != nil {
		return err
	}
	methods := list(a.header, "Access-Control-Allow-Methods")
	allowed := list(a.header, "Access-Control-Allow-Headers")
	if a.status/100 != 2 || !shared(a.header, origin) || !slices.Contains(append(methods, http.MethodPost), http.MethodPost) {
		return errCORS // POST is a CORS-safelisted method
	}
	for _, h := range headers {
		if !slices.ContainsFunc(allowed, func(name string) bool { return strings.EqualFold(name, h) }) {
			return errCORS
		}
	}
	return nil
}

// shared is the CORS check (Fetch Standard §4.9). A response that a page may read
// never allows credentials here, nor every origin.
func shared(h http.Header, origin string) bool {
	return h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Credentials") == ""
}

func list(h http.Header, name string) (values []string) {
	for _, line := range h.Values(name) {
		for v := range strings.SplitSeq(line, ",") {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// TestPagesOfOtherOriginsReadNothing calls from pages of registered and of other
// origins.
func TestPagesOfOtherOriginsReadNothing(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	token := issuer.Sign(issuer.Claims("alice", app))
	s.seen.addToken(token)
	body := fmt.Sprintf(`{"token":%q,"scope":%q}`, token, scope)
	key := header{"X-API-Key", app}

	a, _, err := s.fetch(origin, "/oauth/token", formType, exchangeForm(token).Encode())
	if err != nil {
		t.Fatalf("exchange by a form: %v: %s", err, a)
	}
	a.granted(t)
	if _, _, err := s.fetch(origin, "/oauth/revoke", formType, url.Values{"client_id": {app}, "token": {a.RefreshToken}}.Encode()); err != nil {
		t.Error(err)
	}
	a, _, err = s.fetch(origin, "/oauth/token", formType, refreshForm(a.RefreshToken).Encode())
	if err != nil {
		t.Errorf("a page cannot read the reason of a refusal: %v", err)
	}
	a.refused(t, 400, exchange.InvalidGrant, exchange.ReasonSessionEnded)
	if a, _, err := s.fetch(origin, "/auth/external/exchange", "application/json", body, key); err != nil || !strings.Contains(a.body, "accessToken") {
		t.Errorf("exchange at the JSON endpoint: %v: %s", err, a)
	}
	if _, sent, err := s.fetch(origin, "/oauth/introspect", "application/json", "{}", header{"Authorization", "Basic x"}); err == nil || sent {
		t.Error("a page may introspect")
	}
	for _, other := range []string{"https://evil.example.com", "http://shop.example.com", "https://shop.example.com:444", "https://shop.example.com.evil.com", "null"} {
		a, _, err := s.fetch(other, "/oauth/token", formType, exchangeForm(token).Encode())
		if !errors.Is(err, errCORS) || len(a.header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("a page of %s reads %v, %s", other, err, a)
		}
		a.refused(t, 403, exchange.AccessDenied, exchange.ReasonOriginNotAllowed)
		if _, sent, err := s.fetch(other, "/auth/external/exchange", "application/json", body, key); !errors.Is(err, errCORS) || sent {
			t.Errorf("a page of %s got past the preflight: %v", other, err)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil { // which flushes the audit log
		t.Fatal(err)
	}
	if err := s.wait(t); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
	if n := s.granted(); n != 2 {
		t.Errorf("%d exchanges were granted, want the two of the registered page", n)
	}
}

// TestOriginsChangeAtOnce checks that a change of origins takes effect with the
// next request and the next preflight.
func TestOriginsChangeAtOnce(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	const moved = "https://new.example.com"
	body := exchangeForm(issuer.Sign(issuer.Claims("alice", app))).Encode()
	dpop := []string{"content-type", "dpop"}
	for _, c := range []struct{ allowed, refused string }{{origin, moved}, {moved, origin}} {
		s.trust("%s", strings.Replace(manifest(issuer.URL, audience), origin, c.allowed, 1))
		if _, _, err := s.fetch(c.allowed, "/oauth/token", formType, body); err != nil {
			t.Errorf("%s: %v", c.allowed, err)
		}
		if _, _, err := s.fetch(c.refused, "/oauth/token", formType, body); err == nil {
			t.Errorf("%s may read responses", c.refused)
		}
		if err := s.preflight(c.allowed, "/oauth/token", dpop); err != nil {
			t.Errorf("preflight of %s: %v", c.allowed, err)
		}
		if err := s.preflight(c.refused, "/oauth/token", dpop); err == nil {
			t.Errorf("the preflight of %s succeeds", c.refused)
		}
	}
}
