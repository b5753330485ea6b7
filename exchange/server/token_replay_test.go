package server_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cambio/exchange"
)

// keyedForm posts a form to the token endpoint with an Idempotency-Key.
func (p *world) keyedForm(key string, params []string, headers ...string) answer {
	p.Helper()
	return p.form("/oauth/token", params, append([]string{"Idempotency-Key", key}, headers...)...)
}

// credentials returns the parameters and headers by which a client calls the token
// endpoint, new ones each time.
func (p *world) credentials(client string) (params, headers []string) {
	switch client {
	case "basic":
		return nil, []string{"Authorization", basicAuth("basic", p.secretOf("basic"))}
	case "post":
		return []string{"client_id", "post", "client_secret", p.secretOf("post")}, nil
	case "jwt":
		claims := map[string]any{
			"iss": "jwt", "sub": "jwt", "aud": publicURL, "jti": fmt.Sprint(time.Now().UnixNano()),
			"iat": p.clock().Unix(), "exp": p.clock().Add(time.Minute).Unix(),
		}
		return []string{
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", p.issuer.Sign(claims),
		}, nil
	}
	return []string{"client_id", client}, []string{"Origin", page}
}

// The token endpoint replays its response to every kind of client: a token for one
// use that comes again with its key is no replay. A client's credential is no part
// of the request: an assertion can be used once.
func TestTokenResponsesAreReplayed(t *testing.T) {
	p := newWorld(t, patient)
	m := p.manifest()
	m.Issuers[0].SingleUse = true
	p.apply(m)
	n := 0
	idToken := func() string {
		n++
		claims := p.issuer.Claims("alice", "web")
		claims["jti"] = fmt.Sprint(n)
		return p.issuer.Sign(claims)
	}
	requests := map[string]func(client string) []string{
		"exchange": func(string) []string { return exchangeParams(idToken()) },
		"ID token": func(string) []string {
			return exchangeParams(idToken(), "requested_token_type", exchange.TypeIDToken)
		},
		"refresh": func(client string) []string {
			own, headers := p.credentials(client)
			a := p.form("/oauth/token", append(exchangeParams(idToken()), own...), headers...)
			return []string{"grant_type", exchange.GrantRefreshToken, "refresh_token", a.str("refresh_token")}
		},
	}
	for name, request := range requests {
		for _, client := range []string{"web", "basic", "post", "jwt"} {
			t.Run(name+" "+client, func(t *testing.T) {
				p, key, params := p.in(t), `"`+name+client+`"`, request(client)
				ask := func(more ...string) answer {
					own, headers := p.credentials(client)
					return p.keyedForm(key, slices.Concat(params, more, own), headers...)
				}
				first := ask()
				p.want(first, 200, "")
				p.repeats(first, ask())
				p.want(ask("x", "y"), 422, exchange.ReasonIdempotencyKeyReused)
			})
		}
	}
	if n := p.counted("token", "replayed"); n != 12 {
		t.Errorf("%v replays are counted", n)
	}
}

// What makes a request to the token endpoint the same.
func TestIdempotencyKeysAtTokenEndpoint(t *testing.T) {
	n := 0
	p := newWorld(t, patient, withGrants(tokens(&n)))
	asWeb, headers := p.credentials("web")
	params := func(more ...string) []string {
		return slices.Concat([]string{"grant_type", "x", "subject_token", "a=b&c"}, more, asWeb)
	}
	first := p.keyedForm("k", params(), headers...)
	p.want(first, 200, "")
	for _, row := range []struct {
		name   string
		body   func() answer
		status int
		code   exchange.Reason
		same   bool
	}{
		{"the same", func() answer { return p.keyedForm("k", params(), headers...) }, 200, "", true},
		{"an empty parameter", func() answer { return p.keyedForm("k", params("scope", ""), headers...) }, 200, "", true},
		{"another encoding", func() answer {
			return p.do("POST", "/oauth/token", "client_id=web&grant_type=%78&subject_token=a%3db%26c",
				"Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "k")
		}, 200, "", true},
		{"values that only concatenate alike", func() answer {
			return p.keyedForm("k", []string{"client_id", "web", "grant_type", "x", "subject_token", "a=b", "c", "d"})
		}, 422, exchange.ReasonIdempotencyKeyReused, false},
		{"one more parameter", func() answer { return p.keyedForm("k", params("scope", "read"), headers...) }, 422, exchange.ReasonIdempotencyKeyReused, false},
		{"an unknown parameter", func() answer { return p.keyedForm("k", params("x", "y"), headers...) }, 422, exchange.ReasonIdempotencyKeyReused, false},
		{"no key", func() answer { return p.form("/oauth/token", params(), headers...) }, 200, "", false},
		{"another client's", func() answer {
			return p.keyedForm("k", []string{"grant_type", "x", "subject_token", "a=b&c", "client_id", "other"})
		}, 200, "", false},
		{"no client", func() answer { return p.keyedForm("k", exchangeParams("x")) }, 400, exchange.ReasonParameterInvalid, false},
		{"not valid", func() answer { return p.keyedForm("a, b", params(), headers...) }, 400, exchange.ReasonParameterInvalid, false},
		{"revoking ignores it", func() answer {
			return p.form("/oauth/revoke", []string{"token", "x", "client_id", "web"}, "Idempotency-Key", "k")
		}, 200, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := n
			a := row.body()
			if p.in(t).want(a, row.status, row.code); (a.text == first.text) != row.same {
				t.Errorf("got %s", a.text)
			}
			if done := n - before; done > 0 && (row.same || row.status != 200) {
				t.Errorf("it was done %d times", done)
			}
		})
	}
}

// A response is replayed while the refresh token in it is unused, at either
// endpoint. As soon as that was used, the presented token is an older one, however
// recently it was used.
func TestUsedSuccessorIsNotReplayed(t *testing.T) {
	ways := map[string]func(p *world, key, token string) answer{
		"/auth/refresh": func(p *world, key, token string) answer {
			return p.keyed(key, "/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, token), webPage...)
		},
		"/oauth/token": func(p *world, key, token string) answer {
			own, headers := p.credentials("web")
			return p.keyedForm(key, append([]string{"grant_type", exchange.GrantRefreshToken, "refresh_token", token}, own...), headers...)
		},
	}
	for _, path := range slices.Sorted(maps.Keys(ways)) {
		t.Run(path, func(t *testing.T) {
			p := newWorld(t, patient)
			refresh := func(key, token string) (answer, string) {
				a := ways[path](p, key, token)
				return a, a.str("refreshToken") + a.str("refresh_token")
			}
			r1 := p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), webPage...).str("refreshToken")
			second, r2 := refresh("k", r1)
			again, _ := refresh("k", r1)
			p.repeats(second, again)
			third, r3 := refresh("l", r2)
			p.want(third, 200, "")
			reused, _ := refresh("k", r1)
			p.want(reused, 400, exchange.ReasonRefreshTokenReused)
			ended, _ := refresh("m", r3)
			p.want(ended, 400, exchange.ReasonSessionEnded)
		})
	}
}
