package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"cambio/exchange"
	"cambio/exchange/mail"
	"cambio/exchange/server"
)

// Config is what a server runs by: the content of cambio.yaml. Every field
// may be absent; the zero value is a server on loopback that keeps everything
// in the working directory. Each field can be set by the environment variable
// in its tag, with CAMBIO_ before it, which wins over the file. Relative paths
// are relative to the working directory.
//
// Whoever can change the file itself can do what any of its fields can: point
// trust or issuer elsewhere, and so log in as anyone.
type Config struct {
	// Issuer is the public base URL, the iss of every token. It is never taken
	// from a request. It is https unless it is on loopback, and ends in no
	// slash. Changing it ends all tokens. Default http://, with TLS https://, and
	// the address of Listen.
	Issuer string `yaml:"issuer" env:"ISSUER"`
	// Listen is the address of the public listener, default 127.0.0.1:8080.
	Listen string `yaml:"listen" env:"LISTEN"`
	// BehindProxy says that what reaches the listeners comes through a proxy
	// that ends TLS. Without it and without TLS only loopback is listened on.
	BehindProxy bool `yaml:"behindProxy" env:"BEHIND_PROXY"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed, for
	// limits and for audit. Whoever is in one can pretend to be any address.
	// BehindProxy needs them: all callers would be one address.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies" env:"TRUSTED_PROXIES"`
	TLS            TLSConfig      `yaml:"tls" envPrefix:"TLS_"`

	// AdminListen is the address of the admin listener, which also has the
	// metrics. Default 127.0.0.1:8081.
	AdminListen string `yaml:"adminListen" env:"ADMIN_LISTEN"`
	// AdminTokenFile holds the bearer token of the admin API. It is made,
	// readable by its owner only, if it does not exist. Whoever reads it can
	// trust an issuer of their own, and so log in as anyone. Default
	// cambio.admin-token beside Database.
	AdminTokenFile string `yaml:"adminTokenFile" env:"ADMIN_TOKEN_FILE"`
	// AdminHosts are names by which the admin listener may be called besides
	// localhost and loopback addresses. A page whose DNS name points at the
	// listener sends another.
	AdminHosts []string `yaml:"adminHosts" env:"ADMIN_HOSTS"`

	// Database is the path of the bbolt file, default ./cambio.db. It is made
	// if it does not exist. Its records carry MACs under keys that it holds
	// sealed: whoever reads it learns users' e-mail addresses and claims but
	// no token or key; whoever writes it can put an older state back, and so
	// undo revocations.
	Database string `yaml:"database" env:"DATABASE"`
	// KeyEncryptionKeyFile holds 32 random bytes in base64 that seal our
	// private keys in Database. It is made, readable by its owner only, at the
	// first start. Whoever has it and Database can sign tokens as this server;
	// whoever loses it has lost all sessions and keys. Default cambio.kek
	// beside Database; keep its backup apart from the database's.
	KeyEncryptionKeyFile string `yaml:"keyEncryptionKeyFile" env:"KEY_ENCRYPTION_KEY_FILE"`
	// KeyEncryptionKey is the key itself. It comes from the environment only.
	KeyEncryptionKey SealingKey `yaml:"-" env:"KEY_ENCRYPTION_KEY"`

	// Trust is the path of a manifest that is applied at every start, with
	// what it does not name removed. Whoever writes it says who gets in.
	// Empty: trust is kept by cambio apply alone.
	Trust string `yaml:"trust" env:"TRUST"`

	Audit  AuditConfig  `yaml:"audit" envPrefix:"AUDIT_"`
	Log    LogConfig    `yaml:"log" envPrefix:"LOG_"`
	Keys   KeysConfig   `yaml:"keys" envPrefix:"KEYS_"`
	Limits LimitsConfig `yaml:"limits" envPrefix:"LIMITS_"`
	Mail   MailConfig   `yaml:"mail" envPrefix:"MAIL_"`

	// ShutdownTimeout is how long requests under way may take to end once the
	// server is told to stop. Default 30s.
	ShutdownTimeout exchange.Duration `yaml:"shutdownTimeout" env:"SHUTDOWN_TIMEOUT"`
}

