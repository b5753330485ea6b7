// Package session creates sessions and their tokens, and refreshes, introspects,
// revokes and lists them.
//
// A session is one record (table sessions): immutable creation data, and the
// rotation state, which is the generation of its refresh token and the time of
// the last rotation. Refresh tokens are not stored: each is the session ID, the
// generation and a MAC of both, so the successor of a generation is always the
// same token. A client that repeats a refresh within the grace period, because
// it lost the response, gets that successor again, without a commit. A later
// repetition counts as theft (RFC 9700 §4.14.2) and revokes the session.
//
// A revocation (table marks) names a user, client, issuer, key, link or session:
// whatever of it exists when the revocation is committed is revoked. Which was
// first is decided by the order of commits (see Order), not by clocks.
// Access tokens are checked against the same revocations, so introspection
// reports them at once; a token without a stored session has what they are
// checked against in its claim origin. A token that was exchanged for another one
// is revoked with that one.
//
// An access token without a session can be revoked on its own: its jti is stored
// (table revoked) until it expires. To add a record to that table, a caller
// needs a token that this server signed.
package session
