package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"cambio/exchange"
)

// answer is an endpoint's response, decoded as tokens and as an error.
type answer struct {
	status int
	header http.Header
	body   string

	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
	Scope           string `json:"scope"`
	RefreshToken    string `json:"refresh_token"`
	SessionID       string `json:"session_id"`
	User            struct {
		ID    string `json:"id"`
		IsNew bool   `json:"is_new"`
	} `json:"user"`

	Error string `json:"error"`
	Code  string `json:"code"`

	Active bool `json:"active"` // of introspection
}

func (a answer) String() string { return fmt.Sprintf("%d %.400s", a.status, a.body) }

// granted requires tokens.
func (a answer) granted(t *testing.T) answer {
	t.Helper()
	if a.status != http.StatusOK || a.AccessToken == "" {
		t.Fatalf("got %s, want tokens", a)
	}
	return a
}

// refused requires a refusal that contains no tokens.
func (a answer) refused(t *testing.T, status int, code exchange.Code, reason exchange.Reason) answer {
	t.Helper()
	if a.status != status || a.Error != string(code) || a.Code != string(reason) {
		t.Errorf("got %s, want %d %s %s", a, status, code, reason)
	}
	if a.AccessToken != "" || a.RefreshToken != "" {
		t.Errorf("a refusal has tokens: %s", a)
	}
	return a
}

// header is a request header.
type header struct{ name, value string }

// basic authenticates a client (RFC 6749 §2.3.1).
func basic(id, secret string) header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return header{"Authorization", r.Header.Get("Authorization")}
}

// post sends a form, and remembers the tokens that go either way as secrets.
// An error says that no answer came.
func (s *server) post(ctx context.Context, path string, form url.Values, headers ...header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range headers {
		if h.name != "" {
			req.Header.Set(h.name, h.value)
		}
	}
	for _, name := range []string{"subject_token", "refresh_token", "token"} {
		s.seen.addToken(form.Get(name))
	}
	a, err := s.do(req)
	if err == nil {
		s.seen.addToken(a.AccessToken, a.RefreshToken)
	}
	return a, err
}

func (s *server) do(req *http.Request) (answer, error) {
	resp, err := s.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

// call is post where an answer must come.
func (s *server) call(path string, form url.Values, headers ...header) answer {
	s.t.Helper()
	a, err := s.post(s.t.Context(), path, form, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// exchangeForm is a token exchange of the public client app (RFC 8693 §2.1).
func exchangeForm(subjectToken string) url.Values {
	return url.Values{
		"grant_type":         {exchange.GrantTokenExchange},
		"client_id":          {app},
		"subject_token":      {subjectToken},
		"subject_token_type": {exchange.TypeIDToken},
		"scope":              {scope},
	}
}

// refreshForm is a refresh by the public client app (RFC 6749 §6).
func refreshForm(refreshToken string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {app}, "refresh_token": {refreshToken}}
}

func (s *server) exchange(subjectToken string) answer {
	s.t.Helper()
	return s.call("/oauth/token", exchangeForm(subjectToken))
}

func (s *server) refresh(refreshToken string) answer {
	s.t.Helper()
	return s.call("/oauth/token", refreshForm(refreshToken))
}

// command is `cambio args…` aimed at the server.
func (s *server) command(input string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Dir, cmd.Stdin, cmd.Stderr = s.dir, strings.NewReader(input), &output{}
	cmd.Env = append(append(environ(), s.env...), "CAMBIO_ADMIN="+s.admin)
	return cmd
}
