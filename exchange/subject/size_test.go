package subject

import (
	"errors"
	"strings"
	"testing"

	"cambio/exchange"
)

// An issuer's registration accepts larger tokens of that issuer, and of no other.
func TestTokenSize(t *testing.T) {
	for _, row := range []struct {
		name   string
		most   int // of the issuer
		others int // of another issuer
		bytes  int // at least, of the token
		check  string
	}{
		{"usual", 0, 0, 15 << 10, ""},
		{"too large", 0, 0, 17 << 10, "size"},
		{"large, as registered", 64 << 10, 0, 60 << 10, ""},
		{"547 groups", 48 << 10, 0, 44 << 10, ""},
		{"larger than registered", 32 << 10, 0, 33 << 10, "size"},
		{"large, as another issuer is registered", 0, 64 << 10, 17 << 10, "size"},
		{"larger than any issuer may", 64 << 10, 0, 65 << 10, "size"},
		{"larger than a smaller bound", 1 << 10, 0, 2 << 10, "size"},
	} {
		p := newFixture(t)
		i, other := p.registration(), exchange.Issuer{ID: "two", URL: "two", Audiences: []string{"app"}, Keys: exchange.Keys{JWKS: string(p.JWKS())}}
		i.MaxTokenSize, other.MaxTokenSize = row.most, row.others
		p.register(t, i)
		p.register(t, other)
		claims := p.Claims("alice", "app")
		claims["groups"] = []string{strings.Repeat("g", row.bytes*3/4)}
		s, checks, err := p.verify(exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken})
		if row.check != "" {
			checkRefused(t, s, checks, err, exchange.ReasonSubjectTokenMalformed, row.check)
		} else if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// What was copied together with a token is named to the caller.
func TestPastedTokens(t *testing.T) {
	p := newFixture(t)
	good := p.Sign(p.Claims("alice", "app"))
	for text, want := range map[string]string{
		"Bearer " + good: "'Bearer ' before it", "bearer " + good + "\n": "'Bearer ' before it", " Bearer  " + good: "'Bearer ' before it",
		good + "\n": "a line break around it", "\r\n" + good: "a line break around it", good + " ": "white space around it", "\t" + good: "white space around it",
		good[:50] + "\n" + good[50:]: "white space or a line break in it", `"` + good + `"`: "quotation marks around it",
	} {
		for _, typ := range []string{exchange.TypeIDToken, exchange.TypeJWT, exchange.TypeAccessToken} {
			_, checks, err := p.verify(exchange.SubjectToken{Text: text, Type: typ})
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || e.Reason != exchange.ReasonSubjectTokenMalformed || !strings.Contains(e.Description, want) || strings.ContainsAny(e.Description, `"\`) {
				t.Errorf("%.10q…: %+v, want %s", text, e, want)
			}
			if last := checks[len(checks)-1]; last.Name != "form" || strings.Contains(err.Error(), good[:20]) {
				t.Errorf("%.10q…: %+v, %v", text, last, err)
			}
		}
	}
}
