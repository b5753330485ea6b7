package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) client() *cobra.Command {
	return c.group("client", "The apps that may call",
		`A client is an app that may bring tokens. What it may do is listed in its
registration; what is not listed is refused. A public client (--auth none) is a
page or an app that cannot keep a secret: its browser origins are checked.`, `  cambio client add shop --issuer google --audience https://api.example.com --origin https://shop.example.com
  cambio client list`,
		c.clientAdd(), c.clientList(), c.clientShow(), c.clientRemove(), c.clientRotate(),
		c.group("secret", "The secrets of a client",
			`A client that authenticates by client_secret_basic or client_secret_post has at
most two live secrets. They are kept as MACs: one that was lost cannot be shown
again, only replaced by cambio client rotate.`, `  cambio client secret list backend
  cambio client secret revoke backend SECRET-ID`,
			c.secretList(), c.secretRevoke()))
}

func (c *cli) clientAdd() *cobra.Command {
	var client exchange.Client
	cmd := c.verb("add ID --audience A [--issuer I] [--origin O] [--scope S]", "Register a client",
		`Registers a client. One that authenticates by a secret gets its first one,
which is printed this once. What has no flag here, such as authKeys, wallets,
checkout and keys, is declared in a manifest: see cambio apply.`, `  # a browser app without a backend
  cambio client add shop --issuer google --audience https://api.example.com \
    --origin https://shop.example.com --scope orders:read --default-scope orders:read --refresh-tokens

  # a backend that has its own login, and hands sessions to its pages
  cambio client add shop-backend --auth client_secret_basic --proof user-assertion \
    --audience https://api.example.com --scope orders:read --default-scope orders:read \
    --refresh-tokens --page-refresh --origin https://shop.example.com --secret-address 10.1.0.0/16

  # a backend that asks for itself
  cambio client add backend --auth client_secret_basic --grant client_credentials \
    --audience https://api.example.com --scope orders:write`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			client.ID = args[0]
			return c.addClient(ctx, client)
		})
	f := cmd.Flags()
	f.StringVar(&client.Name, "name", "", "what people call it")
	f.StringVar((*string)(&client.Auth), "auth", "none", "`method`: none, client_secret_basic or client_secret_post")
	f.StringArrayVar(&client.Audiences, "audience", nil, "an `API` its tokens are for, the default first; repeatable")
	f.StringArrayVar(&client.Issuers, "issuer", nil, "`ID` of an issuer whose tokens it may bring; repeatable")
	f.StringArrayVar(&client.Origins, "origin", nil, "a browser `origin` it may be called from; repeatable")
	f.StringArrayVar(&client.Scopes, "scope", nil, "a `scope` it may ask for; repeatable")
	f.StringArrayVar(&client.DefaultScopes, "default-scope", nil, "a `scope` it gets when it asks for none; repeatable")
	f.StringArrayVar(&client.Grants, "grant", nil, "a `grant_type` it may use (default: token exchange, and refresh_token with --refresh-tokens); repeatable")
	f.BoolVar(&client.RefreshTokens, "refresh-tokens", false, "its sessions last: they have a refresh token")
	f.StringArrayVar(&client.Proofs, "proof", nil, "a `proof` it may bring: user-assertion; the others, one-time-token, otp and wallet-signature, need a manifest; repeatable")
	f.StringVar(&client.AsIssuer, "as-issuer", "", "`ID` of the issuer whose users its user assertions are about (default: its own users)")
	f.StringArrayVar(&client.SecretAddresses, "secret-address", nil, "a `network` from which its secret counts, such as 10.1.0.0/16 (default: any); repeatable")
	f.BoolVar(&client.PageRefresh, "page-refresh", false, "pages at its origins refresh and log out its sessions without its secret")
	required(cmd, "audience")
	return cmd
}

// added is what client add did. Secret is there for confidential clients.
type added struct {
	Client exchange.Client  `json:"client"`
	Secret *admin.NewSecret `json:"secret,omitempty"`
}

