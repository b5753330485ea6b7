// Package jwks holds the keys that others sign with. A [Set] is one issuer's: it
// fetches or reads the keys, and verifies compact tokens (RFC 7515) with them.
// The server's own keys are in package keys; the claims of a token are evaluated
// in package subject.
//
// Parsing tokens and verifying signatures is written here over the standard
// library. The JWT libraries accept several spellings of one token and cost as
// much as the cryptography; go-jose is the oracle of the tests: what is accepted
// here, it accepts with the same payload. RS256 and its kin are verified over
// the standard library's arithmetic as filippo.io/bigmod exports it, with a
// modulus that is prepared once; crypto/rsa is their oracle, and verifies them
// itself in FIPS 140-3 mode.
//
// # Invariants
//
//   - A token is parsed once, and has one accepted spelling: canonical base64url,
//     and a header without duplicate or case-variant names. ECDSA signatures
//     still have a twin (r, n−s), so a token's bytes identify nothing.
//   - Before the signature is verified, only iss is read of the payload, to find
//     the issuer's keys.
//   - The algorithm belongs to the registration and to the key. A token chooses
//     among those that both allow. Secrets and public keys are never in one Set.
//   - A token's header never brings a key, or the address of one.
//   - Keys are looked up among those of one issuer; there is no other map.
//   - At most one fetch per Set starts in each cool-down, however many callers
//     ask: discovery document and keys count as one. Only a fetch because of the
//     keys' age may be followed sooner by one because of an unknown kid. A caller
//     that stops waiting does not end the fetch for the others.
//   - An invalid signature never leads to a fetch.
//   - Fetched keys count for MaxAge, and for MaxStale while the issuer is known
//     to be down. A key that the issuer withdraws is removed by the next fetch.
//   - Fetches go out through packages document and egress. Files of the server itself are never
//     read for them, and a bearer token goes to the registered host only.
//   - One bad key does not spoil the others of its set, and a member that is not
//     needed does not spoil its key: without anchors and pins a key is its numbers.
//   - Verify reads the keys behind one atomic pointer, and a Set that is not used
//     runs no goroutine.
//
// # When keys are fetched
//
// At the first use; in the background when they are used at three quarters of
// MaxAge; and when a token names a kid that they do not have. The cool-down is
// counted from the start of the last fetch. A fetch because of the keys' age does
// not delay the first unknown kid after it, so that an issuer may rotate at any
// time; a fetch because of an unknown kid delays the next one. The caller
// whose fetch did not bring its kid is told [KeyNotFound]. Others with a new kid
// within that cool-down are told [Unavailable] and the time to wait: whether the
// issuer has the key is not known then, and not their fault.
//
// A set without a usable key is a failed fetch. At most 256 callers wait for the
// keys of one issuer, without a place among the requests in flight; the next is told
// Unavailable at once.
//
// After a failed fetch, held keys stay in use and are fetched again in the
// background once per cool-down. After two cool-downs without a fetch the failure
// is considered stale, and the next caller waits for a fetch.
//
// # Caches
//
//	what     key  lifetime                    bound                 why stale is safe
//	key set  Set  MaxAge; MaxStale while the  256 keys,             a withdrawn key verifies for no
//	              issuer is down              512 KiB read          longer than the operator said
package jwks
