package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release describes the binary, as the toolchain recorded it.
type release struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}

func (c *cli) version() *cobra.Command {
	return c.verb("version", "Print the version",
		`Prints the version, the commit it was built from and the Go version.`, `  cambio version -o json`,
		cobra.NoArgs, func(context.Context, []string) error {
			r := built()
			return c.show(r, func() { fmt.Fprintln(c.out, "cambio", r.Version, r.Revision, r.Go) })
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
