package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/manifest"
	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/registry"
)

func (c *cli) apply() *cobra.Command {
	var file string
	var dry, prune bool
	cmd := c.verb("apply -f trust.yaml [--dry-run] [--prune]", "Register what a manifest declares",
		`Registers the issuers and clients that a manifest declares with a running server,
all of them or, if anything is wrong, none. The changes are printed: + added,
~ changed with the fields that differ, - removed. Applying a manifest again changes
nothing. A change takes effect from the next request.

What is registered but not in the manifest stays, unless --prune removes it;
sessions of a removed issuer or client end.

A shared secret is written as value, or as valueFile: a path relative to the
manifest. A client's own secret is in no manifest: cambio client rotate creates it.

All fields of a manifest, with defaults where there are any:

`+manifest.Example, `  cat > trust.yaml <<'EOF'
  issuers:
    - id: google
      url: https://accounts.google.com
      audiences: [1234567890.apps.googleusercontent.com]
      scopes: [orders:read]
  clients:
    - id: shop
      origins: [https://shop.example.com]
      issuers: [google]
      scopes: [orders:read]
      defaultScopes: [orders:read]
      audiences: [https://api.example.com]
      refreshTokens: true
  EOF
  cambio apply -f trust.yaml --dry-run
  cambio apply -f trust.yaml`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			return c.applyFile(ctx, file, dry, prune)
		})
	cmd.Flags().StringVarP(&file, "file", "f", "", "the manifest, a YAML `file`, or - for standard input")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would change and change nothing")
	cmd.Flags().BoolVar(&prune, "prune", false, "remove what the manifest does not name")
	required(cmd, "file")
	return cmd
}

func (c *cli) applyFile(ctx context.Context, file string, dry, prune bool) error {
	f, err := manifest.Read(file, c.in)
	if err != nil {
		return err
	}
	api, err := c.admin()
	if err != nil {
		return err
	}
	call := api.Apply
	if dry {
		call = api.Plan
	}
	plan, err := call(ctx, f.Manifest, prune)
	if e, ok := errors.AsType[*admin.Error](err); ok && len(e.Problems) > 0 {
		return f.Refuse(e.Problems) // at their places in the file
	}
	if err != nil {
		return err
	}
	c.sayPlaces("warning", f.Warnings())
	return c.show(plan, func() {
		c.printPlan(plan, dry)
		if !dry {
			c.hintSecrets(plan, f.Clients)
		}
	})
}

func (c *cli) printPlan(plan admin.Plan, dry bool) {
	if plan.Warning != "" {
		c.say("warning", plan.Warning)
	}
	signs := map[registry.Action]string{registry.Add: "+", registry.Edit: "~", registry.Remove: "-"}
	counts := map[registry.Action]int{}
	for _, change := range plan.Changes {
		counts[change.Action]++
		if sign := signs[change.Action]; sign != "" {
			fmt.Fprintf(c.out, "%s %s %s\n", sign, change.Kind, change.ID)
		}
		for _, line := range change.Diff {
			fmt.Fprintf(c.out, "    %s\n", line)
		}
	}
	summary := fmt.Sprintf("%d added, %d changed, %d removed, %d unchanged", counts[registry.Add],
		counts[registry.Edit], counts[registry.Remove], counts[registry.Unchanged])
	if dry {
		summary = "dry run, nothing was changed: " + summary
	}
	fmt.Fprintln(c.out, summary)
}

// hintSecrets says how clients that a manifest added get their first secret.
func (c *cli) hintSecrets(plan admin.Plan, clients []exchange.Client) {
	for _, client := range clients {
		added := func(c registry.Change) bool {
			return c.Action == registry.Add && c.Kind == registry.KindClient && c.ID == client.ID
		}
		if client.Auth.BySecret() && slices.ContainsFunc(plan.Changes, added) {
			c.say("hint", "client "+client.ID+" has no secret yet; create one with: cambio client rotate "+client.ID)
		}
	}
}
