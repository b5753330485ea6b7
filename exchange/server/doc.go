// Package server is the public HTTP of Cambio: it parses requests, finds out
// who is calling, hands what it understood to package grant, and writes the
// answer. No grant sees HTTP, and no function but [Server.refuse] writes an
// error.
//
// A request goes through the same steps whatever it asks for: route, address,
// origin, form or JSON, a place among the requests in flight, client, handler,
// audit event, answer. A handler appends its answer to a buffer or returns an
// error; nothing is sent before it has returned, so that a panic half way is
// still a clean answer, and the audit event of a decision is taken before the
// caller learns of it.
//
// A door takes an Idempotency-Key by calling [Server.recall], as its last step
// before it does anything that is not to be done twice: when it knows the
// client (c.client, and c.proven if it showed more than its name) and has made
// sure that it may answer it from here. The error goes back as it is. [Server.grant]
// calls it for those that ask for tokens. A door whose client proves nothing
// by itself sets c.vouched once what was asked for has: only then is its answer
// kept.
//
// There is no router with patterns: paths are constants, and a map finds them
// without the redirects by which net/http.ServeMux mends a path.
package server
