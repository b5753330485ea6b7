package main

import (
	"context"
	_ "embed"

	"github.com/spf13/cobra"
)

// exampleConfig says every setting with its default. `cambio serve --help`
// prints it, and a test reads it.
//
//go:embed example.yaml
var exampleConfig string

func (c *cli) serve() *cobra.Command {
	var config string
	cmd := c.verb("serve [-c cambio.yaml]", "Run a server",
		`Runs a server until it is interrupted; then /readyz answers 503, requests under
way end, and the audit log is flushed.

Without a file it listens on loopback only and keeps everything in the working
directory: the database, the key-encryption key and the admin API's token are
made at the first start. Nobody is trusted until `+"`cambio apply`"+` or `+"`cambio issuer\nadd`"+` says so.

Each setting can be given by an environment variable instead, which wins over
the file: CAMBIO_ and the setting in capitals, such as CAMBIO_LISTEN or
CAMBIO_TLS_CERT_FILE. The key-encryption key itself can be in
CAMBIO_KEY_ENCRYPTION_KEY (32 bytes in base64).

All settings, with their defaults:

`+exampleConfig, `  # everything at its default
  cambio serve

  # check the configuration, then run by it
  cambio validate -c cambio.yaml && cambio serve -c cambio.yaml`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			cfg, err := loadConfig(config, c.environ)
			if err != nil {
				return err
			}
			return Run(ctx, cfg, c.out, c.err, func(Addrs) {})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	return cmd
}
