// Package admin is the operator's HTTP API and its typed client, which the
// command line uses.
//
// It has a listener of its own, on loopback by default, because what it can do
// decides who gets in: whoever calls it can trust an issuer of their own. A
// call needs the bearer token of the token file, a Host that names the
// listener (a page whose DNS name was pointed here sends another), and JSON;
// what a browser sends from another site is refused before the token is
// looked at. Errors are problem details (RFC 9457) whose locations are the
// paths of [exchange.Problem], so that a client can show them in the file that
// they came from.
//
// No answer holds a secret, but for the one that makes it. Every change is an
// audit event, and counts from the next request on.
package admin
