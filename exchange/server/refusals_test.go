package server_test

import (
	"slices"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// event returns the audit event of an answer, nil if there is none.
func (p *world) event(a answer) map[string]any {
	p.Helper()
	for _, e := range slices.Backward(p.events()) { // a request's own event is its last
		if e["request_id"] == a.header.Get("X-Request-Id") {
			return e
		}
	}
	return nil
}

// Whatever a caller was refused for, the operator finds the reason by the request_id.
func TestEveryRefusalIsFoundByItsRequestID(t *testing.T) {
	params := exchangeParams("x", "client_id", "web")
	const form = "application/x-www-form-urlencoded"
	for _, row := range []struct {
		name   string
		ask    func(p *world) answer
		status int
		reason exchange.Reason
		text   string
	}{
		{"no such path", func(p *world) answer { return p.form("/oauth/tokens", params) }, 404, exchange.ReasonNotFound, "POST /oauth/tokens is not served"},
		{"a path with a slash more", func(p *world) answer { return p.form("/oauth/token/", params) }, 404, exchange.ReasonNotFound, "; /oauth/token is"},
		{"a path below another", func(p *world) answer { return p.form("/api/oauth/token", params) }, 404, exchange.ReasonNotFound, "; /oauth/token is"},
		{"another method", func(p *world) answer { return p.do("GET", "/oauth/token", "") }, 405, exchange.ReasonMethodNotAllowed, "GET /oauth/token; allowed: POST"},
		{"another method of a document", func(p *world) answer { return p.form("/.well-known/jwks.json", nil) }, 405, exchange.ReasonMethodNotAllowed, "allowed: GET"},
		{"a preflight where pages may not call", func(p *world) answer {
			return p.do("OPTIONS", "/oauth/introspect", "", "Origin", page, "Access-Control-Request-Method", "POST")
		}, 405, exchange.ReasonMethodNotAllowed, "OPTIONS /oauth/introspect"},
		{"a refused preflight", func(p *world) answer {
			return p.do("OPTIONS", "/oauth/token", "", "Origin", evil, "Access-Control-Request-Method", "POST")
		}, 403, exchange.ReasonOriginNotAllowed, "origins: ["},
		{"a body that is too large", func(p *world) answer {
			return p.do("POST", "/oauth/token", strings.Repeat("x", 65<<10), "Content-Type", form)
		}, 413, exchange.ReasonRequestTooLarge, "more than 65536 bytes"},
		{"another media type", func(p *world) answer { return p.post("/oauth/token", `{}`) }, 415, exchange.ReasonMediaTypeNotSupported, `Content-Type is "application/json"`},
		{"an encoded body", func(p *world) answer { return p.form("/oauth/token", params, "Content-Encoding", "gzip") }, 415, exchange.ReasonMediaTypeNotSupported, `Content-Encoding "gzip"`},
		{"parameters in the query", func(p *world) answer { return p.form("/oauth/token?grant_type=secret-value&client_id=web", params) }, 400, exchange.ReasonRequestMalformed, `the query has "client_id grant_type"`},
		{"an Idempotency-Key that is none", func(p *world) answer {
			return p.post("/auth/external/exchange", `{"token":"x"}`, "X-API-Key", "web", "Idempotency-Key", "a b")
		}, 400, exchange.ReasonParameterInvalid, "Idempotency-Key"},
		{"too many failures", func(p *world) answer {
			for range 10 {
				p.form("/oauth/token", params)
			}
			return p.form("/oauth/token", params)
		}, 429, exchange.ReasonTooManyFailures, "SUBJECT_TOKEN_MALFORMED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t)
			a := row.ask(p)
			p.want(a, row.status, row.reason)
			e := p.event(a)
			if e == nil {
				t.Fatal("there is no event")
			}
			if text, _ := e["error"].(string); e["reason"] != string(row.reason) || e["outcome"] != "refused" || e["address"] != "127.0.0.1" || !strings.Contains(text, row.text) {
				t.Errorf("got %v, want %q", e, row.text)
			}
			if strings.Contains(p.audited.String(), "secret-value") {
				t.Error("a value of the query is audited")
			}
		})
	}
}

// What is nearly right is named to the operator, and not to the caller.
func TestNearMissesAreNamed(t *testing.T) {
	claims := func(p *world, edit func(map[string]any), options ...jwkstest.SignOption) string {
		c := p.issuer.Claims("alice", "web")
		edit(c)
		return p.issuer.Sign(c, options...)
	}
	same := func(map[string]any) {}
	exchanged := func(token func(p *world) string, more ...string) func(p *world) answer {
		return func(p *world) answer {
			return p.form("/oauth/token", exchangeParams(token(p), append(more, "client_id", "web")...))
		}
	}
	for _, row := range []struct {
		name string
		ask  func(p *world) answer
		text string
	}{
		{"an issuer with a slash more", exchanged(func(p *world) string { return claims(p, func(c map[string]any) { c["iss"] = p.issuer.URL + "/" }) }), "the issuer acme is registered as"},
		{"an issuer in capitals", exchanged(func(p *world) string {
			return claims(p, func(c map[string]any) { c["iss"] = strings.ToUpper(p.issuer.URL) })
		}), "the issuer acme is registered as"},
		{"an issuer of another scheme", exchanged(func(p *world) string {
			return claims(p, func(c map[string]any) { c["iss"] = strings.Replace(p.issuer.URL, "http:", "https:", 1) })
		}), "the issuer acme is registered as"},
		{"no iss", exchanged(func(p *world) string { return claims(p, func(c map[string]any) { delete(c, "iss") }) }), "send the issuer's ID as issuer_id"},
		{"the issuer_id of another", exchanged(func(p *world) string { return p.idToken() }, "issuer_id", "vendor"), "which is acme"},
		{"an unknown issuer_id", exchanged(func(p *world) string { return p.idToken() }, "issuer_id", "acne"), `issuer_id \"acne\" is not registered`},
		{"no kid", exchanged(func(p *world) string { return claims(p, same, jwkstest.WithoutKID()) }), "keys.allowMissingKid"},
		{"an access token by its typ", exchanged(func(p *world) string { return claims(p, same, jwkstest.WithType("at+jwt")) }), "this is an access token"},
		{"an access token by its claims", exchanged(func(p *world) string {
			return claims(p, func(c map[string]any) {
				delete(c, "nonce")
				delete(c, "auth_time")
				c["aud"], c["scope"] = "https://api.other", "openid"
			})
		}), "this is an access token"},
		{"an opaque access token", exchanged(func(*world) string { return "ya29a0AfH6SMBx" }), "opaque access token"},
		{"an encrypted token", exchanged(func(*world) string { return "a.b.c.d.e" }), "encrypted"},
		{"a secret with a newline", func(p *world) answer {
			return p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("basic", p.secretOf("basic")+"\n"))
		}, "newline"},
		{"a secret in quotes", func(p *world) answer {
			return p.form("/oauth/token", exchangeParams("x", "client_id", "post", "client_secret", `"`+p.secretOf("post")+`"`))
		}, "quotation marks"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t)
			a := row.ask(p)
			e := p.event(a)
			if !strings.Contains(p.audited.String(), row.text) || e == nil {
				t.Errorf("got %v, want %q", e, row.text)
			}
			if strings.Contains(a.text, row.text) || a.status < 400 {
				t.Errorf("the caller reads %d %s", a.status, a.text)
			}
		})
	}
}
