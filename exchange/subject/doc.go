// Package subject verifies subject tokens: it turns what a stranger presents
// into an exchange.Subject, or says which check it failed. There is one file
// for each kind of token:
//
//	jwt.go  an external issuer's JWT (id_token, jwt, access_token)
//	own.go  our own access token
//	user_assertion.go  a confidential client's word about its own user
//	one_time_token.go  what a signed request for a linked auth key gave
//	otp.go  a code that was mailed
//	wallet_signature.go  what a wallet signed
//
// Every token goes through the checks in the order in which they are listed,
// the first that does not pass ends it, and the list is the same for whoever
// exchanges and for whoever asks why an exchange was refused. Nothing of a
// token is believed before its signature holds, but for one thing: its iss
// chooses whose keys to ask.
//
// The package also verifies client assertions (assertion.go), whose claims are
// judged by the same code, and the signatures of clients' requests
// (request_signature.go), and makes registrations ready (compile.go). It
// stores nothing: a token that may be used once says so in its Proof, and
// whoever commits the session spends it.
package subject
