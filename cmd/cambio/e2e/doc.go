// Package e2e contains only tests. They build the binary and run it as an operator
// would, against independent parties: OpenID providers, OAuth clients, resource
// servers, curl, browsers' CORS.
//
// The parties from npm are in npm/ with a lock file; the tests install them. Where node, npm, bash or curl is missing, the tests that need it are
// skipped, except with CI=true in the environment: then they fail.
//
// With -race the binary is built with the race detector too, and a race in it
// fails the test that ran it. Every run of a server ends with a search of its
// log, its audit log and its database for the secrets that it received.
package e2e
