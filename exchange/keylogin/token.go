package keylogin

import (
	"context"
	"encoding/base64"
	"time"

	"cambio/exchange"
)

// Verified is the result of verifying a one-time token or a mailed code.
type Verified struct {
	Key       string // subject of the auth key
	Signer    string // exchange.KeyID of the key that signed the request
	Address   string // canonical; only of a code
	Challenge string // the challenge to use up
	// RelinkFrom is the user whose code was verified too, so that the auth key may
	// be moved from this user.
	RelinkFrom string
}

// VerifyToken validates a login's one-time token and, if the login has a code
// challenge, the code_verifier (RFC 7636 §4.6). A verifier without a code
// challenge is refused, since its sender relies on it. The caller uses the token
// up, by Challenge, in the commit that depends on it.
func (s *Store) VerifyToken(ctx context.Context, client *exchange.Client, id, token, verifier string, now time.Time) (Verified, error) {
	row, err := s.byID(ctx, client, id)
	if err != nil {
		return Verified{}, err
	}
	switch v := &row.Value; {
	case !v.Expires.After(now):
		return Verified{}, invalid("the request has expired")
	case !equal(v.Token, digest(token)):
		return Verified{}, invalid("the token is not that of the request, or was used")
	case !verifies(verifier, v.CodeChallenge):
		return Verified{}, invalid("the code_verifier does not match the request's code challenge")
	}
	return Verified{Key: row.Value.Key, Signer: row.Value.Signer, Challenge: challengeName(row.Key, 0)}, nil
}

// verifies compares a code_verifier with a code challenge of method S256.
func verifies(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	return equal([]byte(base64.RawURLEncoding.EncodeToString(digest(verifier))), []byte(challenge))
}
