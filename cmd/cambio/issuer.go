package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/registry"
)

func (c *cli) issuer() *cobra.Command {
	return group("issuer", "Manage issuers",
		`An issuer is a party whose tokens are accepted: an OpenID provider, or any other
that signs JWTs with keys the server can get. Its ID is part of every user's
identity here, so an ID stays bound to its URL even after the issuer was removed.

What these commands do not offer, such as conditions on claims, a manifest does:
see cambio apply --help.`, `  cambio issuer add https://accounts.google.com --id google --audience 1234.apps.googleusercontent.com
  cambio issuer list`,
		c.issuerAdd(), c.issuerList(), c.issuerShow(), c.issuerRemove())
}

func (c *cli) issuerAdd() *cobra.Command {
	var i exchange.Issuer
	var yes, force bool
	cmd := c.verb("add URL --audience A [--id ID] [--scope S] [--yes]", "Register an issuer",
		`Has the server fetch the issuer's keys, shows them, and registers the issuer
once you have confirmed. Off a terminal, --yes confirms; without it the keys
are shown and nothing is registered. An issuer without a usable key is registered
only with --force: until it publishes one, its tokens are refused.

The audience is what the issuer writes into aud for your app, mostly its client
ID there: without one, tokens that were issued to others would be accepted.`, `  cambio issuer add https://accounts.google.com --id google \
    --audience 1234567890.apps.googleusercontent.com --scope orders:read

  # an issuer on this machine, for trying out
  cambio issuer add http://localhost:9000 --audience demo --allow-private-addresses --yes`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			i.URL = args[0]
			return c.addIssuer(ctx, i, yes, force)
		})
	f := cmd.Flags()
	f.StringVar(&i.ID, "id", "", "its `name` here (default: the host of the URL)")
	f.StringArrayVar(&i.Audiences, "audience", nil, "an accepted `aud`; repeatable")
	f.StringArrayVar(&i.Scopes, "scope", nil, "a `scope` that all its users get; repeatable")
	f.StringVar(&i.Keys.DiscoveryURL, "discovery-url", "", "`URL` of its discovery document, if it is not below its own")
	f.StringVar(&i.Keys.JWKSURL, "jwks-url", "", "`URL` of its keys, if it has no discovery document")
	f.BoolVar(&i.Keys.AllowPrivateAddresses, "allow-private-addresses", false, "its keys may be fetched from loopback and private networks, and over plain http")
	f.BoolVar(&yes, "yes", false, "register without asking")
	f.BoolVar(&force, "force", false, "register although no usable key was fetched")
	required(cmd, "audience")
	return cmd
}

func (c *cli) addIssuer(ctx context.Context, i exchange.Issuer, yes, force bool) error {
	if u, err := url.Parse(i.URL); i.ID == "" && err == nil {
		host, _, _ := strings.Cut(u.Path, "/") // of an iss such as acme.com
		i.ID = strings.ToLower(cmp.Or(u.Hostname(), host))
	}
	api, err := c.admin()
	if err != nil {
		return err
	}
	m := exchange.Manifest{Issuers: []exchange.Issuer{i}}
	if err := addsOnly(ctx, api, m); err != nil {
		return err
	}
	preview, err := c.previewIssuer(ctx, api, i)
	if err != nil && !force {
		return hinted(err, "mend the issuer or its registration; to register it all the same, add --force")
	}
	if err != nil {
		c.say("warning", err.Error())
	}
	if err := c.confirm("Accept tokens signed by these keys, and by those that the issuer publishes later?", yes); err != nil {
		return err
	}
	plan, err := api.Apply(ctx, m, false)
	if err != nil {
		return err
	}
	return c.show(preview, func() { c.printPlan(plan, false) })
}

// previewIssuer fetches and shows the keys of an issuer. Its error is that they could
// not be fetched, or that none of them is usable.
func (c *cli) previewIssuer(ctx context.Context, api *admin.Client, i exchange.Issuer) (admin.Preview, error) {
	preview, err := api.Preview(ctx, i)
	if err != nil {
		return admin.Preview{Issuer: i}, fmt.Errorf("fetching the keys of %s: %w", i.URL, err)
	}
	fmt.Fprintf(c.preview(), "issuer %s at %s, for tokens to %v, signs with\n", i.ID, i.URL, i.Audiences)
	issuerKeyTable.print(c.preview(), preview.Keys...)
	if !slices.ContainsFunc(preview.Keys, func(k admin.IssuerKey) bool { return k.Refused == "" }) {
		return preview, fmt.Errorf("%s publishes no usable key", i.URL)
	}
	return preview, nil
}

// addsOnly refuses what would change a registration: a command that adds must
// not drop what a manifest declares beyond its flags.
func addsOnly(ctx context.Context, api *admin.Client, m exchange.Manifest) error {
	plan, err := api.Plan(ctx, m, false)
	if err != nil {
		return err
	}
	for _, change := range plan.Changes {
		if change.Action == registry.Edit || change.Action == registry.Unchanged {
			return hinted(fmt.Errorf("%s %s is registered already", change.Kind, change.ID),
				fmt.Sprintf("see: cambio %s show %s; change it with: cambio apply -f trust.yaml", change.Kind, change.ID))
		}
	}
	return nil
}

var issuerKeyTable = table[admin.IssuerKey]{"KID TYPE ALG THUMBPRINT NOT-AFTER STATE", func(k admin.IssuerKey) []string {
	state := "accepted"
	switch {
	case k.Refused != "":
		state = "refused: " + k.Refused
	case len(k.Notes) > 0:
		state = "accepted, although " + strings.Join(k.Notes, "; ")
	}
	return []string{k.KeyID, k.Type, k.Algorithm, k.Thumbprint, stamp(k.NotAfter), state}
}}

func (c *cli) issuerList() *cobra.Command {
	issuers := table[exchange.Issuer]{"ID URL AUDIENCES SCOPES", func(i exchange.Issuer) []string {
		return []string{i.ID, i.URL, join(i.Audiences), join(i.Scopes)}
	}}
	return c.verb("list", "List the issuers",
		`Lists the registered issuers in the order of their IDs.`, `  cambio issuer list
  cambio issuer list -o json`,
		cobra.NoArgs, list(c, issuers, (*admin.Client).Issuers))
}

func (c *cli) issuerShow() *cobra.Command {
	var keys bool
	show := get(c, (*admin.Client).Issuer, func(i exchange.Issuer) { c.yaml(i) })
	showKeys := get(c, (*admin.Client).IssuerKeys, func(p admin.Preview) {
		c.yaml(p.Issuer)
		issuerKeyTable.print(c.out, p.Keys...)
	})
	cmd := c.verb("show ID [--keys]", "Show an issuer",
		`Shows an issuer as a manifest declares it, without its shared secrets. With
--keys the server fetches and shows the keys that it publishes now; the
thumbprints are what revokedKeys and cambio session revoke --key take.`, `  cambio issuer show google
  cambio issuer show google --keys`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			if keys {
				return showKeys(ctx, args)
			}
			return show(ctx, args)
		})
	cmd.Flags().BoolVar(&keys, "keys", false, "fetch and show its keys")
	return cmd
}

func (c *cli) issuerRemove() *cobra.Command {
	return c.verb("remove ID", "Remove an issuer",
		`Removes an issuer. From the next request on its tokens are refused, and sessions
created from them have ended. Its users stay: if the issuer is registered again
with the same ID and URL, its tokens resolve to the same users.`, `  cambio issuer remove google`,
		cobra.ExactArgs(1), c.act("issuer", "removed", (*admin.Client).RemoveIssuer))
}
