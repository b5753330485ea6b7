// Package keys holds the keys that the server signs with, and its root secret.
// Keys that others sign with are in package jwks.
//
// A signing key goes through four states:
//
//	next     published, has signed nothing yet
//	active   signs
//	retired  published until the last token that it signed has expired
//	removed
//
// There is always a next key, so that a rotation, planned or not, never signs
// with a key that is not in the JWK Set yet. All states are one record: a
// transition is one compare-and-swap, and if several nodes attempt the same one,
// one makes it and the others adopt it.
//
// Two things are sealed under the key-encryption key (KEK), by AES-256-GCM with
// a random nonce: the private keys, and a root secret from which all other keys
// are derived (HKDF, RFC 5869). A store without the KEK yields nothing to sign,
// seal or authenticate with. A retired key has no private half any more.
//
// [crypto.Signer] is the seam for a KMS or an HSM: signing needs nothing else of
// a private key.
package keys
