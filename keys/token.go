package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"cambio/jwks/strictjson"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Errors of Verify.
var (
	// ErrMalformed is for a token that is not a compact JWS in its one spelling.
	ErrMalformed = errors.New("the token is malformed")
	// ErrUnknownKey is for a token whose header Sign does not write: another type,
	// or a key that is not published (any more).
	ErrUnknownKey = errors.New("the token is not signed by one of this server's keys")
	// ErrSignature is for a token that the key it names did not sign.
	ErrSignature = errors.New("the token's signature is invalid")
)

// encoding is strict about trailing bits, but like all of encoding/base64 it
// skips line breaks, which decode refuses.
var encoding = base64.RawURLEncoding.Strict()

// maxToken bounds what Verify reads, in bytes.
const maxToken = 16 << 10

// usualToken is the size of a usual token, in bytes. It is reserved on the stack,
// where memory is warm; a longer token moves to the heap.
const usualToken = 2 << 10

// appendHeader appends the header segment of a key's tokens and its dot.
func (k *key) appendHeader(token []byte, typ string) []byte {
	var room [256]byte
	h := strictjson.Buffer(room[:0]).Begin().String("alg", k.Algorithm).String("typ", typ).String("kid", k.ID).End()
	return append(encoding.AppendEncode(token, h), '.')
}

// Sign returns a compact JWS (RFC 7515 §7.1) of payload, signed by the active
// key. typ is its typ header (RFC 7515 §4.1.9), such as at+jwt. No two payloads
// may be equal: put a random jti in them.
func (r *Ring) Sign(typ string, payload []byte) (string, error) {
	k := r.state.Load().active
	token := k.appendHeader(make([]byte, 0, usualToken), typ)
	token = encoding.AppendEncode(token, payload)
	signature, err := k.sign(token)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, err)
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, signature)), nil
}

// Verify returns the payload of a token of the type that a published key signed.
// The header is compared, never parsed: it is byte for byte one that Sign writes.
// The error is ErrMalformed, ErrUnknownKey or ErrSignature.
func (r *Ring) Verify(token, typ string) ([]byte, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil, ErrMalformed
	}
	k, payload := r.state.Load().signedBy(token, typ)
	if k == nil {
		return nil, ErrUnknownKey
	}
	dot := strings.LastIndexByte(token, '.')
	out, err := decode(token[payload:dot])
	if err != nil {
		return nil, err
	}
	signature, err := decode(token[dot+1:])
	if err != nil {
		return nil, err
	}
	if !k.verify([]byte(token[:dot]), signature) {
		return nil, ErrSignature
	}
	return out, nil
}

// Recognizes reports whether the header of a token is one that Sign writes for the
// type with a published key. It does not verify the signature.
func (r *Ring) Recognizes(token, typ string) bool {
	k, _ := r.state.Load().signedBy(token, typ)
	return k != nil
}

// signedBy returns the published key whose header a token has, and the offset of
// the payload.
func (s *state) signedBy(token, typ string) (*key, int) {
	var room [512]byte
	for _, k := range s.published {
		if header := k.appendHeader(room[:0], typ); strings.HasPrefix(token, string(header)) {
			return k, len(header)
		}
	}
	return nil, 0
}

// decode decodes a base64url segment in its one spelling (RFC 7515 §2).
func decode(segment string) ([]byte, error) {
	if strings.ContainsAny(segment, "\r\n") {
		return nil, ErrMalformed
	}
	b, err := encoding.DecodeString(segment)
	if err != nil {
		return nil, ErrMalformed
	}
	return b, nil
}

// An ES256 signature is r and s, 32 bytes each (RFC 7518 §3.4); [crypto.Signer]
// returns DER. Where (r, s) is valid, so is (r, n−s). Only the lower s is signed
// and accepted, so that a token has one spelling.

const scalar = 32 // bytes of r and of s

var (
	order     = elliptic.P256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

var errDER = errors.New("the signature is not DER of two P-256 scalars")

// fromDER converts SEQUENCE{INTEGER r, INTEGER s} to r||s with a low s.
func fromDER(der []byte) ([]byte, error) {
	var r, s big.Int
	in, body := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&r) || !body.ReadASN1Integer(&s) || !body.Empty() ||
		!isScalar(&r) || !isScalar(&s) {
		return nil, errDER
	}
	if s.Cmp(halfOrder) > 0 {
		s.Sub(order, &s)
	}
	out := make([]byte, 2*scalar)
	r.FillBytes(out[:scalar])
	s.FillBytes(out[scalar:])
	return out, nil
}

func isScalar(n *big.Int) bool { return n.Sign() > 0 && n.Cmp(order) < 0 }

// verifyES256 reports whether raw, r||s with a low s, is a signature of digest.
func verifyES256(public *ecdsa.PublicKey, digest, raw []byte) bool {
	if len(raw) != 2*scalar {
		return false
	}
	r, s := new(big.Int).SetBytes(raw[:scalar]), new(big.Int).SetBytes(raw[scalar:])
	return s.Cmp(halfOrder) <= 0 && ecdsa.Verify(public, digest, r, s)
}
