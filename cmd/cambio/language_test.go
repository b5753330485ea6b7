package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// idiom is wording that a Go engineer stumbles over. The comments, texts and
// documents of this repository use the words of Go and of the OAuth RFCs, so that
// each is understood at the first reading.
type idiom struct {
	pattern *regexp.Regexp
	write   string // what to write instead
	reason  string
	bad     string // a sentence that the pattern matches
	good    string // one that it does not match
}

var idioms = []idiom{
	{regexp.MustCompile(`(?i)\bwho(m|ever|mever)?\b`),
		"the client, the caller, the user, an attacker who", "the reader cannot tell who is meant",
		"Who has no right one learns nothing.", "An attacker who reads the file learns nothing."},
	{regexp.MustCompile(`(?i)\b(no|some|any|every)body\b`),
		"no caller, a client, each page", "the reader cannot tell who is meant",
		"a URL that nobody registered", "a URL that no operator registered"},
	{regexp.MustCompile(`(?i)\bof (ours|yours|theirs)\b`),
		"first-party, the server's own", "RFC 9700 and browsers speak of first parties",
		"a proof of ours", "a first-party proof"},
	{regexp.MustCompile(`(?i)\b(says?|tells?|asks?) whether\b`),
		"reports whether, checks whether", "Go's doc comments say reports whether",
		"Has says whether a claim is there.", "Has reports whether a claim exists."},
	{regexp.MustCompile(`\b[Aa]nswers\b`),
		"returns, responds; responses", "functions return, servers send responses",
		"Get answers the record.", "Get returns the record."},
	{regexp.MustCompile(`(?i)\bor else\b|\belse[.,;:)]|\belse$`),
		"otherwise", "a trailing else is read twice",
		"It gets 429 else.", "Otherwise it gets 429."},
	{regexp.MustCompile(`(?i)\b(born|births?|bears)\b`),
		"created, creation, carries", "sessions and keys are created",
		"sessions born from it", "sessions created from it"},
	{regexp.MustCompile(`(?i)\bdoors?\b`),
		"endpoint, JSON endpoint", "the RFCs say endpoint",
		"the doors of the server", "the endpoints of the server"},
	{regexp.MustCompile(`(?i)\bjudg(e|es|ed|ing)\b`),
		"evaluate, decide, check", "policies are evaluated",
		"Decide judges the request.", "Decide evaluates the request."},
	{regexp.MustCompile(`(?i)\bvouch(es|ed)?\b`),
		"authenticate, assert", "keys authenticate and backends assert",
		"the key that vouched for it", "the key that authenticated it"},
	{regexp.MustCompile(`(?i)\bbeliev(e|es|ed|ing)\b`),
		"accept, trust, authenticate", "tokens are accepted and issuers are trusted",
		"Issuers whose tokens are believed.", "Issuers whose tokens are accepted."},
	{regexp.MustCompile(`(?i)\b(alive|dies|lives)\b`),
		"valid, expires, is stored in", "records have no life: they are valid until they expire",
		"A token lives 15 minutes.", "A keep-alive connection is valid for 15 minutes."},
	{regexp.MustCompile(`\bis (gone|over)\b(?:[.,;:)]|$| (?:and|when|once|then)\b)`),
		"was removed, has ended, has expired", "the two differ in what an operator can do about them",
		"once the session is over", "once the limit is over 10"},
	{regexp.MustCompile(`(?i)\bstrangers?\b`),
		"unauthenticated caller, untrusted input", "the security model has callers",
		"Strangers write nothing.", "Unauthenticated callers write nothing."},
	{regexp.MustCompile(`(?i)\bat the moment\b`),
		"now, temporarily", "it can mean either",
		"the chain cannot be asked at the moment", "the chain is temporarily unavailable"},
	{regexp.MustCompile(`\b(?:can|do|is|does|wo|are)n't\b|\bcan't\b`),
		"cannot, do not", "operators read these texts in a hurry and in translation",
		"it can't be read", "it cannot be read"},
	{regexp.MustCompile(`(?i)\bcannot be had\b`),
		"is unavailable", "the reader cannot tell what was tried",
		"its keys cannot be had", "its keys are unavailable"},
	{regexp.MustCompile(`(?i)\bshel(f|ves)\b`),
		"shard, cache", "Go's maps and caches have shards",
		"records on shelves", "records in shards"},
}

