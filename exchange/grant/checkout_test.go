package grant_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

const pay = "https://pay.example" // takes checkout tokens

// shop registers a client with checkout, and a second one.
func (w *world) shop(edit func(*exchange.Checkout)) {
	w.Helper()
	c := &exchange.Checkout{Audience: pay, PartnerID: "partner-7"}
	if edit != nil {
		edit(c)
	}
	w.change(func(m *exchange.Manifest) {
		for _, id := range []string{"shop", "rival"} {
			m.Clients = append(m.Clients, exchange.Client{
				ID: id, Auth: exchange.AuthSecretBasic, Scopes: []string{"checkout:create", "read"}, Audiences: []string{api},
				Grants:      []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange},
				DetailTypes: []string{"checkout"}, Checkout: c,
			})
		}
	})
}

// own returns a client's own access token with the scopes.
func (w *world) own(client string, scopes ...string) string {
	w.Helper()
	resp, _ := w.granted(&grant.Request{
		GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client(client), Scopes: scopes,
	})
	return resp.AccessToken
}

// buying returns a request of a client for customer c-1 and invoice i-1.
func (w *world) buying(client, token string) *grant.Request {
	details, err := exchange.CheckoutDetails("c-1", "i-1")
	must(w, err)
	r := w.narrowing(client, token)
	r.ID, r.Details = "request-1", details
	return r
}

func TestCheckoutTokenIsForOneInvoice(t *testing.T) {
	w := newWorld(t)
	w.shop(nil)
	token := w.own("shop", "checkout:create")
	w.now = w.now.Add(time.Minute)
	before := w.engine.commits.Load()
	req := w.buying("shop", token)
	resp, got := w.granted(req)
	if n := w.engine.commits.Load() - before; n != 0 {
		t.Errorf("%d commits, want none", n)
	}
	if got.Purchase == nil || *got.Purchase != (exchange.Purchase{Partner: "partner-7", Customer: "c-1", Invoice: "i-1"}) ||
		got.Client != "shop" || got.User != "shop" || len(got.Scopes) != 0 || !slices.Equal(got.Audience, []string{pay}) ||
		string(got.Details) != `[{"customer_id":"c-1","invoice_id":"i-1","type":"checkout"}]` || got.Session != "" {
		t.Errorf("got %+v for %+v", got, got.Purchase)
	}
	if resp.ExpiresIn != 14*time.Minute || resp.RefreshToken != "" || resp.IDToken != "" || resp.User != nil || len(resp.Scopes) != 0 {
		t.Errorf("answered %+v", resp)
	}
	if tr := req.Trail; tr.Client != "shop" || req.Client.Client.ID != "shop" || len(tr.Checks) < 4 {
		t.Errorf("trail %+v", tr)
	}
}

func TestCheckoutLifetimeIsBounded(t *testing.T) {
	for _, row := range []struct {
		name         string
		access, left exchange.Duration // of the client's own token
		asked        time.Duration
		want         time.Duration
	}{
		{"as long as the token", 0, 0, 0, 15 * time.Minute},
		{"no longer than checkout tokens live", exchange.Duration(time.Hour), 0, 0, 15 * time.Minute},
		{"as the client's tokens", exchange.Duration(2 * time.Minute), 0, 0, 2 * time.Minute},
		{"less", 0, 0, time.Minute, time.Minute},
		{"more than there is", 0, 0, time.Hour, 15 * time.Minute},
		{"what is left of the token", 0, exchange.Duration(time.Minute), 5 * time.Minute, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.shop(nil)
			w.changeClient("shop", func(c *exchange.Client) { c.AccessTokenLifetime = row.access })
			token := w.own("shop", "checkout:create")
			if row.left > 0 {
				w.now = w.now.Add(15*time.Minute - time.Duration(row.left))
			}
			req := w.buying("shop", token)
			req.MaxLifetime = row.asked
			if resp, _ := w.granted(req); resp.ExpiresIn != row.want {
				t.Errorf("expires in %s, want %s", resp.ExpiresIn, row.want)
			}
		})
	}
}

