package grant_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/subject"
	"cambio/jwks/jwkstest"
)

// path is a way in which a login of alice at issuer one can be used. It is prepared
// while everything is in order, and tried after a change.
type path struct {
	name    string
	prepare func(w *world, token string) (try func() error)
	stored  bool // the login was accepted before the change: the token is not read again
	narrows bool // an access token without a session, of which no claims are stored
}

func (w *world) backend() *exchange.CompiledClient { return w.registry.Snapshot().Client("backend") }

// asActor returns a request in which the token's subject acts for another user.
func (w *world) asActor(token, typ string) *grant.Request {
	claims := edited(w.other.Claims("carol", "backend"), []any{"aud", []string{"backend", "spa"}})
	req := presenting(w.backend(), w.other.Sign(claims))
	req.ActorToken, req.ActorTokenType = token, typ
	return req
}

func (w *world) paths() []path {
	failure := func(req *grant.Request) error { _, err := w.token(req); return err }
	refresh := func(req *grant.Request) func() error {
		resp, _ := w.granted(req)
		return func() error { return failure(w.refresh("backend", resp.RefreshToken)) }
	}
	own := func(token string) string {
		resp, _ := w.granted(presenting(w.backend(), token))
		return resp.AccessToken
	}
	return []path{
		{name: "exchange", prepare: func(w *world, token string) func() error {
			return func() error { return failure(presenting(w.backend(), token)) }
		}},
		{name: "jwt-bearer", prepare: func(w *world, token string) func() error {
			return func() error {
				return failure(&grant.Request{GrantType: exchange.GrantJWTBearer, Client: w.backend(), Assertion: token})
			}
		}},
		{name: "verify", prepare: func(w *world, token string) func() error {
			return func() error { _, err := w.endpoint.Verify(ctx, presenting(w.backend(), token), w.now); return err }
		}},
		{name: "actor", prepare: func(w *world, token string) func() error {
			return func() error { return failure(w.asActor(token, exchange.TypeIDToken)) }
		}},
		{name: "refresh", stored: true, prepare: func(w *world, token string) func() error {
			return refresh(presenting(w.backend(), token))
		}},
		{name: "refresh with the actor", stored: true, prepare: func(w *world, token string) func() error {
			return refresh(w.asActor(token, exchange.TypeIDToken))
		}},
		{name: "narrowing", stored: true, prepare: func(w *world, token string) func() error {
			access := own(token)
			return func() error { return failure(w.narrowing("backend", access)) }
		}},
		{name: "own token as actor token", stored: true, prepare: func(w *world, token string) func() error {
			access := own(token)
			return func() error { return failure(w.asActor(access, exchange.TypeAccessToken)) }
		}},
		{name: "narrowing without a session", stored: true, narrows: true, prepare: func(w *world, token string) func() error {
			resp, _ := w.granted(&grant.Request{GrantType: exchange.GrantJWTBearer, Client: w.backend(), Assertion: token})
			return func() error { return failure(w.narrowing("backend", resp.AccessToken)) }
		}},
	}
}

// pathWorld is a world in which one client may use every path, and alice and carol
// are known.
func pathWorld(t *testing.T) (w *world, user string) {
	w = newWorld(t)
	w.changeClient("backend", func(c *exchange.Client) {
		c.RefreshTokens, c.Grants = true, append(c.Grants, exchange.GrantRefreshToken)
	})
	w.granted(w.asActor(w.issuer.Sign(w.claims("backend")), exchange.TypeIDToken)) // makes carol known
	resp, _ := w.granted(w.exchange("backend"))
	return w, resp.User.ID
}

// What an operator changes about a login refuses it on every path.
func TestEveryPathRefusesWhatTheExchangeRefuses(t *testing.T) {
	paths := (*world)(nil).paths() // for their names
	for _, row := range []struct {
		name   string
		change func(w *world, user, key string)
		claims bool // refused by the claims, which a token without a session does not have
		good   bool
	}{
		{name: "nothing", change: func(*world, string, string) {}, good: true},
		{name: "the user is disabled", change: func(w *world, user, _ string) { must(w, w.users.SetDisabled(ctx, user, true)) }},
		{name: "the user is deleted, and none is created", change: func(w *world, user, _ string) {
			must(w, w.users.Delete(ctx, user))
			w.changeClient("backend", func(c *exchange.Client) { no := false; c.AutoCreate = &no })
		}},
		{name: "the issuer is removed", change: func(w *world, _, _ string) {
			w.change(func(m *exchange.Manifest) { m.Issuers = m.Issuers[1:]; dropIssuer(m, "one") })
		}},
		{name: "the key is revoked", change: func(w *world, _, key string) {
			w.issuer.Rotate() // a set without a usable key would be no answer
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Keys.RevokedKeys = []string{key} })
		}},
		{name: "the issuer is not the client's", claims: true, change: func(w *world, _, _ string) {
			w.changeClient("backend", func(c *exchange.Client) { c.Issuers = []string{"other"} })
		}},
		{name: "a condition fails", claims: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) {
				i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)"}}
			})
		}},
		{name: "a condition under audit fails", good: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) {
				i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)", Mode: exchange.ModeAudit}}
			})
		}},
		{name: "the audience is not the issuer's", claims: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Audiences = []string{"spa"} })
		}},
		{name: "the audience is in another claim", claims: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.AudienceClaim = exchange.Words{"client_id"} })
		}},
		{name: "the authorized party is foreign", claims: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.AuthorizedParties = nil })
		}},
		{name: "the audience is not the client's", claims: true, change: func(w *world, _, _ string) {
			w.changeClient("backend", func(c *exchange.Client) { c.SubjectAudiences = []string{"spa"} })
		}},
		{name: "the subject is in another claim", claims: true, change: func(w *world, _, _ string) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.ClaimMappings.Subject.Claim = "uid" })
		}},
	} {
		for n, p := range paths {
			t.Run(row.name+"/"+p.name, func(t *testing.T) {
				w, user := pathWorld(t)
				w.changeIssuer("one", func(i *exchange.Issuer) { i.AuthorizedParties = []string{"app"} })
				login := w.exchange("backend", "azp", "app")
				w.granted(login)
				p := w.paths()[n]
				try := p.prepare(w, login.SubjectToken)
				row.change(w, user, login.Trail.Key)
				err := try()
				accepted := row.good || row.claims && p.narrows
				if accepted != (err == nil) {
					t.Fatalf("%v", err)
				}
				if e, ok := errors.AsType[*exchange.Error](err); err != nil && (!ok || e.Reason.Temporary()) {
					t.Errorf("refused by %v", err)
				}
			})
		}
	}
}

