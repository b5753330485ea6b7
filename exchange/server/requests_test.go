package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

const formMedia = "application/x-www-form-urlencoded"

// What the token endpoint reads of a request, and what it refuses to.
func TestTokenRequests(t *testing.T) {
	p := newWorld(t, patient)
	good := func() string {
		return "client_id=web&grant_type=" + url.QueryEscape(exchange.GrantTokenExchange) + "&subject_token=" + p.idToken() +
			"&subject_token_type=" + url.QueryEscape(exchange.TypeIDToken)
	}
	pad := func(n int) string { return good() + "&pad=" + strings.Repeat("x", n-len(good())-len("&pad=")) }
	for _, row := range []struct {
		name, path, media, body string
		status                  int
		code                    exchange.Reason
	}{
		{"good", "", formMedia, good(), 200, ""},
		{"charset", "", formMedia + "; charset=UTF-8", good(), 200, ""},
		{"media type in capitals", "", "Application/X-WWW-Form-Urlencoded", good(), 200, ""},
		{"an unknown parameter", "", formMedia, good() + "&flavour=sweet", 200, ""},
		{"empty parameters", "", formMedia, good() + "&scope=&audience=&nonce=&actor_token=", 200, ""},
		{"its audience, twice", "", formMedia, good() + "&audience=" + api + "&audience=" + api, 200, ""},
		{"64 KiB", "", formMedia, pad(64 << 10), 200, ""},
		{"64 KiB and a byte", "", formMedia, pad(64<<10 + 1), 413, exchange.ReasonRequestTooLarge},
		{"a parameter in the query", "?client_id=web", formMedia, good(), 400, exchange.ReasonRequestMalformed},
		{"an empty query", "?", formMedia, good(), 400, exchange.ReasonRequestMalformed},
		{"JSON", "", "application/json", `{}`, 415, exchange.ReasonMediaTypeNotSupported},
		{"multipart", "", "multipart/form-data; boundary=x", good(), 415, exchange.ReasonMediaTypeNotSupported},
		{"no media type", "", "", good(), 415, exchange.ReasonMediaTypeNotSupported},
		{"a media type that only begins like it", "", formMedia + "-x", good(), 415, exchange.ReasonMediaTypeNotSupported},
		{"client_id twice", "", formMedia, good() + "&client_id=web", 400, exchange.ReasonParameterRepeated},
		{"subject_token twice", "", formMedia, good() + "&subject_token=x", 400, exchange.ReasonParameterRepeated},
		{"bad encoding", "", formMedia, good() + "&nonce=%", 400, exchange.ReasonRequestMalformed},
		{"not UTF-8", "", formMedia, good() + "&nonce=%ff", 400, exchange.ReasonRequestMalformed},
		{"NUL", "", formMedia, good() + "&nonce=%00", 400, exchange.ReasonRequestMalformed},
		{"33 parameters", "", formMedia, good() + strings.Repeat("&resource=x", 29), 400, exchange.ReasonRequestMalformed},
		{"empty", "", formMedia, "", 400, exchange.ReasonParameterMissing},
		{"a scope with a quotation mark", "", formMedia, good() + "&scope=%22", 400, exchange.ReasonScopeNotAllowed},
		{"a scope beyond ASCII", "", formMedia, good() + "&scope=%C3%BC", 400, exchange.ReasonScopeNotAllowed},
		{"a target that is not the client's", "", formMedia, good() + "&resource=https%3A%2F%2Fevil", 400, exchange.ReasonTargetNotAllowed},
		{"authorization_details that are no array", "", formMedia, good() + "&authorization_details=%7B%7D", 400, exchange.ReasonAuthorizationDetailsInvalid},
		{"authorization_details that are no JSON", "", formMedia, good() + "&authorization_details=%5B", 400, exchange.ReasonAuthorizationDetailsInvalid},
		{"an unknown grant", "", formMedia, "client_id=web&grant_type=password", 400, exchange.ReasonGrantTypeUnsupported},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{}
			if row.media != "" {
				headers = []string{"Content-Type", row.media}
			}
			p.want(p.do("POST", "/oauth/token"+row.path, row.body, headers...), row.status, row.code)
		})
	}
}

func TestEncodedBodiesAreRefused(t *testing.T) {
	p := newWorld(t)
	p.want(p.form("/oauth/token", nil, "Content-Encoding", "gzip"), 415, exchange.ReasonMediaTypeNotSupported)
}

