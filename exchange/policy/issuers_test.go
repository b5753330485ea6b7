package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/policy"
)

// Claims of real tokens of these issuers, with names changed.
const (
	google = `{"iss":"https://accounts.google.com","azp":"123.apps.googleusercontent.com","aud":"123.apps.googleusercontent.com",
		"sub":"110169484474386276334","hd":"acme.com","email":"alice@acme.com","email_verified":true,"at_hash":"x",
		"name":"Alice Doe","picture":"https://lh3.googleusercontent.com/a","given_name":"Alice","iat":1700000000,"exp":1700003600}`
	entra = `{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
		"iat":1700000000,"nbf":1700000000,"exp":1700003900,"idp":"https://sts.windows.net/1/","name":"Alice Doe","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474",
		"preferred_username":"alice@acme.com","rh":"0.AXoA","roles":["Orders.Read","Orders.Write"],"sub":"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
		"tid":"72f988bf-86f1-41af-91ab-2d7cd011db47","uti":"fqi","ver":"2.0","email":"alice@acme.com"}`
	auth0 = `{"nickname":"alice","name":"alice@acme.com","picture":"https://s.gravatar.com/a","updated_at":"2024-01-01T00:00:00.000Z",
		"email":"alice@acme.com","email_verified":false,"iss":"https://acme.eu.auth0.com/","aud":"kyq","sub":"auth0|5f7c8ec7c33c6c004bbafe82",
		"iat":1700000000,"exp":1700036000,"https://acme.com/roles":["admin"],"org_id":"org_1"}`
	firebase = `{"name":"Alice Doe","iss":"https://securetoken.google.com/acme","aud":"acme","auth_time":1700000000,"user_id":"zN3",
		"sub":"zN3","iat":1700000000,"exp":1700003600,"email":"alice@acme.com","email_verified":true,
		"firebase":{"identities":{"google.com":["110169484474386276334"],"email":["alice@acme.com"]},"sign_in_provider":"google.com"},"premium":true}`
	cognito = `{"at_hash":"x","sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","cognito:groups":["admins"],"email_verified":true,
		"iss":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_X","cognito:username":"alice","origin_jti":"o","aud":"xxx",
		"event_id":"e","token_use":"id","auth_time":1700000000,"exp":1700003600,"iat":1700000000,"jti":"j","email":"alice@acme.com"}`
	keycloak = `{"exp":1700000300,"iat":1700000000,"jti":"j","iss":"https://sso.acme.com/realms/acme","aud":["web","account"],"sub":"f:1:alice",
		"typ":"ID","azp":"web","sid":"s","acr":"1","email_verified":true,"name":"Alice Doe","preferred_username":"alice","email":"alice@acme.com",
		"realm_access":{"roles":["offline_access","staff"]},"resource_access":{"web":{"roles":["editor"]}},"level":2}`
)

func claims(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func compile(t testing.TB, i exchange.Issuer) *policy.Program {
	t.Helper()
	p, problems := policy.Compile(&i)
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Path, problem.Message)
	}
	if p == nil {
		t.Fatal("not compiled")
	}
	return p
}

// when returns an issuer with one condition.
func when(expression string) exchange.Issuer {
	return exchange.Issuer{ClaimValidationRules: []exchange.ClaimValidationRule{{Expression: expression, Message: "no"}}}
}

func required(claim, value string) exchange.Issuer {
	return exchange.Issuer{ClaimValidationRules: []exchange.ClaimValidationRule{{Claim: claim, RequiredValue: value}}}
}

