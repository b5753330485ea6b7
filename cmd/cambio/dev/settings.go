package dev

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cambio/cmd/cambio/settings"
)

// Settings returns the settings of a server that trusts the demo provider.
func Settings(urls URLs, demo Demo) (settings.Config, error) {
	manifest, err := Trust(urls, demo)
	if err != nil {
		return settings.Config{}, err
	}
	trust := filepath.Join(urls.Folder, "trust.yaml")
	if err := os.WriteFile(trust, []byte(manifest), 0o600); err != nil {
		return settings.Config{}, err
	}
	mailHost, mailPort, _ := strings.Cut(urls.Mail, ":")
	return settings.Load("", []string{
		"CAMBIO_ISSUER=" + urls.Cambio,
		"CAMBIO_LISTEN=" + strings.TrimPrefix(urls.Cambio, "http://"),
		"CAMBIO_ADMIN_LISTEN=" + strings.TrimPrefix(urls.Admin, "http://"),
		"CAMBIO_DATABASE=" + filepath.Join(urls.Folder, "cambio.db"),
		"CAMBIO_AUDIT_FILE=" + filepath.Join(urls.Folder, "audit.log"),
		"CAMBIO_LOG_LEVEL=warn",
		"CAMBIO_TRUST=" + trust,
		"CAMBIO_LIMITS_FAILURES=1000", // trying things out includes failures
		"CAMBIO_MAIL_HOST=" + mailHost,
		"CAMBIO_MAIL_PORT=" + mailPort,
		"CAMBIO_MAIL_TLS=none",
		"CAMBIO_MAIL_FROM=login@demo.example",
	})
}

// Service is a server of HTTP or SMTP.
type Service interface {
	Serve(net.Listener) error
	Close() error
}

// ServeLoopback runs a server until the returned function is called.
func ServeLoopback(port int, s Service) (stop func(), err error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	return func() { s.Close(); <-done }, nil
}
