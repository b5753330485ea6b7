package jwks

import (
	"encoding/base64"
	"errors"
	"strings"

	"cambio/jwks/strictjson"
)

// maxToken bounds a compact JWS, in bytes. Callers set lower bounds: issuers accept
// 16 KiB unless they are registered for more.
const maxToken = 64 << 10

// maxSignature is the longest signature, that of RSA with 8192 bits.
const maxSignature = 1024

// Token is a compact JWS (RFC 7515 §7.1) that was parsed and not verified. Only
// its iss can be asked for, to choose the issuer whose [Set] verifies it; the
// claims come from Verify.
type Token struct {
	header, signature string // encoded
	input             string // JWS Signing Input: header.payload
	payload           string // decoded
	issuer            string
}

// Parse splits a token, decodes its payload and reads the payload up to iss. It
// looks at no other claim. Set.Verify decodes the signature and reads the header,
// so that a token of an unknown issuer is refused for that. An error is an
// *Error.
func Parse(text string) (*Token, error) {
	if len(text) > maxToken {
		return nil, malformed("token", "at most 65536 bytes")
	}
	// Counted first: a splitter that stops at the second dot would leave more of
	// them in the signature.
	if strings.Count(text, ".") != 2 {
		return nil, malformed("token", "exactly two dots")
	}
	header, rest, _ := strings.Cut(text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if header == "" || payload == "" || signature == "" {
		return nil, malformed("token", "three parts that are not empty")
	}
	t := &Token{header: header, signature: signature, input: text[:len(header)+1+len(payload)]}
	var err error
	if t.payload, err = decodeText("payload", payload); err != nil {
		return nil, err
	}
	if t.issuer, err = readIssuer(t.payload); err != nil {
		return nil, &Error{Kind: Malformed, Check: "payload", Err: err}
	}
	return t, nil
}

// Issuer returns the iss claim, empty if there is none. It is not verified.
func (t *Token) Issuer() string { return t.issuer }

// SigningInput returns what the signature is of (RFC 7515 §5.1).
func (t *Token) SigningInput() string { return t.input }

// readIssuer reads claims up to the first iss. The rest is not looked at before
// the signature is verified. A reader of the verified claims refuses a second
// iss, so it can only find the same one.
func readIssuer(payload string) (string, error) {
	r := strictjson.New(payload, strictjson.Options{AllowNUL: true, ShallowDuplicates: true})
	for name := range r.Object() {
		if name == "iss" {
			iss := r.String()
			return iss, r.Err()
		}
	}
	return "", r.End()
}

// base64url is base64url without padding that refuses non-zero trailing bits
// (RFC 7515 §2, RFC 4648 §3.5).
var base64url = base64.RawURLEncoding.Strict()

var errBase64 = errors.New("not canonical base64url")

func encode(b []byte) string { return base64url.EncodeToString(b) }

// decode appends to dst what src encodes in its one spelling.
func decode(dst []byte, src string) ([]byte, error) {
	// The decoder skips line breaks wherever they are.
	if strings.IndexByte(src, '\n') >= 0 || strings.IndexByte(src, '\r') >= 0 {
		return nil, errBase64
	}
	out, err := base64url.AppendDecode(dst, []byte(src))
	if err != nil {
		return nil, errBase64
	}
	return out, nil
}

// decodeText decodes a header or payload, copying it once.
func decodeText(name, src string) (string, error) {
	var room [1 << 10]byte // on the stack, for usual tokens
	out, err := decode(room[:0], src)
	if err != nil {
		return "", &Error{Kind: Malformed, Check: name, Err: err}
	}
	return string(out), nil
}

// decodeSignature decodes a signature that is not too long to be one.
func decodeSignature(src string) ([]byte, error) {
	if base64url.DecodedLen(len(src)) > maxSignature {
		return nil, malformed("signature", "at most 1024 bytes")
	}
	out, err := decode(nil, src)
	if err != nil {
		return nil, &Error{Kind: Malformed, Check: "signature", Err: err}
	}
	return out, nil
}

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
	case "enc":
		err = malformed(name, "its absence: the token must be a JWS")
	case "zip":
		err = checkCompression(r)
	}
	return err
}

// checkCompression refuses a payload that a reader of JWEs would decompress (RFC 7516
// §4.1.3). Any other zip means nothing in a JWS, and the payload is read as it is.
func checkCompression(r *strictjson.Reader) error {
	if r.Kind() == '"' && strings.EqualFold(r.String(), "DEF") {
		return malformed("zip", "no compression")
	}
	return nil
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