func TestConditionsOfRealIssuers(t *testing.T) {
	for _, row := range []struct {
		name   string
		claims string
		issuer exchange.Issuer
		got    string // empty: holds
	}{
		{"Google: of the company", google, required("hd", "acme.com"), ""},
		{"Google: of another company", google, required("hd", "evil.com"), "acme.com"},
		{"Google: of the company, in CEL", google, when(`claims.hd == "acme.com"`), ""},
		{"Google: of another company, in CEL", google, when(`claims.hd == "evil.com"`), `false: hd is "acme.com"`},
		{"Google: lifetime", google, when(`claims.exp - claims.iat <= 3600`), ""},
		{"Google: shorter lifetime", google, when(`claims.exp - claims.iat < 3600`), "false: exp is 1700003600, iat is 1700000000"},
		{"Google: verified domain", google, when(`claims.email.endsWith("@acme.com") && claims.email_verified == true`), ""},
		{"Entra: of the tenant", entra, required("tid", "72f988bf-86f1-41af-91ab-2d7cd011db47"), ""},
		{"Entra: has no hd", entra, required("hd", "acme.com"), "not a string: absent"},
		{"Entra: has no hd, in CEL", entra, when(`claims.hd == "acme.com"`), "no such key: hd"},
		{"Entra: hd or tenant", entra, when(`claims.hd == "acme.com" || claims.tid.startsWith("72f9")`), ""},
		{"Entra: role", entra, when(`"Orders.Read" in claims.roles`), ""},
		{"Entra: all roles", entra, when(`sets.contains(claims.roles, ["Orders.Read", "Orders.Admin"])`), "false: roles is a list of 2"},
		{"Entra: never verifies an address", entra, when(`claims.email.endsWith("@acme.com") && claims.email_verified == true`), "no such key: email_verified"},
		{"Auth0: unverified", auth0, when(`claims.email.endsWith("@acme.com") && claims.email_verified == true`), `false: email is "alice@acme.com", email_verified is false`},
		{"Auth0: database users", auth0, when(`claims.sub.startsWith("auth0|")`), ""},
		{"Auth0: namespaced claim", auth0, when(`claims["https://acme.com/roles"].exists(r, r == "admin")`), ""},
		{"Auth0: organization", auth0, required("org_id", "org_1"), ""},
		{"Firebase: provider", firebase, when(`claims.firebase.sign_in_provider == "google.com"`), ""},
		{"Firebase: not anonymous", firebase, when(`claims.firebase.sign_in_provider != "google.com"`), "false: firebase is an object"},
		{"Firebase: custom claim", firebase, when(`claims.premium == true`), ""},
		{"Firebase: custom claim is not a string", firebase, required("premium", "true"), "not a string: true"},
		{"Firebase: absent custom claim", firebase, when(`claims.?admin.orValue(false) == true`), "false: admin is absent"},
		{"Cognito: group", cognito, when(`"admins" in claims["cognito:groups"]`), ""},
		{"Cognito: use", cognito, required("token_use", "id"), ""},
		{"Cognito: access tokens", cognito, required("token_use", "access"), "id"},
		{"Keycloak: realm role", keycloak, when(`claims.realm_access.roles.exists(r, r == "staff")`), ""},
		{"Keycloak: client role", keycloak, when(`"editor" in claims.resource_access["web"].roles`), ""},
		{"Keycloak: role of a client without roles", keycloak, when(`"editor" in claims.resource_access["api"].roles`), "no such key: api"},
		{"Keycloak: audience list", keycloak, when(`claims.aud.size() == 2`), ""},
		{"Keycloak: number", keycloak, when(`claims.level >= 2 && string(claims.level) == "2"`), ""},
		{"Keycloak: number as text", keycloak, required("level", "2"), "not a string: 2"},
		{"Keycloak: wrong type", keycloak, when(`claims.level.startsWith("2")`), "level is a number"},
		{"Keycloak: a string for a list", keycloak, when(`"staff" in claims.typ`), "typ is a string"},
		{"Keycloak: an object for a list", keycloak, when(`claims.realm_access.exists(r, r == 1) && claims.realm_access + "x" == ""`), "realm_access is an object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			checks := compile(t, row.issuer).Validate(claims(t, row.claims))
			if len(checks) != 1 {
				t.Fatalf("%d checks", len(checks))
			}
			c := checks[0]
			if c.Passed != (row.got == "") || !c.Passed && !strings.Contains(c.Got, row.got) {
				t.Errorf("passed %v, got %q, want %q", c.Passed, c.Got, row.got)
			}
			if c.Reason != exchange.ReasonConditionFailed || !c.Rule || c.Audit || c.Name == "" {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestMappingsOfRealIssuers(t *testing.T) {
	subject := func(expression string) exchange.ClaimMappings {
		return exchange.ClaimMappings{Subject: exchange.Mapping{Expression: expression}}
	}
	for _, row := range []struct {
		name                 string
		claims               string
		mappings             exchange.ClaimMappings
		subject, email, user string
		notes                int // audited checks
	}{
		{"Google", google, exchange.ClaimMappings{}, "110169484474386276334", "alice@acme.com", "Alice Doe", 0},
		{"Entra does not verify", entra, exchange.ClaimMappings{}, "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "", "Alice Doe", 1},
		{"Entra by oid", entra, exchange.ClaimMappings{Subject: exchange.Mapping{Claim: "oid"}, Email: exchange.Mapping{Claim: "preferred_username"}}, "690222be-ff1a-4d56-abd1-7e4f7d38e474", "alice@acme.com", "Alice Doe", 0},
		{"Entra by tenant and oid", entra, subject(`claims.tid + "/" + claims.oid`), "72f988bf-86f1-41af-91ab-2d7cd011db47/690222be-ff1a-4d56-abd1-7e4f7d38e474", "", "Alice Doe", 1},
		{"Auth0 unverified", auth0, exchange.ClaimMappings{}, "auth0|5f7c8ec7c33c6c004bbafe82", "", "alice@acme.com", 1},
		{"Firebase", firebase, exchange.ClaimMappings{}, "zN3", "alice@acme.com", "Alice Doe", 0},
		{"Firebase by its Google identity", firebase, subject(`claims.firebase.identities["google.com"][0]`), "110169484474386276334", "alice@acme.com", "Alice Doe", 0},
		{"Cognito has no name", cognito, exchange.ClaimMappings{}, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "alice@acme.com", "", 0},
		{"Cognito by name", cognito, exchange.ClaimMappings{Name: exchange.Mapping{Expression: `claims["cognito:username"]`}}, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "alice@acme.com", "alice", 0},
		{"Keycloak", keycloak, exchange.ClaimMappings{}, "f:1:alice", "alice@acme.com", "Alice Doe", 0},
		{"Keycloak by a number", keycloak, subject(`string(claims.level)`), "2", "alice@acme.com", "Alice Doe", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, checks := compile(t, exchange.Issuer{ClaimMappings: row.mappings}).Map(claims(t, row.claims))
			if m.Subject != row.subject || m.Email != row.email || m.Name != row.user {
				t.Errorf("got %+v", m)
			}
			if len(checks) != 1+row.notes || !checks[0].Passed || checks[0].Got == "" {
				t.Errorf("checks %+v", checks)
			}
			for _, c := range checks[1:] {
				if c.Passed || !c.Audit {
					t.Errorf("refuses: %+v", c)
				}
			}
		})
	}
}

// TestDecisionFromRegistration goes from a registration and claims to a decision.
func TestDecisionFromRegistration(t *testing.T) {
	issuer := exchange.Issuer{
		ID: "sso", Scopes: []string{"orders:read"},
		ClaimMappings: exchange.ClaimMappings{Extra: []exchange.ExtraMapping{{Key: "roles", ValueExpression: "claims.realm_access.roles"}}},
		ClaimValidationRules: []exchange.ClaimValidationRule{
			{Name: "staff", Expression: `"staff" in claims.realm_access.roles`, Message: "Only for staff."},
			{Name: "new", Claim: "acr", RequiredValue: "2", Mode: exchange.ModeAudit},
		},
		ScopeRules: []exchange.ScopeRule{
			{Scope: "orders:write", When: `"editor" in claims.resource_access.web.roles`},
			{Scope: "admin", When: `"admin" in claims.realm_access.roles`, Message: "Only for administrators."},
			{Scope: "beta", When: `claims.beta == true`, Mode: exchange.ModeAudit},
		},
	}
	client := exchange.Client{
		ID: "web", Issuers: []string{"sso"}, Audiences: []string{"https://api"},
		Scopes: []string{"orders:read", "orders:write", "admin", "beta"}, DefaultScopes: []string{"orders:read", "admin"},
	}
	p := compile(t, issuer)
	verified := claims(t, keycloak)
	decide := func(scopes ...string) exchange.Decision {
		mapped, _ := p.Map(verified)
		subject := exchange.Subject{ID: mapped.Subject, Claims: verified, Extra: mapped.Extra}
		return exchange.Decide(&exchange.CompiledIssuer{Issuer: &issuer, Rules: p}, &client, &subject, exchange.Requested{Scopes: scopes}, time.Unix(1700000000, 0))
	}
	for asked, want := range map[string]string{
		"":                         "orders:read | staff",
		"orders:read orders:write": "orders:read orders:write | staff scope:orders:write",
		"orders:write beta":        "orders:write beta | staff scope:orders:write",
		"admin":                    "SCOPE_NOT_ALLOWED Only for administrators.",
		"orders:read admin":        "SCOPE_NOT_ALLOWED Only for administrators.",
	} {
		d := decide(strings.Fields(asked)...)
		got := strings.Join(d.Scopes, " ") + " | " + strings.Join(d.Rules, " ")
		if d.Err != nil {
			got = string(d.Err.Reason) + " " + d.Err.Description
		}
		if got != want {
			t.Errorf("requested %q: got %q, want %q", asked, got, want)
		}
	}
	if roles, _ := json.Marshal(decide().Extra); string(roles) != `{"roles":["offline_access","staff"]}` {
		t.Errorf("extra %s", roles)
	}
}
