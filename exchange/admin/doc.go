// Package admin is the operator's HTTP API and its typed client, which the
// command line uses.
//
// It has a listener of its own, on loopback by default, because a caller can
// register a trusted issuer and thereby log in as any user. A call needs the
// bearer token of the token file, a Host that names the listener (a page whose
// DNS name was pointed here sends another), and JSON; requests of a browser on
// another site are refused before the token is checked. Errors are problem
// details (RFC 9457) whose locations are the paths of [exchange.Problem], so that
// a client can show them in the file that they came from.
//
// No response contains a secret, except the one that generates it. Every change
// is an audit event, and effective from the next request.
package admin
