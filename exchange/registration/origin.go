package registration

import (
	"net/url"
	"strings"

	"cambio/exchange"

	"golang.org/x/net/publicsuffix"
)

// originExample completes the message about a text that is no origin.
const originExample = "an origin such as https://app.example.com or capacitor://localhost"

// origin checks a serialized origin (RFC 6454 §6.2) as browsers and the web views of
// apps send it: any exact scheme://host[:port].
func (l *linter) origin(path, origin string) {
	if origin == "null" || strings.HasPrefix(origin, "file:") {
		l.Add(path, "%s is null to browsers, the origin of any sandboxed page and file; it cannot be allowed", exchange.Quote(origin))
		return
	}
	text := origin
	if strings.Contains(origin, "*") {
		if !l.wildcard(path, origin) {
			return
		}
		text = strings.Replace(origin, "*", "any", 1)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || !ascii(text):
		l.Add(path, "must be %s", originExample)
	case u.Scheme == "http" && !localHost(u.Hostname()):
		l.Add(path, "%s must be https; http is only for localhost, names that end in .localhost, and loopback addresses", exchange.Quote(origin))
	case text != browserOrigin(u):
		l.Add(path, "%s is not what browsers send; write %s", exchange.Quote(origin), exchange.Quote(strings.Replace(browserOrigin(u), "//any.", "//*.", 1)))
	}
}

// wildcard checks an origin with a wildcard, which is for one label below a host of the
// operator's own.
func (l *linter) wildcard(path, origin string) bool {
	host, ok := exchange.WildcardOrigin(origin)
	host, _, _ = strings.Cut(host, ":")
	suffix, _ := publicsuffix.PublicSuffix(host)
	switch {
	case !ok || strings.Contains(host, "*"):
		l.Add(path, "%s has a *, which may only be the first label of a host: https://*.preview.example.com; list other origins each", exchange.Quote(origin))
	case suffix == host:
		l.Add(path, "%s covers the sites of others: names below %s are given to anyone; list each origin", exchange.Quote(origin), host)
	default:
		return true
	}
	return false
}

// riskyOrigin warns of a wildcard: one forgotten or taken-over name is enough.
func (l *linter) riskyOrigin(path, origin string) {
	if host, wildcard := exchange.WildcardOrigin(origin); wildcard {
		l.Add(path, "%s is risky: any page at any name below %s, also of a pull request or a name that was taken over, can call with the logins of its visitors; list exact origins where tokens matter",
			exchange.Quote(origin), host)
	}
}

// localHost reports whether a host is this computer (RFC 6761 §6.3).
func localHost(host string) bool {
	return exchange.Loopback(host) || strings.HasSuffix(host, ".localhost")
}

// browserOrigin returns the origin of u in a browser's spelling: lower case, no
// default port, no path. Of schemes that are not the web's the case of the host stays.
func browserOrigin(u *url.URL) string {
	host, port := u.Host, u.Port()
	if u.Scheme == "https" || u.Scheme == "http" {
		host = strings.ToLower(host)
	}
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}
