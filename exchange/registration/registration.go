// Package registration is the lint of what operators write: issuers, clients and
// types of authorization_details.
//
// It finds what is wrong with a manifest by itself. Expressions are compiled by
// package policy, schemas by package details, and keys are read by package jwks;
// whether a client's issuers exist is known by the registry.
package registration

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cambio/exchange"
)

// Lint returns what is wrong with a manifest. Paths begin with $.issuers[i],
// $.clients[i] or $.detailTypes[i].
func Lint(m *exchange.Manifest) []exchange.Problem {
	l := &linter{}
	ids, urls := firsts{}, firsts{}
	for n := range m.Issuers {
		i, path := &m.Issuers[n], fmt.Sprintf("$.issuers[%d]", n)
		l.AddBelow(path, LintIssuer(i))
		l.onlyOnce(ids, path+".id", i.ID)
		l.onlyOnce(urls, path+".url", i.URL)
		for k, further := range i.URLs {
			l.onlyOnce(urls, fmt.Sprintf("%s.urls[%d]", path, k), further)
		}
	}
	ids = firsts{}
	for n := range m.Clients {
		c, path := &m.Clients[n], fmt.Sprintf("$.clients[%d]", n)
		l.AddBelow(path, lintClient(c))
		l.onlyOnce(ids, path+".id", c.ID)
	}
	types := firsts{}
	for n := range m.DetailTypes {
		t, path := &m.DetailTypes[n], fmt.Sprintf("$.detailTypes[%d]", n)
		l.AddBelow(path, lintDetailType(t))
		l.onlyOnce(types, path+".type", t.Type)
	}
	return l.Problems
}

// linter collects problems. Each message names the value found and what to write
// instead; none repeats a secret.
type linter struct{ exchange.Problems }

// firsts maps a value to the path where it was first seen.
type firsts map[string]string

func (l *linter) onlyOnce(seen firsts, path, value string) {
	if value == "" {
		return
	}
	if first, again := seen[value]; again {
		l.Add(path, "%s is already used by %s", exchange.Quote(value), first)
		return
	}
	seen[value] = path
}

// each calls check for every value of a list and reports repeated ones.
func (l *linter) each(path string, list []string, check func(path, value string)) {
	seen := firsts{}
	for i, value := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		check(at, value)
		l.onlyOnce(seen, at, value)
	}
}

// oneOf reports a word that is not in known, with the one that was likely meant.
func (l *linter) oneOf(path, word string, known ...string) {
	if !slices.Contains(known, word) {
		l.Add(path, "%s is not one of %s%s", exchange.Quote(word), strings.Join(known, ", "), DidYouMean(word, known))
	}
}

// within reports a duration out of bounds; zero means the default.
func (l *linter) within(path string, d exchange.Duration, least, most time.Duration) {
	if d == 0 || time.Duration(d) >= least && time.Duration(d) <= most {
		return
	}
	l.Add(path, "%s is out of bounds: write %s to %s, or nothing for the default", d, exchange.Duration(least), exchange.Duration(most))
}

// The longest strings an operator writes, in bytes.
const (
	longestID      = 64
	longestName    = 128
	longestExact   = 512
	longestMessage = 256
)

