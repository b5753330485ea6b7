// Package challenge keeps what may be proven once. Today that is tokens of
// strangers that are accepted a single time; codes, one-time tokens and nonces
// that we hand out ourselves have their place here too.
//
// Whatever is spent is spent in the commit that makes use of it: the package
// answers a storage.Write, never commits itself, and of many who try at once
// exactly one commit goes through. What identifies a thing is kept as a hash.
package challenge
