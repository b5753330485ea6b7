package grant_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// narrowing returns a request of client to exchange an access token of this server.
func (w *world) narrowing(client, token string) *grant.Request {
	return &grant.Request{
		GrantType: exchange.GrantTokenExchange, Client: w.registry.Snapshot().Client(client),
		SubjectToken: token, SubjectTokenType: exchange.TypeAccessToken,
	}
}

// wide returns an access token of alice with several scopes and audiences.
func (w *world) wide(client string) (*grant.Response, *exchange.AccessToken) {
	w.Helper()
	req := w.exchange(client, "acr", "2", "auth_time", w.now.Unix()-9)
	req.Scopes = []string{"read", "write"}
	if client != "plain" {
		req.Audiences = []string{api, files}
	}
	return w.granted(req)
}

func TestNarrowingKeepsSessionAndExpiry(t *testing.T) {
	for _, parent := range []string{"spa", "plain"} { // with a session and without
		t.Run(parent, func(t *testing.T) {
			w := newWorld(t)
			given, was := w.wide(parent)
			w.now = w.now.Add(time.Minute)
			req := w.narrowing("backend", given.AccessToken)
			req.Scopes, req.Audiences = []string{"read"}, []string{api}
			before := w.engine.commits.Load()
			resp, token := w.granted(req)
			if n := w.engine.commits.Load() - before; n != 0 {
				t.Errorf("%d commits, want none", n)
			}
			if resp.RefreshToken != "" || resp.IssuedTokenType != exchange.TypeAccessToken || resp.User.ID != was.User || resp.User.IsNew || resp.ExpiresIn != 14*time.Minute {
				t.Errorf("response %+v, user %+v", resp, resp.User)
			}
			if token.User != was.User || token.Client != "backend" || token.Session != was.Session || token.ACR != "2" || token.AuthTime != was.AuthTime ||
				token.Origin != was.Origin || !token.Expires.Equal(was.Expires) || token.ID == was.ID ||
				!slices.Equal(token.Scopes, []string{"read"}) || !slices.Equal(token.Audience, []string{api}) {
				t.Errorf("got %+v of %+v", token, was)
			}
			if tr := req.Trail; tr.Client != "backend" || tr.User != was.User || tr.Session != was.Session || len(tr.Checks) == 0 {
				t.Errorf("trail %+v", tr)
			}
		})
	}
}

// Each row differs from a good request in one fact.
func TestNarrowingNeverWidens(t *testing.T) {
	for _, tc := range []struct {
		name   string
		client string
		edit   func(*world, *grant.Request, *exchange.AccessToken)
		reason exchange.Reason
	}{
		{"good", "backend", func(*world, *grant.Request, *exchange.AccessToken) {}, ""},
		{"by the public client it was given to", "spa", func(*world, *grant.Request, *exchange.AccessToken) {}, ""},
		{"by another public client", "plain", func(w *world, r *grant.Request, _ *exchange.AccessToken) {
			w.changeClient("plain", func(c *exchange.Client) { c.ExchangeOwnTokens = true })
			r.Client = w.registry.Snapshot().Client("plain")
		}, exchange.ReasonClientNotAllowed},
		{"by a client that may not", "plain", func(*world, *grant.Request, *exchange.AccessToken) {}, exchange.ReasonSubjectTokenTypeNotAccepted},
		{"without a client", "backend", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.Client = nil }, exchange.ReasonClientUnknown},
		{"as id_token", "backend", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.SubjectTokenType = exchange.TypeIDToken }, exchange.ReasonIssuerUnknown},
		{"a scope it has not", "backend", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.Scopes = []string{"admin"} }, exchange.ReasonScopeNotAllowed},
		{"an audience it has not", "backend", func(w *world, r *grant.Request, _ *exchange.AccessToken) {
			w.changeClient("backend", func(c *exchange.Client) { c.Audiences = append(slices.Clone(c.Audiences), "https://more.example") })
			r.Client, r.Audiences = w.registry.Snapshot().Client("backend"), []string{"https://more.example"}
		}, exchange.ReasonTargetNotAllowed},
		{"details it has not", "backend", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.Details = []byte(`[{"type":"x"}]`) }, exchange.ReasonAuthorizationDetailsInvalid},
		{"for a refresh token", "spa", func(_ *world, r *grant.Request, _ *exchange.AccessToken) {
			r.RequestedTokenType = exchange.TypeRefreshToken
		}, exchange.ReasonParameterInvalid},
		{"for an ID token", "spa", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.RequestedTokenType = exchange.TypeIDToken }, exchange.ReasonParameterInvalid},
		{"expired", "backend", func(w *world, _ *grant.Request, t *exchange.AccessToken) { w.now = t.Expires }, exchange.ReasonSubjectTokenExpired},
		{"in its last second", "backend", func(w *world, _ *grant.Request, t *exchange.AccessToken) { w.now = t.Expires.Add(-time.Second) }, ""},
		{"forged", "backend", func(_ *world, r *grant.Request, _ *exchange.AccessToken) { r.SubjectToken += "AAAA" }, exchange.ReasonSubjectTokenSignatureInvalid},
		{"session ended", "backend", func(w *world, _ *grant.Request, t *exchange.AccessToken) {
			must(w, w.sessions.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationSession, ID: t.Session, Time: w.now}))
		}, exchange.ReasonSubjectTokenRevoked},
		{"user disabled", "backend", func(w *world, _ *grant.Request, t *exchange.AccessToken) {
			must(w, w.users.SetDisabled(ctx, t.User, true))
		}, exchange.ReasonUserDisabled},
		{"its client removed", "backend", func(w *world, _ *grant.Request, _ *exchange.AccessToken) {
			w.change(func(m *exchange.Manifest) { m.Clients = m.Clients[1:] })
		}, exchange.ReasonSubjectTokenClaimInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			given, was := w.wide("spa")
			req := w.narrowing(tc.client, given.AccessToken)
			tc.edit(w, req, was)
			if tc.reason == "" {
				w.granted(req)
				return
			}
			w.refused(req, tc.reason)
		})
	}
}

