package settings

import (
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/mail"
)

// problems returns what is wrong with a configuration that has its defaults, as
// far as that needs no files.
func (c *Config) problems() []exchange.Problem {
	var p problems
	listen := c.addressProblem(c.Listen)
	p.note("$.listen", listen)
	if listen == "" || c.Issuer != c.listenURL() { // the default issuer repeats the problem of listen
		p.note("$.issuer", issuerProblem(c.Issuer))
	}
	p.noteIf(c.BehindProxy && loopbackURL(c.Issuer), "$.issuer",
		"is "+c.Issuer+", which only this machine reaches, but behindProxy is true; write the public URL of the proxy, such as https://login.example.com")
	p.note("$.adminListen", c.addressProblem(c.AdminListen))
	p.noteIf(c.BehindProxy && len(c.TrustedProxies) == 0, "$.trustedProxies",
		"is empty, but behindProxy is true; write the networks of the proxies: otherwise all callers share one address, and the failures of one limit all")
	p.noteIf(c.ClientAddressHeader != "" && len(c.TrustedProxies) == 0, "$.clientAddressHeader",
		"is set, but trustedProxies is empty; write the networks whose header is accepted there")
	p.noteIf(!isHeaderName(c.ClientAddressHeader), "$.clientAddressHeader", "want the name of one header, such as CF-Connecting-IP")
	p.noteIf((c.TLS.CertFile == "") != (c.TLS.KeyFile == ""), "$.tls", "needs both certFile and keyFile, or neither")
	p.noteIf(len(c.KeyEncryptionKey) > 0 && c.KeyEncryptionKeyFile != "", "$.keyEncryptionKeyFile",
		"is set, but the key itself is in "+envPrefix+"KEY_ENCRYPTION_KEY; remove one")
	for i, host := range c.AdminHosts {
		p.noteIf(host == "" || strings.ContainsAny(host, "/*@ "), fmt.Sprintf("$.adminHosts[%d]", i), "want a host name or address, without scheme or wildcard")
	}
	p.oneOf("$.audit.onFailure", c.Audit.OnFailure, AuditRefuse, AuditContinue)
	p.oneOf("$.log.format", c.Log.Format, "text", "json")
	p.oneOf("$.keys.algorithm", c.Keys.Algorithm, "ES256", "RS256", "EdDSA", "Ed25519")
	p.noteIf(time.Duration(c.Keys.RotateEvery) < time.Hour, "$.keys.rotateEvery", "want at least 1h")
	p.noteIf(c.Limits.MaxInFlight < 1, "$.limits.maxInFlight", "want at least 1")
	p.noteIf(c.Limits.Failures < 1 || c.Limits.Failures > 1e6, "$.limits.failures", "want 1 to 1000000")
	p.noteIf(time.Duration(c.ShutdownDelay) > 5*time.Minute, "$.shutdownDelay", "want at most 5m")
	p.mail(&c.Mail)
	return p
}

// isHeaderName reports whether a text is a token (RFC 9110 §5.6.2) or empty.
func isHeaderName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

type problems []exchange.Problem

func (p *problems) note(path, message string) { p.noteIf(message != "", path, message) }

func (p *problems) noteIf(wrong bool, path, message string) {
	if wrong {
		*p = append(*p, exchange.Problem{Path: path, Message: message})
	}
}

func (p *problems) oneOf(path, got string, want ...string) {
	p.noteIf(!slices.Contains(want, got), path, fmt.Sprintf("want %s, got %q", strings.Join(want, " or "), got))
}

// mail checks the mail settings as far as that needs no files. Without a host the
// others must be absent.
func (p *problems) mail(m *Mail) {
	if m.Host == "" {
		p.noteIf(*m != Mail{TLS: m.TLS, Timeout: m.Timeout}, "$.mail.host", "is missing; without it no mail is sent")
		return
	}
	p.oneOf("$.mail.tls", string(m.TLS), string(mail.STARTTLS), string(mail.TLS), string(mail.NoTLS))
	p.noteIf(m.TLS == mail.NoTLS && !exchange.Loopback(m.Host), "$.mail.tls", "want starttls or tls: "+m.Host+" is not loopback, and the network would read the codes")
	p.noteIf(m.Port < 0 || m.Port > 65535, "$.mail.port", "want 1 to 65535")
	_, err := netmail.ParseAddress(m.From)
	p.noteIf(err != nil, "$.mail.from", "want an address such as login@example.com or Acme <login@example.com>")
	has := m.Password != "" || m.PasswordFile != ""
	p.noteIf((m.Username != "") != has, "$.mail.username", "needs passwordFile, and passwordFile needs username; set both or neither")
	p.noteIf(m.Password != "" && m.PasswordFile != "", "$.mail.passwordFile", "is set, but the password itself is in "+envPrefix+"MAIL_PASSWORD; remove one")
	p.noteIf(strings.TrimSpace(string(m.Password)) != string(m.Password), "$.mail.username",
		"has a password in "+envPrefix+"MAIL_PASSWORD that begins or ends with whitespace, such as a line break; remove it")
	timeout := time.Duration(m.Timeout)
	p.noteIf(timeout < time.Second || timeout > 20*time.Second, "$.mail.timeout", "want 1s to 20s: a user waits for the mail")
}

// issuerProblem checks an issuer URL by RFC 8414 §2, but allows http on loopback.
func issuerProblem(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Sprintf("want a URL such as https://login.example.com, got %q", issuer)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return "want a URL without user, query and fragment"
	case strings.HasSuffix(u.Path, "//"):
		return "want at most one slash at the end: iss is compared byte for byte"
	case u.Scheme == "https", u.Scheme == "http" && exchange.Loopback(u.Hostname()):
		return ""
	}
	return "want https; http is for loopback only"
}

func loopbackURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && exchange.Loopback(u.Hostname())
}

// addressProblem refuses listeners that would send secrets over a network in the
// clear.
func (c *Config) addressProblem(address string) string {
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return fmt.Sprintf("want host:port, the port a number up to 65535, got %q", address)
	}
	if exchange.Loopback(host) || c.TLS.CertFile != "" || c.BehindProxy {
		return ""
	}
	return fmt.Sprintf("%s is not loopback: set tls, or behindProxy: true if a proxy terminates TLS in front of it", address)
}
