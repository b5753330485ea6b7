package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"cambio/exchange"
)

// maxFile bounds what is read of a file that an operator names: far above any
// real one, and below what would exhaust the machine.
const maxFile = 16 << 20

// document is a YAML file that is read strictly: its text for excerpts, and
// its tree for the positions of what is wrong in it.
type document struct {
	name string
	text []byte
	root ast.Node // nil when the file says nothing
}

// readDocument reads the file name, or in when name is "-".
func readDocument(name string, in io.Reader) (*document, error) {
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
	return parseDocument(name, text)
}

// parseDocument refuses what is not YAML, and what follows a first document.
func parseDocument(name string, text []byte) (*document, error) {
	d := &document{name: name, text: text}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s is not UTF-8", name)
	}
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
		return nil, &faults{d, []fault{{at: first(docs[1].Body), message: "a second document follows; put everything into one"}}}
	}
	if len(docs) == 1 {
		d.root = docs[0].Body
	}
	return d, nil
}

// syntax keeps the parser's position and drops its excerpt, which shows
// neighbouring lines whatever they hold.
func (d *document) syntax(err error) error {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return fmt.Errorf("reading %s: %w", d.name, err)
	}
	return &faults{d, []fault{{at: e.GetToken(), message: e.GetMessage()}}}
}

// decode fills into, a pointer to a struct with yaml tags. Everything that
// does not fit is in the one error.
func (d *document) decode(into any) error {
	if d.root == nil {
		return nil
	}
	s := shape{}
	s.check(d.root, reflect.TypeOf(into).Elem())
	if len(s.faults) > 0 {
		return &faults{d, s.faults}
	}
	if err := yaml.NewDecoder(bytes.NewReader(d.text), yaml.Strict()).Decode(into); err != nil {
		return d.syntax(err)
	}
	return nil
}

// shape compares a YAML tree with the Go type that it is to fill. The decoder
// alone stops at the first fault, names Go types, and loses the position of
// values that a type reads itself.
type shape struct{ faults []fault }

func (s *shape) fault(at *token.Token, hint, format string, args ...any) {
	s.faults = append(s.faults, fault{at: at, message: fmt.Sprintf(format, args...), hint: hint})
}

func (s *shape) check(n ast.Node, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.(type) {
	case *ast.NullNode: // absent, which is always the sound default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		s.fault(n.GetToken(), "write the value out where it counts", "anchors, aliases and tags are not read here")
	default:
		s.value(n, t)
	}
}

func (s *shape) value(n ast.Node, t reflect.Type) {
	if reader, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		s.text(n, t, reader)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		s.mapping(n, func(pair *ast.MappingValueNode) { s.field(pair, t) })
	case reflect.Map:
		s.mapping(n, func(pair *ast.MappingValueNode) { s.check(pair.Value, t.Elem()) })
	case reflect.Slice:
		s.list(n, t)
	case reflect.Interface:
		s.anything(n, t)
	default:
		s.scalar(n, t)
	}
}

// anything is a value whose shape is for others to judge, such as a schema's.
func (s *shape) anything(n ast.Node, t reflect.Type) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, v := range seq.Values {
			s.check(v, t)
		}
	}
	pairs, _ := pairsOf(n)
	for _, pair := range pairs {
		s.check(pair.Value, t)
	}
}

func (s *shape) mapping(n ast.Node, each func(*ast.MappingValueNode)) {
	pairs, ok := pairsOf(n)
	if !ok {
		s.fault(first(n), "", "want a mapping, got %s", kindOf(n))
	}
	for _, pair := range pairs {
		each(pair)
	}
}

func (s *shape) field(pair *ast.MappingValueNode, t reflect.Type) {
	name := keyOf(pair)
	known := map[string]reflect.Type{}
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); tag != "" && tag != "-" {
			known[tag] = f.Type
		}
	}
	if ft, ok := known[name]; ok {
		s.check(pair.Value, ft)
		return
	}
	names := slices.Sorted(maps.Keys(known))
	s.fault(pair.Key.GetToken(), "", "unknown field %s%s", exchange.Quote(name), exchange.DidYouMean(name, names))
}

func (s *shape) list(n ast.Node, t reflect.Type) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		s.fault(first(n), "", "want a list, got %s", kindOf(n))
		return
	}
	for _, v := range seq.Values {
		if _, null := v.(*ast.NullNode); null {
			s.fault(v.GetToken(), "", "want %s, got nothing", wordOf(t.Elem()))
			continue
		}
		s.check(v, t.Elem())
	}
}

func (s *shape) text(n ast.Node, t reflect.Type, reader encoding.TextUnmarshaler) {
	str, ok := n.(*ast.StringNode)
	if !ok {
		s.fault(first(n), "", "want a string, got %s", kindOf(n))
		return
	}
	if err := reader.UnmarshalText([]byte(str.Value)); err != nil {
		s.fault(n.GetToken(), "", "%s", misread(t, str.Value, err))
	}
}

func (s *shape) scalar(n ast.Node, t reflect.Type) {
	if got, want := kindOf(n), wordOf(t); got != want {
		hint := ""
		if want == "a string" && (got == "a number" || got == "a boolean") {
			hint = fmt.Sprintf("put it in quotes: %q", n.GetToken().Value)
		}
		s.fault(first(n), hint, "want %s, got %s", want, got)
	}
}
