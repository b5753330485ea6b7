package jwks

import (
	"strings"
)

// maxKID bounds a kid, in bytes.
const maxKID = 256

// headerNames are the parameters whose case variants are refused (RFC 7515
// §4.1, RFC 7516 §4.1, RFC 7518 §4, RFC 7797 §3).
var headerNames = []string{
	"alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c",
	"x5t", "x5t#S256", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "nonce", "url",
}

// header is what counts of a JOSE header. jwk, jku, x5u, x5c and x5t are
// allowed and not read: a token does not bring its own key.
type header struct {
	alg, kid, typ string
	named         bool // there is a kid
}

// readHeader reads the decoded header of a token (RFC 7515 §4).
func readHeader(data []byte) (header, error) {
	members, err := readObject(data, true)
	if err == nil {
		err = noVariants(members, headerNames)
	}
	if err != nil {
		return header{}, &Error{Kind: Malformed, Check: "header", Err: err}
	}
	var h header
	for _, m := range members {
		if err := h.set(m); err != nil {
			return header{}, err
		}
	}
	if h.alg == "" {
		return header{}, malformed("alg", "an algorithm")
	}
	return h, nil
}

func (h *header) set(m member) (err error) {
	switch m.name {
	case "alg":
		h.alg, err = parameter(m)
	case "kid":
		h.named = true
		if h.kid, err = parameter(m); err == nil && (h.kid == "" || len(h.kid) > maxKID) {
			err = malformed("kid", "1 to 256 bytes")
		}
	case "typ":
		h.typ, err = parameter(m)
	case "cty":
		err = checkContentType(m)
	case "crit", "b64":
		// Nothing critical is understood here (RFC 7515 §4.1.11), and b64 in
		// any place changes what the payload is (RFC 7797 §3).
		err = malformed(m.name, "its absence")
	case "zip", "enc":
		err = malformed(m.name, "its absence: the token must be a JWS")
	}
	return err
}

// checkContentType refuses a nested JWT: its claims are not those that were
// signed here (RFC 7519 §5.2).
func checkContentType(m member) error {
	cty, err := parameter(m)
	if err != nil {
		return err
	}
	if strings.EqualFold(cty, "JWT") || strings.EqualFold(cty, "application/jwt") {
		return &Error{Kind: TypeNotAccepted, Check: "cty", Want: "no nested JWT", Got: cty}
	}
	return nil
}

// parameter is a header parameter that must be a string.
func parameter(m member) (string, error) {
	s, err := readString(m.value)
	if err != nil {
		return "", malformed(m.name, "a string")
	}
	return s, nil
}
