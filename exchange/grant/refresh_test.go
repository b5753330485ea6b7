package grant_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

func TestRefreshRotatesToken(t *testing.T) {
	w := newWorld(t)
	first := w.exchange("spa", "acr", "2")
	first.Scopes, first.Audiences = []string{"read", "write"}, []string{api, files}
	created, _ := w.granted(first)
	w.now = w.now.Add(time.Minute)

	req := w.refresh("spa", created.RefreshToken)
	before := w.engine.commits.Load()
	resp, token := w.granted(req)
	if n := w.engine.commits.Load() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	if resp.RefreshToken == created.RefreshToken || resp.RefreshToken == "" || resp.Session != created.Session || resp.IssuedTokenType != "" ||
		resp.TokenType != "Bearer" || resp.ExpiresIn != 15*time.Minute || !slices.Equal(resp.Scopes, first.Scopes) {
		t.Errorf("response %+v", resp)
	}
	if resp.User.ID != created.User.ID || resp.User.IsNew {
		t.Errorf("user %+v", resp.User)
	}
	if token.Session != created.Session || token.ACR != "2" || !slices.Equal(token.Audience, []string{api, files}) {
		t.Errorf("access token %+v", token)
	}
	if tr := req.Trail; tr.Client != "spa" || tr.Issuer != "one" || tr.Subject != "alice" || tr.User != token.User || tr.Session != token.Session || tr.Key == "" {
		t.Errorf("trail %+v", tr)
	}
}

// The email is that of today's mapping of the login's claims, if the issuer
// verified it.
func TestRefreshReturnsVerifiedEmail(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		name   string
		claims []any
		want   string
	}{
		{"verified", []any{"email", "a@b.example", "email_verified", true}, "a@b.example"},
		{"not verified", []any{"email", "a@b.example", "email_verified", false}, ""},
		{"none", nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			created, _ := w.granted(w.exchange("spa", row.claims...))
			resp, _ := w.granted(w.refresh("spa", created.RefreshToken))
			if resp.User.Email != row.want || created.User.Email != row.want {
				t.Errorf("%q, and after a refresh %q", created.User.Email, resp.User.Email)
			}
		})
	}
}

// The claims of a stored session may be nested as deep as those of a subject token.
func TestDeepestClaimsSurviveARefresh(t *testing.T) {
	w := newWorld(t)
	nested := func(depth int) any {
		var v any = "end"
		for range depth {
			v = map[string]any{"a": v}
		}
		return v
	}
	const most = 16 // with the payload itself
	first, err := w.token(w.exchange("spa", "deep", nested(most-1)))
	must(t, err)
	w.granted(w.refresh("spa", first.RefreshToken))
	w.refused(w.exchange("spa", "deep", nested(most)), exchange.ReasonSubjectTokenMalformed)
}

// A refresh may request less, for this access token only.
func TestRefreshNarrowsOneAccessToken(t *testing.T) {
	w := newWorld(t)
	first := w.exchange("spa")
	first.Scopes, first.Audiences = []string{"read", "write"}, []string{api, files}
	created, _ := w.granted(first)
	req := w.refresh("spa", created.RefreshToken)
	req.Scopes, req.Resources = []string{"read"}, []string{files}
	narrow, token := w.granted(req)
	if !slices.Equal(token.Scopes, []string{"read"}) || !slices.Equal(token.Audience, []string{files}) {
		t.Errorf("narrowed to %v for %v", token.Scopes, token.Audience)
	}
	wide, _ := w.granted(w.refresh("spa", narrow.RefreshToken))
	if !slices.Equal(wide.Scopes, []string{"read", "write"}) {
		t.Errorf("afterwards %v", wide.Scopes)
	}
}

