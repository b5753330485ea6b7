package settings

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange"
)

// settingsOf returns the names of all settings, nested ones by their last part.
func settingsOf(v any) []string {
	var names []string
	for f := range reflect.TypeOf(v).Fields() {
		if name := f.Tag.Get("yaml"); name != "-" {
			names = append(names, name)
		}
		if f.Type.Kind() == reflect.Struct {
			names = append(names, settingsOf(reflect.New(f.Type).Elem().Interface())...)
		}
	}
	return names
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cambio.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Each row differs from a sound configuration in one setting.
func TestLoadRefuses(t *testing.T) {
	const sound = "issuer: https://login.example\nlisten: 127.0.0.1:0\n"
	if _, err := Load(writeConfig(t, sound), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "lissten: x", `3:1: unknown field "lissten"`},
		{"unknown nested key", "log: {levle: info}", `3:7: unknown field "levle"`},
		{"repeated key", "issuer: https://a.example", `already defined`},
		{"wrong type", "adminHosts: localhost", `want a list, got a string`},
		{"number for a string", "database: 5", `want a string, got a number`},
		{"string for a number", "limits: {maxInFlight: many}", `want a number, got a string`},
		{"bad level", "log: {level: loud}", `3:14: want debug, info, warn or error, got "loud"`},
		{"bad duration", "shutdownTimeout: 30", `want a string, got a number`},
		{"second document", "---\nlisten: 127.0.0.1:1", `second document`},
		{"half of tls", "tls: {certFile: a.pem}", `tls: needs both certFile and keyFile`},
		{"open network in the clear", "adminListen: 0.0.0.0:8081", `adminListen: 0.0.0.0:8081 is not loopback`},
		{"all addresses in the clear", `adminListen: ":8081"`, `is not loopback`},
		{"no port", "adminListen: 127.0.0.1", `want host:port`},
		{"an empty port", `adminListen: "127.0.0.1:"`, `want host:port`},
		{"a port that is a word", "adminListen: 127.0.0.1:http", `want host:port, the port a number`},
		{"a port that is too large", "adminListen: 127.0.0.1:65536", `want host:port, the port a number up to 65535, got "127.0.0.1:65536"`},
		{"unknown format", "log: {format: xml}", `log.format: want text or json, got "xml"`},
		{"unknown algorithm", "keys: {algorithm: HS256}", `keys.algorithm`},
		{"rotation too often", "keys: {rotateEvery: 5m}", `keys.rotateEvery: want at least 1h`},
		{"no requests", "limits: {maxInFlight: -1}", `limits.maxInFlight`},
		{"no failures", "limits: {failures: -1}", `limits.failures: want 1 to 1000000`},
		{"failures whose minutes are no duration", "limits: {failures: 200000000}", `limits.failures: want 1 to 1000000`},
		{"bad network", "trustedProxies: [10.0.0.0]", `want a network such as 10.0.0.0/8, got "10.0.0.0"`},
		{"a header of a CDN without its networks", "clientAddressHeader: CF-Connecting-IP", `clientAddressHeader: is set, but trustedProxies is empty`},
		{"two headers of a CDN", "trustedProxies: [10.0.0.0/8]\nclientAddressHeader: X-Real-IP CF-Connecting-IP", `clientAddressHeader: want the name of one header`},
		{"host with scheme", "adminHosts: [https://a.example]", `adminHosts[0]`},
		{"mail without a host", "mail: {from: a@example.com}", `mail.host: is missing`},
		{"a mail password without a host", "mail: {passwordFile: a}", `mail.host: is missing`},
		{"roots of mail without a host", "mail: {caFile: a}", `mail.host: is missing`},
		{"mail without a sender", "mail: {host: smtp.example.com}", `mail.from: want an address`},
		{"mail from two lines", `mail: {host: smtp.example.com, from: "a@example.com\r\nBcc: b@example.com"}`, `mail.from: want an address`},
		{"mail in the clear", "mail: {host: smtp.example.com, from: a@example.com, tls: none}", `is not loopback`},
		{"mail in another mode", "mail: {host: smtp.example.com, from: a@example.com, tls: ssl}", `mail.tls: want starttls or tls or none`},
		{"mail at no port", "mail: {host: smtp.example.com, from: a@example.com, port: 70000}", `mail.port: want 1 to 65535`},
		{"mail for a user without a password", "mail: {host: smtp.example.com, from: a@example.com, username: a}", `mail.username`},
		{"a password in the file", "mail: {host: smtp.example.com, from: a@example.com, username: a, password: b}", `unknown field "password"`},
		{"a timeout that is too long", "mail: {host: smtp.example.com, from: a@example.com, timeout: 1m}", `mail.timeout: want 1s to 20s`},
		{"alias", "log: &a {}", `anchors, aliases and tags are not read here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(writeConfig(t, sound+c.text+"\n"), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// No duration is negative, whether it comes from the file or from the environment.
func TestEveryDurationRefusesNegativeValues(t *testing.T) {
	found := 0
	var refuse func(typ reflect.Type, before, after, prefix string)
	refuse = func(typ reflect.Type, before, after, prefix string) {
		for f := range typ.Fields() {
			name := f.Tag.Get("yaml")
			switch {
			case f.Type == reflect.TypeFor[exchange.Duration]():
				found++
				_, file := Load(writeConfig(t, before+name+": -1s"+after+"\n"), nil)
				_, environment := Load("", []string{prefix + f.Tag.Get("env") + "=-1s"})
				for _, err := range []error{file, environment} {
					if err == nil || !strings.Contains(err.Error(), `"-1s" is negative`) {
						t.Errorf("%s%s: %v", before, name, err)
					}
				}
			case f.Type.Kind() == reflect.Struct:
				refuse(f.Type, before+name+": {", after+"}", prefix+f.Tag.Get("envPrefix"))
			}
		}
	}
	refuse(reflect.TypeFor[Config](), "", "", envPrefix)
	if found != 4 {
		t.Errorf("found %d durations", found)
	}
}

func TestIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://login.example": true, "https://login.example/tenant": true, "http://localhost:8080": true,
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true,
		"http://login.example": false, "https://login.example/": true, "https://login.example//": false, "https://login.example?a": false,
		"https://login.example#": false, "https://user@login.example": false, "login.example": false,
		"https:login.example": false, "https://": false, "http://127.0.0.1.evil.example": false, "ftp://login.example": false,
	} {
		if _, err := Load("", []string{"CAMBIO_ISSUER=" + issuer}); (err == nil) != good {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestProxyOrTLSOpensTheNetwork(t *testing.T) {
	for _, c := range []struct {
		environ []string
		good    bool
	}{
		{[]string{"CAMBIO_LISTEN=0.0.0.0:80"}, false},
		{[]string{"CAMBIO_LISTEN=0.0.0.0:80", "CAMBIO_BEHIND_PROXY=true"}, false},
		{[]string{"CAMBIO_LISTEN=0.0.0.0:80", "CAMBIO_BEHIND_PROXY=true", "CAMBIO_TRUSTED_PROXIES=10.0.0.0/8"}, true},
		{[]string{"CAMBIO_LISTEN=0.0.0.0:80", "CAMBIO_TLS_CERT_FILE=a", "CAMBIO_TLS_KEY_FILE=b"}, true},
		{[]string{"CAMBIO_LISTEN=[::1]:80"}, true},
	} {
		environ := append(c.environ, "CAMBIO_ISSUER=https://login.example")
		if _, err := Load("", environ); (err == nil) != c.good {
			t.Errorf("%v: %v", c.environ, err)
		}
	}
}

// The default issuer, and one on loopback, are no public URL of a proxy.
func TestProxyNeedsPublicIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{"https://login.example": true, "": false, "http://127.0.0.1:8080": false, "https://localhost": false} {
		_, err := Load("", []string{"CAMBIO_ISSUER=" + issuer, "CAMBIO_BEHIND_PROXY=true", "CAMBIO_TRUSTED_PROXIES=10.0.0.0/8"})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "which only this machine reaches, but behindProxy is true") {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// Every setting can be set by the environment, which overrides the file.
func TestEnvironmentOverridesFile(t *testing.T) {
	key := make([]byte, 32)
	rand.Read(key)
	c, err := Load(writeConfig(t, "database: file.db\nlog: {level: error, format: json}\n"), []string{
		"CAMBIO_DATABASE=/var/lib/cambio/env.db", "CAMBIO_LOG_LEVEL=debug", "CAMBIO_KEYS_ROTATE_EVERY=48h",
		"CAMBIO_TRUSTED_PROXIES=10.0.0.0/8,fd00::/8", "CAMBIO_ADMIN_HOSTS=a.example,b.example",
		"CAMBIO_LIMITS_MAX_IN_FLIGHT=7", "CAMBIO_LIMITS_FAILURES=9", "CAMBIO_KEY_ENCRYPTION_KEY=" + base64.StdEncoding.EncodeToString(key),
		"CAMBIO_ISSUER=", "CAMBIO_SERVICE_HOST=10.1.2.3", // empty is absent; those of a service are ignored
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.Database, c.Log, c.Keys.RotateEvery, c.TrustedProxies, c.AdminHosts, c.Limits, c.AdminTokenFile, c.Issuer)
	want := "/var/lib/cambio/env.db {DEBUG json} 48h [10.0.0.0/8 fd00::/8] [a.example b.example] {7 9} /var/lib/cambio/cambio.admin-token http://127.0.0.1:8080\n"
	if got != want || string(c.KeyEncryptionKey) != string(key) || c.KeyEncryptionKeyFile != "" {
		t.Errorf("%s", got)
	}
	if s := fmt.Sprintf("%v %+v", c, c.KeyEncryptionKey); strings.Contains(s, fmt.Sprint(key)[1:30]) {
		t.Error("printing a configuration prints its key")
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"CAMBIO_KEY_ENCRYPTION_KEY=hunter2hunter2", "environment variable CAMBIO_KEY_ENCRYPTION_KEY: want 32 bytes"},
		{"CAMBIO_LIMITS_MAX_IN_FLIGHT=many", `environment variable CAMBIO_LIMITS_MAX_IN_FLIGHT: want a whole number, got "many"`},
		{"CAMBIO_LIMITS_MAX_IN_FLIGHT=99999999999999999999", `want a whole number, got "99999999999999999999"`},
		{"CAMBIO_BEHIND_PROXY=maybe", `environment variable CAMBIO_BEHIND_PROXY: want true or false, got "maybe"`},
		{"CAMBIO_SHUTDOWN_TIMEOUT=soon", `environment variable CAMBIO_SHUTDOWN_TIMEOUT: "soon" is not a duration`},
		{"CAMBIO_TRUSTED_PROXIES=10.0.0.0/8,1.2.3", `environment variable CAMBIO_TRUSTED_PROXIES: want networks such as 10.0.0.0/8,fd00::/8, got "10.0.0.0/8,1.2.3"`},
		{"CAMBIO_LOG_LEVEL=loud", `environment variable CAMBIO_LOG_LEVEL: want debug, info, warn or error, got "loud"`},
		{"CAMBIO_MAIL_PASSWORD=hunter2\n", "CAMBIO_MAIL_PASSWORD that begins or ends with whitespace"},
		{"CAMBIO_ISSUER=http://login.example", "environment variable CAMBIO_ISSUER: want https"},
	} {
		_, err := Load("", []string{c.set, "CAMBIO_MAIL_HOST=smtp.example.com", "CAMBIO_MAIL_FROM=a@example.com", "CAMBIO_MAIL_USERNAME=a"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v", c.set, err)
		}
	}
}

// A misspelt variable is no silent default; those that a container platform sets for
// a service of this name, and those of commands, are none of the server's.
func TestUnknownVariables(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"CAMBIO_ISUER=https://login.example", "environment variable CAMBIO_ISUER: is no setting; did you mean CAMBIO_ISSUER?"},
		{"CAMBIO_TLS_CERTFILE=a", "did you mean CAMBIO_TLS_CERT_FILE?"},
		{"CAMBIO_TRUSTEDPROXIES=a", "did you mean CAMBIO_TRUSTED_PROXIES?"},
		{"cambio_issuer=https://login.example", "did you mean CAMBIO_ISSUER?"},
		{"CAMBIO_PORT=8080", "CAMBIO_PORT: is no setting"},
		{"CAMBIO_WHATEVER=secret", "CAMBIO_WHATEVER: is no setting"},
		{"CAMBIO_ISUER=", ""}, // empty is absent
		{"CAMBIO_ADMIN=127.0.0.1:8081", ""}, {"CAMBIO_ADMIN_NAME=login.example", ""}, {"CAMBIOUS=1", ""},
		{"CAMBIO_PORT=tcp://10.1.2.3:8080", ""}, {"CAMBIO_PORT_8080_TCP=tcp://10.1.2.3:8080", ""}, {"CAMBIO_PORT_8080_TCP_PROTO=tcp", ""},
		{"CAMBIO_PORT_8080_TCP_ADDR=10.1.2.3", ""}, {"CAMBIO_SERVICE_PORT=8080", ""}, {"CAMBIO_SERVICE_PORT_HTTP=8080", ""},
		{"CAMBIO_ADMIN_SERVICE_HOST=10.1.2.3", ""}, {"CAMBIO_ADMIN_PORT=tcp://10.1.2.3:8081", ""},
	} {
		_, err := Load("", []string{c.set})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", c.set, err, c.want)
		}
	}
}

// One wrong setting is reported once, at its place.
func TestBadListenIsOneProblem(t *testing.T) {
	for _, row := range []struct {
		name, text string
		problems   []string
	}{
		{"no address", "listen: not an address", []string{"listen: "}},
		{"no address, with TLS", "listen: not an address\ntls: {certFile: a, keyFile: b}", []string{"listen: "}},
		{"an open network", "listen: 0.0.0.0:80", []string{"listen: "}},
		{"an issuer of its own", "listen: not an address\nissuer: https://login.example", []string{"listen: "}},
		{"an issuer that is wrong too", "listen: not an address\nissuer: http://login.example", []string{"listen: ", "issuer: "}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Load(writeConfig(t, row.text+"\n"), nil)
			got, ok := errors.AsType[yamlfile.Errors](err)
			if !ok || len(got) != len(row.problems) {
				t.Fatal(err)
			}
			for i, want := range row.problems {
				if !strings.HasPrefix(got[i].Message, want) {
					t.Errorf("%s, want %s", got[i].Message, want)
				}
			}
		})
	}
}

func TestExampleConfigIsAllDefaults(t *testing.T) {
	got, err := Load("example.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	got.AdminTokenFile, got.KeyEncryptionKeyFile, got.Database = filepath.Clean(got.AdminTokenFile), filepath.Clean(got.KeyEncryptionKeyFile), filepath.Clean(got.Database)
	want, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	got.source = want.source
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the example differs from the defaults:\n%+v\n%+v", got, want)
	}
	for _, name := range settingsOf(Config{}) {
		if !strings.Contains(Example, name+":") {
			t.Errorf("the example does not name %s", name)
		}
	}
}

// Each row names a file that cannot be used.
func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	mail := []string{"CAMBIO_MAIL_HOST=smtp.example.com", "CAMBIO_MAIL_FROM=a@example.com"}
	for _, row := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"files that a first start creates", nil, ""},
		{"mail without files", mail, ""},
		{"no certificate", []string{"CAMBIO_TLS_CERT_FILE=" + open, "CAMBIO_TLS_KEY_FILE=" + open}, "loading tls: "},
		{"no key-encryption key", []string{"CAMBIO_KEY_ENCRYPTION_KEY_FILE=" + open}, "reading key-encryption key: "},
		{"a token that others can read", []string{"CAMBIO_ADMIN_TOKEN_FILE=" + open}, "has mode 0644, open to every user of this machine; chmod 600 it"},
		{"a database that others can read", []string{"CAMBIO_DATABASE=" + open}, "database " + open + " has mode 0644"},
		{"no password", append(mail, "CAMBIO_MAIL_USERNAME=a", "CAMBIO_MAIL_PASSWORD_FILE="+filepath.Join(dir, "absent")), "reading the password of the SMTP server: open "},
		{"a password that others can read", append(mail, "CAMBIO_MAIL_USERNAME=a", "CAMBIO_MAIL_PASSWORD_FILE="+open), "has mode 0644, open to every user"},
		{"no roots", append(mail, "CAMBIO_MAIL_CA_FILE="+open), "holds no certificate; write it in PEM"},
	} {
		c, err := Load("", append([]string{"CAMBIO_DATABASE=" + filepath.Join(dir, "cambio.db")}, row.environ...))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckFiles(); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}
