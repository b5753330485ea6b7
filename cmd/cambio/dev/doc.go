// Package dev is what `cambio dev` runs beside the server, on loopback only
// and in memory: an OpenID provider to log in at, built on zitadel's op, and a
// demo API that accepts Cambio's access tokens. It is for trying things out;
// its users have no secrets worth guarding.
package dev