// A refusal that is about the request leaves the refresh token valid, and so does
// one about what the login was decided by, once that is restored.
func TestRefusedRefreshKeepsToken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(*world, *grant.Response, *grant.Request)
		reason exchange.Reason
		code   exchange.Code
		after  func(*world, *grant.Response) // undoes before; nil: nothing to undo
	}{
		{"no token", func(_ *world, _ *grant.Response, r *grant.Request) { r.RefreshToken = "" },
			exchange.ReasonParameterMissing, exchange.InvalidRequest, nil},
		{"another token", func(_ *world, _ *grant.Response, r *grant.Request) { r.RefreshToken += "x" },
			exchange.ReasonRefreshTokenInvalid, exchange.InvalidGrant, nil},
		{"an access token", func(_ *world, b *grant.Response, r *grant.Request) { r.RefreshToken = b.AccessToken },
			exchange.ReasonRefreshTokenInvalid, exchange.InvalidGrant, nil},
		{"no client", func(_ *world, _ *grant.Response, r *grant.Request) { r.Client = nil },
			exchange.ReasonClientUnknown, exchange.InvalidClient, nil},
		{"another client", func(w *world, _ *grant.Response, r *grant.Request) {
			w.changeClient("plain", func(c *exchange.Client) { c.RefreshTokens = true })
			r.Client = w.registry.Snapshot().Client("plain")
		}, exchange.ReasonRefreshTokenInvalid, exchange.InvalidGrant, nil},
		{"a client without the grant", func(w *world, _ *grant.Response, r *grant.Request) {
			w.changeClient("spa", func(c *exchange.Client) { c.RefreshTokens = false })
			r.Client = w.registry.Snapshot().Client("spa")
		}, exchange.ReasonGrantNotAllowed, exchange.UnauthorizedClient, func(w *world, _ *grant.Response) {
			w.changeClient("spa", func(c *exchange.Client) { c.RefreshTokens = true })
		}},
		{"a subject token besides", func(_ *world, _ *grant.Response, r *grant.Request) { r.SubjectToken = "x" },
			exchange.ReasonParameterInvalid, exchange.InvalidRequest, nil},
		{"a scope the session has not", func(_ *world, _ *grant.Response, r *grant.Request) { r.Scopes = []string{"write"} },
			exchange.ReasonScopeNotAllowed, exchange.InvalidScope, nil},
		{"an audience the session has not", func(_ *world, _ *grant.Response, r *grant.Request) { r.Audiences = []string{files} },
			exchange.ReasonTargetNotAllowed, exchange.InvalidTarget, nil},
		{"details the session has not", func(_ *world, _ *grant.Response, r *grant.Request) { r.Details = []byte(`[{"type":"x"}]`) },
			exchange.ReasonAuthorizationDetailsInvalid, exchange.InvalidAuthorizationDetails, nil},
		{"issuer removed", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.change(func(m *exchange.Manifest) { m.Issuers = m.Issuers[1:]; dropIssuer(m, "one") })
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.change(func(m *exchange.Manifest) { *m = w.initialManifest() })
		}},
		{"the client may not bring the issuer", func(w *world, _ *grant.Response, r *grant.Request) {
			w.changeClient("spa", func(c *exchange.Client) { c.Issuers = []string{"other"} })
			r.Client = w.registry.Snapshot().Client("spa")
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeClient("spa", func(c *exchange.Client) { c.Issuers = []string{"one", "other"} })
		}},
		{"a condition", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.changeIssuer("one", func(i *exchange.Issuer) {
				i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)", Message: "staff only"}}
			})
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.ClaimValidationRules = nil })
		}},
		{"another mapping", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.ClaimMappings.Subject.Claim = "iss" })
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.ClaimMappings.Subject.Claim = "" })
		}},
		{"no audience left", func(w *world, _ *grant.Response, r *grant.Request) {
			w.changeClient("spa", func(c *exchange.Client) { c.Audiences = []string{files} })
			r.Client = w.registry.Snapshot().Client("spa")
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeClient("spa", func(c *exchange.Client) { c.Audiences = []string{api, files} })
		}},
		{"its key revoked", func(w *world, _ *grant.Response, _ *grant.Request) {
			req := w.exchange("spa", "n", 1)
			w.granted(req)
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Keys.RevokedKeys = []string{req.Trail.Key} })
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Keys.RevokedKeys = nil })
		}},
		{"its key not among the registered ones", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.changeIssuer("one", func(i *exchange.Issuer) {
				i.Keys = exchange.Keys{JWKS: string(w.other.JWKS()), AllowPrivateAddresses: true}
			})
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Keys.JWKS = string(w.issuer.JWKS()) })
		}},
		{"its audience not among the issuer's", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Audiences = []string{"plain", "backend"} })
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.Audiences = []string{"spa"} })
		}},
		{"user disabled", func(w *world, b *grant.Response, _ *grant.Request) {
			must(w, w.users.SetDisabled(ctx, b.User.ID, true))
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, func(w *world, b *grant.Response) {
			must(w, w.users.SetDisabled(ctx, b.User.ID, false))
		}},
		{"unlinked", func(w *world, _ *grant.Response, _ *grant.Request) {
			must(w, w.users.Unlink(ctx, "one", "alice", true))
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, nil},
		{"another user's now", func(w *world, _ *grant.Response, _ *grant.Request) {
			must(w, w.users.Unlink(ctx, "one", "alice", true))
			w.granted(w.exchange("spa"))
		}, exchange.ReasonSessionEnded, exchange.InvalidGrant, nil},
		{"longer than the issuer allows today", func(w *world, _ *grant.Response, _ *grant.Request) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.MaxSession = exchange.Duration(time.Minute) })
			w.now = w.now.Add(time.Minute)
		}, exchange.ReasonRefreshTokenExpired, exchange.InvalidGrant, func(w *world, _ *grant.Response) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.MaxSession = 0 })
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			created, _ := w.granted(w.exchange("spa"))
			req := w.refresh("spa", created.RefreshToken)
			tc.before(w, created, req)
			refusal := w.refused(req, tc.reason)
			if code := refusal.Reason.Response().Code; code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
			if tc.name == "a condition" && refusal.Description != "staff only" {
				t.Errorf("description %q, want the operator's", refusal.Description)
			}
			if req.Trail.Client == "" && req.Client != nil {
				t.Errorf("trail %+v", req.Trail)
			}
			if tc.name == "unlinked" || tc.name == "another user's now" {
				return
			}
			if tc.after != nil {
				tc.after(w, created)
			}
			w.granted(w.refresh("spa", created.RefreshToken))
		})
	}
}