// starts matches comments that describe a declaration by what it is asked.
var starts = idiom{regexp.MustCompile(`^[A-Za-z0-9_.]+ (wants|asks|tells|is told|is what|is who|is whose|are those|are all)\b`),
	"a verb in the third person: returns, reports, requires, holds", "Go's doc comments start with the name and a verb",
	"Limit is what a caller may do.", "Limit bounds the requests of a caller."}

// allowed matches wording that idioms would match by mistake: a relative clause
// with its noun, and the name of a part of HTTP.
var allowed = regexp.MustCompile(`(?i)\b(attacker|operator|user|person|people|caller|reader|writer|engineer|owner|anyone|one)s?,? who\b|\b(any|no|every|some)thing else\b|\bkeep-alive\b`)

// quoted lists texts of other systems, and stored names that cannot change.
var quoted = []string{"`answers`"} // a table in the store

// finding is one idiom in one place.
type finding struct {
	place, match string
	idiom
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %q; write: %s, because %s", f.place, f.match, f.write, f.reason)
}

// find returns the idioms in a text.
func find(place, text string, idioms ...idiom) []finding {
	text = strings.Join(strings.Fields(text), " ")
	for _, q := range quoted {
		text = strings.ReplaceAll(text, q, "")
	}
	text = allowed.ReplaceAllString(text, "")
	var all []finding
	for _, i := range idioms {
		for _, at := range i.pattern.FindAllStringIndex(text, -1) {
			around := text[max(0, at[0]-30):min(len(text), at[1]+30)]
			all = append(all, finding{place, strings.ToValidUTF8(around, ""), i})
		}
	}
	return all
}

// findInGo returns the idioms in the comments and the texts of a Go file. A string
// literal of one word is a name, not a text.
func findInGo(t *testing.T, name string, source []byte) []finding {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []finding
	for _, c := range file.Comments {
		place := set.Position(c.Pos()).String()
		all = append(all, find(place, c.Text(), append(idioms[:len(idioms):len(idioms)], starts)...)...)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && strings.ContainsAny(l.Value, " \n") {
			all = append(all, find(set.Position(l.Pos()).String(), l.Value, idioms...)...)
		}
		return true
	})
	return all
}

// findInTree returns the idioms in the Go files, the Markdown and the test scripts
// below root.
func findInTree(t *testing.T, root fs.FS) (all []finding, files int) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "fuzz"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		extension := path.Ext(name)
		if path.Base(name) == "language_test.go" || !slices.Contains([]string{".go", ".md", ".txt"}, extension) {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		files++
		if extension == ".go" {
			all = append(all, findInGo(t, name, text)...)
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			all = append(all, find(fmt.Sprintf("%s:%d", name, i+1), line, idioms...)...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, files
}

func TestLanguageIsPlain(t *testing.T) {
	all, files := findInTree(t, os.DirFS("../.."))
	for _, f := range all {
		t.Error(f)
	}
	if files < 300 {
		t.Errorf("read %d files", files)
	}
}

// Every idiom is found where it is, and what is to be written instead is not.
func TestIdiomsAreFound(t *testing.T) {
	for _, i := range append(idioms, starts) {
		if len(find("bad", i.bad, i)) == 0 {
			t.Errorf("%s does not match %q", i.pattern, i.bad)
		}
		if len(find("good", i.good, append(idioms, starts)...)) > 0 {
			t.Errorf("an idiom matches %q", i.good)
		}
	}
}

func TestIdiomsAreFoundInEveryKindOfFile(t *testing.T) {
	all, files := findInTree(t, fstest.MapFS{
		"a/comment.go":       {Data: []byte("package a\n\n// Use is for tokens that\n// nobody has.\nvar Use int\n")},
		"a/start.go":         {Data: []byte("package a\n\n// Use is what a caller has.\nvar Use int\n")},
		"a/literal.go":       {Data: []byte("package a\n\nvar text = \"no token of ours\"\nvar name = \"answers\"\n")},
		"a/page.md":          {Data: []byte("# Title\n\nStrangers are refused.\n")},
		"a/testdata/one.txt": {Data: []byte("# the server answers\n")},
		"node_modules/a.md":  {Data: []byte("nobody\n")},
		"a/plain.go":         {Data: []byte("package a\n\n// Use holds what an attacker who reads a file has.\nvar Use int\n")},
	})
	var places []string
	for _, f := range all {
		places = append(places, f.place)
	}
	want := []string{"a/comment.go:3:1", "a/literal.go:3:12", "a/page.md:3", "a/start.go:3:1", "a/testdata/one.txt:1"}
	if !slices.Equal(places, want) || files != 6 {
		t.Errorf("found %v in %d files, want %v", places, files, want)
	}
}
