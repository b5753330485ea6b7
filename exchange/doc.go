// Package exchange holds the nouns of a token exchange and the one decision
// about it: given an issuer's rules, a client's rules, a proven subject and
// what was asked for, [Decide] says what is granted and lists the checks that
// led there.
//
// Every way in is the same pipeline:
//
//	proof ─► Subject ─► User ─► Grant ─► Session ─► tokens
//	verify   link       policy  mint     sign
//
// The package does no I/O and reads no clock: functions that depend on the
// time take now. It imports nothing of ours; proofs are verified in package
// subject, conditions are evaluated by package policy behind [Rules], and what
// is granted becomes tokens in package session.
package exchange
