package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cambio/exchange"
)

// TestIdempotencyKeyReplaysResponse checks that a page and a backend that lost a
// response get it again by its Idempotency-Key, also after a crash. The stored
// responses are searched for tokens when the test ends.
func TestIdempotencyKeyReplaysResponse(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	proof := header{"X-Server-Secret", s.secret(backend)}
	idToken := issuer.Sign(issuer.Claims("alice", app))
	s.seen.addToken(idToken)
	body := fmt.Sprintf(`{"token":%q}`, idToken)
	send := func(key string) (answer, answer) {
		fromPage, _, err := s.fetch(origin, "/auth/external/exchange", "application/json", body,
			header{"X-API-Key", app}, header{"Idempotency-Key", key})
		if err != nil {
			t.Fatal(err)
		}
		return s.tokensOf(fromPage), s.tokensOf(s.postJSON("/auth/external/exchange", body,
			header{"X-API-Key", backend}, proof, header{"Idempotency-Key", key}))
	}
	page, back := send("first")
	s.kill(t)
	s.restart()
	if again, backAgain := send("first"); again.body != page.body || backAgain.body != back.body {
		t.Errorf("got %s and %s, then %s and %s", page, back, again, backAgain)
	}
	if other, otherBack := send("second"); other.body == page.body || otherBack.body == back.body {
		t.Error("another key got the same response")
	}
	s.postJSON("/auth/external/exchange", `{"token":"x"}`, header{"X-API-Key", app}, header{"Idempotency-Key", "first"}).
		refused(t, http.StatusUnprocessableEntity, exchange.InvalidRequest, exchange.ReasonIdempotencyKeyReused)
}

// postJSON posts to a JSON endpoint.
func (s *server) postJSON(path, body string, headers ...header) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		req.Header.Set(h.name, h.value)
	}
	a, err := s.do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// tokensOf adds the tokens in a JSON endpoint's response to the secrets.
func (s *server) tokensOf(a answer) answer {
	s.t.Helper()
	var tokens struct{ AccessToken, RefreshToken string }
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || tokens.AccessToken == "" {
		s.t.Fatalf("got %s", a)
	}
	s.seen.addToken(tokens.AccessToken, tokens.RefreshToken)
	return a
}
