package jwks

import (
	"errors"
	"strings"
)

// Issuer answers the iss claim of a compact token, empty if it has none. The
// signature is not looked at: the answer serves only to choose whose keys to
// ask. What the token is refused for here, no later reader accepts with
// another iss: it must be the only spelling of that name, and a string.
func Issuer(token string) (string, error) {
	parts, err := split(token)
	if err != nil {
		return "", err
	}
	payload, err := decodePart(nil, "payload", parts.payload)
	if err != nil {
		return "", err
	}
	iss, err := issuerOf(payload)
	if err != nil {
		return "", &Error{Kind: Malformed, Check: "payload", Err: err}
	}
	return iss, nil
}

var errIssuer = errors.New("iss is not a string")

func issuerOf(payload []byte) (string, error) {
	r := &jsonReader{data: payload} // whoever reads the claims looks deeper
	var raw []byte
	var variant bool
	err := r.document(func() error {
		return r.object(true, func(name, value []byte) {
			switch {
			case string(name) == "iss":
				raw = value
			case len(name) <= 4 && strings.EqualFold(string(name), "iss"): // ſ has two bytes
				variant = true
			}
		})
	})
	switch {
	case err != nil:
		return "", err
	case variant:
		return "", errors.New("a JSON member is spelled like iss")
	case raw == nil:
		return "", nil
	}
	iss, err := readString(raw)
	if err != nil {
		return "", errIssuer
	}
	return iss, nil
}
