package subject

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/registration"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
)

// issuers are issuers by ID.
type issuers map[string]*exchange.CompiledIssuer

func (t issuers) Issuer(id string) *exchange.CompiledIssuer { return t[id] }

func (t issuers) IssuerByURL(url string) *exchange.CompiledIssuer {
	for _, issuer := range t {
		if slices.Contains(issuer.Issuer.AllURLs(), url) {
			return issuer
		}
	}
	return nil
}

func (t issuers) TokenSize() int {
	size := exchange.DefaultMaxTokenSize
	for _, issuer := range t {
		size = max(size, issuer.Issuer.TokenSize())
	}
	return size
}

// noAccessTokens refuses every access token of this server.
type noAccessTokens struct{}

func (noAccessTokens) Recognizes(string) bool { return false }
func (noAccessTokens) Parse(context.Context, string, time.Time) (*exchange.AccessToken, error) {
	return nil, exchange.Refuse(exchange.ReasonSubjectTokenSignatureInvalid, errors.New("not a token of this server"))
}

const ownURL = "https://cambio.example"

// fixture is an issuer, the registered issuers, and a Verifier.
type fixture struct {
	*jwkstest.Issuer
	now      time.Time
	issuers  issuers
	verifier *Verifier
}

func newFixture(t testing.TB, opts ...jwkstest.Option) *fixture {
	t.Helper()
	p := &fixture{now: time.Now().Truncate(time.Second), issuers: issuers{}}
	p.Issuer = jwkstest.New(t, append(opts, jwkstest.WithClock(func() time.Time { return p.now }))...)
	p.register(t, p.registration())
	p.verifier = New(Config{Issuers: func() Issuers { return p.issuers }, FirstParty: noAccessTokens{}, OwnIssuer: ownURL})
	return p
}

func (p *fixture) registration() exchange.Issuer {
	return exchange.Issuer{ID: "one", URL: p.URL, Audiences: []string{"app", "app-2"}}
}

// register registers an issuer, or replaces the one with its ID.
func (p *fixture) register(t testing.TB, i exchange.Issuer) {
	t.Helper()
	issuer, problems := CompileIssuer(jwks.Options{AllowPrivateAddresses: true, Now: func() time.Time { return p.now }})(i)
	if len(problems) > 0 {
		t.Fatalf("compiling issuer %s: %v", i.ID, problems)
	}
	t.Cleanup(issuer.Keys.Close)
	p.issuers[i.ID] = issuer
}

func (p *fixture) verify(token exchange.SubjectToken) (*exchange.Subject, []exchange.Check, error) {
	var r exchange.Recorder
	s, _, err := p.verifier.Verify(context.Background(), token, &r, p.now)
	return s, r.Checks, err
}

// checkRefused asserts that err refuses for reason and that the list of
// checks ends with the one that refused, called name.
func checkRefused(t *testing.T, s *exchange.Subject, checks []exchange.Check, err error, reason exchange.Reason, name string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted as %q, want %s", s.ID, reason)
	}
	if s != nil {
		t.Errorf("refused, but there is subject %q", s.ID)
	}
	refused, ok := errors.AsType[*exchange.Error](err)
	if !ok || refused.Reason != reason {
		t.Errorf("refused with %v, want %s", err, reason)
	}
	last := checks[len(checks)-1]
	if last.Name != name || last.Passed || last.Reason != reason {
		t.Errorf("last check %+v, want %s to refuse with %s", last, name, reason)
	}
	nothing := name == "aud" || name == "iss" // may be both what is registered and what came
	if !nothing && strings.Contains(err.Error(), `want "", got ""`) {
		t.Errorf("%s refuses without saying why: %v", name, err)
	}
	if i := slices.IndexFunc(checks, func(c exchange.Check) bool { return !c.Passed && !c.Audit }); i != len(checks)-1 {
		t.Errorf("check %d of %d refused and others ran after it", i, len(checks))
	}
}

