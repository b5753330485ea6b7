// Package session makes sessions and the tokens that speak for them: it mints,
// refreshes, introspects, ends and lists.
//
// A session is one record (table sessions): its birth, which never changes, and
// its turn, which says how often its refresh token was exchanged and when last.
// Of a refresh token nothing is stored: it is the session, the generation and a
// MAC of both, and the successor of a generation is therefore always the same
// token. A client that repeats a refresh whose answer it lost, within the grace
// period, gets that successor again, without a commit; after it, the repetition
// is taken for theft (RFC 9700 §4.14.2) and ends the session.
//
// What an operator removes is a mark (table marks): everything of that user,
// client, issuer, key or link that was born at or before the mark's time is
// over. Access tokens are checked against the same marks, so introspection
// knows at once; a token without a stored session carries in its claim origin
// what the marks are about.
//
// An access token without a session can be revoked on its own: until it
// expires, its jti is kept (table revoked). Whoever fills that table has to
// bring a token of ours for every record.
package session
