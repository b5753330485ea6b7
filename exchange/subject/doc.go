// Package subject verifies subject tokens: it turns an untrusted token into an
// exchange.Subject, or records which check the token failed. There is one file
// for each kind of token:
//
//	jwt.go               an external issuer's JWT (id_token, jwt, access_token)
//	access_token.go      this server's own access token
//	user_assertion.go    a confidential client's statement about its own user
//	one_time_token.go    the result of a signed request for a linked auth key
//	otp.go               a mailed code
//	wallet_signature.go  a wallet's signature over a challenge
//
// The checks of a token run in the order in which they are recorded, and the
// first that does not pass ends the verification; an exchange and its explanation
// run the same checks. Nothing in a token is used before its signature has been
// verified, except that its iss selects the keys.
//
// The package also verifies client assertions (assertion.go) and the signatures of
// clients' requests (request_signature.go), and compiles registrations
// (compile.go). It stores nothing: a single-use token is named in the subject's
// Proof, and spent in the commit that uses it.
package subject
