// Package registry keeps whom an operator trusts and who has been seen:
// issuers and clients, users and links.
//
// Issuers and clients are few, change rarely and are needed by every request.
// They are read from one immutable [Snapshot] behind an atomic pointer, in
// which each issuer is compiled once, when it is first needed; a lookup takes
// no lock and costs the same with one issuer as with ten thousand. A change is
// committed under the condition that nobody else changed the registry
// meanwhile, and the new Snapshot is in place before the changing call
// returns: it counts from the next request.
//
// Users and links are many and stay in the store. A known subject costs one
// read and no write; an unknown one becomes a user and a link in the commit
// that the caller makes anyway, so that of many first sights at once exactly
// one makes a user. Two users become one only when an operator says so, in one
// commit that can be undone for 30 days.
//
// What is kept of secrets: a MAC of each client secret, a seal around each
// HMAC secret shared with an issuer. Plans, problems and errors say neither.
package registry
