// Package mail sends codes that somebody proves an address by, through the
// operator's SMTP server (RFC 5321).
//
// It knows no user and no client but by the name it writes into the message. A
// message goes out over TLS, unless the server is on this machine, and is
// either taken by the server within a bounded time or was not sent: nothing is
// kept to be sent later. Errors and logs never hold the code.
package mail
