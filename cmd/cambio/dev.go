package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/dev"
)

func (c *cli) dev() *cobra.Command {
	var port int
	cmd := c.verb("dev [--port 8080]", "Try everything on this machine",
		`Runs a server that trusts an OpenID provider with a login page (users alice and
bob), and a demo API that accepts the server's access tokens. All of it listens
on loopback only and keeps everything in a temporary folder, which is deleted in
the end. Then it prints a transcript to paste into another shell: from a login
to a revoked session with curl alone.

It takes four ports in a row: the server, its admin API, the provider, the API.`,
		`  cambio dev
  cambio dev --port 9080`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error { return c.runDev(ctx, port) })
	cmd.Flags().IntVar(&port, "port", 8080, "the first of four `ports`")
	return cmd
}

func (c *cli) runDev(ctx context.Context, port int) (err error) {
	dir, err := os.MkdirTemp("", "cambio-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	urls := dev.NewURLs(port, dir)
	provider, err := dev.NewProvider(urls.Provider, urls.Callback)
	if err != nil {
		return err
	}
	api := dev.NewAPI(urls.Cambio, urls.Cambio+"/.well-known/jwks.json", urls.API)
	for at, h := range map[int]http.Handler{port + 2: provider, port + 3: api} {
		stop, err := serveLoopback(at, h)
		if err != nil {
			return err
		}
		defer stop()
	}
	cfg, err := devConfig(urls)
	if err != nil {
		return err
	}
	return Run(ctx, cfg, c.out, c.err, func(Addrs) { err = dev.WriteTranscript(c.out, urls) })
}

// devConfig is that of a server which trusts the demo provider.
func devConfig(urls dev.URLs) (Config, error) {
	trust := filepath.Join(urls.Folder, "trust.yaml")
	if err := os.WriteFile(trust, []byte(dev.Trust(urls)), 0o600); err != nil {
		return Config{}, err
	}
	return loadConfig("", []string{
		"CAMBIO_ISSUER=" + urls.Cambio,
		"CAMBIO_LISTEN=" + hostPort(urls.Cambio),
		"CAMBIO_ADMIN_LISTEN=" + hostPort(urls.Admin),
		"CAMBIO_DATABASE=" + filepath.Join(urls.Folder, "cambio.db"),
		"CAMBIO_AUDIT_FILE=" + filepath.Join(urls.Folder, "audit.log"),
		"CAMBIO_LOG_LEVEL=warn",
		"CAMBIO_TRUST=" + trust,
	})
}

func hostPort(url string) string { return url[len("http://"):] }

// serveLoopback serves h until the returned function is called.
func serveLoopback(port int, h http.Handler) (stop func(), err error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, hinted(err, fmt.Sprintf("choose four free ports: cambio dev --port %d", port+1000))
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	return func() { s.Close(); <-done }, nil
}
