package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
)

// problems is what is wrong with a configuration whose defaults are filled
// in, as far as that can be seen without opening files.
func (c *Config) problems() []exchange.Problem {
	var p problems
	listen := c.addressProblem(c.Listen)
	p.note("$.listen", listen)
	if listen == "" || c.Issuer != c.listenURL() { // which would be wrong in the same way
		p.note("$.issuer", issuerProblem(c.Issuer))
	}
	p.note("$.adminListen", c.addressProblem(c.AdminListen))
	p.noteIf(c.BehindProxy && len(c.TrustedProxies) == 0, "$.trustedProxies",
		"behindProxy needs the networks of the proxies: else all callers have one address, and whoever fails ten times holds up everybody")
	p.noteIf((c.TLS.CertFile == "") != (c.TLS.KeyFile == ""), "$.tls", "certFile and keyFile go together")
	p.noteIf(len(c.KeyEncryptionKey) > 0 && c.KeyEncryptionKeyFile != "", "$.keyEncryptionKeyFile",
		"the key itself is in "+envPrefix+"KEY_ENCRYPTION_KEY already")
	for i, host := range c.AdminHosts {
		p.noteIf(host == "" || strings.ContainsAny(host, "/*@ "), fmt.Sprintf("$.adminHosts[%d]", i), "want a host name or address, without scheme or wildcard")
	}
	p.oneOf("$.log.format", c.Log.Format, "text", "json")
	p.oneOf("$.keys.algorithm", c.Keys.Algorithm, "ES256", "RS256", "EdDSA")
	p.noteIf(time.Duration(c.Keys.RotateEvery) < time.Hour, "$.keys.rotateEvery", "want at least 1h")
	p.noteIf(c.Limits.MaxInFlight < 1, "$.limits.maxInFlight", "want at least 1")
	p.noteIf(c.Limits.Failures < 1, "$.limits.failures", "want at least 1")
	p.mail(&c.Mail)
	return p
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

// issuerProblem obeys RFC 8414 §2, but for http on loopback.
func issuerProblem(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Sprintf("want a URL such as https://login.example.com, got %q", issuer)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return "want a URL without user, query and fragment"
	case strings.HasSuffix(u.Path, "/"):
		return "want no slash at the end: iss is compared byte for byte"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "want https; http is for loopback only"
}

// addressProblem keeps what is secret off networks in the clear.
func (c *Config) addressProblem(address string) string {
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return fmt.Sprintf("want host:port, the port a number up to 65535, got %q", address)
	}
	if loopback(host) || c.TLS.CertFile != "" || c.BehindProxy {
		return ""
	}
	return fmt.Sprintf("%s is not loopback: set tls, or behindProxy: true if a proxy ends TLS before it", address)
}

// loopback says whether host reaches this machine only. No name is looked up.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
