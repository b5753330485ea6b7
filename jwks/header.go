package jwks

import (
	"strings"

	"cambio/jwks/strictjson"
)

// maxKID bounds a kid, in bytes.
const maxKID = 256

// headerRules refuse case variants of the parameters of RFC 7515 §4.1, RFC 7516
// §4.1, RFC 7518 §4 and RFC 7797 §3.
var headerRules = strictjson.Options{AllowNUL: true, Known: strictjson.Known(
	"alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c",
	"x5t", "x5t#S256", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "nonce", "url",
)}

// header is the part of a JOSE header that counts. jwk, jku, x5u, x5c and x5t
// are allowed and not read: a token does not bring its own key.
type header struct {
	alg, kid, typ string
	named         bool       // kid is present
	algorithm     *algorithm // of alg, once the operator accepts it
}

// readHeader reads the decoded header of a token (RFC 7515 §4).
func readHeader(text string) (header, error) {
	var h header
	var refused error
	r := strictjson.New(text, headerRules)
	for name := range r.Object() {
		if err := h.read(name, &r); refused == nil {
			refused = err
		}
	}
	switch err := r.End(); {
	case err != nil:
		return header{}, &Error{Kind: Malformed, Check: "header", Err: err}
	case refused != nil:
		return header{}, refused
	case h.alg == "":
		return header{}, malformed("alg", "an algorithm")
	}
	return h, nil
}

func (h *header) read(name string, r *strictjson.Reader) (err error) {
	switch name {
	case "alg":
		h.alg, err = parameter(name, r)
	case "kid":
		h.named = true
		if h.kid, err = parameter(name, r); err == nil && (h.kid == "" || len(h.kid) > maxKID) {
			err = malformed("kid", "1 to 256 bytes")
		}
	case "typ":
		h.typ, err = parameter(name, r)
	case "cty":
		err = checkContentType(r)
	case "crit", "b64":
		// Nothing critical is understood here (RFC 7515 §4.1.11), and b64 in
		// any place changes what the payload is (RFC 7797 §3).
		err = malformed(name, "its absence")
	case "zip", "enc":
		err = malformed(name, "its absence: the token must be a JWS")
	}
	return err
}

// checkContentType refuses a nested JWT: its claims are not those that were
// signed here (RFC 7519 §5.2).
func checkContentType(r *strictjson.Reader) error {
	cty, err := parameter("cty", r)
	if err != nil {
		return err
	}
	if strings.EqualFold(cty, "JWT") || strings.EqualFold(cty, "application/jwt") {
		return &Error{Kind: TypeNotAccepted, Check: "cty", Want: "no nested JWT", Got: cty}
	}
	return nil
}

// parameter reads a header parameter that must be a string.
func parameter(name string, r *strictjson.Reader) (string, error) {
	if r.Kind() != '"' {
		return "", malformed(name, "a string")
	}
	return r.String(), nil
}
