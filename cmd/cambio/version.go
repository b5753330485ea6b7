package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is what was built, as the toolchain noted it.
type release struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}

func (r release) String() string {
	return fmt.Sprintf("cambio %s %s %s", r.Version, r.Revision, r.Go)
}

func (c *cli) version() *cobra.Command {
	return c.verb("version", "Print what was built",
		`Prints the version, the commit it was built from and the Go version.`, `  cambio version -o json`,
		cobra.NoArgs, func(context.Context, []string) error {
			return c.showUnless(nil, built(), nil)
		})
}

func built() release {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release{Version: "(unknown)"}
	}
	r := release{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Revision = s.Value
		}
	}
	return r
}
