package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/registration"

	"github.com/spf13/cobra"
)

func (c *cli) client() *cobra.Command {
	return group("client", "Manage clients",
		`A client is an app that may present tokens. What it may do is listed in its
registration; what is not listed is refused. A public client (--auth none) is a
page or an app that cannot keep a secret: its browser origins are checked.`, `  cambio client add shop --issuer google --audience https://api.example.com --origin https://shop.example.com
  cambio client list`,
		c.clientAdd(), c.clientList(), c.clientShow(), c.clientRemove(), c.clientRotate(),
		group("secret", "Manage the secrets of a client",
			`A client that authenticates by client_secret_basic or client_secret_post has at
most two valid secrets. Only their MACs are stored: a lost secret cannot be shown
again, only replaced with cambio client rotate.`, `  cambio client secret list backend
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

  # a backend that gets tokens for itself
  cambio client add backend --auth client_secret_basic --grant client_credentials \
    --audience https://api.example.com --scope orders:write`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			client.ID = args[0]
			return c.addClient(ctx, client)
		})
	f := cmd.Flags()
	f.StringVar(&client.Name, "name", "", "its display `name`")
	f.StringVar((*string)(&client.Auth), "auth", "none", "`method`: none, client_secret_basic or client_secret_post")
	f.StringArrayVar(&client.Audiences, "audience", nil, "an `API` its tokens are for, the default first; repeatable")
	f.StringArrayVar(&client.Issuers, "issuer", nil, "`ID` of an issuer whose tokens it may present; repeatable")
	f.StringArrayVar(&client.Origins, "origin", nil, "a browser `origin` it may be called from; repeatable")
	f.StringArrayVar(&client.Scopes, "scope", nil, "a `scope` it may request; repeatable")
	f.StringArrayVar(&client.DefaultScopes, "default-scope", nil, "a `scope` it gets when it requests none; repeatable")
	f.StringArrayVar(&client.Grants, "grant", nil, "a `grant_type` it may use (default: token exchange, and refresh_token with --refresh-tokens); repeatable")
	f.BoolVar(&client.RefreshTokens, "refresh-tokens", false, "its sessions have refresh tokens")
	f.StringArrayVar(&client.Proofs, "proof", nil, "a `proof` it may present: user-assertion; the others, one-time-token, otp and wallet-signature, need a manifest; repeatable")
	f.StringVar(&client.AsIssuer, "as-issuer", "", "`ID` of the issuer whose users its user assertions are about (default: its own users)")
	f.StringArrayVar(&client.SecretAddresses, "secret-address", nil, "a `network` from which its secret is accepted, such as 10.1.0.0/16 (default: any); repeatable")
	f.BoolVar(&client.PageRefresh, "page-refresh", false, "pages at its origins refresh and log out its sessions without its secret")
	required(cmd, "audience")
	return cmd
}

