// Package grant is the token endpoint without HTTP: one file for each
// grant_type. A grant takes a [Request] that somebody else parsed and whose
// client somebody else authenticated, asks for proof, decides with package
// exchange, and answers with a [Response] or an *exchange.Error.
//
// What it needs of subjects, links and sessions it declares itself, as
// interfaces of one or two methods. It imports storage for one thing: the
// writes of several stores that must become one commit pass through it, and
// storage.ErrConflict sends it back to read and decide again.
package grant
