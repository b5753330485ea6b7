package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"cambio/cmd/cambio/dev"
	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// storefront is a backend that creates checkout tokens, with its API and its
// webhook.
type storefront struct {
	*server
	issuer *jwkstest.Issuer
	proof  header // of the client
	api    string // accepts checkout tokens
	secret string // signs the requests to the webhook

	mu    sync.Mutex
	owns  map[string]bool // customer/invoice → the webhook says yes
	asked int
	down  bool
}

func newStorefront(t *testing.T) *storefront {
	t.Helper()
	w := &storefront{issuer: jwkstest.New(t), secret: strings.Repeat("webhook secret ", 3), owns: map[string]bool{"c-1/i-1": true}}
	api := httptest.NewUnstartedServer(nil)
	w.api = "http://" + api.Listener.Addr().String()
	hook := httptest.NewServer(http.HandlerFunc(w.webhook))
	t.Cleanup(hook.Close)
	w.server = start(t)
	w.seen.add(w.secret)
	api.Config.Handler = dev.NewAPI(w.url, w.url+"/.well-known/jwks.json", w.api)
	api.Start()
	t.Cleanup(api.Close)
	w.trust("%s%s", manifest(w.issuer.URL, w.api), fmt.Sprintf(`  - id: shop
    auth: client_secret_basic
    grants: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    scopes: ["checkout:create", %s]
    audiences: [%s]
    detailTypes: [checkout]
    exchangeOwnTokens: true
    checkout:
      partnerID: partner-7
      audience: %[2]s
      invoices: webhook
      webhook: {url: %[3]q, allowPrivateAddresses: true, secret: {id: one, value: %[4]q}}
`, scope, w.api, hook.URL, w.secret))
	w.proof = basic("shop", w.server.secret("shop"))
	return w
}

// webhook is the webhook as a shop would write it: it verifies the caller's
// signature, and knows its own invoices.
func (w *storefront) webhook(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var at, signature string
	for part := range strings.SplitSeq(r.Header.Get("Cambio-Signature"), ",") {
		switch name, v, _ := strings.Cut(part, "="); name {
		case "t":
			at = v
		case "v1":
			signature = v
		}
	}
	mac := hmac.New(sha256.New, []byte(w.secret))
	mac.Write([]byte(at + "." + string(body)))
	var q struct {
		Customer string `json:"customer_id"`
		Invoice  string `json:"invoice_id"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	switch {
	case w.down:
		rw.WriteHeader(http.StatusBadGateway)
	case err != nil, !hmac.Equal([]byte(signature), fmt.Appendf(nil, "%x", mac.Sum(nil))), json.Unmarshal(body, &q) != nil:
		rw.WriteHeader(http.StatusForbidden)
	default:
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"accepted":%t}`, w.owns[q.Customer+"/"+q.Invoice])
	}
}

// own returns the shop's own access token.
func (w *storefront) own(scopes string) string {
	w.t.Helper()
	return w.call("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scopes}}, w.proof).granted(w.t).AccessToken
}

// initiated is the response of /v1/checkout-auth/init.
type initiated struct {
	answer
	Token     string `json:"token"`
	ExpiresAt string `json:"expires_at"`
}

func (w *storefront) init(bearer, body string) (out initiated) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/v1/checkout-auth/init", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+bearer)
	if out.answer, err = w.do(req); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out.body), &out); err != nil {
		w.t.Fatal(err)
	}
	w.seen.addToken(bearer, out.Token)
	return out
}

// get returns the status of a request to the shop's API.
func (w *storefront) get(path, bearer string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.api+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func purchase(customer, invoice string) string {
	return fmt.Sprintf(`{"customer_id":%q,"invoice_id":%q,"expires_in":600}`, customer, invoice)
}

// wire requests the same by RFC 8693 and RFC 9396.
func (w *storefront) wire(token, customer, invoice string) answer {
	w.t.Helper()
	return w.call("/oauth/token", url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {exchange.TypeAccessToken},
		"authorization_details": {fmt.Sprintf(`[{"type":"checkout","customer_id":%q,"invoice_id":%q}]`, customer, invoice)},
	}, w.proof)
}

