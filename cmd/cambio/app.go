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
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cambio/cmd/cambio/settings"
	"cambio/exchange/server"
	"cambio/storage"

	"github.com/spf13/cobra"
)

// run serves until ctx ends or the store fails, and returns once everything it
// started has ended. It calls ready once both listeners accept connections.
func run(ctx context.Context, cfg settings.Config, stdout, stderr io.Writer, ready func(public, admin net.Addr)) (err error) {
	a, err := open(ctx, cfg, stdout, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	public, err := a.listen(cfg.Listen)
	if err != nil {
		return err
	}
	defer public.Close()
	admin, err := a.listen(cfg.AdminListen)
	if err != nil {
		return err
	}
	defer admin.Close()
	a.log.Info("listening", "public", public.Addr().String(), "admin", admin.Addr().String(), "issuer", cfg.Issuer)
	ready(public.Addr(), admin.Addr())
	return a.serve(ctx, public, admin)
}

// listen opens a listener, with TLS if that is configured.
func (a *app) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hinted(err, "another process has this port; stop it or set another address, such as CAMBIO_LISTEN=127.0.0.1:9080 CAMBIO_ADMIN_LISTEN=127.0.0.1:9081")
	}
	if err != nil {
		return nil, err
	}
	if a.cfg.TLS.CertFile == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(a.cfg.TLS.CertFile, a.cfg.TLS.KeyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the TLS certificate: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// serve serves both listeners until ctx ends, the store fails or a listener
// breaks; then it waits for open requests.
func (a *app) serve(ctx context.Context, public, admin net.Listener) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() { a.Parts.Run(background) })
	defer tasks.Wait()
	defer stop()

	draining := newDrain(a.Server)
	servers := map[*http.Server]net.Listener{a.http(draining): public, a.http(a.Admin): admin}
	broken := make(chan error, len(servers))
	for s, l := range servers {
		go func() { broken <- s.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "cause", context.Cause(ctx).Error())
	case <-a.engine.Failed():
		err = hinted(fmt.Errorf("the store: %w", storage.ErrFailed), "responses already sent are durable; restart the server to reopen the store")
	case err = <-broken:
	}
	a.Server.Drain()
	return errors.Join(err, a.shutdown(draining, servers))
}

func (a *app) http(h http.Handler) *http.Server {
	s := server.HTTPServer(h)
	s.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelDebug) // TLS and protocol errors that callers cause
	return s
}

// shutdown waits for open requests up to the configured timeout, and closes the
// listeners.
func (a *app) shutdown(draining *drain, servers map[*http.Server]net.Listener) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.cfg.ShutdownTimeout))
	defer cancel()
	draining.stop(ctx)
	var errs error
	for s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = errors.Join(errs, fmt.Errorf("waiting for open requests: %w", err), s.Close())
		}
	}
	return errs
}

// drain separates requests that began before a stop from later ones. While it
// waits for the former, the listener stays open and later requests are served,
// /readyz with 503: a load balancer sees that the server is stopping, instead of
// a refused connection.
type drain struct {
	next     http.Handler
	stopping atomic.Bool
	// before is the number of open requests that began before the stop, plus one
	// until the stop. Once 0, it stays 0.
	before atomic.Int64
	done   chan struct{} // closed at 0
}

func newDrain(next http.Handler) *drain {
	d := &drain{next: next, done: make(chan struct{})}
	d.before.Store(1)
	return d
}

// ServeHTTP calls next. A response to a request after the stop closes its
// connection.
func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.enter() {
		defer d.leave()
	} else {
		w.Header().Set("Connection", "close")
	}
	d.next.ServeHTTP(w, r)
}

// enter counts a request. It reports whether the request began before the stop.
func (d *drain) enter() bool {
	for !d.stopping.Load() {
		if n := d.before.Load(); n > 0 && d.before.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (d *drain) leave() {
	if d.before.Add(-1) == 0 {
		close(d.done)
	}
}

// stop waits until the requests that began before it have finished, or ctx ends.
// It is called once.
func (d *drain) stop(ctx context.Context) {
	d.stopping.Store(true)
	d.leave()
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

func (c *cli) serve() *cobra.Command {
	var config string
	cmd := c.verb("serve [-c cambio.yaml]", "Run a server",
		`Runs a server until it is interrupted; then /readyz returns 503, open requests
finish, and the audit log is flushed.

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
			cfg, err := settings.Load(config, c.environ)
			if err != nil {
				return err
			}
			// A reader of standard output or error that left is an error of the write
			// there, and does not end the server.
			signal.Ignore(syscall.SIGPIPE)
			c.err = newLogWriter(c.err)
			return run(ctx, cfg, c.out, c.err, func(_, _ net.Addr) {})
		})
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration `file` (default: none)")
	return cmd
}
