package exchange

import (
	"slices"
	"strings"
)

// namespaces maps the token type of a first-party proof to the prefix of the
// namespaces of its users, one for each client. The ID of a registered issuer has
// no colon, so it is never a namespace.
var namespaces = map[string]string{
	TypeUserAssertion:   "client",
	TypeOneTimeToken:    "key",
	TypeOTP:             "mail",
	TypeWalletSignature: "wallet",
}

// Namespace returns the namespace of the users of a client that first-party proofs
// of a token type authenticate. It takes the place of an issuer's ID. It is empty
// for other token types.
func Namespace(tokenType, clientID string) string {
	prefix, ok := namespaces[tokenType]
	if !ok {
		return ""
	}
	return prefix + ":" + clientID
}

// Namespaces returns all namespaces of a client's own users.
func Namespaces(clientID string) []string {
	var out []string
	for tokenType := range namespaces {
		out = append(out, Namespace(tokenType, clientID))
	}
	slices.Sort(out)
	return out
}

// IsNamespace reports whether an issuer's ID is the namespace of a client.
func IsNamespace(issuerID string) bool { return strings.Contains(issuerID, ":") }

// FirstPartyType reports whether a token type is that of a first-party proof.
func FirstPartyType(tokenType string) bool { return strings.HasPrefix(tokenType, firstPartyPrefix) }

// FirstPartyIssuer returns the issuer of a client's own namespace. It has no
// conditions and gives every scope that the client may have, because the operator
// registered the client with this type of proof.
func FirstPartyIssuer(client *Client, tokenType string) *CompiledIssuer {
	return &CompiledIssuer{
		Issuer: &Issuer{ID: Namespace(tokenType, client.ID)},
		Rules:  firstPartyRules{},
		Keys:   noKeys{},
	}
}

// FirstPartyClaims returns the claims of a first-party proof, named as in OpenID
// Connect Core §5.1: rules and refreshes read them like a token's.
func FirstPartyClaims(id, email string, emailVerified bool, name string) map[string]any {
	claims := map[string]any{"sub": id}
	if email != "" {
		claims["email"], claims["email_verified"] = email, emailVerified
	}
	if name != "" {
		claims["name"] = name
	}
	return claims
}

// firstPartyRules are the rules of a client's own namespace.
type firstPartyRules struct{}

func (firstPartyRules) Map(claims map[string]any) (Mapped, []Check) {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	m := Mapped{Subject: text("sub"), Name: text("name")}
	if verified, _ := claims["email_verified"].(bool); verified {
		m.Email = text("email")
	}
	const most = 255
	checks := []Check{{
		Name: "sub", Want: "1 to 255 bytes without control characters", Got: m.Subject,
		Passed: m.Subject != "" && Printable(m.Subject, most), Reason: ReasonSubjectTokenClaimInvalid,
	}}
	if text("email") != m.Email {
		checks = append(checks, Check{
			Name: "email", Want: "emailVerified true, for an address to count", Got: "email, not verified",
			Audit: true, Reason: ReasonSubjectTokenClaimInvalid,
		})
	}
	return m, checks
}

func (firstPartyRules) Validate(map[string]any) []Check { return nil }

func (firstPartyRules) GrantsScope(_ map[string]any, scope string) Check { return always(scope) }

// noKeys is the key set of a client's own namespace, for which no issuer signs.
type noKeys struct{}

func (noKeys) Revoked(string) bool { return false }

func (noKeys) Close() {}
