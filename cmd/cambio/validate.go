package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/settings"
	"cambio/keys"
)

// verdict is what validate says of one sound file.
type verdict struct {
	File    string `json:"file"`
	Issuer  string `json:"issuer,omitempty"` // of a configuration
	Issuers int    `json:"issuers"`
	Clients int    `json:"clients"`
}

func (c *cli) validate() *cobra.Command {
	var config string
	cmd := c.verb("validate [-c cambio.yaml] [trust.yaml ...]", "Check files without a server",
		`Reads a configuration, the files it names and any number of manifests as
`+"`cambio serve`"+` and `+"`cambio apply`"+` would: unknown and repeated keys, wrong types,
conditions that do not compile, keys that do not parse. Nothing is fetched and
nothing is changed. What is wrong is shown with line and column; exit code 1.

What only a server knows, such as an issuer ID that was once bound to another
URL, is checked by `+"`cambio apply --dry-run`"+`.`, `  cambio validate -c cambio.yaml
  cambio validate trust.yaml`,
		cobra.ArbitraryArgs, func(_ context.Context, manifests []string) error {
			verdicts, err := c.judge(config, manifests)
			if err != nil {
				return err
			}
			return c.show(verdicts, func() {
				for _, v := range verdicts {
					fmt.Fprintln(c.out, v)
				}
			})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	return cmd
}

func (v verdict) String() string {
	if v.Issuer != "" {
		return fmt.Sprintf("%s: ok: serves %s", v.File, v.Issuer)
	}
	return fmt.Sprintf("%s: ok: %s, %s", v.File, count(v.Issuers, "issuer"), count(v.Clients, "client"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (c *cli) judge(config string, manifests []string) ([]verdict, error) {
	var out []verdict
	var served string // a manifest that a server holds to and to nothing else
	if config != "" || len(manifests) == 0 {
		cfg, err := settings.Load(config, c.environ)
		if err == nil {
			err = openFiles(&cfg)
		}
		if err != nil {
			return nil, err
		}
		name := config
		if name == "" {
			name = "configuration"
		}
		out = append(out, verdict{File: name, Issuer: cfg.Issuer})
		if cfg.Trust != "" {
			served = cfg.Trust
			manifests = append([]string{served}, manifests...)
		}
	}
	for _, name := range manifests {
		t, err := readTrust(name, c.in)
		if err == nil && name == served {
			err = t.doc.Refuse(alone(&t.Manifest))
		}
		if err != nil {
			return nil, err
		}
		out = append(out, verdict{File: name, Issuers: len(t.Issuers), Clients: len(t.Clients)})
	}
	return out, nil
}

// open looks at the files that a configuration names and that must be sound
// before a server starts. Those that a first start makes may be absent.
func openFiles(c *settings.Config) error {
	if c.TLS.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
			return fmt.Errorf("loading tls: %w", err)
		}
	}
	if c.KeyEncryptionKeyFile != "" {
		if _, err := keys.ReadKEK(c.KeyEncryptionKeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	info, err := os.Stat(c.AdminTokenFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return hinted(fmt.Errorf("admin token file %s can be read by others", c.AdminTokenFile), "chmod 600 "+c.AdminTokenFile)
	}
	return nil
}
