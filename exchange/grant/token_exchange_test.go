package grant_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

func TestTokenExchangeCreatesUserAndSession(t *testing.T) {
	w := newWorld(t)
	req := w.exchange("spa", "acr", "2", "auth_time", w.now.Unix()-9, "email", "a@b.example", "email_verified", true)
	resp, token := w.granted(req)
	if resp.TokenType != "Bearer" || resp.IssuedTokenType != exchange.TypeAccessToken || resp.RefreshToken == "" || resp.IDToken != "" ||
		resp.ExpiresIn != 15*time.Minute || !slices.Equal(resp.Scopes, []string{"read"}) || resp.Session == "" {
		t.Errorf("response %+v", resp)
	}
	if u := resp.User; u == nil || u.ID == "" || u.Email != "a@b.example" || !u.IsNew {
		t.Errorf("user %+v", resp.User)
	}
	if token.User != resp.User.ID || token.Client != "spa" || !slices.Equal(token.Audience, []string{api}) || token.Session != resp.Session ||
		token.ACR != "2" || token.AuthTime != w.now.Unix()-9 || token.Actor != nil || token.JKT != "" {
		t.Errorf("access token %+v", token)
	}
	trail := req.Trail
	if trail.Client != "spa" || trail.Issuer != "one" || trail.Subject != "alice" || trail.User != token.User ||
		trail.Session != token.Session || trail.Key == "" || !slices.Equal(trail.Scopes, resp.Scopes) || len(trail.Checks) < 15 {
		t.Errorf("trail %+v", trail)
	}
	again, _ := w.granted(w.exchange("spa"))
	if again.User.ID != resp.User.ID || again.User.IsNew || again.Session == resp.Session {
		t.Errorf("second exchange %+v, user %+v", again, again.User)
	}
}

