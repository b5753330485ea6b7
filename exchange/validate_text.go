package exchange

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest strings an operator writes, in bytes.
const (
	longestID      = 64
	longestName    = 128
	longestExact   = 512
	longestMessage = 256
)

func (p *problems) id(path, id string) {
	switch {
	case id == "":
		p.add(path, "is missing; write a short name such as google or web-app")
	case len(id) > longestID || !idBytes(id):
		p.add(path, "%s must be 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit", Quote(id))
	}
}

func idBytes(id string) bool {
	for i := range len(id) {
		c := id[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !plain && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return false
		}
	}
	return true
}

// exact reports strings that are compared byte for byte but look as if they
// were meant as something else.
func (p *problems) exact(path, value string) {
	switch {
	case value == "":
		p.add(path, "is empty")
	case len(value) > longestExact:
		p.add(path, "%s is longer than %d bytes", Quote(value), longestExact)
	case !printable(value) || strings.TrimSpace(value) != value:
		p.add(path, "%s has spaces around it or control characters; it is compared byte for byte", Quote(value))
	case strings.Contains(value, "*"):
		p.add(path, "%s has a *, but it is compared byte for byte; list each value", Quote(value))
	}
}

// label checks a name that is shown to people; it may be absent.
func (p *problems) label(path, value string) {
	if len(value) > longestName || !printable(value) {
		p.add(path, "%s must be at most %d bytes without control characters", Quote(value), longestName)
	}
}

// claimName checks the name of a claim that is read.
func (p *problems) claimName(path, claim string) {
	if len(claim) > longestName || !printable(claim) {
		p.add(path, "%s must be at most %d bytes without control characters", Quote(claim), longestName)
	}
}

// message checks an error_description (RFC 6749 §5.2).
func (p *problems) message(path, text string) {
	bad := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	switch {
	case len(text) > longestMessage:
		p.add(path, "%s is longer than %d bytes", Quote(text), longestMessage)
	case bad >= 0:
		r, _ := utf8.DecodeRuneInString(text[bad:])
		p.add(path, "%s has %q; callers read it as error_description, which is ASCII without quotation marks and backslashes (RFC 6749 §5.2)", Quote(text), r)
	}
}

// scope checks a scope token (RFC 6749 §3.3).
func (p *problems) scope(path, scope string) {
	bad := strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
	switch {
	case scope == "":
		p.add(path, "is empty; write one scope such as orders:read")
	case strings.Contains(scope, " "):
		p.add(path, "%s has a space; write each scope as its own item", Quote(scope))
	case bad || len(scope) > longestName:
		p.add(path, "%s must be 1 to %d printable ASCII characters without quotation marks and backslashes (RFC 6749 §3.3)", Quote(scope), longestName)
	}
}

// endpoint checks a URL that is fetched from or compared with iss. Messages
// never repeat userinfo.
func (p *problems) endpoint(path, raw string, plainHTTP bool) *url.URL {
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.User != nil:
		p.add(path, "%s has a user name or password in it; remove it", Quote(u.Redacted()))
	case err == nil && u.Scheme == "" && looksLikeHost(raw):
		p.add(path, "%s has no scheme; write %s", Quote(raw), Quote("https://"+raw))
	case err != nil || u.Host == "" || u.Hostname() == "" || !printable(raw) || strings.Contains(raw, " "):
		p.add(path, "must be a URL such as https://login.example.com")
	case u.Scheme == "http" && !plainHTTP:
		p.add(path, "%s must be https; for a test issuer on a private network set keys.allowPrivateAddresses", Quote(raw))
	case u.Scheme != "https" && u.Scheme != "http":
		p.add(path, "%s must be https", Quote(raw))
	case strings.Contains(raw, "#"):
		p.add(path, "%s has a fragment; remove what begins with #", Quote(raw))
	default:
		return u
	}
	return nil
}

func looksLikeHost(raw string) bool {
	host, _, _ := strings.Cut(raw, "/")
	return strings.Contains(host, ".") && !strings.ContainsAny(host, "@ :")
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
