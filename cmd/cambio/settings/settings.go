// Package settings holds what a server runs with: the content of cambio.yaml,
// the environment variables that override it, the defaults, and the check of the
// values and of the files that they name.
package settings

import (
	"cmp"
	_ "embed"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"cambio/exchange"
	"cambio/exchange/mail"
	"cambio/exchange/server"
)

// Example is a configuration file that lists every setting with its default.
//
//go:embed example.yaml
var Example string

// Config is the content of cambio.yaml. Every field may be absent; the zero value
// is a server on loopback that keeps everything in the working directory. Each
// field can be set by the environment variable in its tag, after CAMBIO_, which
// overrides the file. Relative paths are relative to the working directory. The
// Example has the defaults; the comments here say what access to a file is worth to
// an attacker.
//
// A writer of the file can do what any of its fields allows: point trust or issuer
// to another place, and so log in as anyone.
type Config struct {
	// Issuer is the iss of every token. It is never taken from a request.
	Issuer string `yaml:"issuer" env:"ISSUER"`
	// PreviousIssuer permits the change of Issuer from this one.
	PreviousIssuer string `yaml:"previousIssuer" env:"PREVIOUS_ISSUER"`
	Listen         string `yaml:"listen" env:"LISTEN"`
	// BehindProxy says that a proxy terminates TLS. Without it and without TLS the
	// server listens on loopback only.
	BehindProxy bool `yaml:"behindProxy" env:"BEHIND_PROXY"`
	// TrustedProxies are the networks whose X-Forwarded-For, or Forwarded, is used for
	// limits and audit. A host in one of them can pretend to be any address.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies" env:"TRUSTED_PROXIES"`
	// ClientAddressHeader is the header that they report the address in instead. If
	// callers can reach a trusted proxy in another way than through what writes the
	// header, they can pretend to be any address.
	ClientAddressHeader string `yaml:"clientAddressHeader" env:"CLIENT_ADDRESS_HEADER"`
	TLS                 TLS    `yaml:"tls" envPrefix:"TLS_"`

	AdminListen string `yaml:"adminListen" env:"ADMIN_LISTEN"`
	// AdminTokenFile holds the bearer token of the admin API. A reader of it can
	// register an issuer of their own, and so log in as anyone.
	AdminTokenFile string `yaml:"adminTokenFile" env:"ADMIN_TOKEN_FILE"`
	// AdminHosts are host names of the admin listener. Other names are refused,
	// which stops pages whose DNS name was rebound to the listener.
	AdminHosts []string `yaml:"adminHosts" env:"ADMIN_HOSTS"`

	// Database is the path of the bbolt file. Its records carry MACs under keys that
	// it holds sealed: a reader learns users' e-mail addresses and claims but no token
	// or key; a writer can restore an older state, and so undo revocations.
	Database string `yaml:"database" env:"DATABASE"`
	// KeyEncryptionKeyFile holds 32 random bytes in base64 that seal the server's
	// private keys in Database. An attacker with both can sign tokens as this
	// server. Without the file all sessions and keys are lost.
	KeyEncryptionKeyFile string `yaml:"keyEncryptionKeyFile" env:"KEY_ENCRYPTION_KEY_FILE"`
	// KeyEncryptionKey is the key itself. It is set by the environment only.
	KeyEncryptionKey SealingKey `yaml:"-" env:"KEY_ENCRYPTION_KEY"`

	// Trust is the path of a manifest that is applied at every start; what it does
	// not declare is removed. A writer of it decides which tokens are accepted.
	Trust string `yaml:"trust" env:"TRUST"`
	// AllowRemovals lets Trust remove more than half of the issuers or clients.
	AllowRemovals bool `yaml:"allowRemovals" env:"ALLOW_REMOVALS"`

	Audit  Audit  `yaml:"audit" envPrefix:"AUDIT_"`
	Log    Log    `yaml:"log" envPrefix:"LOG_"`
	Keys   Keys   `yaml:"keys" envPrefix:"KEYS_"`
	Limits Limits `yaml:"limits" envPrefix:"LIMITS_"`
	Mail   Mail   `yaml:"mail" envPrefix:"MAIL_"`

	// ShutdownDelay is how long the server serves on once it is to stop, with /readyz
	// 503, so that load balancers send no more.
	ShutdownDelay exchange.Duration `yaml:"shutdownDelay" env:"SHUTDOWN_DELAY"`
	// ShutdownTimeout is how long open requests may take once the server stops.
	ShutdownTimeout exchange.Duration `yaml:"shutdownTimeout" env:"SHUTDOWN_TIMEOUT"`

	source source `yaml:"-"` // for Reload
}

// source names what a Config was loaded from.
type source struct {
	name    string // of the file, empty if there is none
	environ []string
}

// TLS makes both listeners speak TLS, with PEM files. A reader of KeyFile can
// impersonate the server to every client whose traffic they can intercept.
type TLS struct {
	CertFile string `yaml:"certFile" env:"CERT_FILE"` // with its chain
	KeyFile  string `yaml:"keyFile" env:"KEY_FILE"`
}

