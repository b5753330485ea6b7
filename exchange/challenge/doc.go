// Package challenge keeps what may be proven once: the subject tokens of
// issuers whose tokens are for one use, and client assertions (RFC 7523 §3).
//
// Whatever is spent is spent in the commit that makes use of it: the package
// answers a storage.Write, never commits itself, and of many who try at once
// exactly one commit goes through. What identifies a thing is kept as a hash.
//
// [Requests] are what partners open for logins by auth key: one-time tokens and
// mail codes, with the limits of the mailboxes that these go to.
//
// [ClientSessions] are what backends open for wallets, with the message that each
// is to sign.
//
// [Answers] is the other way round: what was done once and is asked for again
// by its Idempotency-Key is not done again but answered alike.
package challenge