func TestVerifyRecordsEveryCheck(t *testing.T) {
	p := newFixture(t)
	claims := p.Claims("alice", "app")
	claims["auth_time"], claims["acr"], claims["amr"] = p.now.Unix()-5, "2", []string{"pwd", "otp"}
	claims["email"], claims["email_verified"], claims["name"] = "alice@example.com", true, "Alice"
	token := exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken, Explain: true}
	s, checks, err := p.verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if s.Issuer != "one" || s.ID != "alice" || s.Email != "alice@example.com" || s.Name != "Alice" || s.Parent != nil {
		t.Errorf("subject %+v", s)
	}
	proof := s.Proof
	if proof.TokenType != exchange.TypeIDToken || proof.Key == "" || proof.Replay != "" ||
		proof.AuthTime != p.now.Unix()-5 || proof.ACR != "2" || !slices.Equal(proof.AMR, []string{"pwd", "otp"}) ||
		!slices.Equal(proof.Audience, []string{"app"}) || !proof.Expires.Equal(p.now.Add(time.Hour)) {
		t.Errorf("proof %+v", proof)
	}
	for _, c := range checks {
		if !c.Passed || c.Want == "" {
			t.Errorf("check %+v of an accepted token", c)
		}
	}
	want := []string{
		"size", "subject_token_type", "issuer", "issuer.tokenTypes", "signature", "typ", "claims",
		"iss", "aud", "aud", "exp", "iat", "lifetime", "claimMappings.subject",
	}
	if names := namesOf(checks); !slices.Equal(names, want) {
		t.Errorf("checks %v, want %v", names, want)
	}
	token.Explain = false
	if _, checks, err = p.verify(token); err != nil || !slices.Equal(namesOf(checks), want) {
		t.Errorf("not explained: checks %v, %v", namesOf(checks), err)
	}
	if size := checks[0]; size.Want != "" || size.Got != "" {
		t.Errorf("not explained: %+v", size)
	}
}

func namesOf(checks []exchange.Check) (names []string) {
	for _, c := range checks {
		names = append(names, c.Name)
	}
	return names
}

// A token is identified by its jti or the signed part, never by its signature.
func TestReplayIDIgnoresSignature(t *testing.T) {
	p := newFixture(t)
	once := p.registration()
	once.SingleUse = true
	p.register(t, once)
	replay := func(claims map[string]any) string {
		t.Helper()
		s, _, err := p.verify(exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken})
		if err != nil {
			t.Fatal(err)
		}
		return s.Proof.Replay
	}
	claims := p.Claims("alice", "app")
	first := replay(claims)
	if again := replay(claims); again != first { // ES256: another signature
		t.Errorf("the same content is %q and %q", first, again)
	}
	claims["n"] = 1
	if other := replay(claims); other == first {
		t.Errorf("other content is %q too", other)
	}
	claims["jti"] = "id-1"
	if got := replay(claims); got != "jti:id-1" {
		t.Errorf("with a jti it is %q", got)
	}
}

func TestUnavailableKeysAreTemporary(t *testing.T) {
	p := newFixture(t)
	p.Fail(500)
	_, checks, err := p.verify(exchange.SubjectToken{Text: p.Sign(p.Claims("alice", "app")), Type: exchange.TypeIDToken})
	refused := exchange.AsError(err)
	if refused.Reason != exchange.ReasonIssuerUnavailable || refused.Reason.Response().Status != 503 {
		t.Fatalf("got %v", err)
	}
	if last := checks[len(checks)-1]; last.Passed || last.Reason != exchange.ReasonIssuerUnavailable {
		t.Errorf("last check %+v", last)
	}
}

// An iss is any string (RFC 7519 §2), byte for byte.
func TestIssuerIsAnyString(t *testing.T) {
	for _, iss := range []string{"acme.com", "privy.io", "http://a.example", "https://a.example/?t=1", "urn:example:a#b", "did:web:acme.com", "my backend", "é"} {
		p := newFixture(t)
		i := exchange.Issuer{ID: "two", URL: iss, Audiences: []string{"app"}, Keys: exchange.Keys{JWKS: string(p.JWKS())}}
		if problems := registration.LintIssuer(&i); len(problems) > 0 {
			t.Errorf("%s: %v", iss, problems)
		}
		p.register(t, i)
		claims := p.Claims("alice", "app")
		for _, row := range []struct {
			iss string
			ok  bool
		}{{iss, true}, {iss + "/", false}, {strings.ToUpper(iss), false}, {"https://" + iss, false}, {" " + iss, false}} {
			claims["iss"] = row.iss
			s, _, err := p.verify(exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken})
			if (err == nil) != row.ok || err == nil && s.Issuer != "two" {
				t.Errorf("%q as %q: %v, %v", iss, row.iss, s, err)
			}
		}
	}
}
