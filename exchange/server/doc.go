// Package server is the public HTTP API: it runs each request through one
// pipeline and writes the response. The endpoints themselves are in package
// endpoint; each is an [Endpoint] value, which declares what it demands and
// brings the functions for its own part. No grant sees HTTP, and only
// [Request.refuse] writes an error.
//
// The steps of a request, of which the first that refuses ends it:
//
//  0. the audit log, which must be writable for whatever it records
//  1. path and method
//  2. no server secret from a browser
//  3. the origin: registered, and none where browsers may not call
//  4. the failures of the caller's address
//  5. the body: nothing in the query, media type, size, Idempotency-Key
//  6. a place among the requests in flight; the body is read before, so that
//     slow senders hold none
//  7. Read: the parameters
//  8. the client: authentication, and its origins
//  9. no DPoP proof, where tokens are requested
//  10. Check: what depends on the client
//  11. a stored response for the same Idempotency-Key
//  12. Run and Write
//  13. the audit event, the stored response, the metrics, and the response
//
// A bearer token and the signature of a request are verified before its
// parameters are read: step 8 then precedes step 7.
//
// Nothing is sent before step 13, so that a panic still has a clean response, and
// the audit event is taken before the caller learns of the decision.
//
// There is no router with patterns: paths are constants, and a map finds them
// without the redirects by which net/http.ServeMux mends a path.
package server