// dropIssuer removes an issuer from the lists of all clients.
func dropIssuer(m *exchange.Manifest, id string) {
	for i := range m.Clients {
		c := &m.Clients[i]
		c.Issuers = slices.DeleteFunc(slices.Clone(c.Issuers), func(s string) bool { return s == id })
	}
}

// A scope that a rule no longer gives is missing in the next access token; the others
// stay.
func TestRefreshDropsRemovedScope(t *testing.T) {
	w := newWorld(t)
	first := w.exchange("spa")
	first.Scopes = []string{"read", "write"}
	created, _ := w.granted(first)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.Scopes = []string{"write"} })
	resp, _ := w.granted(w.refresh("spa", created.RefreshToken))
	if !slices.Equal(resp.Scopes, []string{"write"}) {
		t.Errorf("scopes %v, want write", resp.Scopes)
	}
}

// An expression over integers has the same value at the exchange and at each refresh.
func TestRefreshKeepsNumbers(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) {
		i.ClaimMappings.Subject = exchange.Mapping{Expression: "string(claims.id)"}
		i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "claims.level + 1 == 4"}}
	})
	created, _ := w.granted(w.exchange("spa", "id", int64(1)<<53+1, "level", 3))
	w.granted(w.refresh("spa", created.RefreshToken))
}

// A used refresh token revokes the session when its client presents it, and only
// then.
func TestReuseByClientRevokesSession(t *testing.T) {
	w := newWorld(t)
	w.changeClient("plain", func(c *exchange.Client) { c.RefreshTokens = true })
	created, _ := w.granted(w.exchange("spa"))
	next, _ := w.granted(w.refresh("spa", created.RefreshToken))
	same, _ := w.granted(w.refresh("spa", created.RefreshToken)) // within the grace
	if same.RefreshToken != next.RefreshToken {
		t.Error("another successor within the grace")
	}
	w.now = w.now.Add(time.Minute)
	w.refused(w.refresh("plain", created.RefreshToken), exchange.ReasonRefreshTokenInvalid)
	after, _ := w.granted(w.refresh("spa", next.RefreshToken))
	w.now = w.now.Add(time.Minute)
	if _, err := w.token(w.refresh("spa", created.RefreshToken)); exchange.AsError(err).Reason != exchange.ReasonRefreshTokenReused {
		t.Errorf("reuse: got %v", err)
	}
	w.refused(w.refresh("spa", after.RefreshToken), exchange.ReasonSessionEnded)
}

