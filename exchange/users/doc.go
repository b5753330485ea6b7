// Package users keeps users and their links. A link (issuer, subject) → user
// makes an external login the local account; a user may have several.
//
// A known login costs one read and no write. An unknown one becomes a user and
// a link in the commit that the caller makes anyway, so that of many concurrent
// first exchanges exactly one creates the user. Logins are never linked because
// of what they have in common, such as an e-mail address. Two users become one
// only when an operator merges them, in one commit that can be undone for 30 days.
//
// Issuers are only names here: whether an issuer is registered is checked by the
// caller, and the links of a removed issuer stay.
package users
