package jwks

import "cambio/jwks/strictjson"

// Issuer answers the iss claim of a compact token, empty if it has none. The
// signature is not looked at: the answer serves only to choose whose keys to
// ask. What the token is refused for here, no later reader accepts with
// another iss: it must be the only spelling of that name, and a string.
func Issuer(token string) (string, error) {
	parts, err := split(token)
	if err != nil {
		return "", err
	}
	payload, err := decodePayload(parts.payload)
	if err != nil {
		return "", err
	}
	iss, err := issuerOf(payload)
	if err != nil {
		return "", &Error{Kind: Malformed, Check: "payload", Err: err}
	}
	return iss, nil
}

// issuerOf reads the iss of a payload. Duplicates inside other claims are left
// to the reader of the claims.
func issuerOf(payload string) (iss string, err error) {
	r := strictjson.New(payload, issuerRules)
	for name := range r.Object() {
		if name == "iss" {
			iss = r.String()
		}
	}
	return iss, r.End()
}

var issuerRules = strictjson.Options{AllowNUL: true, ShallowDuplicates: true, Known: strictjson.Known("iss")}
