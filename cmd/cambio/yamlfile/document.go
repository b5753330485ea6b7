// Package yamlfile reads YAML that operators write, strictly, and shows each
// problem with its line, its column and a caret. Anchors, aliases, tags, unknown
// fields and further documents are errors, and all errors of a file are reported
// together. What a file means is for its readers to check: they get a file's
// problems by path, and this package finds their places.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds what is read of a file that an operator names: far above any
// real one, and below what would exhaust the machine.
const maxFile = 16 << 20

// Document is a YAML file: its text, and its tree for the places of problems.
type Document struct {
	name  string
	text  []byte
	lines []string // for excerpts, without the secrets
	root  ast.Node // nil if the file is empty
}

// Read reads the file with a name, or in if the name is "-".
func Read(name string, in io.Reader) (*Document, error) {
	r := in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("reading %s: more than %d bytes", name, maxFile)
	}
	return Parse(name, text)
}

// Parse reads text, which is UTF-8 and at most one YAML document. The name is for
// messages.
func Parse(name string, text []byte) (*Document, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s is not UTF-8", name)
	}
	d := &Document{name: name, text: text, lines: strings.Split(secret.ReplaceAllString(string(text), "$1…"), "\n")}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, d.syntax(err)
	}
	var docs []*ast.DocumentNode
	for _, doc := range file.Docs {
		if _, empty := doc.Body.(*ast.CommentGroupNode); doc.Body != nil && !empty {
			docs = append(docs, doc)
		}
	}
	if len(docs) > 1 {
		return nil, Errors{d.error(first(docs[1].Body), "a second document follows; put everything into one")}
	}
	if len(docs) == 1 {
		d.root = docs[0].Body
	}
	return d, nil
}

// syntax keeps the parser's position and drops what may hold a secret: its excerpt of
// neighbouring lines, and the text that a message repeats at its end.
func (d *Document) syntax(err error) error {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return fmt.Errorf("reading %s: %w", d.name, err)
	}
	message, _, _ := strings.Cut(e.GetMessage(), `: "`)
	return Errors{d.error(e.GetToken(), message)}
}

// Decode fills into, a pointer to a struct with yaml tags. Its error is Errors,
// with everything that does not fit.
func (d *Document) Decode(into any) error {
	if d.root == nil {
		return nil
	}
	s := shape{doc: d}
	s.check(d.root, reflect.TypeOf(into).Elem())
	if len(s.errors) > 0 {
		return s.errors
	}
	if err := yaml.NewDecoder(bytes.NewReader(d.text), yaml.Strict()).Decode(into); err != nil {
		return d.syntax(err)
	}
	return nil
}
