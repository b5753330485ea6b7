package jwks

import (
	"bytes"
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
	header, payload, signature []byte
	input                      []byte // JWS Signing Input: header.payload
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
	raw := []byte(token)
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	c := compact{
		header:    raw[:first],
		payload:   raw[first+1 : last],
		signature: raw[last+1:],
		input:     raw[:last],
	}
	if len(c.header) == 0 || len(c.payload) == 0 || len(c.signature) == 0 {
		return compact{}, malformed("token", "three parts that are not empty")
	}
	return c, nil
}

// decode decodes base64url that has one spelling.
func decode(src []byte) ([]byte, error) {
	return decodeTo(make([]byte, base64url.DecodedLen(len(src))), src)
}

// decodeTo decodes into dst, which is long enough.
func decodeTo(dst, src []byte) ([]byte, error) {
	// The decoder skips line breaks wherever they stand.
	if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
		return nil, errBase64
	}
	n, err := base64url.Decode(dst, src)
	if err != nil {
		return nil, errBase64
	}
	return dst[:n], nil
}

// decodePart decodes a part of a token.
func decodePart(name string, src []byte) ([]byte, error) {
	out, err := decode(src)
	if err != nil {
		return nil, &Error{Kind: Malformed, Check: name, Err: err}
	}
	return out, nil
}

// decodeSignature decodes a signature into buf, if it is not too long to be
// one.
func decodeSignature(buf *[maxSignature]byte, src []byte) ([]byte, error) {
	if base64url.DecodedLen(len(src)) > maxSignature {
		return nil, malformed("signature", "at most 1024 bytes")
	}
	out, err := decodeTo(buf[:], src)
	if err != nil {
		return nil, &Error{Kind: Malformed, Check: "signature", Err: err}
	}
	return out, nil
}
