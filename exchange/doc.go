// Package exchange holds the nouns of a token exchange and the one decision
// about it: given an issuer's rules, a client's registration, an authenticated
// subject and a request, [Decide] returns what is granted and the checks that led
// there.
//
// Every way in is the same pipeline:
//
//	proof ─► Subject ─► User ─► Grant ─► Session ─► tokens
//	verify   link       policy  mint     sign
//
// The words are those of RFC 8693. Besides, a first-party proof is a subject token
// that no external issuer signs, such as a mailed code, and its users are in a
// namespace of the client (see [Namespace]); a rule is a condition that an
// operator wrote.
//
// The package does no I/O and reads no clock: functions that depend on the time
// take now. Proofs are verified in package subject, conditions are evaluated by
// package policy behind [Rules], and package session issues the tokens.
package exchange
