package grant_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// acting returns a request of client in which bot, a subject of the other issuer,
// acts for alice.
func (w *world) acting(client string, claims ...any) *grant.Request {
	req := w.exchange(client, claims...)
	req.ActorToken = w.other.Sign(w.other.Claims("bot", client))
	req.ActorTokenType = exchange.TypeJWT
	return req
}

// The client's registration and the issuer's may_act decide which actor may act.
func TestActorNeedsPermission(t *testing.T) {
	const no = exchange.ReasonActorNotAllowed
	bot := func(w *world, more ...any) map[string]any {
		return edited(map[string]any{"iss": w.other.URL, "sub": "bot"}, more)
	}
	for _, tc := range []struct {
		name     string
		delegate bool // of the client
		mayAct   bool // of the issuer
		claim    func(*world) any
		reason   exchange.Reason
	}{
		{"neither allows it", false, false, nil, no},
		{"the client", true, false, nil, ""},
		{"the issuer may, but names no actor", false, true, nil, no},
		{"the issuer says so", false, true, func(w *world) any { return bot(w) }, ""},
		{"an issuer that may not says so", false, false, func(w *world) any { return bot(w) }, no},
		{"the client, and an issuer that may not", true, false, func(w *world) any { return bot(w) }, ""},
		{"the client, but the issuer says another", true, true, func(w *world) any { return bot(w, "sub", "bob") }, no},
		{"the client, but an issuer that may not says another", true, false, func(w *world) any { return bot(w, "sub", "bob") }, no},
		{"the issuer says another", false, true, func(w *world) any { return bot(w, "sub", "bob") }, no},
		{"of another issuer", true, true, func(w *world) any { return bot(w, "iss", w.issuer.URL) }, no},
		{"without iss: its own subject", true, true, func(w *world) any { return bot(w, "iss", nil) }, no},
		{"without sub", true, true, func(w *world) any { return bot(w, "sub", nil) }, no},
		{"with a claim the actor has", true, true, func(w *world) any { return bot(w, "aud", "backend") }, ""},
		{"with a claim the actor has not", true, true, func(w *world) any { return bot(w, "email", "bot@x.example") }, no},
		{"with null for such a claim", true, true, func(w *world) any { return map[string]any{"iss": w.other.URL, "sub": "bot", "email": nil} }, no},
		{"a string", true, true, func(w *world) any { return "bot" }, no},
		{"empty", true, true, func(w *world) any { return map[string]any{} }, no},
		{"null", true, true, func(w *world) any { return json.RawMessage("null") }, no},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.changeClient("backend", func(c *exchange.Client) { c.Delegate = tc.delegate })
			w.changeIssuer("one", func(i *exchange.Issuer) { i.MayAct = tc.mayAct })
			var claims []any
			if tc.claim != nil {
				claims = []any{"may_act", tc.claim(w)}
			}
			req := w.acting("backend", claims...)
			if tc.reason != "" {
				w.refused(req, tc.reason)
				if w.userCount() != 0 {
					t.Error("a user was made")
				}
				return
			}
			_, token := w.granted(req)
			if a := token.Actor; a == nil || a.Issuer != w.other.URL || a.Subject != "bot" || a.Actor != nil {
				t.Errorf("act %+v", a)
			}
		})
	}
}

// Each row has one fault in the actor token.
func TestActorTokenWithOneFaultIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		edit   func(*world, *grant.Request)
		reason exchange.Reason
	}{
		{"good", func(*world, *grant.Request) {}, ""},
		{"no token", func(_ *world, r *grant.Request) { r.ActorToken = "foobar" }, exchange.ReasonActorTokenInvalid},
		{"expired", func(w *world, r *grant.Request) {
			r.ActorToken = w.other.Sign(edited(w.other.Claims("bot", "backend"), []any{"exp", w.now.Unix() - 61}))
		}, exchange.ReasonActorTokenInvalid},
		{"for another", func(w *world, r *grant.Request) { r.ActorToken = w.other.Sign(w.other.Claims("bot", "x")) }, exchange.ReasonActorTokenInvalid},
		{"another's signature", func(w *world, r *grant.Request) { r.ActorToken = w.issuer.Sign(w.other.Claims("bot", "backend")) }, exchange.ReasonActorTokenInvalid},
		{"of an unknown type", func(_ *world, r *grant.Request) { r.ActorTokenType = "x" }, exchange.ReasonActorTokenInvalid},
		{"of an issuer the client may not bring", func(w *world, r *grant.Request) {
			w.changeClient("backend", func(c *exchange.Client) { c.Issuers = []string{"one"} })
			r.Client = w.registry.Snapshot().Client("backend")
		}, exchange.ReasonActorTokenInvalid},
		{"against its issuer's condition", func(w *world, _ *grant.Request) {
			w.changeIssuer("other", func(i *exchange.Issuer) {
				i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)"}}
			})
		}, exchange.ReasonActorTokenInvalid},
		{"against a condition under audit", func(w *world, _ *grant.Request) {
			w.changeIssuer("other", func(i *exchange.Issuer) {
				i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "has(claims.staff)", Mode: exchange.ModeAudit}}
			})
		}, ""},
		{"its issuer's keys are unavailable", func(w *world, _ *grant.Request) { w.other.Fail(500) }, exchange.ReasonIssuerUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			req := w.acting("backend")
			tc.edit(w, req)
			if tc.reason == "" {
				w.granted(req)
				return
			}
			w.refused(req, tc.reason)
			last := req.Trail.Checks[len(req.Trail.Checks)-1]
			if !strings.HasPrefix(last.Name, "actor: ") || last.Passed {
				t.Errorf("last check %+v", last)
			}
		})
	}
}