// A token without a session is refused once its issuer is removed.
func TestNarrowingNeedsIssuerOfToken(t *testing.T) {
	w := newWorld(t)
	given, _ := w.wide("plain")
	w.change(func(m *exchange.Manifest) { m.Issuers = m.Issuers[1:]; dropIssuer(m, "one") })
	w.refused(w.narrowing("backend", given.AccessToken), exchange.ReasonIssuerUnknown)
}

// A chain of exchanges neither widens the token nor extends it.
func TestNarrowingChainNeverOutlivesFirst(t *testing.T) {
	w := newWorld(t)
	given, was := w.wide("spa")
	req := w.narrowing("backend", given.AccessToken)
	req.Scopes = []string{"read"}
	less, _ := w.granted(req)
	w.now = w.now.Add(time.Minute)
	again := w.narrowing("backend", less.AccessToken)
	_, token := w.granted(again)
	if !token.Expires.Equal(was.Expires) || !slices.Equal(token.Scopes, []string{"read"}) {
		t.Errorf("got %+v of %+v", token, was)
	}
	again.Scopes = []string{"read", "write"}
	w.refused(again, exchange.ReasonScopeNotAllowed)
}

// A token falls with each token that it was exchanged from, at introspection and as
// a subject token, and so with the client of each; those that it came from stay.
// Rows differ in the first token and in what is revoked.
func TestExchangedTokensFallWithTheirParents(t *testing.T) {
	firsts := map[string]func(w *world) string{
		"a client's own": func(w *world) string {
			resp, _ := w.granted(&grant.Request{
				GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("backend"), Scopes: []string{"read"},
			})
			return resp.AccessToken
		},
		"a user's without a session": func(w *world) string {
			resp, _ := w.granted(w.exchange("backend"))
			return resp.AccessToken
		},
		"a user's with a session": func(w *world) string {
			resp, _ := w.granted(w.exchange("spa"))
			return resp.AccessToken
		},
	}
	const generations = 4
	for name, first := range firsts {
		for revoked := range generations {
			t.Run(fmt.Sprintf("%s, generation %d", name, revoked), func(t *testing.T) {
				w := newWorld(t)
				w.changeClient("backend", func(c *exchange.Client) { c.DefaultScopes = []string{"read"} })
				w.change(func(m *exchange.Manifest) { m.Clients = append(m.Clients, secondBackend(m.Clients)) })
				tokens := []string{first(w)}
				for i := range generations - 1 {
					resp, _ := w.granted(w.narrowing([]string{"second", "backend"}[i%2], tokens[i]))
					tokens = append(tokens, resp.AccessToken)
				}
				owner, err := w.sessions.Parse(ctx, tokens[revoked], w.now)
				must(t, err)
				_, err = w.sessions.RevokeToken(ctx, tokens[revoked], owner.Client, w.now)
				must(t, err)
				for i, token := range tokens {
					in, err := w.sessions.Introspect(ctx, token, w.now)
					must(t, err)
					if fallen := i >= revoked; in.Active == fallen {
						t.Errorf("generation %d is active: %v", i, in.Active)
					}
				}
				w.refused(w.narrowing("backend", tokens[generations-1]), exchange.ReasonSubjectTokenRevoked)
			})
		}
	}
}

// secondBackend is a client like backend.
func secondBackend(clients []exchange.Client) exchange.Client {
	c := clients[slices.IndexFunc(clients, func(c exchange.Client) bool { return c.ID == "backend" })]
	c.ID = "second"
	return c
}

// A token that another client narrowed from a client's own falls with the removal of
// either client.
func TestNarrowedClientTokensFallWithEitherClient(t *testing.T) {
	for _, removed := range []string{"backend", "second", "spa"} {
		t.Run(removed, func(t *testing.T) {
			w := newWorld(t)
			w.change(func(m *exchange.Manifest) { m.Clients = append(m.Clients, secondBackend(m.Clients)) })
			own, _ := w.granted(&grant.Request{
				GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("backend"), Scopes: []string{"read"},
			})
			narrowed, _ := w.granted(w.narrowing("second", own.AccessToken))
			must(t, w.sessions.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationClient, ID: removed, Time: w.now}))
			in, err := w.sessions.Introspect(ctx, narrowed.AccessToken, w.now)
			must(t, err)
			if want := removed == "spa"; in.Active != want {
				t.Errorf("active %v, want %v", in.Active, want)
			}
		})
	}
}

// A chain of exchanges has an end: each token carries what is checked of all before.
func TestChainOfExchangesIsBounded(t *testing.T) {
	w := newWorld(t)
	resp, _ := w.wide("spa")
	for range 8 {
		resp, _ = w.granted(w.narrowing("spa", resp.AccessToken))
	}
	w.refused(w.narrowing("spa", resp.AccessToken), exchange.ReasonSubjectTokenTypeNotAccepted)
}
