// Package keys holds the keys we sign with and the secrets that only we know.
// Keys that others sign with are in package jwks.
//
// A signing key goes through four states:
//
//	next     published, has signed nothing yet
//	active   signs
//	retired  published until the last token it signed has expired
//	gone
//
// There is always a next key, so that a rotation, planned or not, never signs
// with a key that nobody has seen in the JWK Set. All states are one record:
// a transition is one compare-and-swap, and of several nodes that attempt the
// same one, one makes it and the others adopt it.
//
// Two things are sealed under the key-encryption key (KEK), by AES-256-GCM with
// a random nonce: the private keys, and a root secret of which everything else
// is derived (HKDF, RFC 5869). Whoever holds the store without the KEK holds
// nothing to sign, seal or authenticate with. A retired key has no private half
// any more.
//
// [crypto.Signer] is the seam for a KMS or an HSM: signing asks nothing else of
// a private key.
package keys
