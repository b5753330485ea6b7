package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"cambio/cmd/cambio/serving"
	"cambio/cmd/cambio/settings"
	"cambio/exchange/server"
	"cambio/storage"

	"github.com/spf13/cobra"
)

// run serves until ctx ends or the store fails, and returns once everything it
// started has ended. It calls ready once both listeners accept connections, and
// reloads at each of hangups.
func run(ctx context.Context, cfg settings.Config, hangups <-chan os.Signal, stdout, stderr io.Writer, ready func(public, admin net.Addr)) (err error) {
	a, err := open(ctx, cfg, stdout, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	a.newServers()
	public, err := a.listen(cfg.Listen, a.public)
	if err != nil {
		return err
	}
	defer public.Close()
	admin, err := a.listen(cfg.AdminListen, a.admin)
	if err != nil {
		return err
	}
	defer admin.Close()
	a.log.Info("listening", "public", public.Addr().String(), "admin", admin.Addr().String(), "issuer", cfg.Issuer)
	ready(public.Addr(), admin.Addr())
	return a.serve(ctx, hangups, public, admin)
}

// newServers makes the servers of both listeners, and the metrics of the public one.
func (a *app) newServers() {
	a.public = serving.New(a.http(a.Server), serving.MaxConnections(debug.SetMemoryLimit(-1)), a.Server.MakeRoom)
	a.admin = serving.New(a.http(a.Admin), serving.AdminConnections, nil)
	a.metrics.MustRegister(a.public.Metrics()...)
}

// listen opens a listener, with TLS if that is configured.
func (a *app) listen(address string, s *serving.Server) (net.Listener, error) {
	l, err := s.Listen(context.Background(), address)
	if err != nil {
		return nil, hinted(err, serving.ListenHint(err, address))
	}
	if a.certificate == nil {
		return l, nil
	}
	return tls.NewListener(l, a.certificate.Config()), nil
}

// serve serves both listeners until ctx ends, the store fails or a listener
// breaks; then it waits for open requests.
func (a *app) serve(ctx context.Context, hangups <-chan os.Signal, public, admin net.Listener) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() { a.Parts.Run(background) })
	tasks.Go(func() { a.watch(background, hangups) })
	tasks.Go(func() { a.certificate.Watch(background, a.log) })
	defer tasks.Wait()
	defer stop()

	broken := make(chan error, 2)
	go func() { broken <- a.public.Serve(public) }()
	go func() { broken <- a.admin.Serve(admin) }()
	var err error
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "cause", context.Cause(ctx).Error())
		a.Server.Drain()
		err = a.delay(broken)
	case <-a.engine.Failed():
		err = a.storeFailed()
	case err = <-broken:
	}
	a.Server.Drain()
	return errors.Join(err, a.shutdown())
}

// delay serves on for the configured time after the signal to stop, so that load
// balancers see /readyz and send no more.
func (a *app) delay(broken <-chan error) error {
	select {
	case <-time.After(time.Duration(a.cfg.ShutdownDelay)):
		return nil
	case <-a.engine.Failed():
		return a.storeFailed()
	case err := <-broken:
		return err
	}
}

func (a *app) storeFailed() error {
	return hinted(fmt.Errorf("the store: %w", storage.ErrFailed), "responses already sent are durable; restart the server to reopen the store")
}

func (a *app) http(h http.Handler) *http.Server {
	s := server.HTTPServer(h)
	s.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelDebug) // TLS and protocol errors that callers cause
	return s
}

// shutdown waits for open requests up to the configured timeout, and closes the
// listeners. The admin API is served until those that began before have finished.
func (a *app) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.cfg.ShutdownTimeout))
	defer cancel()
	a.public.Drain(ctx)
	errs := make(chan error, 1)
	go func() { errs <- a.public.Stop(ctx) }()
	return errors.Join(a.admin.Stop(ctx), <-errs)
}

func (c *cli) serve() *cobra.Command {
	var config string
	var removals bool
	cmd := c.verb("serve [-c cambio.yaml]", "Run a server",
		`Runs a server until it is interrupted; then /readyz returns 503, open requests
finish, and the audit log is flushed. SIGHUP does what `+"`cambio reload`"+` does.

Without a file it listens on loopback only and keeps everything in the working
directory: the database, the key-encryption key and the admin API's token are
created at the first start. No tokens are accepted until `+"`cambio apply`"+` or `+"`cambio\nissuer add`"+` registers an issuer.

Each setting can also be set by an environment variable, which overrides the
file: CAMBIO_ and the setting in capitals, such as CAMBIO_LISTEN or
CAMBIO_TLS_CERT_FILE. The key-encryption key itself can be in
CAMBIO_KEY_ENCRYPTION_KEY (32 bytes in base64).

All settings, with their defaults:

`+settings.Example, `  # everything at its default
  cambio serve

  # check the configuration, then run with it
  cambio validate -c cambio.yaml && cambio serve -c cambio.yaml`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			cfg, err := settings.Load(config, c.environ)
			if err != nil {
				return err
			}
			// A reader of standard output or error that left is an error of the write
			// there, and does not end the server.
			signal.Ignore(syscall.SIGPIPE)
			c.err = serving.NewLogWriter(c.err)
			cfg.AllowRemovals = cfg.AllowRemovals || removals
			return run(ctx, cfg, hangups, c.out, c.err, func(_, _ net.Addr) {})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	cmd.Flags().BoolVar(&removals, "allow-removals", false, "let the trust file remove more than half of the issuers or clients")
	return cmd
}