// The act claim of an external token is ignored.
func TestForeignActClaimIsIgnored(t *testing.T) {
	w := newWorld(t)
	_, token := w.granted(w.exchange("backend", "act", map[string]any{"sub": "root"}))
	if token.Actor != nil {
		t.Errorf("act %+v", token.Actor)
	}
	_, token = w.granted(w.acting("backend", "act", map[string]any{"sub": "root"}))
	if token.Actor.Actor != nil {
		t.Errorf("act %+v", token.Actor.Actor)
	}
}

// Earlier actors are kept, nested, up to a maximum.
func TestActorChainIsBounded(t *testing.T) {
	w := newWorld(t)
	resp, token := w.granted(w.acting("backend"))
	_, own := w.wide("spa")
	bob := w.exchange("backend")
	bob.SubjectToken = w.issuer.Sign(edited(w.claims("backend"), []any{"sub", "bob"}))
	bobs, bobsToken := w.granted(bob)
	for n := 1; ; n++ {
		req := w.narrowing("backend", resp.AccessToken)
		req.ActorToken, req.ActorTokenType = bobs.AccessToken, exchange.TypeAccessToken
		if n == 8 {
			w.refused(req, exchange.ReasonActorNotAllowed)
			break
		}
		resp, token = w.granted(req)
		if a := token.Actor; a.Subject != bobsToken.User || a.Issuer != "" || a.Actor == nil {
			t.Fatalf("act %+v", a)
		}
	}
	for a := token.Actor; a != nil; a = a.Actor {
		if a.Actor == nil && (a.Subject != "bot" || a.Issuer != w.other.URL) {
			t.Errorf("the first actor is %+v", a)
		}
	}
	if token.User != own.User {
		t.Errorf("about %s, want alice", token.User)
	}
	plain, same := w.granted(w.narrowing("backend", resp.AccessToken))
	if plain == nil || same.Actor == nil || same.Actor.Subject != bobsToken.User {
		t.Errorf("without an actor token act is %+v", same.Actor)
	}
}

// Which of this server's own tokens may be actor tokens.
func TestOwnTokenAsActorToken(t *testing.T) {
	w := newWorld(t)
	w.changeClient("spa", func(c *exchange.Client) { c.Delegate = true })
	spa, _ := w.wide("spa")
	plain, _ := w.wide("plain")
	client, _ := w.granted(&grant.Request{GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("backend")})
	for _, tc := range []struct {
		name, client, actor string
		reason              exchange.Reason
		sub                 string
	}{
		{"a public client's own", "spa", spa.AccessToken, "", spa.User.ID},
		{"another's at a public client", "spa", plain.AccessToken, exchange.ReasonActorTokenInvalid, ""},
		{"another's at a confidential client", "backend", plain.AccessToken, "", plain.User.ID},
		{"a client itself", "backend", client.AccessToken, "", "backend"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := *w
			row.T = t
			req := row.exchange(tc.client)
			req.ActorToken, req.ActorTokenType = tc.actor, exchange.TypeAccessToken
			if tc.reason != "" {
				row.refused(req, tc.reason)
				return
			}
			_, token := row.granted(req)
			if a := token.Actor; a == nil || a.Subject != tc.sub || a.Issuer != "" {
				t.Errorf("act %+v", a)
			}
		})
	}
	must(t, w.users.SetDisabled(ctx, plain.User.ID, true))
	req := w.exchange("backend", "sub", "bob")
	req.ActorToken, req.ActorTokenType = plain.AccessToken, exchange.TypeAccessToken
	w.refused(req, exchange.ReasonActorTokenInvalid)
}

