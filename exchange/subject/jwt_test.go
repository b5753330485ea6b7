package subject

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// Each row differs from a good token in one fact.
func TestJWTWithOneFaultIsRefused(t *testing.T) {
	type change struct {
		issuer func(*exchange.Issuer)
		claims map[string]any // replaced; nil removes
		header []jwkstest.SignOption
		token  func(*exchange.SubjectToken)
	}
	const (
		iss  = exchange.ReasonIssuerUnknown
		aud  = exchange.ReasonAudienceNotAccepted
		bad  = exchange.ReasonSubjectTokenClaimInvalid
		typ  = exchange.ReasonSubjectTokenTypeNotAccepted
		soon = exchange.ReasonSubjectTokenNotYetValid
		late = exchange.ReasonSubjectTokenExpired
		long = exchange.ReasonSubjectTokenLifetimeTooLong
		form = exchange.ReasonSubjectTokenMalformed
	)
	p := newFixture(t)
	at := func(d time.Duration) int64 { return p.now.Add(d).Unix() }
	asType := func(typ string) func(*exchange.SubjectToken) {
		return func(s *exchange.SubjectToken) { s.Type = typ }
	}
	named := func(id string) func(*exchange.SubjectToken) {
		return func(s *exchange.SubjectToken) { s.IssuerID = id }
	}
	eitherClaim := func(i *exchange.Issuer) { i.AudienceClaim = exchange.Words{"aud", "client_id"} }
	for _, tc := range []struct {
		name   string
		change change
		reason exchange.Reason // empty: accepted
		check  string
	}{
		{"good", change{}, "", ""},
		{"as jwt", change{token: asType(exchange.TypeJWT)}, "", ""},
		{"as access_token", change{token: asType(exchange.TypeAccessToken)}, typ, "issuer.tokenTypes"},
		{"as access_token, registered", change{
			issuer: func(i *exchange.Issuer) { i.TokenTypes = []string{"access_token"} }, token: asType(exchange.TypeAccessToken),
		}, "", ""},
		{"as id_token, only access_token registered", change{
			issuer: func(i *exchange.Issuer) { i.TokenTypes = []string{"access_token"} },
		}, typ, "issuer.tokenTypes"},
		{"as saml2", change{token: asType("urn:ietf:params:oauth:token-type:saml2")}, exchange.ReasonTokenTypeUnsupported, "subject_token_type"},
		{"as refresh_token", change{token: asType(exchange.TypeRefreshToken)}, exchange.ReasonTokenTypeUnsupported, "subject_token_type"},
		{"of no type", change{token: asType("")}, exchange.ReasonTokenTypeUnsupported, "subject_token_type"},
		{"empty", change{token: func(s *exchange.SubjectToken) { s.Text = "" }}, form, "size"},
		{"too large", change{claims: map[string]any{"x": strings.Repeat("x", maxToken)}}, form, "size"},

		{"iss that is unknown", change{claims: map[string]any{"iss": "https://evil.example"}}, iss, "issuer"},
		{"iss with a slash more", change{claims: map[string]any{"iss": p.URL + "/"}}, iss, "issuer"},
		{"no iss", change{claims: map[string]any{"iss": nil}}, iss, "issuer"},
		{"no iss, named by issuer_id", change{claims: map[string]any{"iss": nil}, token: named("one")}, iss, "issuer"},
		{"iss and issuer_id agree", change{token: named("one")}, "", ""},
		{"issuer_id that is unknown", change{token: named("two")}, iss, "issuer"},
		{"issuer_id of another", change{token: named("other")}, iss, "issuer"},

		{"typ none", change{header: []jwkstest.SignOption{jwkstest.WithHeader("typ", nil)}}, "", ""},
		{"typ jwt", change{header: []jwkstest.SignOption{jwkstest.WithType("jwt")}}, "", ""},
		{"typ other", change{header: []jwkstest.SignOption{jwkstest.WithType("logout+jwt")}}, typ, "typ"},
		{"typ other, registered", change{
			issuer: func(i *exchange.Issuer) { i.HeaderTypes = []string{"logout+jwt"} }, header: []jwkstest.SignOption{jwkstest.WithType("logout+jwt")},
		}, "", ""},
		{"typ at+jwt of an id_token, registered", change{
			issuer: func(i *exchange.Issuer) { i.HeaderTypes = []string{"at+jwt"} }, header: []jwkstest.SignOption{jwkstest.WithType("AT+JWT")},
		}, typ, "typ"},
		{"typ at+jwt of an access_token, registered", change{
			issuer: func(i *exchange.Issuer) { i.HeaderTypes, i.TokenTypes = []string{"at+jwt"}, []string{"access_token"} },
			header: []jwkstest.SignOption{jwkstest.WithType("at+jwt")}, token: asType(exchange.TypeAccessToken),
		}, "", ""},
		{"kid that is unknown", change{header: []jwkstest.SignOption{jwkstest.WithKID("unknown")}}, exchange.ReasonKeyNotFound, "kid"},

		{"second aud", change{claims: map[string]any{"aud": "app-2"}}, "", ""},
		{"aud among others", change{claims: map[string]any{"aud": []any{"x", "app"}}}, "", ""},
		{"no aud", change{claims: map[string]any{"aud": nil}}, aud, "aud"},
		{"empty aud", change{claims: map[string]any{"aud": []any{}}}, aud, "aud"},
		{"aud, where none is registered", change{issuer: func(i *exchange.Issuer) { i.Audiences = nil }}, aud, "aud"},
		{"no aud, where none is registered", change{
			issuer: func(i *exchange.Issuer) { i.Audiences = nil }, claims: map[string]any{"aud": nil},
		}, aud, "aud"},
		{"empty aud, where the empty one is registered", change{
			issuer: func(i *exchange.Issuer) { i.Audiences = []string{""} }, claims: map[string]any{"aud": ""},
		}, aud, "aud"},
		{"client_id, where no audience is registered", change{
			issuer: func(i *exchange.Issuer) { i.Audiences, i.ClientIDClaim = nil, true }, claims: map[string]any{"aud": nil, "client_id": "app"},
		}, aud, "client_id"},
		{"aud of another", change{claims: map[string]any{"aud": "App"}}, aud, "aud"},
		{"aud with a part of it", change{claims: map[string]any{"aud": "app app-2"}}, aud, "aud"},
		{"aud a number", change{claims: map[string]any{"aud": 1}}, bad, "aud"},
		{"aud with a number", change{claims: map[string]any{"aud": []any{"app", 1}}}, bad, "aud"},
		{"aud an object", change{claims: map[string]any{"aud": map[string]any{"app": true}}}, bad, "aud"},

		{"client_id for aud, not registered", change{claims: map[string]any{"aud": nil, "client_id": "app"}}, aud, "aud"},
		{"client_id for aud", change{
			issuer: func(i *exchange.Issuer) { i.ClientIDClaim = true }, claims: map[string]any{"aud": nil, "client_id": "app"},
		}, "", ""},
		{"client_id of another", change{
			issuer: func(i *exchange.Issuer) { i.ClientIDClaim = true }, claims: map[string]any{"aud": nil, "client_id": "x"},
		}, aud, "client_id"},
		{"client_id missing", change{issuer: func(i *exchange.Issuer) { i.ClientIDClaim = true }}, aud, "client_id"},
		{"client_id a list", change{
			issuer: func(i *exchange.Issuer) { i.ClientIDClaim = true }, claims: map[string]any{"client_id": []any{"app"}},
		}, bad, "client_id"},
		{"azp for aud", change{
			issuer: func(i *exchange.Issuer) { i.AudienceClaim = exchange.Words{"azp"} }, claims: map[string]any{"aud": nil, "azp": "app"},
		}, "", ""},
		{"azp of another", change{
			issuer: func(i *exchange.Issuer) { i.AudienceClaim = exchange.Words{"azp"} }, claims: map[string]any{"aud": nil, "azp": "x"},
		}, aud, "azp"},
		{"azp that is only an authorized party", change{
			issuer: func(i *exchange.Issuer) { i.AudienceClaim, i.AuthorizedParties = exchange.Words{"azp"}, []string{"x"} },
			claims: map[string]any{"aud": nil, "azp": "x"},
		}, aud, "azp"},
		{"azp and an aud of another", change{
			issuer: func(i *exchange.Issuer) { i.AudienceClaim = exchange.Words{"azp"} }, claims: map[string]any{"aud": "x", "azp": "app"},
		}, aud, "aud"},
		{"azp empty, and so is an audience", change{
			issuer: func(i *exchange.Issuer) { i.AudienceClaim, i.Audiences = exchange.Words{"azp"}, []string{"", "y"} }, claims: map[string]any{"aud": nil, "azp": ""},
		}, aud, "azp"},
		{"aud or client_id, an ID token", change{issuer: eitherClaim, claims: map[string]any{"aud": "app"}}, "", ""},
		{"aud or client_id, an access token", change{issuer: eitherClaim, claims: map[string]any{"aud": nil, "client_id": "app"}}, "", ""},
		{"aud or client_id, both", change{issuer: eitherClaim, claims: map[string]any{"aud": "app", "client_id": "app-2"}}, "", ""},
		{"aud or client_id, aud of another", change{issuer: eitherClaim, claims: map[string]any{"aud": "x", "client_id": "app"}}, aud, "aud"},
		{"aud or client_id, client_id of another", change{issuer: eitherClaim, claims: map[string]any{"aud": "app", "client_id": "x"}}, aud, "client_id"},
		{"aud or client_id, neither", change{issuer: eitherClaim, claims: map[string]any{"aud": nil}}, aud, "aud or client_id"},
		{"aud or client_id, an empty aud", change{issuer: eitherClaim, claims: map[string]any{"aud": []any{}, "client_id": "app"}}, aud, "aud"},
		{"aud or client_id, client_id null", change{issuer: eitherClaim, claims: map[string]any{"aud": nil, "client_id": json.RawMessage("null")}}, bad, "client_id"},
		{"client_id and an aud of another", change{
			issuer: func(i *exchange.Issuer) { i.ClientIDClaim = true }, claims: map[string]any{"aud": "x", "client_id": "app"},
		}, aud, "aud"},

		{"azp an audience", change{claims: map[string]any{"azp": "app-2"}}, "", ""},
		{"azp foreign", change{claims: map[string]any{"azp": "x"}}, aud, "azp"},
		{"azp foreign, registered", change{
			issuer: func(i *exchange.Issuer) { i.AuthorizedParties = []string{"x"} }, claims: map[string]any{"azp": "x"},
		}, "", ""},
		{"azp empty", change{claims: map[string]any{"azp": ""}}, aud, "azp"},
		{"azp a list", change{claims: map[string]any{"azp": []any{"app"}}}, aud, "azp"},

		{"no exp", change{claims: map[string]any{"exp": nil}}, bad, "exp"},
		{"exp a string", change{claims: map[string]any{"exp": "9999999999"}}, bad, "exp"},
		{"exp a fraction", change{claims: map[string]any{"exp": float64(at(time.Minute)) + .5}}, "", ""},
		{"exp huge", change{claims: map[string]any{"exp": json.Number("1e15")}}, bad, "exp"},
		{"exp beyond int64", change{claims: map[string]any{"exp": json.Number("1e300")}}, bad, "exp"},
		{"exp in milliseconds", change{claims: map[string]any{"exp": p.now.Add(time.Hour).UnixMilli()}}, bad, "exp"},
		{"exp negative", change{claims: map[string]any{"exp": -1}}, bad, "exp"},
		{"exp true", change{claims: map[string]any{"exp": true}}, bad, "exp"},
		{"expired within the skew", change{claims: map[string]any{"exp": at(-59 * time.Second)}}, "", ""},
		{"expired as long ago as the skew", change{claims: map[string]any{"exp": at(-60 * time.Second)}}, late, "exp"},
		{"expired within a skew of its own", change{
			issuer: func(i *exchange.Issuer) { i.ClockSkew = exchange.Duration(2 * time.Minute) }, claims: map[string]any{"exp": at(-119 * time.Second)},
		}, "", ""},
		{"nbf within the skew", change{claims: map[string]any{"nbf": at(60 * time.Second)}}, "", ""},
		{"nbf beyond the skew", change{claims: map[string]any{"nbf": at(61 * time.Second)}}, soon, "nbf"},
		{"nbf a string", change{claims: map[string]any{"nbf": "0"}}, bad, "nbf"},
		{"iat within the skew", change{claims: map[string]any{"iat": at(60 * time.Second)}}, "", ""},
		{"iat beyond the skew", change{claims: map[string]any{"iat": at(61 * time.Second)}}, soon, "iat"},
		{"iat null", change{claims: map[string]any{"iat": json.RawMessage("null")}}, bad, "iat"},
		{"valid 24 hours", change{claims: map[string]any{"exp": at(24 * time.Hour)}}, "", ""},
		{"valid longer", change{claims: map[string]any{"exp": at(24*time.Hour + time.Second)}}, long, "lifetime"},
		{"valid longer, begun before", change{claims: map[string]any{"iat": at(-24 * time.Hour)}}, long, "lifetime"},
		{"valid longer, registered", change{
			issuer: func(i *exchange.Issuer) { i.MaxLifetime = exchange.Duration(48 * time.Hour) }, claims: map[string]any{"exp": at(48 * time.Hour)},
		}, "", ""},
		{"no iat", change{claims: map[string]any{"iat": nil}}, "", ""},
		{"no iat, has longer to live", change{claims: map[string]any{"iat": nil, "exp": at(25 * time.Hour)}}, long, "lifetime"},

		{"nonce not asked for", change{claims: map[string]any{"nonce": "n"}}, "", ""},
		{"nonce", change{
			claims: map[string]any{"nonce": "n"}, token: func(s *exchange.SubjectToken) { s.Nonce = "n" },
		}, "", ""},
		{"nonce of another", change{
			claims: map[string]any{"nonce": "m"}, token: func(s *exchange.SubjectToken) { s.Nonce = "n" },
		}, exchange.ReasonNonceMismatch, "nonce"},
		{"nonce missing", change{token: func(s *exchange.SubjectToken) { s.Nonce = "n" }}, exchange.ReasonNonceMismatch, "nonce"},

		{"a logout token", change{claims: map[string]any{
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}}, typ, "events"},
		{"events null", change{claims: map[string]any{"events": json.RawMessage("null")}}, typ, "events"},
		{"Events", change{claims: map[string]any{"Events": map[string]any{}}}, form, "claims"},

		{"no sub", change{claims: map[string]any{"sub": nil}}, bad, "claimMappings.subject"},
		{"sub empty", change{claims: map[string]any{"sub": ""}}, bad, "claimMappings.subject"},
		{"sub a number", change{claims: map[string]any{"sub": 7}}, bad, "claimMappings.subject"},
		{"sub of 255 bytes", change{claims: map[string]any{"sub": strings.Repeat("s", 255)}}, "", ""},
		{"sub of 256 bytes", change{claims: map[string]any{"sub": strings.Repeat("s", 256)}}, bad, "claimMappings.subject"},
		{"sub with a control character", change{claims: map[string]any{"sub": "a\nb"}}, bad, "claimMappings.subject"},
		{"sub with NUL", change{claims: map[string]any{"sub": "a\x00"}}, bad, "claimMappings.subject"},

		{"jti a number", change{claims: map[string]any{"jti": 1}}, "", ""},
		{"jti a number, for one use", change{
			issuer: func(i *exchange.Issuer) { i.SingleUse = true }, claims: map[string]any{"jti": 1},
		}, bad, "jti"},
		{"Sub besides sub", change{claims: map[string]any{"Sub": "bob"}}, form, "claims"},
		{"AUD for aud", change{claims: map[string]any{"aud": nil, "AUD": "app"}}, form, "claims"},
		{"ſub besides sub", change{claims: map[string]any{"ſub": "bob"}}, form, "claims"},
		{"Email_Verified", change{claims: map[string]any{"Email_Verified": true}}, form, "claims"},
		{"capitals of no known name", change{claims: map[string]any{"Groups": "x", "https://x/Y": "y"}}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			registration := p.registration()
			if tc.change.issuer != nil {
				tc.change.issuer(&registration)
			}
			p.register(t, registration)
			other := p.registration()
			other.ID, other.URL = "other", "https://other.example"
			p.register(t, other)
			claims := p.Claims("alice", "app")
			for name, v := range tc.change.claims {
				if claims[name] = v; v == nil {
					delete(claims, name)
				}
			}
			token := exchange.SubjectToken{Text: p.Sign(claims, tc.change.header...), Type: exchange.TypeIDToken}
			if tc.change.token != nil {
				tc.change.token(&token)
			}
			s, checks, err := p.verify(token)
			if tc.reason != "" {
				checkRefused(t, s, checks, err, tc.reason, tc.check)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The tokens of an issuer without a URL have no iss; this one signs with a shared
// secret and names the recipient in client_id.
func TestIssuerWithoutURLIsNamedByID(t *testing.T) {
	p := newFixture(t)
	const secret = "0123456789abcdef0123456789abcdef"
	p.register(t, exchange.Issuer{
		ID: "vendor", Audiences: []string{"app"}, ClientIDClaim: true,
		Keys: exchange.Keys{Secrets: []exchange.SharedSecret{{ID: "s1", Value: secret}}},
	})
	good := map[string]any{"sub": "alice", "client_id": "app", "exp": p.now.Add(time.Hour).Unix()}
	with := func(name string, v any) map[string]any {
		c := map[string]any{name: v}
		for k, v := range good {
			if k != name {
				c[k] = v
			}
		}
		return c
	}
	for _, tc := range []struct {
		name   string
		text   string
		id     string
		reason exchange.Reason
		check  string
	}{
		{"named", jwkstest.SignHMAC("HS256", []byte(secret), good), "vendor", "", ""},
		{"not named", jwkstest.SignHMAC("HS256", []byte(secret), good), "", exchange.ReasonIssuerUnknown, "issuer"},
		{"named as an issuer with a URL", jwkstest.SignHMAC("HS256", []byte(secret), good), "one", exchange.ReasonIssuerUnknown, "issuer"},
		{"with an iss", jwkstest.SignHMAC("HS256", []byte(secret), with("iss", "x")), "vendor", exchange.ReasonIssuerUnknown, "issuer"},
		{"with an empty iss", jwkstest.SignHMAC("HS256", []byte(secret), with("iss", "")), "vendor", exchange.ReasonIssuerUnknown, "iss"},
		{"another secret", jwkstest.SignHMAC("HS256", []byte(strings.Repeat("x", 32)), good), "vendor", exchange.ReasonSubjectTokenSignatureInvalid, "signature"},
		{"another hash", jwkstest.SignHMAC("HS512", []byte(secret), good), "vendor", exchange.ReasonSubjectTokenAlgorithmNotAccepted, "alg"},
		{"a public key", p.Sign(good), "vendor", exchange.ReasonSubjectTokenAlgorithmNotAccepted, "alg"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, checks, err := p.verify(exchange.SubjectToken{Text: tc.text, Type: exchange.TypeJWT, IssuerID: tc.id})
			if tc.reason != "" {
				checkRefused(t, s, checks, err, tc.reason, tc.check)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Issuer != "vendor" || s.ID != "alice" || s.Proof.Key != "s1" {
				t.Errorf("subject %+v", s)
			}
		})
	}
}

// A token that the issuer did not sign is refused, and no error contains its
// signature.
func TestForgedTokensAreRefused(t *testing.T) {
	p := newFixture(t)
	otherIssuer := jwkstest.New(t)
	claims := p.Claims("alice", "app")
	good := p.Sign(claims)
	parts := strings.Split(good, ".")
	other := strings.Split(p.Sign(p.Claims("bob", "app")), ".")
	for _, tc := range []struct {
		name, text string
		reason     exchange.Reason
	}{
		{"another issuer's key of the same kid", otherIssuer.Sign(claims), exchange.ReasonSubjectTokenSignatureInvalid},
		{"another token's claims", parts[0] + "." + other[1] + "." + parts[2], exchange.ReasonSubjectTokenSignatureInvalid},
		{"no signature", parts[0] + "." + parts[1] + ".", exchange.ReasonSubjectTokenMalformed},
		{"two parts", parts[0] + "." + parts[1], exchange.ReasonSubjectTokenMalformed},
		{"four parts", good + ".x", exchange.ReasonSubjectTokenMalformed},
		{"white space", good + "\n", exchange.ReasonSubjectTokenMalformed},
		{"padded", good + "=", exchange.ReasonSubjectTokenMalformed},
		{"no token", "foobar", exchange.ReasonSubjectTokenMalformed},
		{"alg none", p.Sign(claims, jwkstest.WithHeader("alg", "none")), exchange.ReasonSubjectTokenAlgorithmNotAccepted},
		{"crit", p.Sign(claims, jwkstest.WithHeader("crit", []string{"exp"})), exchange.ReasonSubjectTokenMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, checks, err := p.verify(exchange.SubjectToken{Text: tc.text, Type: exchange.TypeIDToken})
			if s != nil || err == nil || exchange.AsError(err).Reason != tc.reason {
				t.Fatalf("got %v, %v, want %s", s, err, tc.reason)
			}
			if last := checks[len(checks)-1]; last.Passed || last.Name == "" {
				t.Errorf("last check %+v", last)
			}
			if len(tc.text) > 40 && strings.Contains(err.Error(), parts[2]) {
				t.Errorf("the error has the token's signature in it: %v", err)
			}
		})
	}
}

// Claims are parsed strictly although the signature is valid.
func TestClaimsHaveOneSpelling(t *testing.T) {
	p := newFixture(t)
	header := []byte(`{"alg":"ES256","kid":"` + p.KID() + `"}`)
	body := fmt.Sprintf(`"iss":%q,"sub":"alice","aud":"app","exp":%d`, p.URL, p.now.Unix()+60)
	for _, tc := range []struct {
		name, payload string
		ok            bool
	}{
		{"good", `{` + body + `}`, true},
		{"sub twice", `{` + body + `,"sub":"bob"}`, false},
		{"sub twice, escaped", `{` + body + `,"\u0073ub":"bob"}`, false},
		{"a member twice below", `{` + body + `,"x":{"a":1,"a":2}}`, false},
		{"iss twice", `{` + body + `,"iss":"` + p.URL + `"}`, false},
		{"not UTF-8", `{` + body + `,"name":"` + "\xff" + `"}`, false},
		{"half a surrogate pair", `{` + body + `,"name":"\ud800"}`, false},
		{"trailing data", `{` + body + `}{}`, false},
		{"17 deep", `{` + body + `,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, false},
		{"16 deep", `{` + body + `,"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, true},
		{"an array", `[{` + body + `}]`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _, err := p.verify(exchange.SubjectToken{Text: p.SignBytes(header, []byte(tc.payload)), Type: exchange.TypeIDToken})
			if tc.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if s != nil || err == nil || exchange.AsError(err).Reason != exchange.ReasonSubjectTokenMalformed {
				t.Fatalf("got %v, %v", s, err)
			}
		})
	}
}

// A number that no float64 holds exactly spoils only what reads it.
func TestUnreadNumbersSpoilNoToken(t *testing.T) {
	p := newFixture(t)
	header := []byte(`{"alg":"ES256","kid":"` + p.KID() + `"}`)
	body := fmt.Sprintf(`"iss":%q,"sub":"alice","aud":"app"`, p.URL)
	exp := fmt.Sprintf(`,"exp":%d`, p.now.Unix()+60)
	for _, tc := range []struct {
		name, payload string
		check         string // empty: accepted
	}{
		{"a large one", body + exp + `,"wallet_balance":1000000000000000000000`, ""},
		{"one with many digits", body + exp + `,"score":0.1000000000000000055511151231257827`, ""},
		{"an infinite one", body + exp + `,"n":-1e999`, ""},
		{"a long one", body + exp + `,"n":` + strings.Repeat("9", 4000), ""},
		{"one deep inside", body + exp + `,"user_metadata":{"a":[{"b":12345678901234567890}]}`, ""},
		{"an auth_time", body + exp + `,"auth_time":1e30`, ""},
		{"no number", body + exp + `,"n":01`, "claims"},
		{"no number either", body + exp + `,"n":NaN`, "claims"},
		{"an exp", body + `,"exp":1e400`, "exp"},
		{"an exp of many digits", body + `,"exp":10000000000000000000000000`, "exp"},
		{"an nbf", body + exp + `,"nbf":-1e400`, "nbf"},
		{"an iat", body + exp + `,"iat":1e20`, "iat"},
		{"a jti", body + exp + `,"jti":123456789012345678901234567890`, ""},
		{"a sub", strings.Replace(body, `"alice"`, `123456789012345678901234567890`, 1) + exp, "claimMappings.subject"},
		{"an aud", strings.Replace(body, `"app"`, `123456789012345678901234567890`, 1) + exp, "aud"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, checks, err := p.verify(exchange.SubjectToken{Text: p.SignBytes(header, []byte(`{`+tc.payload+`}`)), Type: exchange.TypeIDToken})
			switch {
			case tc.check == "" && err != nil:
				t.Fatal(err)
			case tc.check == "" && s.Proof.AuthTime != 0:
				t.Errorf("auth_time %d", s.Proof.AuthTime)
			case tc.check != "" && (err == nil || checks[len(checks)-1].Name != tc.check):
				t.Errorf("%v, %+v", err, checks[len(checks)-1])
			}
		})
	}
}
