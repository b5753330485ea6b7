package main

import (
	"context"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/settings"
)

func (c *cli) serve() *cobra.Command {
	var config string
	cmd := c.verb("serve [-c cambio.yaml]", "Run a server",
		`Runs a server until it is interrupted; then /readyz returns 503, open requests
finish, and the audit log is flushed.

Without a file it listens on loopback only and keeps everything in the working
directory: the database, the key-encryption key and the admin API's token are
created at the first start. No tokens are accepted until `+"`cambio apply`"+` or `+"`cambio\nissuer add`"+` registers an issuer.

Each setting can also be set by an environment variable, which overrides the
file: CAMBIO_ and the setting in capitals, such as CAMBIO_LISTEN or
CAMBIO_TLS_CERT_FILE. The key-encryption key itself can be in
CAMBIO_KEY_ENCRYPTION_KEY (32 bytes in base64).

All settings, with their defaults:

`+settings.Example, `  # everything at its default
  cambio serve

  # check the configuration, then run with it
  cambio validate -c cambio.yaml && cambio serve -c cambio.yaml`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			cfg, err := settings.Load(config, c.environ)
			if err != nil {
				return err
			}
			return Run(ctx, cfg, c.out, c.err, func(Addrs) {})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	return cmd
}
