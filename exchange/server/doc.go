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
//  4. the body: nothing in the query, media type, size, Idempotency-Key
//  5. a place among the requests in flight; the body is read before, so that
//     slow senders hold none
//  6. Read: the parameters
//  7. the client: authentication, and its origins
//  8. no DPoP proof, where tokens are requested
//  9. Check: what depends on the client
//  10. a stored response for the same Idempotency-Key
//  11. Run and Write
//  12. the limit of failures, which hides the reason of a refusal
//  13. the audit event, the stored response, the metrics, and the response
//
// A bearer token and the signature of a request are verified before its
// parameters are read: step 7 then precedes step 6.
//
// Nothing is sent before step 13, so that a panic still has a clean response, and
// the audit event is taken before the caller learns of the decision.
//
// There is no router with patterns: paths are constants, and a map finds them
// without the redirects by which net/http.ServeMux mends a path.
package server
