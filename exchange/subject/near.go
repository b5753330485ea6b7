package subject

import (
	"fmt"
	"strings"

	"cambio/exchange"
)

// What follows tells the operator what a refused token was near to. Callers never read
// it.

// nearIssuer returns what is registered that an unknown iss differs little from.
func (v *Verifier) nearIssuer(issuers Issuers, id, iss string) string {
	switch {
	case iss == "" && id == "":
		return "the token has no iss: send the issuer's ID as issuer_id"
	case iss == v.cfg.OwnIssuer:
		return "this is an access token of this server: present it as access_token, without issuer_id"
	case id != "":
		return nearNamedIssuer(issuers, id, iss)
	}
	for _, near := range spellings(iss) {
		if issuer := issuers.IssuerByURL(near); issuer != nil {
			return fmt.Sprintf("the issuer %s is registered as %s", issuer.Issuer.ID, exchange.Quote(near))
		}
	}
	return ""
}

// nearNamedIssuer returns what differs from the issuer that issuer_id names.
func nearNamedIssuer(issuers Issuers, id, iss string) string {
	named := issuers.Issuer(id)
	if named == nil {
		return "issuer_id " + exchange.Quote(id) + " is not registered"
	}
	if other := issuers.IssuerByURL(iss); iss != "" && other != nil {
		return "issuer_id " + exchange.Quote(id) + " is not that of the token's iss, which is " + other.Issuer.ID
	}
	return fmt.Sprintf("the issuer %s is registered as %s", id, exchange.Quote(named.Issuer.URL))
}

// spellings returns texts that operators confuse with an iss.
func spellings(iss string) []string {
	bare := strings.TrimSuffix(iss, "/")
	all := []string{bare, bare + "/"}
	for _, s := range []string{bare, bare + "/"} {
		if rest, ok := strings.CutPrefix(s, "https://"); ok {
			all = append(all, "http://"+rest, rest)
		} else if rest, ok := strings.CutPrefix(s, "http://"); ok {
			all = append(all, "https://"+rest, rest)
		} else {
			all = append(all, "https://"+s)
		}
	}
	for _, s := range all {
		all = append(all, strings.ToLower(s))
	}
	return all
}

// nearJWT returns what a text is that is no JWT.
func nearJWT(text string) string {
	switch strings.Count(text, ".") {
	case 0:
		return "it has no dots: this may be an opaque access token, send the ID token"
	case 4:
		return "it has five parts: this is an encrypted token (JWE), which is not read; have the issuer only sign it"
	}
	return ""
}

// nearIDToken returns that the claims of a token are those of an access token, which
// is often for another audience.
func nearIDToken(claims map[string]any) string {
	for _, name := range []string{"nonce", "at_hash", "auth_time"} {
		if claims[name] != nil {
			return ""
		}
	}
	for _, name := range []string{"scope", "scp"} {
		if claims[name] != nil {
			return "it has " + name + " and no nonce: this is an access token, send the ID token"
		}
	}
	return ""
}
