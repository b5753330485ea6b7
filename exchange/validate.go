package exchange

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// problems collects what is wrong. Every message says what came and what would
// be right; none repeats a secret.
type problems struct{ list []Problem }

func (p *problems) add(path, format string, args ...any) {
	p.list = append(p.list, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// Validate says what is wrong with the manifest by itself. Paths begin with
// $.issuers[i], $.clients[i] or $.detailTypes[i]. Expressions are compiled by package policy and
// keys are read by package jwks; whether a client's issuers exist is the
// registry's to know.
func (m *Manifest) Validate() []Problem {
	p := &problems{}
	ids, urls := firsts{}, firsts{}
	for i := range m.Issuers {
		issuer, path := &m.Issuers[i], fmt.Sprintf("$.issuers[%d]", i)
		p.below(path, issuer.Validate())
		p.onlyOnce(ids, path+".id", issuer.ID)
		p.onlyOnce(urls, path+".url", issuer.URL)
	}
	ids = firsts{}
	for i := range m.Clients {
		client, path := &m.Clients[i], fmt.Sprintf("$.clients[%d]", i)
		p.below(path, client.Validate())
		p.onlyOnce(ids, path+".id", client.ID)
	}
	types := firsts{}
	for i := range m.DetailTypes {
		t, path := &m.DetailTypes[i], fmt.Sprintf("$.detailTypes[%d]", i)
		p.below(path, t.Validate())
		p.onlyOnce(types, path+".type", t.Type)
	}
	return p.list
}

// below adds found, whose paths are relative to path.
func (p *problems) below(path string, found []Problem) {
	for _, f := range found {
		p.add(path+"."+f.Path, "%s", f.Message)
	}
}

// firsts is value → the path where it was first seen.
type firsts map[string]string

func (p *problems) onlyOnce(seen firsts, path, value string) {
	if value == "" {
		return
	}
	if first, again := seen[value]; again {
		p.add(path, "%s is already used by %s", Quote(value), first)
		return
	}
	seen[value] = path
}

// each calls check for the members of a list, and reports those that repeat.
func (p *problems) each(path string, list []string, check func(path, value string)) {
	seen := firsts{}
	for i, value := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		check(at, value)
		p.onlyOnce(seen, at, value)
	}
}

// oneOf reports a word that is not known, with the one that was likely meant.
func (p *problems) oneOf(path, word string, known ...string) {
	if contains(known, word) {
		return
	}
	p.add(path, "%s is not one of %s%s", Quote(word), strings.Join(known, ", "), DidYouMean(word, known))
}

// within reports a duration out of bounds; zero means the default.
func (p *problems) within(path string, d Duration, least, most time.Duration) {
	if d == 0 || time.Duration(d) >= least && time.Duration(d) <= most {
		return
	}
	p.add(path, "%s is out of bounds: write %s to %s, or nothing for the default", d, Duration(least), Duration(most))
}

// DidYouMean ends a message about a word that is not known: it asks for the
// known one that is at most two edits away, or that ends in word, as
// token-exchange ends a grant type. It is empty where none is near.
func DidYouMean(word string, known []string) string {
	word = strings.ToLower(word)
	const far = 3
	if word == "" || len(word) > clipped || len(known) == 0 {
		return ""
	}
	distance := func(k string) int {
		if len(word) > far && strings.HasSuffix(strings.ToLower(k), ":"+word) {
			return 0
		}
		return edits(word, strings.ToLower(k))
	}
	best := slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	if distance(best) >= min(far, len(word)) {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// edits is the Levenshtein distance, in bytes.
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