// The grace is the client's, as it is registered when the token comes again. The
// trail has a check of it.
func TestGraceIsThatOfTheClient(t *testing.T) {
	for _, tc := range []struct {
		grace, after time.Duration
		good         bool
	}{
		{0, time.Minute, true},
		{0, time.Minute + 1, false},
		{24 * time.Hour, 24 * time.Hour, true},
		{24 * time.Hour, 24*time.Hour + 1, false},
		{time.Second, 2 * time.Second, false},
	} {
		t.Run(fmt.Sprintf("%s after %s", tc.grace, tc.after), func(t *testing.T) {
			w := newWorld(t)
			created, _ := w.granted(w.exchange("spa"))
			first := w.refresh("spa", created.RefreshToken)
			next, _ := w.granted(first)
			w.changeClient("spa", func(c *exchange.Client) { c.RefreshGrace = exchange.Duration(tc.grace) })
			w.now = w.now.Add(tc.after)
			again := w.refresh("spa", created.RefreshToken)
			resp, err := w.token(again)
			if !tc.good {
				if err == nil || exchange.AsError(err).Reason != exchange.ReasonRefreshTokenReused {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || resp.RefreshToken != next.RefreshToken {
				t.Fatalf("another successor, %v", err)
			}
			tells := func(r *grant.Request) bool {
				return slices.ContainsFunc(r.Trail.Checks, func(c exchange.Check) bool { return c.Name == "refresh_token" })
			}
			if tells(first) || !tells(again) {
				t.Errorf("trails %v, %v", first.Trail.Checks, again.Trail.Checks)
			}
		})
	}
}

// A key that its issuer no longer publishes revokes nothing.
func TestRefreshSurvivesIssuerKeyRotation(t *testing.T) {
	w := newWorld(t)
	created, _ := w.granted(w.exchange("spa"))
	old := w.issuer.KID()
	w.issuer.Rotate()
	w.issuer.Withdraw(old)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.Keys.MaxAge = exchange.Duration(time.Minute) }) // fetch anew
	w.granted(w.exchange("plain"))
	w.granted(w.refresh("spa", created.RefreshToken))
}