// Each row differs from a good request in one fact.
func TestRefusedExchangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) {
		i.ClaimValidationRules = []exchange.ClaimValidationRule{{
			Name: "not banned", Expression: "!has(claims.banned)", Message: "you are banned",
		}}
	})
	for _, tc := range []struct {
		name   string
		client string
		claims []any
		edit   func(*grant.Request)
		reason exchange.Reason
	}{
		{"no grant_type", "spa", nil, func(r *grant.Request) { r.GrantType = "" }, exchange.ReasonParameterMissing},
		{"unknown grant_type", "spa", nil, func(r *grant.Request) { r.GrantType = "password" }, exchange.ReasonGrantTypeUnsupported},
		{"no subject_token", "spa", nil, func(r *grant.Request) { r.SubjectToken = "" }, exchange.ReasonParameterMissing},
		{"no subject_token_type", "spa", nil, func(r *grant.Request) { r.SubjectTokenType = "" }, exchange.ReasonParameterMissing},
		{"unknown subject_token_type", "spa", nil, func(r *grant.Request) { r.SubjectTokenType = "x" }, exchange.ReasonTokenTypeUnsupported},
		{"unknown requested_token_type", "spa", nil, func(r *grant.Request) { r.RequestedTokenType = "x" }, exchange.ReasonTokenTypeUnsupported},
		{"an actor's type without actor", "spa", nil, func(r *grant.Request) { r.ActorTokenType = exchange.TypeJWT }, exchange.ReasonParameterInvalid},
		{"an actor without type", "spa", nil, func(r *grant.Request) { r.ActorToken = "x" }, exchange.ReasonParameterMissing},
		{"a refresh token besides", "spa", nil, func(r *grant.Request) { r.RefreshToken = "x" }, exchange.ReasonParameterInvalid},
		{"an assertion besides", "spa", nil, func(r *grant.Request) { r.Assertion = "x" }, exchange.ReasonParameterInvalid},
		{"no client", "spa", nil, func(r *grant.Request) { r.Client = nil }, exchange.ReasonClientUnknown},
		{"expired", "spa", []any{"exp", w.now.Unix() - 61}, nil, exchange.ReasonSubjectTokenExpired},
		{"for another", "spa", []any{"aud", "x"}, nil, exchange.ReasonAudienceNotAccepted},
		{"another's signature", "spa", nil, func(r *grant.Request) { r.SubjectToken = w.other.Sign(w.claims("spa")) }, exchange.ReasonSubjectTokenSignatureInvalid},
		{"nonce", "spa", nil, func(r *grant.Request) { r.Nonce = "n" }, exchange.ReasonNonceMismatch},
		{"issuer_id of another", "spa", nil, func(r *grant.Request) { r.IssuerID = "other" }, exchange.ReasonIssuerUnknown},
		{"an issuer the client may not bring", "plain", nil, func(r *grant.Request) {
			r.SubjectToken = w.other.Sign(w.other.Claims("alice", "plain"))
		}, exchange.ReasonIssuerUnknown},
		{"a condition", "spa", []any{"banned", true}, nil, exchange.ReasonConditionFailed},
		{"a scope the client may not have", "spa", nil, func(r *grant.Request) { r.Scopes = []string{"read", "root"} }, exchange.ReasonScopeNotAllowed},
		{"a scope the rule does not give", "spa", nil, func(r *grant.Request) { r.Scopes = []string{"admin"} }, exchange.ReasonScopeNotAllowed},
		{"an audience of another", "plain", nil, func(r *grant.Request) { r.Audiences = []string{files} }, exchange.ReasonTargetNotAllowed},
		{"a resource of another", "plain", nil, func(r *grant.Request) { r.Audiences, r.Resources = []string{api}, []string{files} }, exchange.ReasonTargetNotAllowed},
		{"authorization_details", "spa", nil, func(r *grant.Request) { r.Details = []byte(`[{"type":"x"}]`) }, exchange.ReasonAuthorizationDetailsInvalid},
		{"a refresh token of a client without", "plain", nil, func(r *grant.Request) { r.RequestedTokenType = exchange.TypeRefreshToken }, exchange.ReasonParameterInvalid},
		{"an ID token for another", "spa", nil, func(r *grant.Request) {
			r.RequestedTokenType, r.Audiences = exchange.TypeIDToken, []string{api}
		}, exchange.ReasonTargetNotAllowed},
		{"unknown an access token", "spa", nil, func(r *grant.Request) { r.SubjectTokenType = exchange.TypeAccessToken }, exchange.ReasonSubjectTokenTypeNotAccepted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			req := row.exchange(tc.client, tc.claims...)
			if tc.edit != nil {
				tc.edit(req)
			}
			refusal := row.refused(req, tc.reason)
			if row.userCount() != 0 {
				t.Error("a user was made")
			}
			if req.Client != nil && req.Trail.Client != tc.client {
				t.Errorf("client %q in the trail", req.Trail.Client)
			}
			if tc.name == "a condition" && refusal.Description != "you are banned" {
				t.Errorf("description %q, want the operator's", refusal.Description)
			}
			if req.SubjectToken != "" && strings.Contains(refusal.Error(), req.SubjectToken) {
				t.Error("the error has the token in it")
			}
		})
	}
	w.granted(w.exchange("spa")) // what the rows differ from
}

// The trail shows how far a request came, and its last check is the one that
// refused.
func TestTrailEndsWithRefusingCheck(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name    string
		claims  []any
		scope   string
		check   string
		subject string
	}{
		{"before the subject is proven", []any{"exp", w.now.Unix() - 61}, "read", "exp", ""},
		{"after", nil, "admin", "scope:admin", "alice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			req := row.exchange("spa", tc.claims...)
			req.Scopes = []string{tc.scope}
			_, err := row.token(req)
			trail := req.Trail
			if err == nil || trail.Client != "spa" || trail.Issuer != "one" || trail.Subject != tc.subject || trail.User != "" || trail.Scopes != nil {
				t.Errorf("%v, trail %+v", err, trail)
			}
			if last := trail.Checks[len(trail.Checks)-1]; last.Name != tc.check || last.Passed {
				t.Errorf("last check %+v", last)
			}
		})
	}
}

func TestClientNeedsGrantType(t *testing.T) {
	w := newWorld(t)
	w.changeClient("backend", func(c *exchange.Client) { c.Grants = []string{exchange.GrantClientCredentials} })
	w.refused(w.exchange("backend"), exchange.ReasonGrantNotAllowed)
}

