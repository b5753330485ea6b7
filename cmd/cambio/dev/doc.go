// Package dev holds what `cambio dev` runs beside the server, on loopback only and
// in memory: an OpenID provider to log in at, built on zitadel's op, a demo API
// that accepts Cambio's access tokens, and an SMTP server that shows mails. It is
// for trying things out: the password of each user is the user's name.
package dev
