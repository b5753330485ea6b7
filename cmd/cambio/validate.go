package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/manifest"
	"cambio/cmd/cambio/settings"
	"cambio/cmd/cambio/yamlfile"
)

// summary is the output of validate for a file without problems.
type summary struct {
	File    string `json:"file"`
	Issuer  string `json:"issuer,omitempty"` // of a configuration
	Issuers int    `json:"issuers"`
	Clients int    `json:"clients"`
	// Warnings are about what is registered nevertheless.
	Warnings []string `json:"warnings,omitempty"`
}

func (c *cli) validate() *cobra.Command {
	var config string
	cmd := c.verb("validate [-c cambio.yaml] [trust.yaml ...]", "Check files without a server",
		`Reads a configuration, the files it names and any number of manifests as
`+"`cambio serve`"+` and `+"`cambio apply`"+` would: unknown and repeated keys, wrong types,
conditions that do not compile, keys that do not parse. Nothing is fetched and
nothing is changed. Problems are shown with line and column; the exit code is then 1. Warnings, such as
of a client that can request no scope, go to standard error and leave it at 0.

Problems that only a server can find, such as an issuer ID that is bound to another
URL, are found by `+"`cambio apply --dry-run`"+`.`, `  cambio validate -c cambio.yaml
  cambio validate trust.yaml`,
		cobra.ArbitraryArgs, func(_ context.Context, manifests []string) error {
			files, err := c.checkFiles(config, manifests)
			if err != nil {
				return err
			}
			return c.show(files, func() {
				for _, f := range files {
					fmt.Fprintln(c.out, f)
				}
			})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	return cmd
}

func (s summary) String() string {
	if s.Issuer != "" {
		return fmt.Sprintf("%s: ok: serves %s", s.File, s.Issuer)
	}
	return fmt.Sprintf("%s: ok: %s, %s", s.File, count(s.Issuers, "issuer"), count(s.Clients, "client"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (c *cli) checkFiles(config string, manifests []string) ([]summary, error) {
	var out []summary
	var served string // the manifest of the configuration, which stands alone
	if config != "" || len(manifests) == 0 {
		cfg, err := settings.Load(config, c.environ)
		if err == nil {
			err = cfg.CheckFiles()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, summary{File: cmp.Or(config, "configuration"), Issuer: cfg.Issuer})
		if served = cfg.Trust; served != "" {
			manifests = append([]string{served}, manifests...)
		}
	}
	for _, name := range manifests {
		f, err := manifest.Read(name, c.in)
		if err == nil && name == served {
			err = f.RefuseReferences()
		}
		if _, invalid := errors.AsType[yamlfile.Errors](err); invalid {
			if _, other := settings.Load(name, nil); other == nil {
				return nil, hinted(fmt.Errorf("%s is a configuration, not a manifest", name), "check it with: cambio validate -c "+name)
			}
		}
		if err != nil {
			return nil, err
		}
		found := summary{File: name, Issuers: len(f.Issuers), Clients: len(f.Clients)}
		warnings := f.Warnings()
		c.sayPlaces("warning", warnings)
		for _, w := range warnings {
			found.Warnings = append(found.Warnings, w.Place+": "+w.Message)
		}
		out = append(out, found)
	}
	return out, nil
}
