package subject

import (
	"testing"

	"cambio/exchange"
	"cambio/jwks"
)

func TestCompileReportsProblems(t *testing.T) {
	for _, tc := range []struct {
		name   string
		issuer exchange.Issuer
		path   string
	}{
		{"keys", exchange.Issuer{ID: "i", URL: "https://i.example", Keys: exchange.Keys{JWKS: "{"}}, "keys"},
		{"rules", exchange.Issuer{
			ID: "i", URL: "https://i.example",
			ClaimValidationRules: []exchange.ClaimValidationRule{{Expression: "claims."}},
		}, "claimValidationRules[0].expression"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			issuer, problems := CompileIssuer(jwks.Options{})(tc.issuer)
			if issuer != nil || len(problems) == 0 || problems[0].Path != tc.path {
				t.Fatalf("got %v, %v, want a problem at %s", issuer, problems, tc.path)
			}
		})
	}
	client, problems := CompileClient(jwks.Options{})(exchange.Client{ID: "c", Auth: exchange.AuthPrivateKeyJWT})
	if client != nil || len(problems) != 1 || problems[0].Path != "keys" {
		t.Fatalf("client without keys: got %v, %v", client, problems)
	}
	open, problems := CompileClient(jwks.Options{})(exchange.Client{ID: "c", SecretAddresses: []string{"192.0.2.0/24", "anywhere"}})
	if open != nil || len(problems) != 1 || problems[0].Path != "secretAddresses[1]" {
		t.Fatalf("client of no network: got %v, %v", open, problems)
	}
	if client, problems := CompileClient(jwks.Options{})(exchange.Client{ID: "c"}); problems != nil || client.Keys != nil {
		t.Fatalf("public client: got %v, %v", client, problems)
	}
}