// Audit says where the audit events are written, one line of JSON each. A reader of
// File learns which user logged in when; it holds no token.
type Audit struct {
	File string `yaml:"file" env:"FILE"` // appended to; default standard output
	// OnFailure says what happens while they cannot be written. An attacker able to
	// fill the disk stops all logins by refuse, and hides them by continue.
	OnFailure string `yaml:"onFailure" env:"ON_FAILURE"` // refuse or continue
}

// Values of Audit.OnFailure.
const (
	AuditRefuse   = "refuse"   // requests that would be audited get 503
	AuditContinue = "continue" // they are served, and events may be lost
)

// Log configures the operator's log, on standard error.
type Log struct {
	Level  slog.Level `yaml:"level" env:"LEVEL"`
	Format string     `yaml:"format" env:"FORMAT"` // text or json
}

// Logger returns the operator's log on w, which follows level.
func (l Log) Logger(level slog.Leveler, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// Keys configures the keys that sign the server's tokens.
type Keys struct {
	Algorithm   string            `yaml:"algorithm" env:"ALGORITHM"` // of keys created from now on
	RotateEvery exchange.Duration `yaml:"rotateEvery" env:"ROTATE_EVERY"`
}

// Limits bounds concurrent requests and repeated failures.
type Limits struct {
	MaxInFlight int `yaml:"maxInFlight" env:"MAX_IN_FLIGHT"`
	// Failures is how often an address may fail, and a client's secret may be wrong,
	// before all but one refusal per minute become TOO_MANY_FAILURES. A higher value
	// tells a guesser more.
	Failures int `yaml:"failures" env:"FAILURES"`
}

// Mail configures the SMTP server that mails login codes. Without a host none are
// mailed. A reader of that server's mail can log in as any user known by an address.
type Mail struct {
	Host string       `yaml:"host" env:"HOST"`
	Port int          `yaml:"port" env:"PORT"` // default by TLS: 587, 465 or 25
	TLS  mail.TLSMode `yaml:"tls" env:"TLS"`
	// CAFile holds certificates in PEM that the server's must chain to.
	CAFile string `yaml:"caFile" env:"CA_FILE"`
	From   string `yaml:"from" env:"FROM"` // login@example.com, or Acme <login@example.com>
	// Username authenticates with the password in PasswordFile.
	Username     string `yaml:"username" env:"USERNAME"`
	PasswordFile string `yaml:"passwordFile" env:"PASSWORD_FILE"`
	// Password is the password itself. It is set by the environment only.
	Password Password `yaml:"-" env:"PASSWORD"`
	// Timeout bounds the sending of one mail.
	Timeout exchange.Duration `yaml:"timeout" env:"TIMEOUT"`
}

// Password is a password that prints as a placeholder.
type Password string

// String hides the password from %v and from logs.
func (Password) String() string { return "(hidden)" }

// SealingKey is 32 bytes that seal other keys. It is read from base64 and prints
// as a placeholder.
type SealingKey []byte

// UnmarshalText implements encoding.TextUnmarshaler. Its errors do not repeat
// the text.
func (k *SealingKey) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(raw) != 32 {
		return errors.New("want 32 bytes in base64, such as `openssl rand -base64 32` prints")
	}
	*k = raw
	return nil
}

// String hides the key from %v and from logs.
func (k SealingKey) String() string { return "(hidden)" }

// listenURL returns the URL of the public listener as seen from this machine.
func (c *Config) listenURL() string {
	if c.TLS.CertFile != "" {
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}

// withDefaults returns c with the defaults of what is absent.
func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.Issuer = cmp.Or(c.Issuer, c.listenURL())
	c.AdminListen = cmp.Or(c.AdminListen, "127.0.0.1:8081")
	c.Database = cmp.Or(c.Database, "cambio.db")
	beside := filepath.Dir(c.Database)
	c.AdminTokenFile = cmp.Or(c.AdminTokenFile, filepath.Join(beside, "cambio.admin-token"))
	if len(c.KeyEncryptionKey) == 0 {
		c.KeyEncryptionKeyFile = cmp.Or(c.KeyEncryptionKeyFile, filepath.Join(beside, "cambio.kek"))
	}
	c.Audit.OnFailure = cmp.Or(c.Audit.OnFailure, AuditRefuse)
	c.Log.Format = cmp.Or(c.Log.Format, "text")
	c.Keys.Algorithm = cmp.Or(c.Keys.Algorithm, "ES256")
	c.Keys.RotateEvery = cmp.Or(c.Keys.RotateEvery, exchange.Duration(720*time.Hour))
	c.Limits.MaxInFlight = cmp.Or(c.Limits.MaxInFlight, server.DefaultMaxInFlight)
	c.Limits.Failures = cmp.Or(c.Limits.Failures, 10)
	c.Mail.TLS = cmp.Or(c.Mail.TLS, mail.STARTTLS)
	c.Mail.Timeout = cmp.Or(c.Mail.Timeout, exchange.Duration(10*time.Second))
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, exchange.Duration(30*time.Second))
	return c
}
