// Package registry keeps what an operator registers: issuers, clients and types
// of authorization_details. Users are in package users.
//
// They are few, change rarely and are needed by every request.
// They are read from one immutable [Snapshot] behind an atomic pointer, in
// which each issuer is compiled once, when it is first needed; a lookup takes
// no lock and costs the same with one issuer as with ten thousand. A change is
// committed under the condition that nobody else changed the registry
// meanwhile, and the new Snapshot is in place before the changing call
// returns: it counts from the next request.
//
// What is kept of secrets: a MAC of each client secret, a seal around each
// HMAC secret shared with an issuer. Plans, problems and errors say neither.
package registry
