package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/dev"
	"cambio/cmd/cambio/settings"
	"cambio/exchange/admin"
)

func (c *cli) dev() *cobra.Command {
	var port uint16
	var origins, redirects []string
	cmd := c.verb("dev [--port 8080]", "Try everything on this machine",
		`Runs a server that trusts an OpenID provider with a login page (users alice and
bob), and a demo API that accepts the server's access tokens. All of it listens
on loopback only and keeps everything in a temporary folder, which is deleted at
the end. It prints a transcript to paste into another shell: from a login
to a revoked session with curl alone.

It takes five ports in a row: the server, its admin API, the provider, the API,
and an SMTP server that shows mails instead of delivering them. Clients for the
other kinds of proof are registered, and their secrets printed.`,
		`  cambio dev
  cambio dev --port 9080

  # with your page on another port
  cambio dev --origin http://localhost:5173 --redirect-uri http://localhost:5173/callback

  # in another shell: log in as an app would
  cambio dev login`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			err := c.runDev(ctx, int(port), origins, redirects)
			if errors.Is(err, syscall.EADDRINUSE) {
				return hinted(err, "choose five free ports, such as: cambio dev --port 9080")
			}
			return err
		})
	cmd.PersistentFlags().Uint16Var(&port, "port", 8080, "the first of five consecutive `port`s")
	cmd.Flags().StringArrayVar(&origins, "origin", nil, "a further `origin` whose pages may use the demo app, such as http://localhost:5173; repeatable")
	cmd.Flags().StringArrayVar(&redirects, "redirect-uri", nil, "a further redirect `URI` of the demo app at the provider; repeatable")
	cmd.AddCommand(c.devLogin(&port))
	return cmd
}

func (c *cli) devLogin(port *uint16) *cobra.Command {
	return c.verb("login [USER]", "Print an ID token of a demo user",
		`Logs alice or bob in at the provider of a running cambio dev, as an app would,
and prints the ID token.`, `  cambio dev login
  cambio dev login bob`,
		cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
			user := append(args, "alice")[0]
			token, err := dev.IDToken(ctx, dev.NewURLs(int(*port), ""), user)
			if errors.Is(err, syscall.ECONNREFUSED) {
				return hinted(err, "start the demo in another shell first: cambio dev")
			}
			if err != nil {
				return err
			}
			return c.show(token, func() { fmt.Fprintln(c.out, token) })
		})
}

func (c *cli) runDev(ctx context.Context, port int, origins, redirects []string) (err error) {
	dir, err := os.MkdirTemp("", "cambio-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	urls := dev.NewURLs(port, dir)
	urls.Origins = origins
	provider, err := dev.NewProvider(urls.Provider, append(redirects, urls.Callback)...)
	if err != nil {
		return err
	}
	api := dev.AllowPages(dev.NewAPI(urls.Cambio, urls.Cambio+"/.well-known/jwks.json", urls.API), origins)
	for at, s := range map[int]dev.Service{
		port + 2: &http.Server{Handler: provider, ReadHeaderTimeout: 10 * time.Second},
		port + 3: &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second},
		port + 4: dev.NewMailbox(urls, c.out),
	} {
		stop, err := dev.ServeLoopback(at, s)
		if err != nil {
			return err
		}
		defer stop()
	}
	demo, err := dev.NewDemo(dir)
	if err != nil {
		return err
	}
	cfg, err := dev.Settings(urls, demo)
	if err != nil {
		return err
	}
	return c.serveDemo(ctx, cfg, urls, demo)
}

// serveDemo runs the server, and greets once it listens.
func (c *cli) serveDemo(ctx context.Context, cfg settings.Config, urls dev.URLs, demo dev.Demo) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var greeting sync.WaitGroup
	var greeted error
	err := run(ctx, cfg, nil, c.out, c.err, func(_, _ net.Addr) {
		greeting.Go(func() {
			if greeted = greet(ctx, c.out, cfg, urls, demo); greeted != nil {
				stop()
			}
		})
	})
	stop()
	greeting.Wait()
	return errors.Join(err, greeted)
}

// greet creates the secrets of the demo's clients and prints the transcript.
func greet(ctx context.Context, out io.Writer, cfg settings.Config, urls dev.URLs, demo dev.Demo) error {
	token, err := admin.OpenToken(cfg.AdminTokenFile)
	if err != nil {
		return err
	}
	api, err := admin.NewClient(cfg.AdminListen, token, "")
	if err != nil {
		return err
	}
	for id, secret := range map[string]*string{dev.BackendID: &demo.BackendSecret, dev.WalletsID: &demo.WalletsSecret} {
		created, err := api.RotateSecret(ctx, id)
		if err != nil {
			return err
		}
		*secret = created.Secret
	}
	return errors.Join(demo.WriteEnvironment(urls), dev.WriteTranscript(out, urls, demo))
}
