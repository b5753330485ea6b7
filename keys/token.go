package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of Verify.
var (
	// ErrMalformed says that a token is not a compact JWS in its one spelling.
	ErrMalformed = errors.New("token is malformed")
	// ErrUnknownKey says that a token's header is none that we write: another
	// type, or a key that we do not publish (any more).
	ErrUnknownKey = errors.New("token is not signed by a key of ours")
	// ErrSignature says that a token names a key of ours that did not sign it.
	ErrSignature = errors.New("token signature is invalid")
)

// encoding is strict about trailing bits, but like all of encoding/base64 it
// skips line breaks; decode refuses those.
var encoding = base64.RawURLEncoding.Strict()

// maxToken bounds what Verify reads, in bytes.
const maxToken = 16 << 10

// header is a JOSE header's segment with its dot. What we put in needs no
// escapes: typ is checked, the rest is our own.
func header(alg, typ, kid string) string {
	json := `{"alg":"` + alg + `","typ":"` + typ + `","kid":"` + kid + `"}`
	return encoding.EncodeToString([]byte(json)) + "."
}

// header is the key's header segment for a token type.
func (k *key) header(typ string) string {
	if i := slices.Index(types[:], typ); i >= 0 {
		return k.headers[i]
	}
	return header(k.Algorithm, typ, k.ID)
}

// usualToken is room for a usual token, in bytes. It is on the stack, where
// memory is warm; a longer token moves to the heap.
const usualToken = 2 << 10

// Sign makes a compact JWS (RFC 7515 §7.1) of payload, signed by the active
// key. typ is its typ header (RFC 7515 §4.1.9), such as at+jwt. No two payloads
// may be the same: put a random jti in them.
func (r *Ring) Sign(typ string, payload []byte) (string, error) {
	if !plainType(typ) {
		return "", fmt.Errorf("signing: %q is no token type", typ)
	}
	k := r.state.Load().active
	token := append(make([]byte, 0, usualToken), k.header(typ)...)
	token = encoding.AppendEncode(token, payload)
	signature, err := k.sign(token)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, err)
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, signature)), nil
}

// plainType says whether typ needs no escapes in JSON.
func plainType(typ string) bool {
	return !strings.ContainsFunc(typ, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || c == '"' || c == '\\'
	})
}

// Verify returns the payload of a token of the type that a published key of
// ours signed. The header is compared, never parsed: it is byte for byte one
// that Sign writes. The error is ErrMalformed, ErrUnknownKey or ErrSignature.
func (r *Ring) Verify(token, typ string) ([]byte, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil, ErrMalformed
	}
	k := r.state.Load().signedBy(token, typ)
	if k == nil {
		return nil, ErrUnknownKey
	}
	dot := strings.LastIndexByte(token, '.')
	payload, err := decode(token[len(k.header(typ)):dot])
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
	return payload, nil
}

// signedBy finds the published key whose header a token has.
func (s *state) signedBy(token, typ string) *key {
	for _, k := range s.published {
		if strings.HasPrefix(token, k.header(typ)) {
			return k
		}
	}
	return nil
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
