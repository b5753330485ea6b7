package challenge

import (
	"context"
	"encoding/base64"
	"time"

	"cambio/exchange"
)

// ProveToken checks a one-time token of a request, and, if the request asked for
// that, the code_verifier of whoever brings it (RFC 7636 §4.6). A verifier that
// nobody asked for is refused: who sends one believes that it counts. The token
// is the caller's to spend, by Challenge, in the commit that makes use of it.
func (r *Requests) ProveToken(ctx context.Context, client *exchange.Client, id, token, verifier string, now time.Time) (Proven, error) {
	record, rest, ok := split(id)
	if !ok || len(rest) != 1 {
		return Proven{}, unproven("the request ID is malformed")
	}
	row, err := r.read(ctx, client, record, rest[0], func(v *request) []byte { return v.Secret })
	if err != nil {
		return Proven{}, err
	}
	switch v := &row.Value; {
	case !v.Expires.After(now):
		return Proven{}, unproven("the request has expired")
	case !same(v.Token, digest([]byte(token))):
		return Proven{}, unproven("the token is not that of the request, or was used")
	case !verifies(verifier, v.CodeChallenge):
		return Proven{}, unproven("the code_verifier is not that of the request")
	}
	return Proven{Key: row.Value.Key, Signer: row.Value.Signer, Challenge: challengeName(record, 0)}, nil
}

// verifies compares a code_verifier with a challenge of method S256.
func verifies(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	return same([]byte(base64.RawURLEncoding.EncodeToString(digest([]byte(verifier)))), []byte(challenge))
}
