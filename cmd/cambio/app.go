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
	"sync"
	"time"

	"cambio/cmd/cambio/settings"
	"cambio/exchange/server"
	"cambio/storage"
)

// Addrs are the addresses a server listens on.
type Addrs struct {
	Public, Admin net.Addr
}

// Run serves until ctx ends or the store fails, and returns once everything it
// started has ended. It calls ready once both listeners accept connections.
func Run(ctx context.Context, cfg settings.Config, stdout, stderr io.Writer, ready func(Addrs)) (err error) {
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
	addrs := Addrs{Public: public.Addr(), Admin: admin.Addr()}
	a.log.Info("listening", "public", addrs.Public.String(), "admin", addrs.Admin.String(), "issuer", cfg.Issuer)
	ready(addrs)
	return a.serve(ctx, public, admin)
}

// listen opens a listener, with TLS if that is configured.
func (a *app) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, hinted(err, "another process has this port; stop it or set another address, such as CAMBIO_LISTEN=127.0.0.1:9080 CAMBIO_ADMIN_LISTEN=127.0.0.1:9081")
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
	tasks.Go(func() { watchClock(background, a.log) })
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