// asserted returns a request of the backend with a user assertion.
func (w *world) asserted(user string) *grant.Request {
	return &grant.Request{
		GrantType: exchange.GrantTokenExchange, Client: w.registry.Snapshot().Client("backend"), Credential: "s1",
		SubjectTokenType: exchange.TypeUserAssertion,
		SubjectToken:     base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"externalUserId":%q}`, user)),
	}
}

// signingKey verifies nothing here: registrations of authKeys need one.
const signingKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw12VZAU69zAGRLMAFu/O
LKi483UN1V9xy/jyyMo9fKuk+4dfRcsNOC2VYE6paZ6KW218iJ9wvE7D6do/8koJ
77ceBvWlsrqhIDTQUpod+HEI+ps9eTfFCWmf8pTJIOTQ7YwjLCqVITNx/9Og9VY4
QgQ/9DzE2JiOj3kA9uNyWoonzXV80MSNtTOBLuGqRgfyiRbyi68/bIihXQ+iyi/6
cFtmYIF7XB1AKK5NEBXiqBD5yPIlgHCjDyUC0+x8N98a2/EHlxXfDdyi8wt0UieN
2XD16j3s9G0zlKHXA5sypGjX7eMg0SnhXqolqlJu+nVWwlOyR2BBgkzaOd7cS08E
qwIDAQAB
-----END PUBLIC KEY-----
`

// The session of a first-party proof is valid while the client may present such
// proofs, for users of the same namespace.
func TestRefreshNeedsProofTypeOfClient(t *testing.T) {
	asserts := func(c *exchange.Client) {
		c.Proofs, c.AsIssuer, c.AuthKeys, c.RefreshTokens = []string{"user-assertion"}, "", nil, true
		c.Grants = []string{exchange.GrantTokenExchange, exchange.GrantRefreshToken}
	}
	mails := func(c *exchange.Client) {
		asserts(c)
		c.Proofs, c.AuthKeys = []string{"otp"}, &exchange.AuthKeys{SigningKeys: signingKey}
	}
	asOne := func(c *exchange.Client) { asserts(c); c.AsIssuer = "one" }
	for _, tc := range []struct {
		name          string
		before, after func(*exchange.Client)
		ends          bool
	}{
		{"as it was", asserts, asserts, false},
		{"more proofs", asserts, func(c *exchange.Client) { mails(c); c.Proofs = append(c.Proofs, "user-assertion") }, false},
		{"no issuers", asserts, func(c *exchange.Client) { asserts(c); c.Issuers = nil }, false},
		{"no proofs", asserts, func(c *exchange.Client) { asserts(c); c.Proofs = nil }, true},
		{"another proof", asserts, mails, true},
		{"speaks of an issuer's users now", asserts, asOne, true},
		{"of an issuer's users, as it was", asOne, asOne, false},
		{"of an issuer's users, no proofs", asOne, func(c *exchange.Client) { asserts(c); c.Proofs = nil }, true},
		{"speaks of its own users now", asOne, asserts, true},
		{"speaks of another issuer's users now", asOne, func(c *exchange.Client) { asOne(c); c.AsIssuer = "other" }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.changeClient("backend", tc.before)
			first := w.asserted("alice")
			created, _ := w.granted(first)
			if first.Trail.Key != "s1" || first.Trail.Subject != "alice" {
				t.Errorf("trail %+v", first.Trail)
			}
			next, _ := w.granted(w.refresh("backend", created.RefreshToken))
			w.changeClient("backend", tc.after)
			if !tc.ends {
				w.granted(w.refresh("backend", next.RefreshToken))
				return
			}
			w.refused(w.refresh("backend", next.RefreshToken), exchange.ReasonSessionEnded)
			w.changeClient("backend", tc.before)
			w.granted(w.refresh("backend", next.RefreshToken)) // as good as before
		})
	}
}

// An assertion about an issuer's user is good while the issuer is, under its
// conditions.
func TestRefreshOfAssertedUserNeedsIssuer(t *testing.T) {
	w := newWorld(t)
	w.changeClient("backend", func(c *exchange.Client) {
		c.Proofs, c.AsIssuer, c.RefreshTokens = []string{"user-assertion"}, "one", true
		c.Grants = []string{exchange.GrantTokenExchange, exchange.GrantRefreshToken}
	})
	own, _ := w.granted(w.exchange("spa"))
	created, _ := w.granted(w.asserted("alice"))
	if created.User.ID != own.User.ID || created.User.IsNew || w.userCount() != 1 {
		t.Errorf("the issuer's alice is user %s, the backend's %s", own.User.ID, created.User.ID)
	}
	w.changeIssuer("one", func(i *exchange.Issuer) {
		i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)", Message: "staff only"}}
	})
	w.refused(w.asserted("alice"), exchange.ReasonConditionFailed)
	w.refused(w.refresh("backend", created.RefreshToken), exchange.ReasonSessionEnded)
}

// Concurrent first assertions about one user create one user.
func TestParallelAssertionsCreateOneUser(t *testing.T) {
	w := newWorld(t)
	w.changeClient("backend", func(c *exchange.Client) { c.Proofs = []string{"user-assertion"} })
	var made atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			resp, err := w.token(w.asserted("alice"))
			if err != nil {
				t.Error(err)
			} else if resp.User.IsNew {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 || w.userCount() != 1 {
		t.Errorf("made %d times, %d users", made.Load(), w.userCount())
	}
}