// TestCheckout goes from a backend's secret to one invoice: the token opens no
// other.
func TestCheckout(t *testing.T) {
	t.Parallel()
	w := newStorefront(t)
	own := w.own("checkout:create")
	made := w.init(own, purchase("c-1", "i-1"))
	if made.status != http.StatusOK || made.TokenType != "Bearer" || made.ExpiresIn != 600 || made.ExpiresAt == "" {
		t.Fatalf("got %s", made)
	}
	wire := w.wire(own, "c-1", "i-1").granted(t)
	if wire.RefreshToken != "" || wire.Scope != "" || wire.IssuedTokenType != exchange.TypeAccessToken {
		t.Errorf("on the wire: %s", wire)
	}
	user := w.exchange(w.issuer.Sign(w.issuer.Claims("alice", app))).granted(t).AccessToken
	for name, token := range map[string]string{"endpoint": made.Token, "wire": wire.AccessToken} {
		for path, want := range map[string]int{
			"/checkout/c-1/i-1": 200, "/checkout/c-1/i-2": 403, "/checkout/c-2/i-1": 403, "/checkout/i-1/c-1": 403, "/orders": 403,
		} {
			if got := w.get(path, token); got != want {
				t.Errorf("%s: %s returned %d, want %d", name, path, got, want)
			}
		}
		in := w.call("/oauth/introspect", url.Values{"token": {token}}, w.proof)
		for _, want := range []string{`"customer_id":"c-1"`, `"invoice_id":"i-1"`, `"partner_id":"partner-7"`, `"authorization_details":[`} {
			if !in.Active || !strings.Contains(in.body, want) {
				t.Errorf("introspection lacks %s: %s", want, in)
			}
		}
	}
	for path, want := range map[string]int{"/orders": 200, "/checkout/c-1/i-1": 403} {
		if got := w.get(path, user); got != want {
			t.Errorf("to a user %s returned %d, want %d", path, got, want)
		}
	}
	if got := w.get("/checkout/c-1/i-1", own); got != 401 {
		t.Errorf("to the backend's own token the API returned %d", got)
	}

	// No token of a page or a user becomes a checkout token.
	for name, token := range map[string]string{"a user": user, "a page": made.Token} {
		w.init(token, purchase("c-1", "i-1")).refused(t, 403, exchange.InsufficientScope, exchange.ReasonAccessTokenInsufficient)
		if a := w.wire(token, "c-1", "i-1"); a.status != 403 || a.Code != string(exchange.ReasonAccessTokenInsufficient) {
			t.Errorf("%s on the wire: %s", name, a)
		}
	}
	wider := w.call("/oauth/token", url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "subject_token": {made.Token}, "subject_token_type": {exchange.TypeAccessToken},
		"scope": {"checkout:create"},
	}, w.proof)
	wider.refused(t, 403, exchange.InsufficientScope, exchange.ReasonAccessTokenInsufficient)
	w.init(w.own("checkout:create "+scope), purchase("c-1", "i-1")).refused(t, 401, exchange.InvalidToken, exchange.ReasonAccessTokenInvalid)
	w.init("", purchase("c-1", "i-1")).refused(t, 401, exchange.InvalidToken, exchange.ReasonAccessTokenInvalid)
}

// TestCheckoutInvoices checks that the registered source of invoices decides, at
// the JSON endpoint and by RFC 8693.
func TestCheckoutInvoices(t *testing.T) {
	t.Parallel()
	w := newStorefront(t)
	own := w.own("checkout:create")
	both := func(customer, invoice string, status int, code exchange.Code, reason exchange.Reason) {
		t.Helper()
		w.init(own, purchase(customer, invoice)).refused(t, status, code, reason)
		w.wire(own, customer, invoice).refused(t, status, code, reason)
	}
	both("c-1", "i-2", 403, exchange.AccessDenied, exchange.ReasonInvoiceNotAccepted)
	both("c-2", "i-1", 403, exchange.AccessDenied, exchange.ReasonInvoiceNotAccepted)
	w.mu.Lock()
	if w.asked != 4 {
		t.Errorf("the webhook was asked %d times, want 4", w.asked)
	}
	w.down = true
	w.mu.Unlock()
	both("c-1", "i-1", 503, exchange.TemporarilyUnavailable, exchange.ReasonInvoicesUnavailable)
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
	if a := w.init(own, purchase("c-1", "i-1")); a.Token == "" {
		t.Errorf("got %s", a)
	}

	shown := w.cambio("", "client", "show", "shop", "-o", "json")
	if strings.Contains(shown, w.secret) {
		t.Error("the webhook's secret is shown")
	}
	w.trust(`clients:
  - id: shop
    auth: client_secret_basic
    grants: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    scopes: ["checkout:create"]
    audiences: [%s]
    detailTypes: [checkout]
    checkout: {audience: %[1]s, invoices: registered}
`, w.api)
	both("c-1", "i-1", 403, exchange.AccessDenied, exchange.ReasonInvoiceNotAccepted)
	w.cambio("", "invoice", "add", "shop", "--customer", "c-1", "i-1", "i-2")
	if a := w.init(own, purchase("c-1", "i-1")); a.Token == "" {
		t.Errorf("got %s", a)
	}
	w.stop(t)
	w.restart()
	w.wire(own, "c-1", "i-2").granted(t)
	w.cambio("", "invoice", "remove", "shop", "--customer", "c-1", "i-1")
	both("c-1", "i-1", 403, exchange.AccessDenied, exchange.ReasonInvoiceNotAccepted)
}