func (c *cli) addClient(ctx context.Context, client exchange.Client) error {
	api, err := c.admin()
	if err != nil {
		return err
	}
	m := exchange.Manifest{Clients: []exchange.Client{client}}
	if err := addsOnly(ctx, api, m); err != nil {
		return err
	}
	plan, err := api.Apply(ctx, m, false)
	if err != nil {
		return err
	}
	out := added{Client: client}
	if bySecret(&client) {
		s, err := api.RotateSecret(ctx, client.ID)
		if err != nil {
			return fmt.Errorf("client %s is registered, but making its secret: %w", client.ID, err)
		}
		out.Secret = &s
	}
	return c.show(out, func() {
		c.printPlan(plan, false)
		if out.Secret != nil {
			c.printSecret(client.ID, *out.Secret)
		}
	})
}

// printSecret writes nothing but the secret to standard output, so that it
// can go straight to where it is kept.
func (c *cli) printSecret(client string, s admin.NewSecret) {
	fmt.Fprintf(c.err, "secret %s of client %s, shown this once:\n", s.ID, client)
	fmt.Fprintln(c.out, s.Secret)
}

func (c *cli) clientList() *cobra.Command {
	return c.verb("list", "List the clients",
		`Lists the registered clients in the order of their IDs.`, `  cambio client list
  cambio client list -o json`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			clients, err := api.Clients(ctx)
			return c.showUnless(err, clients, func() {
				var rows [][]string
				for _, x := range clients {
					rows = append(rows, []string{x.ID, cmp.Or(string(x.Auth), "none"), join(x.Issuers), join(x.Origins), join(x.Scopes)})
				}
				table(c.out, "ID AUTH ISSUERS ORIGINS SCOPES", rows)
			})
		})
}

func (c *cli) clientShow() *cobra.Command {
	return c.verb("show ID", "Show a client",
		`Shows a client as a manifest declares it. Of its secrets, which no manifest
declares, comments say what there is and when each was last used.`, `  cambio client show shop`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			client, err := api.Client(ctx, args[0])
			return c.showUnless(err, client, func() {
				c.yaml(client)
				for _, s := range client.Secrets {
					fmt.Fprintf(c.out, "# secret %s: made %s, expires %s, last used %s\n",
						s.ID, stamp(s.Created), cmp.Or(stamp(s.Expires), "never"), cmp.Or(stamp(s.LastUsed), "never"))
				}
			})
		})
}

func (c *cli) clientRemove() *cobra.Command {
	return c.verb("remove ID", "Remove a client",
		`Removes a client. From the next request it is unknown and its sessions have
ended. Its own users, such as those of client:ID, stay, and are those of a client
that is registered under the ID again: another application needs another ID.`, `  cambio client remove shop`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = api.RemoveClient(ctx, args[0])
			}
			return c.showUnless(err, done{"client", args[0], "removed"}, nil)
		})
}

func (c *cli) clientRotate() *cobra.Command {
	return c.verb("rotate ID", "Make a client's next secret",
		`Makes a new secret for a client and prints it, this once, on standard output.
The one before lives for 24 hours more, so that the client can be told in
between; one that is older still ends at once. cambio client secret revoke ends one sooner.`, `  cambio client rotate backend > backend.secret`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			s, err := api.RotateSecret(ctx, args[0])
			return c.showUnless(err, s, func() { c.printSecret(args[0], s) })
		})
}

func (c *cli) secretList() *cobra.Command {
	return c.verb("list CLIENT", "List a client's secrets",
		`Lists the secrets of a client by ID, without the secrets themselves, and when the
client last authenticated by each.`, `  cambio client secret list backend`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			secrets, err := api.Secrets(ctx, args[0])
			return c.showUnless(err, secrets, func() {
				var rows [][]string
				for _, s := range secrets {
					rows = append(rows, []string{s.ID, stamp(s.Created), stamp(s.Expires), stamp(s.LastUsed)})
				}
				table(c.out, "ID CREATED EXPIRES USED", rows)
			})
		})
}

func (c *cli) secretRevoke() *cobra.Command {
	return c.verb("revoke CLIENT SECRET-ID", "End a client's secret at once",
		`Ends a secret from the next request on. Sessions of the client go on. If somebody
else had the secret, end those of the users that it vouched for, with cambio session
revoke --issuer client:CLIENT --key SECRET-ID, or all with --client CLIENT.`, `  cambio client secret list backend
  cambio client secret revoke backend SECRET-ID`,
		cobra.ExactArgs(2), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = api.RevokeSecret(ctx, args[0], args[1])
			}
			return c.showUnless(err, done{"secret", args[1], "revoked"}, nil)
		})
}
