package subject

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

// What a token says about the login at its issuer is bounded, or dropped with a
// note in the audit event.
func TestAuthenticationClaimsAreBounded(t *testing.T) {
	p := newFixture(t)
	many := func(n, bytes int) []string { return slices.Repeat([]string{strings.Repeat("m", bytes)}, n) }
	at := func(d time.Duration) int64 { return p.now.Add(d).Unix() }
	for _, row := range []struct {
		claim string
		value any
		want  string // "0  []": dropped
		noted bool
	}{
		{"auth_time", at(-time.Hour), fmt.Sprint(at(-time.Hour), "  []"), false},
		{"auth_time", at(59 * time.Second), fmt.Sprint(at(59*time.Second), "  []"), false},
		{"auth_time", at(2 * time.Minute), "0  []", true},
		{"auth_time", int64(1) << 62, "0  []", true},
		{"auth_time", p.now.UnixMilli(), "0  []", true},
		{"auth_time", -1, "0  []", true},
		{"auth_time", 1.5, "0  []", true},
		{"auth_time", "1700000000", "0  []", true},
		{"auth_time", nil, "0  []", false},
		{"acr", "urn:mace:incommon:iap:silver", "0 urn:mace:incommon:iap:silver []", false},
		{"acr", strings.Repeat("a", 256), "0 " + strings.Repeat("a", 256) + " []", false},
		{"acr", strings.Repeat("a", 257), "0  []", true},
		{"acr", "a\nb", "0  []", true},
		{"acr", 1, "0  []", true},
		{"amr", []string{"pwd", "otp"}, "0  [pwd otp]", false},
		{"amr", many(16, 64), fmt.Sprint("0  ", many(16, 64)), false},
		{"amr", many(17, 1), "0  []", true},
		{"amr", many(1, 65), "0  []", true},
		{"amr", []any{"pwd", 1}, "0  []", true},
		{"amr", []string{"a\u0085"}, "0  []", true},
		{"amr", "pwd", "0  []", true},
	} {
		claims := p.Claims("alice", "app")
		if row.value != nil {
			claims[row.claim] = row.value
		}
		s, checks, err := p.verify(exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken})
		if err != nil {
			t.Fatalf("%s %v: %v", row.claim, row.value, err)
		}
		if got := fmt.Sprint(s.Proof.AuthTime, " ", s.Proof.ACR, " ", s.Proof.AMR); got != row.want {
			t.Errorf("%s %.40v: %.80s", row.claim, row.value, got)
		}
		last := checks[len(checks)-1]
		if noted := last.Name == row.claim && last.Audit && !last.Passed; noted != row.noted || len(last.Got) > 128 {
			t.Errorf("%s %.40v: last check %+v", row.claim, row.value, last)
		}
	}
}
