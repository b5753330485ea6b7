// Package registration is the lint of what operators write: issuers, clients and
// types of authorization_details.
//
// It finds what is wrong with a manifest by itself. Expressions are compiled by
// package policy, schemas by package details, and keys are read by package jwks;
// whether a client's issuers exist is known by the registry.
package registration

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
