package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // it did not happen; standard error says why
	exitUsage  = 2 // the command line was not understood; nothing was tried
)

// cli is one run of the program: where it reads and writes, and the flags that
// all commands have.
type cli struct {
	in       io.Reader
	out, err io.Writer
	environ  []string // NAME=value

	address   string // of the admin listener
	adminName string // in its certificate
	tokenFile string
	output    string // text or json
}

func (c *cli) main(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	return c.report(root.ExecuteContext(ctx))
}

func (c *cli) root() *cobra.Command {
	root := c.group("cambio", "A token-exchange server", `Cambio is a token-exchange server: an app brings a proof of a login it already
has, and gets a scoped session for its API. The proof is an issuer's ID token, a
backend's word, a mailed code, a one-time token or a wallet's signature.

An operator says whom to trust (issuers) and who may call (clients), in a file
for `+"`cambio apply`"+` or by the verbs below. The verbs call the admin API of a
running server: it listens on 127.0.0.1:8081 by default, and its bearer token
is in the file cambio.admin-token beside the server's database.

Exit codes: 0 done, 1 it did not happen and standard error says why, 2 the
command line was not understood and nothing was tried.`, `  # try everything on this machine, with a login page and a demo API
  cambio dev

  # run a server in the working directory, then say whom to trust
  cambio serve
  cambio apply -f trust.yaml`)
	flags := root.PersistentFlags()
	flags.StringVar(&c.address, "admin", "", "admin listener `address`: host:port or URL (CAMBIO_ADMIN; default 127.0.0.1:8081)")
	flags.StringVar(&c.adminName, "admin-name", "", "`name` in the admin listener's certificate, where the server has tls (CAMBIO_ADMIN_NAME)")
	flags.StringVar(&c.tokenFile, "admin-token-file", "", "`file` with the admin API's token (CAMBIO_ADMIN_TOKEN_FILE; default ./cambio.admin-token)")
	flags.StringVarP(&c.output, "output", "o", "text", "text or json")
	root.AddCommand(c.dev(), c.serve(), c.validate(), c.apply(), c.issuer(), c.client(), c.detailType(), c.invoice(),
		c.user(), c.link(), c.unlink(), c.merge(), c.unmerge(), c.session(), c.key(), c.version())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	return root
}

// usageError is a command line that was not understood.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(cmd *cobra.Command, err error) error {
	return &usageError{command: cmd.CommandPath(), err: err}
}

// group is a command that only has others.
func (c *cli) group(use, short, long, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}

func unknownVerb(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usage(cmd, errors.New(text))
}

// verb is a command that does something.
func (c *cli) verb(use, short, long, example string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usage(cmd, miscounted(use, given, err))
			}
			if c.output != "text" && c.output != "json" {
				return usage(cmd, fmt.Errorf("--output is text or json, not %q", c.output))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error { return run(cmd.Context(), given) },
	}
}

// miscounted says which argument is missing or one too many, by the names that
// use has for them. Where use leaves the number open, err says it.
func miscounted(use string, given []string, err error) error {
	var names []string
	words := strings.Fields(use)[1:]
	for i := 0; i < len(words) && words[i] != "|"; i++ {
		switch word := words[i]; {
		case strings.HasPrefix(word, "["):
			for i < len(words)-1 && !strings.HasSuffix(words[i], "]") {
				i++
			}
		case strings.HasPrefix(word, "-"):
			i++ // its value
		default:
			names = append(names, word)
		}
	}
	switch {
	case len(given) < len(names):
		return fmt.Errorf("%s is missing", strings.TrimSuffix(names[len(given)], "..."))
	case strings.Contains(use, "..."):
		return err
	}
	return fmt.Errorf("unexpected argument %q", given[len(given)-1])
}

// admin is a client of the admin API that flags or environment name.
func (c *cli) admin() (*admin.Client, error) {
	vars := env.ToMap(c.environ)
	address := cmp.Or(c.address, vars["CAMBIO_ADMIN"], "127.0.0.1:8081")
	file := cmp.Or(c.tokenFile, vars["CAMBIO_ADMIN_TOKEN_FILE"], "cambio.admin-token")
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, hinted(fmt.Errorf("reading the admin API's token: %w", err),
			"a server makes this file beside its database when it starts: say where with --admin-token-file, or start one with: cambio serve")
	}
	name := cmp.Or(c.adminName, vars["CAMBIO_ADMIN_NAME"])
	return admin.NewClient(address, strings.TrimSpace(string(bytes.ToValidUTF8(token, nil))), name)
}
