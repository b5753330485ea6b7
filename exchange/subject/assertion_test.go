package subject

import (
	"context"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
)

func newClient(t *testing.T, keys *exchange.Keys) *exchange.CompiledClient {
	t.Helper()
	p, problems := CompileClient(jwks.Options{AllowPrivateAddresses: true})(exchange.Client{
		ID: "backend", Auth: exchange.AuthPrivateKeyJWT, Keys: keys,
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	t.Cleanup(p.Keys.Close)
	return p
}

func TestClientAssertionWithOneFaultIsRefused(t *testing.T) {
	p := newFixture(t)
	client := newClient(t, &exchange.Keys{JWKS: string(p.JWKS())})
	audiences := []string{ownURL, ownURL + "/oauth/token"}
	at := func(d time.Duration) int64 { return p.now.Add(d).Unix() }
	for _, tc := range []struct {
		name   string
		claims map[string]any // replaced; nil removes
		header []jwkstest.SignOption
		ok     bool
	}{
		{"good", nil, nil, true},
		{"typ of its own", nil, []jwkstest.SignOption{jwkstest.WithType("client-authentication+jwt")}, true},
		{"typ of an access token", nil, []jwkstest.SignOption{jwkstest.WithType("at+jwt")}, false},
		{"iss of another", map[string]any{"iss": "x"}, nil, false},
		{"no iss", map[string]any{"iss": nil}, nil, false},
		{"sub of another", map[string]any{"sub": "x"}, nil, false},
		{"no sub", map[string]any{"sub": nil}, nil, false},
		{"aud the issuer", map[string]any{"aud": ownURL}, nil, true},
		{"aud both names of this server", map[string]any{"aud": audiences}, nil, true},
		{"aud another server", map[string]any{"aud": "https://other.example"}, nil, false},
		{"aud another server too", map[string]any{"aud": []any{ownURL, "https://other.example"}}, nil, false},
		{"aud empty", map[string]any{"aud": []any{}}, nil, false},
		{"no aud", map[string]any{"aud": nil}, nil, false},
		{"no exp", map[string]any{"exp": nil}, nil, false},
		{"exp a string", map[string]any{"exp": "9999999999"}, nil, false},
		{"expired", map[string]any{"exp": at(-time.Minute), "iat": at(-2 * time.Minute)}, nil, false},
		{"not yet valid", map[string]any{"nbf": at(2 * time.Minute)}, nil, false},
		{"valid 5 minutes", map[string]any{"exp": at(5 * time.Minute)}, nil, true},
		{"valid longer", map[string]any{"exp": at(5*time.Minute + time.Second)}, nil, false},
		{"valid longer, no iat", map[string]any{"iat": nil, "exp": at(5*time.Minute + time.Second)}, nil, false},
		{"no jti", map[string]any{"jti": nil}, nil, false},
		{"jti empty", map[string]any{"jti": ""}, nil, false},
		{"jti a number", map[string]any{"jti": 1}, nil, false},
		{"jti too long", map[string]any{"jti": strings.Repeat("j", 257)}, nil, false},
		{"kid that is unknown", nil, []jwkstest.SignOption{jwkstest.WithKID("unknown")}, false},
		{"Sub besides sub", map[string]any{"Sub": "x"}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			claims := map[string]any{
				"iss": "backend", "sub": "backend", "aud": ownURL + "/oauth/token", "jti": "j1",
				"iat": at(0), "exp": at(time.Minute),
			}
			for name, v := range tc.claims {
				if claims[name] = v; v == nil {
					delete(claims, name)
				}
			}
			jti, expires, err := p.verifier.ClientAssertion(context.Background(), client, ParseAssertion(p.Sign(claims, tc.header...)), audiences, p.now)
			if tc.ok {
				if err != nil || jti != "j1" || expires.Unix() != claims["exp"] {
					t.Fatalf("got %q, %v, %v", jti, expires, err)
				}
				return
			}
			if err == nil || jti != "" || !expires.IsZero() {
				t.Fatalf("accepted: %q, %v, %v", jti, expires, err)
			}
			if refused := exchange.AsError(err); refused.Reason != exchange.ReasonClientAuthenticationFailed {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

func TestClientAssertionNeedsKeysOfClient(t *testing.T) {
	p := newFixture(t)
	for _, tc := range []struct {
		name   string
		client *exchange.CompiledClient
		reason exchange.Reason
	}{
		{"client without keys", &exchange.CompiledClient{Client: &exchange.Client{ID: "backend"}}, exchange.ReasonClientAuthenticationFailed},
		{"keys are unavailable", newClient(t, &exchange.Keys{JWKSURL: p.URL + "/nothing"}), exchange.ReasonIssuerUnavailable},
		{"another's keys", newClient(t, &exchange.Keys{JWKS: string(jwkstest.New(t).JWKS())}), exchange.ReasonClientAuthenticationFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := p.Sign(map[string]any{"iss": "backend", "sub": "backend", "aud": ownURL, "jti": "j", "exp": p.now.Unix() + 60})
			_, _, err := p.verifier.ClientAssertion(context.Background(), tc.client, ParseAssertion(text), []string{ownURL}, p.now)
			if err == nil || exchange.AsError(err).Reason != tc.reason {
				t.Fatalf("got %v, want %s", err, tc.reason)
			}
		})
	}
}

// Whether a client exists, and has keys that fit, does not show in the time that a
// refusal takes.
func TestAssertionsOfUnknownClientsCostAsMuch(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		p := newFixture(t, jwkstest.WithAlg(alg))
		good := p.Sign(map[string]any{"iss": "backend", "sub": "backend", "aud": ownURL, "jti": "j", "exp": p.now.Unix() + 60})
		input, signature := good[:strings.LastIndexByte(good, '.')+1], good[strings.LastIndexByte(good, '.')+1:]
		forged := input + "AA" + signature[2:]
		cost := func(client *exchange.CompiledClient) time.Duration {
			least := time.Hour
			for range 200 {
				start := time.Now()
				_, _, err := p.verifier.ClientAssertion(t.Context(), client, ParseAssertion(forged), []string{ownURL}, p.now)
				least = min(least, time.Since(start))
				if err == nil || exchange.AsError(err).Reason != exchange.ReasonClientAuthenticationFailed {
					t.Fatalf("got %v", err)
				}
			}
			return least
		}
		want := cost(newClient(t, &exchange.Keys{JWKS: string(p.JWKS())}))
		for name, client := range map[string]*exchange.CompiledClient{
			"an unknown client": nil, "one without keys": {Client: &exchange.Client{ID: "backend"}},
			"one with another key": newClient(t, &exchange.Keys{JWKS: string(jwkstest.New(t).JWKS())}),
		} {
			if got := cost(client); got < want/2 || got > want*2 {
				t.Errorf("%s, %s: %s, want about %s", alg, name, got, want)
			}
		}
	}
}
