package jwks

import (
	"encoding/base64"
	"errors"
	"strings"
)

// maxToken bounds a compact JWS, in bytes.
const maxToken = 16 << 10

// maxSignature is the longest signature: RSA with 8192 bits.
const maxSignature = 1024

// base64url is base64url without padding that refuses non-zero trailing bits
// (RFC 7515 §2, RFC 4648 §3.5).
var base64url = base64.RawURLEncoding.Strict()

var errBase64 = errors.New("not canonical base64url")

// compact is a token in JWS Compact Serialization (RFC 7515 §7.1), its parts
// still encoded.
type compact struct {
	header, payload, signature string
	input                      string // JWS Signing Input: header.payload
}

// split takes a token apart. The dots are counted first: a splitter that
// stops at the second would hide more of them in the signature.
func split(token string) (compact, error) {
	if len(token) > maxToken {
		return compact{}, malformed("token", "at most 16384 bytes")
	}
	if strings.Count(token, ".") != 2 {
		return compact{}, malformed("token", "exactly two dots")
	}
	first := strings.IndexByte(token, '.')
	last := first + 1 + strings.IndexByte(token[first+1:], '.')
	c := compact{
		header:    token[:first],
		payload:   token[first+1 : last],
		signature: token[last+1:],
		input:     token[:last],
	}
	if c.header == "" || c.payload == "" || c.signature == "" {
		return compact{}, malformed("token", "three parts that are not empty")
	}
	return c, nil
}

// decode appends to dst what base64url says that has one spelling.
func decode(dst []byte, src string) ([]byte, error) {
	// The decoder skips line breaks wherever they stand.
	if strings.IndexByte(src, '\n') >= 0 || strings.IndexByte(src, '\r') >= 0 {
		return nil, errBase64
	}
	out, err := base64url.AppendDecode(dst, []byte(src))
	if err != nil {
		return nil, errBase64
	}
	return out, nil
}

// decodePart appends to dst a part of a token, decoded.
func decodePart(dst []byte, name, src string) ([]byte, error) {
	out, err := decode(dst, src)
	if err != nil {
		return nil, &Error{Kind: Malformed, Check: name, Err: err}
	}
	return out, nil
}

// decodePayload decodes the payload of a token, which is copied once.
func decodePayload(src string) (string, error) {
	var room [1 << 10]byte // on the stack, for usual tokens
	out, err := decodePart(room[:0], "payload", src)
	return string(out), err
}

// decodeSignature decodes a signature that is not too long to be one.
func decodeSignature(src string) ([]byte, error) {
	if base64url.DecodedLen(len(src)) > maxSignature {
		return nil, malformed("signature", "at most 1024 bytes")
	}
	return decodePart(nil, "signature", src)
}
