// Package jwks holds the keys others sign with. A [Set] is one issuer's: it
// fetches or reads the keys, and verifies compact tokens (RFC 7515) against
// them. Our own keys are in package keys; what a token claims is judged in
// package subject.
//
// Reading tokens and verifying signatures is written here over the standard
// library. The JWT libraries accept several spellings of one token and cost as
// much as the cryptography; go-jose is the oracle of the tests: what is
// accepted here, it accepts with the same payload. RS256 and its kin are
// verified over the standard library's arithmetic as filippo.io/bigmod exports
// it, with a modulus that is prepared once; crypto/rsa is their oracle, and
// verifies them itself in FIPS 140-3 mode.
//
// # Invariants
//
//   - A token has one accepted spelling: canonical base64url, and a header
//     without duplicate or look-alike names. ECDSA signatures still have a
//     twin (r, n−s), so a token's bytes identify nothing.
//   - The algorithm belongs to the registration and to the key. A token picks
//     among what both allow. Secrets and public keys are never in one Set.
//   - A token's header never brings a key, or the address of one.
//   - Keys are looked up among those of one issuer; there is no other map.
//   - At most one fetch per Set begins in each cool-down, whoever asks:
//     discovery document and keys count as one. Only a fetch for the age of
//     the keys may be followed sooner by one for the sake of an unknown kid.
//     A caller that gives up does not end it for the others.
//   - A signature that does not hold never leads to a fetch.
//   - Fetched keys count for MaxAge, and for MaxStale while the issuer is known
//     to be down. What the issuer withdraws is gone with the next fetch.
//   - Fetches go out through package egress.
//   - One bad key does not spoil the others of its set.
//   - Verify reads the keys behind one atomic pointer, and a Set that nobody
//     uses runs no goroutine.
//
// # When keys are fetched
//
// At the first use; in the background when they are used at three quarters of
// MaxAge; and when a token names a kid that they do not have. The cool-down is
// counted from the beginning of the last fetch. A fetch for the age of the keys
// does not hold up the first unknown kid after it, so that an issuer may rotate
// at any moment; a fetch for an unknown kid holds up the next one. Within that
// cool-down a new kid is [KeyNotFound] (or [Unavailable], if the fetch failed)
// with the time to wait in RetryAfter.
//
// After a failed fetch, held keys go on serving and are tried again in the
// background once per cool-down. If nobody asked for two cool-downs, the
// failure says nothing any more, and the next caller waits for a fetch.
//
// # Caches
//
//	what              key          lifetime                bound            why stale is safe
//	key set           Set          MaxAge; MaxStale while  256 keys,        a withdrawn key verifies no
//	                               the issuer is down      512 KiB read     longer than the operator said
package jwks
