package session

import (
	"crypto/rand"
	"encoding/base64"
)

// newTokenID is a jti: 128 random bits in base64url. It also keeps any two
// payloads that we sign apart.
func newTokenID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