// added is the output of client add. Confidential clients have a Secret.
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
	for _, w := range registration.Warnings(&m) {
		c.say("warning", strings.TrimPrefix(w.Path, "$.clients[0].")+" "+w.Message)
	}
	out := added{Client: client}
	if client.Auth.BySecret() {
		s, err := api.RotateSecret(ctx, client.ID)
		if err != nil {
			return fmt.Errorf("client %s is registered, but creating its secret failed: %w", client.ID, err)
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

// printSecret writes only the secret to standard output, so that it can be
// redirected to where it is kept.
func (c *cli) printSecret(client string, s admin.NewSecret) {
	fmt.Fprintf(c.err, "secret %s of client %s, shown this once:\n", s.ID, client)
	fmt.Fprintln(c.out, s.Secret)
}

func (c *cli) clientList() *cobra.Command {
	clients := table[exchange.Client]{"ID AUTH ISSUERS ORIGINS SCOPES", func(x exchange.Client) []string {
		return []string{x.ID, cmp.Or(string(x.Auth), "none"), join(x.Issuers), join(x.Origins), join(x.Scopes)}
	}}
	return c.verb("list", "List the clients",
		`Lists the registered clients in the order of their IDs.`, `  cambio client list
  cambio client list -o json`,
		cobra.NoArgs, list(c, clients, (*admin.Client).Clients))
}

func (c *cli) clientShow() *cobra.Command {
	return c.verb("show ID", "Show a client",
		`Shows a client as a manifest declares it. Comments list its secrets, which no
manifest declares, and when each was last used.`, `  cambio client show shop`,
		cobra.ExactArgs(1), get(c, (*admin.Client).Client, func(client exchange.Client) {
			c.yaml(client)
			for _, s := range client.Secrets {
				fmt.Fprintf(c.out, "# secret %s: created %s, expires %s, last used %s\n",
					s.ID, stamp(s.Created), cmp.Or(stamp(s.Expires), "never"), cmp.Or(stamp(s.LastUsed), "never"))
			}
		}))
}

func (c *cli) clientRemove() *cobra.Command {
	return c.verb("remove ID", "Remove a client",
		`Removes a client. From the next request on it is unknown and its sessions have
ended. Its own users, such as those of client:ID, stay: a new client that reuses
the ID inherits them, and within 24 hours its secrets: revoke one that has leaked
first. Give another application another ID.`, `  cambio client remove shop`,
		cobra.ExactArgs(1), c.act("client", "removed", (*admin.Client).RemoveClient))
}

func (c *cli) clientRotate() *cobra.Command {
	return c.verb("rotate ID", "Create a client's next secret",
		`Creates a new secret for a client and prints it, this once, on standard output.
The previous one stays valid for 24 hours, so that the client can be reconfigured
meanwhile; an older one expires at once. cambio client secret revoke ends one sooner.`, `  cambio client rotate backend > backend.secret`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			return get(c, (*admin.Client).RotateSecret, func(s admin.NewSecret) { c.printSecret(args[0], s) })(ctx, args)
		})
}

func (c *cli) secretList() *cobra.Command {
	secrets := table[admin.Secret]{"ID CREATED EXPIRES USED", func(s admin.Secret) []string {
		return []string{s.ID, stamp(s.Created), stamp(s.Expires), stamp(s.LastUsed)}
	}}
	return c.verb("list CLIENT", "List a client's secrets",
		`Lists the secrets of a client by ID, without the secrets themselves, and when the
client last authenticated by each.`, `  cambio client secret list backend`,
		cobra.ExactArgs(1), get(c, (*admin.Client).Secrets, func(list []admin.Secret) { secrets.print(c.out, list...) }))
}

func (c *cli) secretRevoke() *cobra.Command {
	return c.verb("revoke CLIENT SECRET-ID", "Revoke a client's secret",
		`Revokes a secret from the next request on. Sessions of the client go on. If the
secret was compromised, also revoke the sessions of users that it authenticated, with
cambio session revoke --issuer client:CLIENT --key SECRET-ID, or all of the client's
with --client CLIENT.`, `  cambio client secret list backend
  cambio client secret revoke backend SECRET-ID`,
		cobra.ExactArgs(2), request(c, func(ctx context.Context, api *admin.Client, args []string) (outcome, error) {
			return outcome{"secret", args[1], "revoked"}, api.RevokeSecret(ctx, args[0], args[1])
		}, c.printOutcome))
}

func (c *cli) detailType() *cobra.Command {
	types := table[exchange.DetailType]{"TYPE SCOPE", func(t exchange.DetailType) []string { return []string{t.Type, t.Scope} }}
	return group("detail-type", "Manage types of authorization_details",
		`A type of authorization_details (RFC 9396) is registered with a JSON Schema in a
manifest: see cambio apply. A client requests the types that its detailTypes
list, with a token that has the type's scope. The type checkout is built in.`, `  cat > types.yaml <<'EOF'
  detailTypes:
    - type: payment
      scope: payments:create
      schema: {type: object, properties: {amount: {type: integer, minimum: 1}}, required: [amount]}
  EOF
  cambio apply -f types.yaml
  cambio detail-type list`,
		c.verb("list", "List the types",
			`Lists the registered types of authorization_details.`, `  cambio detail-type list
  cambio detail-type list -o json`,
			cobra.NoArgs, list(c, types, (*admin.Client).DetailTypes)),
		c.verb("show TYPE", "Show a type",
			`Shows a type of authorization_details as a manifest declares it.`, `  cambio detail-type show payment`,
			cobra.ExactArgs(1), get(c, (*admin.Client).DetailType, func(t exchange.DetailType) { c.yaml(t) })),
		c.verb("remove TYPE", "Remove a type",
			`Removes a type of authorization_details. From the next request on it is granted
to no client, and sessions that have details of it are refused their next refresh:
dropping the details would leave a token that may do more.`, `  cambio detail-type remove payment`,
			cobra.ExactArgs(1), c.act("detail type", "removed", (*admin.Client).RemoveDetailType)),
	)
}
