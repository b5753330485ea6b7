package settings

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"time"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange"
	"cambio/exchange/mail"
	"cambio/keys"

	"github.com/caarlos0/env/v11"
)

// envPrefix begins every environment variable that is read.
const envPrefix = "CAMBIO_"

// Load reads the file with a name, if the name is not empty, overrides it by
// environ (NAME=value), fills in the defaults and checks the result.
func Load(name string, environ []string) (Config, error) {
	var c Config
	doc, err := yamlfile.Parse("configuration", nil)
	if name != "" {
		doc, err = yamlfile.Read(name, os.Stdin)
	}
	if err != nil {
		return Config{}, err
	}
	if err := doc.Decode(&c); err != nil {
		return Config{}, err
	}
	vars := env.ToMap(environ)
	if err := c.overlay(vars); err != nil {
		return Config{}, err
	}
	c = c.withDefaults()
	c.source = source{name, environ}
	return c, refuse(doc, vars, c.problems())
}

// Reload loads the configuration again from where it was loaded.
func (c *Config) Reload() (Config, error) { return Load(c.source.name, c.source.environ) }

// Differences returns the names of the settings that differ in another configuration.
func (c *Config) Differences(other Config) []string {
	return differences(reflect.ValueOf(*c), reflect.ValueOf(other), "")
}

func differences(a, b reflect.Value, prefix string) (names []string) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		name := f.Tag.Get("yaml")
		switch {
		case name == "-": // of the environment, which does not change
		case f.Type.Kind() == reflect.Struct:
			names = append(names, differences(a.Field(i), b.Field(i), prefix+name+".")...)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			names = append(names, prefix+name)
		}
	}
	return names
}

// overlay sets the fields whose variables are set. One variable is read at a time
// so that an error can name it. An empty variable counts as absent.
func (c *Config) overlay(vars map[string]string) error {
	fields, err := env.GetFieldParamsWithOptions(c, env.Options{Prefix: envPrefix})
	if err != nil {
		return err
	}
	if err := refuseUnknown(vars, fields); err != nil {
		return err
	}
	for _, f := range fields {
		one := env.Options{Prefix: envPrefix, Environment: map[string]string{f.Key: vars[f.Key]}}
		if err := env.ParseWithOptions(c, one); err != nil {
			return fmt.Errorf("environment variable %s: %w", f.Key, cause(err, vars[f.Key]))
		}
	}
	return nil
}

// cause returns an error without the library's text about Go types and function
// names.
func cause(err error, value string) error {
	if p, ok := errors.AsType[env.ParseError](err); ok {
		return yamlfile.Misread(p.Type, value, p.Err)
	}
	return err
}

// refuse places each problem where its value comes from: the environment or the
// file.
func refuse(doc *yamlfile.Document, vars map[string]string, problems []exchange.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var all yamlfile.Errors
	for _, p := range problems {
		e := doc.Locate(p)
		if key := variable(reflect.TypeFor[Config](), p.Path[2:], envPrefix); vars[key] != "" {
			e = yamlfile.Error{Place: "environment variable " + key, Message: p.Message}
		}
		all = append(all, e)
	}
	return all
}

// variable returns the environment variable of the field at a path such as
// tls.certFile.
func variable(t reflect.Type, path, prefix string) string {
	name, rest, nested := strings.Cut(path, ".")
	for f := range t.Fields() {
		if f.Tag.Get("yaml") != name {
			continue
		}
		if nested {
			return variable(f.Type, rest, prefix+f.Tag.Get("envPrefix"))
		}
		return prefix + f.Tag.Get("env")
	}
	return ""
}

// CheckFiles checks the files that a server needs to start. Those that a first start
// creates may be absent.
func (c *Config) CheckFiles() error {
	if c.TLS.CertFile != "" {
		pair, err := c.TLS.Load()
		if err == nil {
			err = c.CheckCertificate(pair.Leaf, time.Now())
		}
		if err != nil {
			return err
		}
	}
	if c.KeyEncryptionKeyFile != "" {
		if _, err := keys.ReadKEK(c.KeyEncryptionKeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if _, err := keys.ReadSecretFile(c.AdminTokenFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading admin token: %w", err)
	}
	if err := c.CheckDatabase(); err != nil {
		return err
	}
	_, err := c.Mail.Sender()
	return err
}

// CheckDatabase refuses a database, such as a restored copy, that users outside its
// owner and group can read: it has users' addresses and claims.
func (c *Config) CheckDatabase() error {
	info, err := os.Stat(c.Database)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o007 == 0 {
		return nil // the server says why it cannot be opened
	}
	return fmt.Errorf("database %s has mode %04o, open to every user of this machine; chmod 600 it", c.Database, info.Mode().Perm())
}

// Sender returns the sender of login codes, nil without a host. It reads the files of
// the settings and opens no connection.
func (m *Mail) Sender() (*mail.Sender, error) {
	if m.Host == "" {
		return nil, nil
	}
	cfg := mail.Config{
		Host: m.Host, Port: m.Port, TLS: m.TLS, From: m.From, Username: m.Username, Password: string(m.Password),
		Timeout: time.Duration(m.Timeout),
	}
	if m.PasswordFile != "" {
		password, err := keys.ReadSecretFile(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password of the SMTP server: %w", err)
		}
		cfg.Password = strings.TrimRight(string(password), "\r\n")
		if strings.TrimSpace(cfg.Password) != cfg.Password {
			return nil, fmt.Errorf("reading the password of the SMTP server: %s begins or ends with whitespace; remove it", m.PasswordFile)
		}
	}
	if m.CAFile != "" {
		pem, err := os.ReadFile(m.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the roots of the SMTP server: %w", err)
		}
		if cfg.Roots = x509.NewCertPool(); !cfg.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the roots of the SMTP server: %s holds no certificate; write it in PEM, lines between BEGIN CERTIFICATE and END CERTIFICATE", m.CAFile)
		}
	}
	return mail.New(cfg)
}
