// Package grant is the token endpoint without HTTP: one file for each
// grant_type. A grant takes a parsed [Request] whose client has been
// authenticated, verifies its tokens, decides with package exchange, and returns
// a [Response] or an *exchange.Error.
//
// It declares what it needs of subjects, users and sessions as interfaces of one
// or two methods. It imports storage because the writes of several stores pass
// through it into one commit, and storage.ErrConflict makes it read and decide
// again.
package grant