// How clients authenticate: by the one method they are registered for.
func TestClientAuthentication(t *testing.T) {
	p := newWorld(t, patient)
	right := p.secretOf("basic")
	assertion := func(sub, aud string) string {
		claims := p.issuer.Claims(sub, aud)
		claims["iss"] = sub
		claims["exp"] = p.clock().Add(time.Minute).Unix()
		claims["jti"] = sub + aud + t.Name()
		return p.issuer.Sign(claims)
	}
	jwt := func(id, assertion string) []string {
		params := []string{"client_assertion", assertion, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
		if id != "" {
			params = append(params, "client_id", id)
		}
		return params
	}
	once := assertion("jwt", publicURL)
	const failed, unknown = exchange.ReasonClientAuthenticationFailed, exchange.ReasonClientUnknown
	for _, row := range []struct {
		name   string
		params []string
		header string // Authorization
		status int
		code   exchange.Reason
	}{
		{"public", []string{"client_id", "web"}, "", 200, ""},
		{"public with a secret", []string{"client_id", "web", "client_secret", "x"}, "", 401, failed},
		{"public by Basic", nil, basicAuth("web", "x"), 401, failed},
		{"unknown", []string{"client_id", "unknown"}, "", 401, unknown},
		{"confidential without a secret", []string{"client_id", "basic"}, "", 401, unknown},
		{"Basic", nil, basicAuth("basic", right), 200, ""},
		{"Basic, scheme in small letters", nil, "basic" + basicAuth("basic", right)[5:], 200, ""},
		{"Basic and its client_id", []string{"client_id", "basic"}, basicAuth("basic", right), 200, ""},
		{"Basic and another client_id", []string{"client_id", "web"}, basicAuth("basic", right), 400, exchange.ReasonRequestMalformed},
		{"Basic and post", []string{"client_id", "basic", "client_secret", right}, basicAuth("basic", right), 400, exchange.ReasonRequestMalformed},
		{"Basic and an assertion", jwt("", once), basicAuth("basic", right), 400, exchange.ReasonRequestMalformed},
		{"Basic, wrong secret", nil, basicAuth("basic", right+"x"), 401, failed},
		{"Basic, another client's secret", nil, basicAuth("basic", p.secretOf("post")), 401, failed},
		{"Basic, unknown client", nil, basicAuth("unknown", right), 401, failed},
		{"Basic, no colon", nil, "Basic YQ==", 401, failed},
		{"Basic, empty secret", nil, basicAuth("basic", ""), 401, failed},
		{"Basic, not base64", nil, "Basic ***", 401, failed},
		{"Basic, stray bits", nil, "Basic YTpi" + "YR==", 401, failed},
		{"Bearer", []string{"client_id", "web"}, "Bearer x", 200, ""},
		{"Bearer without client_id's secret", []string{"client_id", "basic"}, "Bearer " + right, 401, unknown},
		{"post by a client of Basic", []string{"client_id", "basic", "client_secret", right}, "", 401, failed},
		{"Basic by a client of post", nil, basicAuth("post", p.secretOf("post")), 401, failed},
		{"post", []string{"client_id", "post", "client_secret", p.secretOf("post")}, "", 200, ""},
		{"post, unknown client", []string{"client_id", "unknown", "client_secret", "x"}, "", 401, failed},
		{"post without client_id", []string{"client_secret", "x"}, "", 400, exchange.ReasonParameterMissing},
		{"private_key_jwt", jwt("jwt", once), "", 200, ""},
		{"private_key_jwt, replayed", jwt("jwt", once), "", 401, failed},
		{"private_key_jwt without client_id", jwt("", assertion("jwt", publicURL+"/oauth/token")), "", 200, ""},
		{"private_key_jwt for another server", jwt("jwt", assertion("jwt", "https://other.example")), "", 401, failed},
		{"private_key_jwt of another client", jwt("jwt", assertion("basic", publicURL)), "", 401, failed},
		{"private_key_jwt of an unknown client", jwt("", assertion("unknown", publicURL)), "", 401, failed},
		{"private_key_jwt by a client of Basic", jwt("", assertion("basic", publicURL)), "", 401, failed},
		{"private_key_jwt, another type", []string{"client_assertion", "x", "client_assertion_type", "saml"}, "", 400, exchange.ReasonParameterInvalid},
		{"a secret and an assertion", append(jwt("jwt", once), "client_secret", "x"), "", 400, exchange.ReasonRequestMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{}
			if row.header != "" {
				headers = []string{"Authorization", row.header}
			}
			a := p.form("/oauth/token", exchangeParams(p.idToken(), row.params...), headers...)
			p.want(a, row.status, row.code)
			if challenge := a.header.Get("WWW-Authenticate"); (challenge != "") != (row.status == 401) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
		})
	}
}