// A single-use actor token is used up by a login.
func TestSingleUseActorTokenIsUsedUp(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("other", func(i *exchange.Issuer) { i.SingleUse = true })
	req := w.acting("backend")
	w.granted(req)
	again := w.acting("backend", "n", 1)
	again.ActorToken = req.ActorToken
	w.refused(again, exchange.ReasonSubjectTokenReplayed)
}

// A single-use actor token is used up even where nothing else is stored, and of many
// concurrent uses one wins.
func TestSingleUseActorTokenHasOneWinner(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("other", func(i *exchange.Issuer) { i.SingleUse = true })
	own, _ := w.wide("spa")
	acted := func(actor string) *grant.Request {
		req := w.narrowing("backend", own.AccessToken)
		req.ActorToken, req.ActorTokenType = actor, exchange.TypeJWT
		return req
	}
	actor := w.other.Sign(w.other.Claims("bot", "backend"))
	w.granted(acted(actor))
	w.refused(acted(actor), exchange.ReasonSubjectTokenReplayed)
	another := w.other.Sign(edited(w.other.Claims("bot", "backend"), []any{"n", 1}))
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 8 {
		req := acted(another)
		wg.Go(func() {
			_, err := w.token(req)
			if err == nil {
				won.Add(1)
			} else if reason := exchange.AsError(err).Reason; reason != exchange.ReasonSubjectTokenReplayed {
				t.Errorf("refused for %s", reason)
			}
		})
	}
	if wg.Wait(); won.Load() != 1 {
		t.Errorf("%d of 8 uses of one token went through", won.Load())
	}
}

// A single-use token is not both the subject and the actor token.
func TestSingleUseTokenIsNotSubjectAndActor(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.SingleUse = true })
	req := w.exchange("backend")
	req.ActorToken, req.ActorTokenType = req.SubjectToken, exchange.TypeJWT
	w.refused(req, exchange.ReasonSubjectTokenReplayed)
}

// A session remembers its actor.
func TestRefreshKeepsActor(t *testing.T) {
	w := newWorld(t)
	w.changeClient("spa", func(c *exchange.Client) { c.Delegate = true })
	created, _ := w.granted(w.acting("spa"))
	_, token := w.granted(w.refresh("spa", created.RefreshToken))
	if a := token.Actor; a == nil || a.Subject != "bot" {
		t.Errorf("after a refresh act is %+v", a)
	}
}

// A session with an actor ends when the actor may no longer act.
func TestRefreshReevaluatesActor(t *testing.T) {
	byIssuer := func(w *world) *grant.Request {
		w.changeIssuer("one", func(i *exchange.Issuer) { i.MayAct = true })
		return w.acting("spa", "may_act", map[string]any{"iss": w.other.URL, "sub": "bot"})
	}
	byClient := func(w *world) *grant.Request {
		w.changeClient("spa", func(c *exchange.Client) { c.Delegate = true })
		return w.acting("spa")
	}
	var robin string // a user of this server
	byUser := func(w *world) *grant.Request {
		req := byClient(w)
		bob := w.exchange("spa", "sub", "robin")
		bobs, _ := w.granted(bob)
		robin = bobs.User.ID
		req.Client = w.registry.Snapshot().Client("spa")
		req.ActorToken, req.ActorTokenType = bobs.AccessToken, exchange.TypeAccessToken
		return req
	}
	for _, tc := range []struct {
		name  string
		enter func(*world) *grant.Request
		after func(*world)
		ends  bool
	}{
		{"nothing", byClient, func(*world) {}, false},
		{"the client may not delegate", byClient, func(w *world) {
			w.changeClient("spa", func(c *exchange.Client) { c.Delegate = false })
		}, true},
		{"the client may not bring the actor's issuer", byClient, func(w *world) {
			w.changeClient("spa", func(c *exchange.Client) { c.Issuers = []string{"one"} })
		}, true},
		{"the actor's issuer was removed", byClient, func(w *world) {
			w.change(func(m *exchange.Manifest) { m.Issuers = m.Issuers[:1]; dropIssuer(m, "other") })
		}, true},
		{"nothing, by the issuer", byIssuer, func(*world) {}, false},
		{"the issuer may not name the actor", byIssuer, func(w *world) {
			w.changeIssuer("one", func(i *exchange.Issuer) { i.MayAct = false })
		}, true},
		{"nothing, by a user", byUser, func(*world) {}, false},
		{"the acting user is disabled", byUser, func(w *world) { must(w, w.users.SetDisabled(ctx, robin, true)) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			req := tc.enter(w)
			req.Client = w.registry.Snapshot().Client("spa")
			created, _ := w.granted(req)
			tc.after(w)
			if tc.ends {
				w.refused(w.refresh("spa", created.RefreshToken), exchange.ReasonSessionEnded)
				return
			}
			w.granted(w.refresh("spa", created.RefreshToken))
		})
	}
}
