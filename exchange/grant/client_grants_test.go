package grant_test

import (
	"slices"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
)

func TestClientCredentialsNeedNoStore(t *testing.T) {
	w := newWorld(t)
	ask := func(client string) *grant.Request {
		return &grant.Request{
			GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client(client), Scopes: []string{"admin"},
		}
	}
	before := w.engine.commits.Load()
	req := ask("backend")
	resp, token := w.granted(req)
	if n := w.engine.commits.Load() - before; n != 0 {
		t.Errorf("%d commits, want none", n)
	}
	if resp.RefreshToken != "" || resp.User != nil || resp.Session != "" || resp.IssuedTokenType != "" || resp.TokenType != "Bearer" {
		t.Errorf("response %+v", resp)
	}
	if token.User != "backend" || token.Client != "backend" || token.Session != "" || !slices.Equal(token.Scopes, []string{"admin"}) || !slices.Equal(token.Audience, []string{api}) {
		t.Errorf("access token %+v", token)
	}
	if req.Trail.Client != "backend" || !slices.Equal(req.Trail.Scopes, []string{"admin"}) {
		t.Errorf("trail %+v", req.Trail)
	}
	if w.userCount() != 0 {
		t.Error("a user was made")
	}

	for _, tc := range []struct {
		name   string
		edit   func(*grant.Request)
		reason exchange.Reason
	}{
		{"no client", func(r *grant.Request) { r.Client = nil }, exchange.ReasonClientUnknown},
		{"a public client", func(r *grant.Request) { r.Client = w.registry.Snapshot().Client("spa") }, exchange.ReasonGrantNotAllowed},
		{"a public client that would have the grant", func(r *grant.Request) {
			c := *w.registry.Snapshot().Client("spa").Client
			c.Grants = []string{exchange.GrantClientCredentials}
			r.Client = &exchange.CompiledClient{Client: &c}
		}, exchange.ReasonClientNotAllowed},
		{"a scope it may not have", func(r *grant.Request) { r.Scopes = []string{"root"} }, exchange.ReasonScopeNotAllowed},
		{"an audience it may not have", func(r *grant.Request) { r.Audiences = []string{"x"} }, exchange.ReasonTargetNotAllowed},
		{"details", func(r *grant.Request) { r.Details = []byte(`[{}]`) }, exchange.ReasonAuthorizationDetailsInvalid},
		{"a subject token besides", func(r *grant.Request) { r.SubjectToken = "x" }, exchange.ReasonParameterInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			req := ask("backend")
			tc.edit(req)
			row.refused(req, tc.reason)
		})
	}

	t.Run("its token is no user's", func(t *testing.T) {
		row := *w
		row.T = t
		req := row.narrowing("backend", resp.AccessToken)
		less, token := row.granted(req)
		if less.User != nil || token.User != "backend" || less.RefreshToken != "" {
			t.Errorf("narrowed %+v, %+v", less, token)
		}
	})
}

func TestJWTBearerIssuesNoRefreshToken(t *testing.T) {
	w := newWorld(t)
	ask := func(claims ...any) *grant.Request {
		return &grant.Request{
			GrantType: exchange.GrantJWTBearer, Client: w.registry.Snapshot().Client("backend"), Scopes: []string{"read"},
			Assertion: w.issuer.Sign(w.claims("backend", claims...)),
		}
	}
	w.changeClient("backend", func(c *exchange.Client) {
		c.RefreshTokens, c.Grants = true, append(slices.Clone(c.Grants), exchange.GrantRefreshToken)
	})
	req := ask()
	resp, token := w.granted(req)
	if resp.RefreshToken != "" || resp.Session != "" || resp.IssuedTokenType != "" || !resp.User.IsNew || token.User != resp.User.ID || token.Client != "backend" {
		t.Errorf("response %+v, token %+v", resp, token)
	}
	if tr := req.Trail; tr.Subject != "alice" || tr.Issuer != "one" || tr.User != token.User {
		t.Errorf("trail %+v", tr)
	}
	before := w.engine.commits.Load()
	w.granted(ask())
	if n := w.engine.commits.Load() - before; n != 0 {
		t.Errorf("%d commits for a known user, want none", n)
	}
	for _, tc := range []struct {
		name   string
		req    *grant.Request
		edit   func(*grant.Request)
		reason exchange.Reason
		code   exchange.Code
	}{
		{"no assertion", ask(), func(r *grant.Request) { r.Assertion = "" }, exchange.ReasonParameterMissing, exchange.InvalidRequest},
		{"no client", ask(), func(r *grant.Request) { r.Client = nil }, exchange.ReasonClientUnknown, exchange.InvalidClient},
		{"a public client", ask(), func(r *grant.Request) { r.Client = w.registry.Snapshot().Client("spa") }, exchange.ReasonGrantNotAllowed, exchange.UnauthorizedClient},
		{"expired", ask("exp", w.now.Unix()-61), nil, exchange.ReasonAssertionInvalid, exchange.InvalidGrant},
		{"for another", ask("aud", "x"), nil, exchange.ReasonAssertionInvalid, exchange.InvalidGrant},
		{"no token", ask(), func(r *grant.Request) { r.Assertion = "foobar" }, exchange.ReasonAssertionInvalid, exchange.InvalidGrant},
		{"a scope too many", ask(), func(r *grant.Request) { r.Scopes = []string{"admin"} }, exchange.ReasonScopeNotAllowed, exchange.InvalidScope},
		{"a subject token besides", ask(), func(r *grant.Request) { r.SubjectToken = "x" }, exchange.ReasonParameterInvalid, exchange.InvalidRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			if tc.edit != nil {
				tc.edit(tc.req)
			}
			if code := row.refused(tc.req, tc.reason).Reason.Response().Code; code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
		})
	}
}