// TLSConfig makes both listeners speak TLS. Both files are set or neither.
type TLSConfig struct {
	// CertFile holds the certificate and its chain in PEM.
	CertFile string `yaml:"certFile" env:"CERT_FILE"`
	// KeyFile holds its private key in PEM. Whoever reads it can be this
	// server to every client that they can stand between.
	KeyFile string `yaml:"keyFile" env:"KEY_FILE"`
}

// AuditConfig says where the audit events go, one line of JSON each.
type AuditConfig struct {
	// File is appended to. Default: standard output. Whoever reads it learns
	// who logged in when; it holds no token.
	File string `yaml:"file" env:"FILE"`
}

// LogConfig is about the operator's log, on standard error.
type LogConfig struct {
	Level  slog.Level `yaml:"level" env:"LEVEL"`   // debug, info, warn, error; default info
	Format string     `yaml:"format" env:"FORMAT"` // text or json; default text
}

// KeysConfig is about the keys that sign our tokens.
type KeysConfig struct {
	// Algorithm of keys made from now on: ES256, RS256 or EdDSA. Default ES256.
	Algorithm string `yaml:"algorithm" env:"ALGORITHM"`
	// RotateEvery is how long a key signs. Default 720h, at least 1h.
	RotateEvery exchange.Duration `yaml:"rotateEvery" env:"ROTATE_EVERY"`
}

// LimitsConfig bounds what is done at once, and how often somebody may fail.
type LimitsConfig struct {
	// MaxInFlight requests are answered at once, default 1024. Those beyond are
	// answered with 503 and Retry-After.
	MaxInFlight int `yaml:"maxInFlight" env:"MAX_IN_FLIGHT"`
	// Failures is how often an address may fail before it gets one attempt a
	// minute and 429 else. Default 10. More of them are more guesses.
	Failures int `yaml:"failures" env:"FAILURES"`
}

// MailConfig says through which SMTP server codes go out that somebody proves an
// address by. Without a host none do, and whoever asks for one is answered
// MAIL_UNAVAILABLE. Whoever reads that server's mail can log in as any user who
// is known by an address.
type MailConfig struct {
	Host string `yaml:"host" env:"HOST"`
	// Port is by default 587 for starttls, 465 for tls and 25 for none.
	Port int `yaml:"port" env:"PORT"`
	// TLS is starttls (RFC 3207, never without it), tls (from the first byte, RFC
	// 8314) or none, which is for a server on loopback. Default starttls.
	TLS mail.TLSMode `yaml:"tls" env:"TLS"`
	// CAFile holds certificates in PEM that the server's must chain to. Default:
	// those of the system.
	CAFile string `yaml:"caFile" env:"CA_FILE"`
	// From is the sender: login@example.com, or Acme <login@example.com>.
	From string `yaml:"from" env:"FROM"`
	// Username, if there is one, authenticates with the password in PasswordFile.
	Username     string `yaml:"username" env:"USERNAME"`
	PasswordFile string `yaml:"passwordFile" env:"PASSWORD_FILE"`
	// Password is the password itself. It comes from the environment only.
	Password Password `yaml:"-" env:"PASSWORD"`
	// Timeout bounds the sending of one mail. Default 10s, at most 20s.
	Timeout exchange.Duration `yaml:"timeout" env:"TIMEOUT"`
}

// Password is printed as nothing.
type Password string

// String hides the password from %v and from logs.
func (Password) String() string { return "(hidden)" }

// SealingKey is 32 bytes that seal other keys. It is written in base64 and
// printed as nothing.
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

// listenURL is where the public listener is, seen from this machine.
func (c *Config) listenURL() string {
	if c.TLS.CertFile != "" {
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}

// withDefaults fills what is absent.
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
