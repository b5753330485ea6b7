package jwks

import (
	"encoding/base64"
	"errors"
	"strings"

	"cambio/jwks/strictjson"
)

// maxToken bounds a compact JWS, in bytes.
const maxToken = 16 << 10

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
		return nil, malformed("token", "at most 16384 bytes")
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
