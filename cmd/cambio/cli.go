package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"cambio/cmd/cambio/serving"
	"cambio/exchange/admin"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // the command failed; standard error says why
	exitUsage  = 2 // the command line was not understood; nothing was tried
)

// cli is one run of the program: its streams, and the flags that all commands
// have.
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
	code := c.report(root.ExecuteContext(ctx))
	if w, ok := c.err.(*serving.LogWriter); ok {
		w.Close()
	}
	return code
}

func (c *cli) root() *cobra.Command {
	root := group("cambio", "A token-exchange server", `Cambio is a token-exchange server: an app presents proof of a login it already
has, and gets a scoped session for its API. The proof is an issuer's ID token, a
backend's assertion, a mailed code, a one-time token or a wallet's signature.

An operator registers the issuers to trust and the clients that may call, in a
file for `+"`cambio apply`"+` or with the commands below. These call the admin API of a
running server: it listens on 127.0.0.1:8081 by default, and its bearer token
is in the file cambio.admin-token beside the server's database.

Exit codes: 0 done; 1 failed, and standard error says why; 2 the command line
was not understood, and nothing was tried.`, `  # try everything on this machine, with a login page and a demo API
  cambio dev

  # run a server in the working directory, then register issuers and clients
  cambio serve
  cambio apply -f trust.yaml`)
	flags := root.PersistentFlags()
	flags.StringVar(&c.address, "admin", "", "admin listener `address`: host:port or URL (CAMBIO_ADMIN; default 127.0.0.1:8081)")
	flags.StringVar(&c.adminName, "admin-name", "", "`name` in the admin listener's certificate, where the server has tls (CAMBIO_ADMIN_NAME)")
	flags.StringVar(&c.tokenFile, "admin-token-file", "", "`file` with the admin API's token (CAMBIO_ADMIN_TOKEN_FILE; default ./cambio.admin-token)")
	flags.StringVarP(&c.output, "output", "o", "text", "`format`: text or json")
	root.AddCommand(c.dev(), c.serve(), c.reload(), c.validate(), c.apply(), c.issuer(), c.client(), c.detailType(), c.invoice(),
		c.user(), c.link(), c.unlink(), c.merge(), c.unmerge(), c.session(), c.key(), c.clock(), c.docs(), c.version())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	return root
}

// admin returns a client of the admin API that flags or environment name.
func (c *cli) admin() (*admin.Client, error) {
	vars := env.ToMap(c.environ)
	address := cmp.Or(c.address, vars["CAMBIO_ADMIN"], "127.0.0.1:8081")
	file := cmp.Or(c.tokenFile, vars["CAMBIO_ADMIN_TOKEN_FILE"], "cambio.admin-token")
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, hinted(fmt.Errorf("reading the admin API's token: %w", err),
			"a server creates this file beside its database when it starts: name it with --admin-token-file, or start a server with: cambio serve")
	}
	name := cmp.Or(c.adminName, vars["CAMBIO_ADMIN_NAME"])
	return admin.NewClient(address, strings.TrimSpace(string(token)), name)
}
