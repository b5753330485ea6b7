package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/server"
)

const pay = "https://pay.example" // takes checkout tokens

// withShop is a world whose client machine makes checkout tokens.
func withShop(t *testing.T, edit ...func(*server.Config)) (*world, string) {
	p := newWorld(t, edit...)
	m := p.manifest()
	i := slices.IndexFunc(m.Clients, func(c exchange.Client) bool { return c.ID == "machine" })
	c := &m.Clients[i]
	c.Grants = []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange}
	c.Scopes, c.DefaultScopes = []string{"checkout:create", "read"}, nil
	c.Audiences = []string{api, publicURL}
	c.DetailTypes, c.Checkout = []string{"checkout"}, &exchange.Checkout{Audience: pay}
	p.apply(m)
	return p, p.newSecret("machine")
}

// own is the machine's own access token.
func (p *world) own(secret string, params ...string) string {
	p.Helper()
	a := p.form("/oauth/token", append([]string{"grant_type", "client_credentials"}, params...), "Authorization", basicAuth("machine", secret))
	p.want(a, 200, "")
	return a.str("access_token")
}

func (p *world) init(token, body string, headers ...string) answer {
	p.Helper()
	return p.post("/v1/checkout-auth/init", body, append([]string{"Authorization", "Bearer " + token}, headers...)...)
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	raw := must(base64.RawURLEncoding.DecodeString(parts[1]))
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

const purchase = `{"customer_id":"c-1","invoice_id":"i-1"}`

func TestCheckout(t *testing.T) {
	p, secret := withShop(t)
	own := p.own(secret, "scope", "checkout:create")
	a := p.init(own, `{"customer_id":"c-1","invoice_id":"i-1","expires_in":300}`)
	p.want(a, 200, "")
	if a.str("token_type") != "Bearer" || a.json["expires_in"] != 300.0 || len(a.json) != 4 ||
		a.str("expires_at") != p.clock().Add(5*time.Minute).UTC().Format(time.RFC3339) {
		t.Errorf("answer is %s", a.text)
	}
	claims := claimsOf(t, a.str("token"))
	for name, want := range map[string]any{
		"partner_id": "machine", "client_id": "machine", "sub": "machine", "customer_id": "c-1", "invoice_id": "i-1", "scope": nil, "iss": publicURL,
		"exp": float64(p.clock().Add(5 * time.Minute).Unix()),
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if got := fmt.Sprint(claims["aud"], claims["authorization_details"]); got != "["+pay+"] [map[customer_id:c-1 invoice_id:i-1 type:checkout]]" {
		t.Errorf("aud and details are %s", got)
	}
	in := p.form("/oauth/introspect", []string{"token", a.str("token")}, "Authorization", basicAuth("machine", secret))
	if p.want(in, 200, ""); in.json["active"] != true || in.str("customer_id") != "c-1" || in.str("invoice_id") != "i-1" || in.str("partner_id") != "machine" ||
		in.json["authorization_details"] == nil {
		t.Errorf("introspected %s", in.text)
	}
	wire := p.form("/oauth/token", []string{
		"grant_type", exchange.GrantTokenExchange, "subject_token", own, "subject_token_type", exchange.TypeAccessToken,
		"authorization_details", `[{"type":"checkout","customer_id":"c-1","invoice_id":"i-1"}]`,
	}, "Authorization", basicAuth("machine", secret))
	if p.want(wire, 200, ""); wire.json["refresh_token"] != nil || wire.json["scope"] != nil || wire.json["authorization_details"] == nil {
		t.Errorf("on the wire: %s", wire.text)
	}
	same := claimsOf(t, wire.str("access_token"))
	if same["customer_id"] != "c-1" || fmt.Sprint(same["aud"]) != "["+pay+"]" {
		t.Errorf("on the wire: %v", same)
	}
	found := p.do("GET", "/.well-known/oauth-authorization-server", "")
	if types := fmt.Sprint(found.json["authorization_details_types_supported"]); types != "[checkout]" {
		t.Errorf("discovery has the types %s", types)
	}
	for _, e := range p.events() {
		if e["event"] != "token" || e["outcome"] != "granted" || e["client"] != "machine" {
			t.Errorf("audited %v", e)
		}
		if exchanged := e["grant_type"] == exchange.GrantTokenExchange; exchanged != (e["customer"] == "c-1") || exchanged != (e["invoice"] == "i-1") {
			t.Errorf("audited %v", e)
		}
	}
}

// TestCheckoutRequests has rows that differ in one fact.
func TestCheckoutRequests(t *testing.T) {
	p, secret := withShop(t, patient)
	own := p.own(secret, "scope", "checkout:create")
	bearer := []string{"Authorization", "Bearer " + own}
	user := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")).str("access_token")
	made := p.init(own, purchase).str("token")
	for _, row := range []struct {
		name, body string
		headers    []string
		status     int
		code       exchange.Reason
		wants      string // WWW-Authenticate
	}{
		{"good", purchase, bearer, 200, "", ""},
		{"in lower case", purchase, []string{"Authorization", "bearer " + own}, 200, "", ""},
		{"with its client's key", purchase, append([]string{"X-API-Key", "machine"}, bearer...), 200, "", ""},
		{"with another client's key", purchase, append([]string{"X-API-Key", "basic"}, bearer...), 400, exchange.ReasonRequestMalformed, ""},
		{"with a secret", purchase, append([]string{"X-Server-Secret", secret}, bearer...), 400, exchange.ReasonRequestMalformed, ""},
		{"twice", purchase, append(bearer, bearer...), 400, exchange.ReasonRequestMalformed, ""},
		{"no token", purchase, nil, 401, exchange.ReasonAccessTokenInvalid, `Bearer realm="cambio"`},
		{"an empty token", purchase, []string{"Authorization", "Bearer "}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"Basic", purchase, []string{"Authorization", basicAuth("machine", secret)}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"nonsense", purchase, []string{"Authorization", "Bearer x.y.z"}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"forged", purchase, []string{"Authorization", "Bearer " + own + "AAAA"}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"an issuer's token", purchase, []string{"Authorization", "Bearer " + p.idToken()}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"for an API", purchase, []string{"Authorization", "Bearer " + p.own(secret, "scope", "checkout:create read")}, 401, exchange.ReasonAccessTokenInvalid, "invalid_token"},
		{"for an API and for us", purchase, []string{"Authorization", "Bearer " + p.own(secret, "scope", "checkout:create read", "audience", api, "audience", publicURL)}, 200, "", ""},
		{"without the scope", purchase, []string{"Authorization", "Bearer " + p.own(secret, "scope", "read", "audience", publicURL)}, 403, exchange.ReasonAccessTokenInsufficient, "insufficient_scope"},
		{"a user's token", purchase, []string{"Authorization", "Bearer " + user}, 403, exchange.ReasonAccessTokenInsufficient, "insufficient_scope"},
		{"a checkout token", purchase, []string{"Authorization", "Bearer " + made}, 403, exchange.ReasonAccessTokenInsufficient, "insufficient_scope"},
		{"in a browser", purchase, append([]string{"Origin", page}, bearer...), 403, exchange.ReasonOriginNotAllowed, ""},
		{"with DPoP", purchase, append([]string{"DPoP", "x"}, bearer...), 400, exchange.ReasonParameterInvalid, ""},
		{"a minute", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":60}`, bearer, 200, "", ""},
		{"nothing said of the time", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":null}`, bearer, 200, "", ""},
		{"less than a minute", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":59}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"fifteen minutes", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":900}`, bearer, 200, "", ""},
		{"more", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":901}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"much more", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":99999999999999999999}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a time before now", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":-300}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a fraction", `{"customer_id":"c-1","invoice_id":"i-1","expires_in":300.5}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"no customer", `{"invoice_id":"i-1"}`, bearer, 400, exchange.ReasonParameterMissing, ""},
		{"no invoice", `{"customer_id":"c-1"}`, bearer, 400, exchange.ReasonParameterMissing, ""},
		{"a customer that is a fraction", `{"customer_id":1.5,"invoice_id":"i-1"}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a customer with a line break", `{"customer_id":"c\n1","invoice_id":"i-1"}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a long customer", `{"customer_id":"` + strings.Repeat("c", 256) + `","invoice_id":"i-1"}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a member more", `{"customer_id":"c-1","invoice_id":"i-1","amount":1}`, bearer, 400, exchange.ReasonParameterInvalid, ""},
		{"a member twice", `{"customer_id":"c-1","customer_id":"c-2","invoice_id":"i-1"}`, bearer, 400, exchange.ReasonParameterRepeated, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			a := p.post("/v1/checkout-auth/init", row.body, row.headers...)
			p.want(a, row.status, row.code)
			if got := a.header.Get("WWW-Authenticate"); (got == "") != (row.wants == "") || !strings.Contains(got, row.wants) || strings.Contains(got, "Basic") {
				t.Errorf("WWW-Authenticate is %q", got)
			}
			if row.name == "no token" && a.header.Get("WWW-Authenticate") != row.wants {
				t.Error("a caller without a token is told of an error")
			}
			if row.status != 200 && a.json["token"] != nil {
				t.Errorf("a refusal has a token: %s", a.text)
			}
		})
	}
}

// Guessing at tokens counts; what a client that is known does wrong does not.
func TestCheckoutLimits(t *testing.T) {
	p, secret := withShop(t)
	own := p.own(secret, "scope", "checkout:create")
	for range 30 {
		p.want(p.init(own, `{"customer_id":"c-1","invoice_id":"i-1","expires_in":1}`), 400, exchange.ReasonParameterInvalid)
	}
	for range 10 {
		p.want(p.init("x.y.z", purchase), 401, exchange.ReasonAccessTokenInvalid)
	}
	p.want(p.init("x.y.z", purchase), 429, exchange.ReasonTooManyFailures)
	p.want(p.init(own, purchase), 200, "")
}

// Each of many callers gets a token of its own, and nothing is stored.
func TestCheckoutInParallel(t *testing.T) {
	p, secret := withShop(t)
	own := p.own(secret, "scope", "checkout:create")
	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			a := p.init(own, purchase)
			mu.Lock()
			defer mu.Unlock()
			seen[a.str("token")] = true
		})
	}
	all.Wait()
	if len(seen) != 16 || seen[""] {
		t.Errorf("%d different tokens of 16", len(seen))
	}
}

// What is repeated with its Idempotency-Key gets the same token.
func TestCheckoutReplay(t *testing.T) {
	p, secret := withShop(t)
	own := p.own(secret, "scope", "checkout:create")
	first := p.init(own, purchase, "Idempotency-Key", "one")
	p.want(first, 200, "")
	if again := p.init(own, purchase, "Idempotency-Key", "one"); again.text != first.text {
		t.Errorf("%s, then %s", first.text, again.text)
	}
	other := p.init(own, `{"customer_id":"c-1","invoice_id":"i-2"}`, "Idempotency-Key", "one")
	p.want(other, 422, exchange.ReasonIdempotencyKeyReused)
	anew := p.own(secret, "scope", "checkout:create read", "audience", publicURL)
	p.repeats(first, p.init(anew, purchase, "Idempotency-Key", "one"))
	less := p.own(secret, "scope", "read", "audience", publicURL)
	p.want(p.init(less, purchase, "Idempotency-Key", "one"), 403, exchange.ReasonAccessTokenInsufficient)
	m := p.manifest() // where machine has no such scope
	p.apply(m)
	p.want(p.init(own, purchase, "Idempotency-Key", "one"), 403, exchange.ReasonAccessTokenInsufficient)
}