// An unknown client and a known one whose proof is wrong answer alike.
func TestResponsesHideWhichClientsExist(t *testing.T) {
	p := newWorld(t, patient)
	body := func(a answer) string { return strings.ReplaceAll(a.text, a.str("request_id"), "") }
	for _, headers := range [][]string{nil, {"Origin", page}, {"Origin", otherPage}} {
		for _, secret := range []string{"", "wrong"} {
			known := p.form("/oauth/token", exchangeParams("x", "client_id", "basic", "client_secret", secret), headers...)
			unknown := p.form("/oauth/token", exchangeParams("x", "client_id", "unknown", "client_secret", secret), headers...)
			if known.status != unknown.status || body(known) != body(unknown) ||
				known.header.Get("Access-Control-Allow-Origin") != unknown.header.Get("Access-Control-Allow-Origin") {
				t.Errorf("%v %q: known %d %s, unknown %d %s", headers, secret, known.status, known.text, unknown.status, unknown.text)
			}
		}
	}
}

func TestOnlyConfidentialClientsIntrospect(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		name   string
		params []string
		auth   string
		status int
		code   exchange.Reason
	}{
		{"public", []string{"token", "x", "client_id", "web"}, "", 403, exchange.ReasonClientNotAllowed},
		{"unknown", []string{"token", "x"}, "", 400, exchange.ReasonParameterMissing},
		{"wrong secret", []string{"token", "x"}, basicAuth("basic", "x"), 401, exchange.ReasonClientAuthenticationFailed},
		{"no token", nil, basicAuth("basic", p.secretOf("basic")), 400, exchange.ReasonParameterMissing},
		{"confidential", []string{"token", "x"}, basicAuth("basic", p.secretOf("basic")), 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{}
			if row.auth != "" {
				headers = []string{"Authorization", row.auth}
			}
			p.want(p.form("/oauth/introspect", row.params, headers...), row.status, row.code)
		})
	}
}

func TestRevocationOfAnothersToken(t *testing.T) {
	p := newWorld(t)
	a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	p.want(p.form("/oauth/revoke", []string{"token", a.str("refresh_token"), "client_id", "other"}), 403, exchange.ReasonClientNotAllowed)
	p.want(p.form("/oauth/revoke", []string{"client_id", "web"}), 400, exchange.ReasonParameterMissing)
	p.want(p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "web", "refresh_token", a.str("refresh_token")}), 200, "")
}

// A client that the operator removes is refused from the next request on.
func TestChangesTakeEffectAtOnce(t *testing.T) {
	p := newWorld(t)
	m := p.manifest()
	m.Clients = m.Clients[1:]
	p.apply(m)
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 401, exchange.ReasonClientUnknown)
}

// Where an issuer's tokens may be larger, so may requests: by two such tokens.
func TestLargeTokens(t *testing.T) {
	for _, row := range []struct {
		most, token, actor int // bytes
		status             int
		code               exchange.Reason
	}{
		{0, 44 << 10, 0, 400, exchange.ReasonSubjectTokenMalformed},
		{64 << 10, 44 << 10, 0, 200, ""},
		{64 << 10, 60 << 10, 60 << 10, 403, exchange.ReasonActorNotAllowed},
		{0, 40 << 10, 40 << 10, 413, exchange.ReasonRequestTooLarge},
		{64 << 10, 160 << 10, 0, 413, exchange.ReasonRequestTooLarge},
	} {
		p := newWorld(t, patient)
		m := p.manifest()
		m.Issuers[0].MaxTokenSize = row.most
		p.apply(m)
		token := func(size int) string {
			claims := p.issuer.Claims("alice", "web")
			claims["groups"] = []string{strings.Repeat("g", size*3/4)}
			return p.issuer.Sign(claims)
		}
		params := exchangeParams(token(row.token))
		if row.actor > 0 {
			params = append(params, "actor_token", token(row.actor), "actor_token_type", exchange.TypeIDToken)
		}
		p.want(p.form("/oauth/token", params, "Origin", page), row.status, row.code)
		if row.actor == 0 {
			a := p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, token(row.token)), "X-API-Key", "web", "Origin", page)
			p.want(a, row.status, row.code)
		}
	}
}
