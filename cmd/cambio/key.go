package main

import (
	"context"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) key() *cobra.Command {
	return c.group("key", "The keys that sign our tokens",
		`Our tokens are signed by one active key. The next one is published before it
signs, and a retired one until the last token it signed has expired, so that
rotation fails no request. It happens by itself, every 30 days by default.`, `  cambio key list
  cambio key rotate`,
		c.keyList(), c.keyRotate(), c.keyRevoke())
}

func (c *cli) keyList() *cobra.Command {
	return c.verb("list", "List our keys",
		`Lists our signing keys and what each does: next, active or retired.`, `  cambio key list`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			keys, err := api.Keys(ctx)
			return c.showUnless(err, keys, func() { c.printSigningKeys(keys) })
		})
}

func (c *cli) keyRotate() *cobra.Command {
	return c.verb("rotate", "Sign with the next key from now on",
		`Makes the next key the active one before its time and publishes a new next one.
APIs that cached our keys before the next one was published refuse tokens until
they fetch them again; scheduled rotation leaves them time for that.`, `  cambio key rotate`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			keys, err := api.RotateKeys(ctx)
			return c.showUnless(err, keys, func() { c.printSigningKeys(keys) })
		})
}

func (c *cli) keyRevoke() *cobra.Command {
	return c.verb("revoke KID", "Withdraw a key that may be known to others",
		`Takes a key out of the published set at once and refuses every token it signed.
If it was the active one, the next one takes over. APIs go on accepting its
tokens until they fetch our keys again.`, `  cambio key list
  cambio key revoke KID`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = api.RevokeKey(ctx, args[0])
			}
			return c.showUnless(err, done{"key", args[0], "revoked"}, nil)
		})
}

func (c *cli) printSigningKeys(keys []admin.SigningKey) {
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{k.ID, k.Algorithm, k.State, stamp(k.Created), stamp(k.Activated), stamp(k.Retires)})
	}
	table(c.out, "KID ALGORITHM STATE CREATED ACTIVATED RETIRES", rows)
}