const (
	lowerDigits  = "abcdefghijklmnopqrstuvwxyz0123456789"
	alphanumeric = lowerDigits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func (l *linter) id(path, id string) {
	switch {
	case id == "":
		l.Add(path, "is missing; write a short name such as google or web-app")
	case len(id) > longestID || strings.Trim(id, lowerDigits+"._-") != "" || strings.Trim(id[:1], lowerDigits) != "":
		l.Add(path, "%s must be 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit", exchange.Quote(id))
	}
}

// exact checks a value that is compared byte for byte: it reports wildcards and
// stray spaces, which would never match.
func (l *linter) exact(path, value string) {
	switch {
	case value == "":
		l.Add(path, "is empty")
	case len(value) > longestExact:
		l.Add(path, "%s is longer than %d bytes", exchange.Quote(value), longestExact)
	case !exchange.Printable(value, longestExact) || strings.TrimSpace(value) != value:
		l.Add(path, "%s has spaces around it or control characters; it is compared byte for byte", exchange.Quote(value))
	case strings.Contains(value, "*"):
		l.Add(path, "%s has a *, but it is compared byte for byte; list each value", exchange.Quote(value))
	}
}

// label checks a display name or the name of a claim; it may be absent.
func (l *linter) label(path, value string) {
	if !exchange.Printable(value, longestName) {
		l.Add(path, "%s must be at most %d bytes without control characters", exchange.Quote(value), longestName)
	}
}

// message checks an error_description (RFC 6749 §5.2).
func (l *linter) message(path, text string) {
	bad := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	switch {
	case len(text) > longestMessage:
		l.Add(path, "%s is longer than %d bytes", exchange.Quote(text), longestMessage)
	case bad >= 0:
		r, _ := utf8.DecodeRuneInString(text[bad:])
		l.Add(path, "%s has %q; callers read it as error_description, which is ASCII without quotation marks and backslashes (RFC 6749 §5.2)", exchange.Quote(text), r)
	}
}

// scope checks a scope token (RFC 6749 §3.3).
func (l *linter) scope(path, scope string) {
	bad := strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
	switch {
	case scope == "":
		l.Add(path, "is empty; write one scope such as orders:read")
	case strings.Contains(scope, " "):
		l.Add(path, "%s has a space; write each scope as its own item", exchange.Quote(scope))
	case bad || len(scope) > longestName:
		l.Add(path, "%s must be 1 to %d printable ASCII characters without quotation marks and backslashes (RFC 6749 §3.3)", exchange.Quote(scope), longestName)
	}
}

// endpoint checks a URL that is fetched, and returns it parsed, nil after a problem. No message repeats a password in it.
func (l *linter) endpoint(path, raw string, plainHTTP bool) *url.URL {
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.User != nil:
		l.Add(path, "%s has a user name or password in it; remove it", exchange.Quote(u.Redacted()))
	case err == nil && u.Scheme == "" && looksLikeHost(raw):
		l.Add(path, "%s has no scheme; write %s", exchange.Quote(raw), exchange.Quote("https://"+raw))
	case err != nil || u.Host == "" || u.Hostname() == "" || !exchange.Printable(raw, len(raw)) || strings.Contains(raw, " "):
		l.Add(path, "must be a URL such as https://login.example.com")
	case u.Scheme == "http" && !plainHTTP:
		l.Add(path, "%s must be https; for a test issuer on a private network set keys.allowPrivateAddresses", exchange.Quote(raw))
	case u.Scheme != "https" && u.Scheme != "http":
		l.Add(path, "%s must be https", exchange.Quote(raw))
	case strings.Contains(raw, "#"):
		l.Add(path, "%s has a fragment; remove what begins with #", exchange.Quote(raw))
	default:
		return u
	}
	return nil
}

// page checks the URL of a page and returns it parsed, nil after a problem. Plain
// http is accepted only on localhost.
func (l *linter) page(path, raw, example string) *url.URL {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || !ascii(raw):
		l.Add(path, "must be %s", example)
	case u.Scheme == "http" && !exchange.Loopback(u.Hostname()):
		l.Add(path, "%s must be https; http is only for localhost", exchange.Quote(raw))
	case u.Scheme != "https" && u.Scheme != "http":
		l.Add(path, "%s must be https", exchange.Quote(raw))
	default:
		return u
	}
	return nil
}

func looksLikeHost(raw string) bool {
	host, _, _ := strings.Cut(raw, "/")
	return strings.Contains(host, ".") && !strings.ContainsAny(host, "@ :")
}

// ascii reports whether s has only printable ASCII characters and no space.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// DidYouMean ends a message about a word that is not known. It suggests the
// known word that is at most two edits away, or that ends in ":" and the word, as
// the grant type urn:…:token-exchange does. It is empty if no known word is near.
func DidYouMean(word string, known []string) string {
	const far, longest = 3, 128 // edits, bytes
	word = strings.ToLower(word)
	if word == "" || len(word) > longest || len(known) == 0 {
		return ""
	}
	distance := func(k string) int {
		k = strings.ToLower(k)
		if len(word) > far && strings.HasSuffix(k, ":"+word) {
			return 0
		}
		return edits(word, k)
	}
	best := slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	if distance(best) >= min(far, len(word)) {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// edits returns the Levenshtein distance, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