// The issued tokens and their issued_token_type.
func TestRequestedTokenTypeIsIssued(t *testing.T) {
	for _, tc := range []struct {
		client, requested, issued string
		refresh, id               bool
	}{
		{"spa", "", exchange.TypeAccessToken, true, false},
		{"spa", exchange.TypeAccessToken, exchange.TypeAccessToken, true, false},
		{"spa", exchange.TypeJWT, exchange.TypeJWT, true, false},
		{"spa", exchange.TypeRefreshToken, exchange.TypeRefreshToken, true, false},
		{"spa", exchange.TypeIDToken, exchange.TypeIDToken, false, true},
		{"plain", "", exchange.TypeAccessToken, false, false},
		{"plain", exchange.TypeJWT, exchange.TypeJWT, false, false},
	} {
		t.Run(tc.client+" "+tc.issued, func(t *testing.T) {
			w := newWorld(t)
			req := w.exchange(tc.client)
			req.RequestedTokenType = tc.requested
			resp, err := w.token(req)
			must(t, err)
			if resp.IssuedTokenType != tc.issued || (resp.RefreshToken != "") != tc.refresh || (resp.IDToken != "") != tc.id || (resp.Session != "") != tc.refresh {
				t.Errorf("response %+v", resp)
			}
			_, err = w.sessions.Parse(ctx, resp.AccessToken, w.now)
			if tc.id {
				if err == nil || resp.TokenType != "N_A" || resp.AccessToken != resp.IDToken {
					t.Errorf("an ID token is accepted as an access token (%v), or not answered as RFC 8693 §2.2.1 has it: %+v", err, resp)
				}
			} else if err != nil || resp.TokenType != "Bearer" {
				t.Errorf("token_type %s, %v", resp.TokenType, err)
			}
		})
	}
}

// An exchange writes no more than it needs to.
func TestExchangeWritesNoMoreThanNeeded(t *testing.T) {
	for _, tc := range []struct {
		name          string
		client        string
		singleUse     bool
		first, second int64
	}{
		{"no session", "plain", false, 1, 0},
		{"session", "spa", false, 1, 1},
		{"no session, single use", "plain", true, 1, 1},
		{"session, single use", "spa", true, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.changeIssuer("one", func(i *exchange.Issuer) { i.SingleUse = tc.singleUse })
			for i, want := range []int64{tc.first, tc.second} {
				before := w.engine.commits.Load()
				w.granted(w.exchange(tc.client, "jti", string(rune('a'+i))))
				if n := w.engine.commits.Load() - before; n != want {
					t.Errorf("exchange %d: %d commits, want %d", i, n, want)
				}
			}
		})
	}
}

func TestSingleUseTokenIsAcceptedOnce(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.SingleUse = true })
	both := []any{"spa", "plain"}
	for _, tc := range []struct {
		name          string
		first, second []any
		fresh         bool
	}{
		{"the same jti", []any{"jti", "1"}, []any{"jti", "1", "n", 2}, false},
		{"another jti", []any{"jti", "2"}, []any{"jti", "3"}, true},
		{"the same without jti", []any{"n", 1, "aud", both}, []any{"n", 1, "aud", both}, false}, // ES256: another signature
		{"another without jti", []any{"n", 2}, []any{"n", 3}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			row.granted(row.exchange("spa", tc.first...))
			if tc.fresh {
				row.granted(row.exchange("plain", tc.second...))
				return
			}
			row.refused(row.exchange("plain", tc.second...), exchange.ReasonSubjectTokenReplayed)
		})
	}
	t.Run("refused requests spend nothing", func(t *testing.T) {
		row := *w
		row.T = t
		req := row.exchange("spa", "jti", "later")
		req.Scopes = []string{"admin"}
		row.refused(req, exchange.ReasonScopeNotAllowed)
		row.granted(row.exchange("spa", "jti", "later"))
	})
}

func TestUnknownUserNeedsAutoCreate(t *testing.T) {
	w := newWorld(t)
	no := false
	w.changeClient("plain", func(c *exchange.Client) { c.AutoCreate = &no })
	w.refused(w.exchange("plain"), exchange.ReasonUserNotRegistered)
	first, _ := w.granted(w.exchange("spa"))
	second, _ := w.granted(w.exchange("plain"))
	if first.User.ID != second.User.ID || second.User.IsNew {
		t.Errorf("users %+v and %+v", first.User, second.User)
	}
	must(t, w.users.SetDisabled(ctx, first.User.ID, true))
	w.refused(w.exchange("plain"), exchange.ReasonUserDisabled)
	w.refused(w.exchange("spa"), exchange.ReasonUserDisabled)
}

