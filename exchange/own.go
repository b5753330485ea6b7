package exchange

import (
	"slices"
	"strings"
)

// The namespaces of users whom no external issuer proved: one for each kind of
// proof at each client. A registered issuer's ID has no colon, so none is one.
var namespaces = map[string]string{ // token type → kind
	TypeUserAssertion:   "client",
	TypeOneTimeToken:    "key",
	TypeOTP:             "mail",
	TypeWalletSignature: "wallet",
}

// Namespace is where a client's users live whom a proof of ours proves: it
// stands where an issuer's ID would. It is empty for other token types.
func Namespace(tokenType, clientID string) string {
	kind, ours := namespaces[tokenType]
	if !ours {
		return ""
	}
	return kind + ":" + clientID
}

// Namespaces are all that a client's own users can live in.
func Namespaces(clientID string) []string {
	var out []string
	for tokenType := range namespaces {
		out = append(out, Namespace(tokenType, clientID))
	}
	slices.Sort(out)
	return out
}

// IsNamespace says whether an issuer's ID is a namespace of ours.
func IsNamespace(issuerID string) bool { return strings.Contains(issuerID, ":") }

// FirstPartyType says whether a token type is a proof of ours.
func FirstPartyType(tokenType string) bool { return strings.HasPrefix(tokenType, ownTypePrefix) }

// FirstPartyIssuer stands for the issuer of a client's own namespace. It has no
// conditions, and gives what the client may have: whoever registered the client
// with this kind of proof said so.
func FirstPartyIssuer(client *Client, tokenType string) *CompiledIssuer {
	return &CompiledIssuer{
		Issuer: &Issuer{ID: Namespace(tokenType, client.ID)},
		Rules:  ownRules{},
		Keys:   noKeys{},
	}
}

// FirstPartyClaims are the claims of a proof of ours, in the words of OpenID Connect
// Core §5.1: rules and refreshes read them as they read a token's.
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

// ownRules are the rules of a namespace of ours.
type ownRules struct{}

func (ownRules) Map(claims map[string]any) (Mapped, []Check) {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	m := Mapped{Subject: text("sub"), Name: text("name")}
	if verified, _ := claims["email_verified"].(bool); verified {
		m.Email = text("email")
	}
	const most = 255
	return m, []Check{{
		Name: "sub", Want: "1 to 255 bytes without control characters", Got: m.Subject,
		Passed: m.Subject != "" && Printable(m.Subject, most), Reason: ReasonSubjectTokenClaimInvalid,
	}}
}

func (ownRules) Validate(map[string]any) []Check { return nil }

func (ownRules) GrantsScope(_ map[string]any, scope string) Check { return always(scope) }

// noKeys are the keys of a namespace of ours: nobody signs for it.
type noKeys struct{}

func (noKeys) Revoked(string) bool { return false }

func (noKeys) Close() {}