// Each row differs from a good request in one fact.
func TestCheckoutWithOneFaultIsRefused(t *testing.T) {
	type change func(*world, *grant.Request)
	with := func(token func(*world) string) change {
		return func(w *world, r *grant.Request) { r.SubjectToken = token(w) }
	}
	less := exchange.ReasonAccessTokenInsufficient
	for _, row := range []struct {
		name   string
		change change
		want   exchange.Reason
	}{
		{"good", func(*world, *grant.Request) {}, ""},
		{"a user's token", with(func(w *world) string { r, _ := w.wide("spa"); return r.AccessToken }), less},
		{"a user's token without a session", with(func(w *world) string { r, _ := w.wide("plain"); return r.AccessToken }), less},
		{"a checkout token", with(func(w *world) string {
			r, _ := w.granted(w.buying("shop", w.own("shop", "checkout:create")))
			return r.AccessToken
		}), less},
		{"a token without the scope", with(func(w *world) string { return w.own("shop", "read") }), less},
		{"a token for an API", with(func(w *world) string { return w.own("shop", "checkout:create", "read") }), ""},
		{"its own token, narrowed by another", with(func(w *world) string {
			r := w.narrowing("backend", w.own("shop", "read"))
			r.Scopes = nil
			resp, _ := w.granted(r)
			return resp.AccessToken
		}), less},
		{"forged", func(_ *world, r *grant.Request) { r.SubjectToken += "AAAA" }, exchange.ReasonSubjectTokenSignatureInvalid},
		{"expired", func(w *world, _ *grant.Request) { w.now = w.now.Add(15 * time.Minute) }, exchange.ReasonSubjectTokenExpired},
		{"revoked", func(w *world, r *grant.Request) {
			_, err := w.sessions.RevokeToken(ctx, r.SubjectToken, "shop", w.now)
			must(w, err)
		}, exchange.ReasonSubjectTokenRevoked},
		{"an issuer's token", func(w *world, r *grant.Request) { r.SubjectToken = w.issuer.Sign(w.claims("spa")) }, exchange.ReasonSubjectTokenTypeNotAccepted},
		{"the client lost checkout", func(w *world, r *grant.Request) {
			w.changeClient("shop", func(c *exchange.Client) { c.Checkout, c.DetailTypes = nil, nil })
			r.Client = w.registry.Snapshot().Client("shop")
		}, exchange.ReasonAuthorizationDetailsInvalid},
		{"for a refresh token", func(_ *world, r *grant.Request) { r.RequestedTokenType = exchange.TypeRefreshToken }, exchange.ReasonParameterInvalid},
		{"for an ID token", func(_ *world, r *grant.Request) { r.RequestedTokenType = exchange.TypeIDToken }, exchange.ReasonParameterInvalid},
		{"with a scope", func(_ *world, r *grant.Request) { r.Scopes = []string{"checkout:create"} }, exchange.ReasonScopeNotAllowed},
		{"for another API", func(_ *world, r *grant.Request) { r.Audiences = []string{api} }, exchange.ReasonTargetNotAllowed},
		{"for two", func(_ *world, r *grant.Request) {
			r.Details = []byte(`[{"type":"checkout","customer_id":"c-1","invoice_id":"i-1"},{"type":"checkout","customer_id":"c-1","invoice_id":"i-2"}]`)
		}, exchange.ReasonAuthorizationDetailsInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.shop(nil)
			req := w.buying("shop", w.own("shop", "checkout:create"))
			row.change(w, req)
			if row.want == "" {
				w.granted(req)
				return
			}
			w.refused(req, row.want)
		})
	}
}

// A client's own token is refused to another client, whatever that may do.
func TestCheckoutNeedsTokenOfSameClient(t *testing.T) {
	w := newWorld(t)
	w.shop(nil)
	token := w.own("shop", "checkout:create")
	w.refused(w.buying("rival", token), exchange.ReasonAccessTokenInsufficient)
	w.refused(w.buying("backend", token), exchange.ReasonAccessTokenInsufficient)
}

