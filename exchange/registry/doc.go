// Package registry keeps what an operator registers: issuers, clients and types
// of authorization_details. Users are in package users.
//
// Registrations are few, change rarely and are needed by every request. They are
// read from one immutable [Snapshot] behind an atomic pointer; a lookup takes no
// lock and costs the same with one issuer as with ten thousand. An issuer is
// compiled when it is first needed. A change is committed on the condition that
// the registry is unchanged since the change was decided, and the new Snapshot is
// in place before the changing call returns: it is effective from the next
// request.
//
// Secrets are stored as a MAC (client secrets) or sealed (HMAC secrets shared
// with an issuer, secrets of webhooks). Plans, problems and errors contain none.
package registry
