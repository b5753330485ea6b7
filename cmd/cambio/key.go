package main

import (
	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) key() *cobra.Command {
	return group("key", "Manage the server's signing keys",
		`The server signs its tokens with one active key. The next key is published
before it signs, and a retired one until the last token it signed has expired, so
that rotation fails no request. Keys rotate by themselves, every 30 days by default.`, `  cambio key list
  cambio key rotate`,
		c.verb("list", "List the signing keys",
			`Lists the server's signing keys and their states: next, active or retired.`, `  cambio key list`,
			cobra.NoArgs, list(c, signingKeyTable, (*admin.Client).Keys)),
		c.verb("rotate", "Sign with the next key from now on",
			`Makes the next key the active one ahead of schedule and publishes a new next one.
APIs that cached the server's keys before the next one was published refuse tokens
until they fetch the keys again; scheduled rotation leaves them time for that.`, `  cambio key rotate`,
			cobra.NoArgs, list(c, signingKeyTable, (*admin.Client).RotateKeys)),
		c.verb("revoke KID", "Revoke a compromised key",
			`Removes a key from the published set at once and refuses every token it signed.
If it was the active one, the next one replaces it. APIs go on accepting its
tokens until they fetch the server's keys again.`, `  cambio key list
  cambio key revoke KID`,
			cobra.ExactArgs(1), c.act("key", "revoked", (*admin.Client).RevokeKey)),
	)
}

var signingKeyTable = table[admin.SigningKey]{"KID ALGORITHM STATE CREATED ACTIVATED RETIRES", func(k admin.SigningKey) []string {
	return []string{k.ID, k.Algorithm, k.State, stamp(k.Created), stamp(k.Activated), stamp(k.Retires)}
}}