// Neither email nor sub makes subjects of two issuers one user.
func TestIssuersNeverShareUsers(t *testing.T) {
	w := newWorld(t)
	first, _ := w.granted(w.exchange("spa", "email", "a@b.example", "email_verified", true))
	req := w.exchange("spa")
	req.SubjectToken = w.other.Sign(edited(w.other.Claims("alice", "spa"), []any{"email", "a@b.example", "email_verified", true}))
	second, _ := w.granted(req)
	if first.User.ID == second.User.ID {
		t.Error("two issuers' subjects are one user")
	}
}

func TestIssuerBoundsLifetime(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.MaxSession = exchange.Duration(5 * time.Minute) })
	for _, client := range []string{"spa", "plain"} {
		resp, token := w.granted(w.exchange(client))
		if resp.ExpiresIn != 5*time.Minute || !token.Expires.Equal(w.now.Add(5*time.Minute)) {
			t.Errorf("client %s: expires in %s at %s", client, resp.ExpiresIn, token.Expires)
		}
	}
}

func TestRequestedScopesAndTargetsAreGranted(t *testing.T) {
	w := newWorld(t)
	req := w.exchange("spa", "role", "admin")
	req.Scopes, req.Audiences, req.Resources = []string{"admin", "write"}, []string{files}, []string{api}
	resp, token := w.granted(req)
	if !slices.Equal(resp.Scopes, req.Scopes) || !slices.Equal(token.Scopes, req.Scopes) || !slices.Equal(token.Audience, []string{files, api}) {
		t.Errorf("scopes %v, audience %v", resp.Scopes, token.Audience)
	}
}

func TestAudienceNamesPublicClient(t *testing.T) {
	w := newWorld(t)
	ask := func(aud any) *grant.Request {
		req := w.exchange("spa", "aud", aud)
		req.Client = nil
		return req
	}
	w.refused(ask("spa"), exchange.ReasonClientUnknown) // not registered
	w.changeIssuer("one", func(i *exchange.Issuer) { i.ClientByAudience = true })
	for _, tc := range []struct {
		name   string
		aud    any
		edit   func(*grant.Request)
		reason exchange.Reason
	}{
		{"one", "spa", nil, ""},
		{"one twice", []any{"spa", "spa"}, nil, ""},
		{"one and an unknown one", []any{"spa", "unknown"}, nil, ""},
		{"one outside a browser", "spa", func(r *grant.Request) { r.Origin = "" }, ""},
		{"one public, one confidential", []any{"backend", "plain"}, nil, ""},
		{"two", []any{"spa", "plain"}, nil, exchange.ReasonClientUnknown},
		{"confidential", "backend", nil, exchange.ReasonClientUnknown},
		{"another origin", "spa", func(r *grant.Request) { r.Origin = "https://evil.example" }, exchange.ReasonOriginNotAllowed},
		{"null origin", "spa", func(r *grant.Request) { r.Origin = "null" }, exchange.ReasonOriginNotAllowed},
		{"bad signature", "spa", func(r *grant.Request) { r.SubjectToken = w.other.Sign(w.claims("spa")) }, exchange.ReasonSubjectTokenSignatureInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			req := ask(tc.aud)
			if tc.edit != nil {
				tc.edit(req)
			}
			if tc.reason != "" {
				row.refused(req, tc.reason)
				return
			}
			_, token := row.granted(req)
			if token.Client != req.Trail.Client || token.Client == "backend" {
				t.Errorf("client %q, in the trail %q", token.Client, req.Trail.Client)
			}
		})
	}
}

func TestFullStoreIsTemporary(t *testing.T) {
	w := newWorld(t)
	w.fails(errFull)
	refusal := w.refused(w.exchange("spa"), exchange.ReasonStoreUnavailable)
	if refusal.Reason.Response().Status != 503 {
		t.Errorf("status %d", refusal.Reason.Response().Status)
	}
	w.fails(nil)
	w.granted(w.exchange("spa"))
	w.fails(errFull)
	w.granted(w.exchange("plain")) // writes nothing
}

// A commit that always conflicts ends in a refusal.
func TestEndlessConflictsAreOverload(t *testing.T) {
	w := newWorld(t)
	w.fails(errConflict)
	w.refused(w.exchange("spa"), exchange.ReasonOverloaded)
}