// A checkout token is in a page's hands: it is exchanged for nothing, and is no
// actor token.
func TestCheckoutTokensAreNotExchanged(t *testing.T) {
	w := newWorld(t)
	w.shop(nil)
	resp, _ := w.granted(w.buying("shop", w.own("shop", "checkout:create")))
	for _, client := range []string{"backend", "shop"} {
		w.changeClient(client, func(c *exchange.Client) {
			c.ExchangeOwnTokens, c.Audiences = true, append(slices.Clone(c.Audiences), pay)
		})
		for _, details := range []string{"", string(resp.Details)} {
			req := w.narrowing(client, resp.AccessToken)
			req.Details = []byte(details)
			w.refused(req, exchange.ReasonAccessTokenInsufficient)
		}
	}
	req := w.exchange("backend")
	req.ActorToken, req.ActorTokenType = resp.AccessToken, exchange.TypeAccessToken
	w.refused(req, exchange.ReasonActorTokenInvalid)
	w.refused(&grant.Request{
		GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("shop"), Scopes: []string{"checkout:create"}, Details: resp.Details,
	}, exchange.ReasonAuthorizationDetailsInvalid)
}

func TestCheckoutInvoiceIsValidated(t *testing.T) {
	var mu sync.Mutex
	answer, asked := `{"accepted":true}`, 0
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, answer)
	}))
	t.Cleanup(hook.Close)
	says := func(text string) { mu.Lock(); defer mu.Unlock(); answer = text }
	w := newWorld(t)
	w.shop(func(c *exchange.Checkout) { c.Invoices = exchange.InvoicesRegistered })
	req := func() *grant.Request { return w.buying("shop", w.own("shop", "checkout:create")) }
	w.refused(req(), exchange.ReasonInvoiceNotAccepted)
	must(w, w.invoices.Add(ctx, "rival", []exchange.Invoice{{Customer: "c-1", ID: "i-1"}}, w.now))
	w.refused(req(), exchange.ReasonInvoiceNotAccepted)
	must(w, w.invoices.Add(ctx, "shop", []exchange.Invoice{{Customer: "c-1", ID: "i-1"}}, w.now))
	w.granted(req())

	w.changeClient("shop", func(c *exchange.Client) {
		c.Checkout = &exchange.Checkout{Audience: pay, Invoices: exchange.InvoicesWebhook, Webhook: &exchange.Webhook{
			URL: hook.URL, AllowPrivateAddresses: true, Secret: exchange.SharedSecret{Value: strings.Repeat("k", 32)},
		}}
	})
	says(`{"accepted":true}`)
	w.granted(req())
	says(`{"accepted":false}`)
	refusal := req()
	w.refused(refusal, exchange.ReasonInvoiceNotAccepted)
	if last := refusal.Trail.Checks[len(refusal.Trail.Checks)-1]; last.Name != "invoice" || last.Passed || last.Reason != exchange.ReasonInvoiceNotAccepted {
		t.Errorf("the trail ends with %+v", last)
	}
	says(`yes`)
	w.refused(req(), exchange.ReasonInvoicesUnavailable)
	before := asked
	bad := req()
	bad.Scopes = []string{"read"}
	w.refused(bad, exchange.ReasonScopeNotAllowed)
	if asked != before {
		t.Error("the webhook was asked for a request that is refused anyway")
	}
}

// The scope determines the audience, unless the request names one.
func TestCheckoutScopeSetsAudience(t *testing.T) {
	w := newWorld(t)
	w.shop(nil)
	for _, row := range []struct {
		scopes, asked []string
		want          string
	}{
		{[]string{"checkout:create"}, nil, ownURL},
		{[]string{"checkout:create", "read"}, nil, api},
		{[]string{"read"}, nil, api},
		{[]string{"checkout:create"}, []string{api}, api},
	} {
		_, token := w.granted(&grant.Request{
			GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("shop"), Scopes: row.scopes, Audiences: row.asked,
		})
		if !slices.Equal(token.Audience, []string{row.want}) {
			t.Errorf("%v for %v is for %v", row.scopes, row.asked, token.Audience)
		}
	}
}

// Concurrent requests do not wait for each other, and each gets its own token.
func TestParallelCheckoutsDoNotWait(t *testing.T) {
	w := newWorld(t)
	w.shop(nil)
	token := w.own("shop", "checkout:create")
	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	for range 16 {
		req := w.buying("shop", token)
		all.Go(func() {
			resp, err := w.token(req)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[resp.AccessToken] = true
		})
	}
	all.Wait()
	if len(seen) != 16 {
		t.Errorf("%d different tokens of 16", len(seen))
	}
}
