// Package challenge keeps what may be proven once: the subject tokens of
// issuers whose tokens are for one use, and client assertions (RFC 7523 §3).
//
// Whatever is spent is spent in the commit that makes use of it: the package
// answers a storage.Write, never commits itself, and of many who try at once
// exactly one commit goes through. What identifies a thing is kept as a hash.
package challenge