// A fault of a token refuses it on every path on which tokens are read, that of a
// client's own assertion among them.
func TestEveryPathRefusesBadTokens(t *testing.T) {
	type sign func(map[string]any, ...jwkstest.SignOption) string
	after := func(d time.Duration) func(*world) any { return func(w *world) any { return w.now.Add(d).Unix() } }
	value := func(v any) func(*world) any { return func(*world) any { return v } }
	for _, row := range []struct {
		name   string
		claim  string
		value  func(*world) any
		header []jwkstest.SignOption
		signer func(*world) sign
		good   bool
	}{
		{name: "nothing", good: true},
		{name: "expired", claim: "exp", value: after(-61 * time.Second)},
		{name: "no exp", claim: "exp", value: value(nil)},
		{name: "exp in text", claim: "exp", value: value("2000000000")},
		{name: "valid too long", claim: "exp", value: after(25 * time.Hour)},
		{name: "not valid yet", claim: "nbf", value: after(61 * time.Second)},
		{name: "issued later", claim: "iat", value: after(61 * time.Second)},
		{name: "for another", claim: "aud", value: value("x")},
		{name: "for no recipient", claim: "aud", value: value([]string{})},
		{name: "no aud", claim: "aud", value: value(nil)},
		{name: "of another issuer", claim: "iss", value: value("https://evil.example")},
		{name: "no iss", claim: "iss", value: value(nil)},
		{name: "no sub", claim: "sub", value: value(nil)},
		{name: "sub a number", claim: "sub", value: value(7)},
		{name: "two spellings of sub", claim: "Sub", value: value("bob")},
		{name: "another key", signer: func(w *world) sign { return w.other.Sign }},
		{name: "no algorithm", header: []jwkstest.SignOption{jwkstest.WithHeader("alg", "none")}},
		{name: "an unknown kid", header: []jwkstest.SignOption{jwkstest.WithKID("x")}},
		{name: "a critical header", header: []jwkstest.SignOption{jwkstest.WithHeader("crit", []string{"exp"})}},
		{name: "an access token", header: []jwkstest.SignOption{jwkstest.WithType("at+jwt")}},
	} {
		w, _ := pathWorld(t)
		fresh := slices.IndexFunc(w.paths(), func(p path) bool { return p.stored }) // these come first
		for n := range fresh + 1 {
			claims := w.claims("backend")
			if n == fresh {
				claims = map[string]any{"iss": "signer", "sub": "signer", "aud": ownURL, "exp": w.now.Unix() + 60, "jti": "one"}
			}
			claims = maps.Clone(claims)
			if row.claim != "" {
				claims = edited(claims, []any{row.claim, row.value(w)})
			}
			signed := sign(w.issuer.Sign)
			if row.signer != nil {
				signed = row.signer(w)
			}
			name, err := "client assertion", error(nil)
			if token := signed(claims, row.header...); n < fresh {
				name, err = w.paths()[n].name, w.paths()[n].prepare(w, token)()
			} else {
				err = w.clientAssertion(token)
			}
			if row.good != (err == nil) {
				t.Errorf("%s by %s: %v", row.name, name, err)
			}
		}
	}
}

// clientAssertion authenticates a client that signs by the keys of issuer one.
func (w *world) clientAssertion(token string) error {
	w.change(func(m *exchange.Manifest) {
		m.Clients = append(m.Clients, exchange.Client{
			ID: "signer", Auth: exchange.AuthPrivateKeyJWT, Keys: &exchange.Keys{JWKS: string(w.issuer.JWKS())}, Audiences: []string{api},
			Grants: []string{exchange.GrantClientCredentials}, Scopes: []string{"read"}, DefaultScopes: []string{"read"},
		})
	})
	_, _, err := w.subjects.ClientAssertion(ctx, w.registry.Snapshot().Client("signer"), subject.ParseAssertion(token), []string{ownURL}, w.now)
	return err
}
